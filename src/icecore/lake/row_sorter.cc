#include "icecore/lake/row_sorter.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>
#include <arrow/datum.h>
#include <arrow/io/file.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/byte_size.h>

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <string_view>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/state/ordered_bytes.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;
using BatchPtr = std::shared_ptr<arrow::RecordBatch>;
using ReaderPtr = std::shared_ptr<arrow::RecordBatchReader>;

constexpr int64_t kSpillRows = 1 << 13;

arrow::Result<std::vector<int>> PlacesOf(const arrow::Schema& schema,
                                         const std::vector<std::string>& columns) {
  std::vector<int> places;
  for (const std::string& name : columns) {
    const int place = schema.GetFieldIndex(name);
    if (place < 0) {
      return MakeError(ErrorCode::kNotFound, "no column '" + name + "' to sort by");
    }
    if (!state::CanBeOrdered(*schema.field(place)->type())) {
      return MakeError(ErrorCode::kUnsupported, "column '" + name + "' of type " +
                                                    schema.field(place)->type()->ToString() +
                                                    " has no order to sort by");
    }
    places.push_back(place);
  }
  return places;
}

arrow::Result<std::shared_ptr<arrow::BinaryArray>> KeysOf(const arrow::RecordBatch& batch,
                                                          const std::vector<int>& places) {
  std::vector<std::shared_ptr<arrow::Array>> columns;
  columns.reserve(places.size());
  for (const int place : places) {
    columns.push_back(batch.column(place));
  }
  return state::OrderedBytes(columns, batch.num_rows());
}

arrow::Result<BatchPtr> TakeIndices(const BatchPtr& batch,
                                    const std::shared_ptr<arrow::Array>& indices) {
  ARROW_ASSIGN_OR_RAISE(const auto taken,
                        arrow::compute::Take(arrow::Datum(batch), arrow::Datum(indices),
                                             arrow::compute::TakeOptions::NoBoundsCheck()));
  return taken.record_batch();
}

// A file that is gone when nobody reads it any more, also after a kill.
class SpillFile {
 public:
  explicit SpillFile(std::string path) : path_(std::move(path)) {}
  ~SpillFile() { static_cast<void>(std::remove(path_.c_str())); }
  SpillFile(const SpillFile&) = delete;
  SpillFile& operator=(const SpillFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

class SpillReader : public arrow::RecordBatchReader {
 public:
  static arrow::Result<ReaderPtr> Open(std::unique_ptr<SpillFile> file) {
    ARROW_ASSIGN_OR_RAISE(auto input, arrow::io::ReadableFile::Open(file->path()));
    ARROW_ASSIGN_OR_RAISE(auto stream, arrow::ipc::RecordBatchStreamReader::Open(input));
    return std::make_shared<SpillReader>(std::move(file), std::move(stream));
  }
  SpillReader(std::unique_ptr<SpillFile> file, ReaderPtr stream)
      : file_(std::move(file)), stream_(std::move(stream)) {}
  std::shared_ptr<arrow::Schema> schema() const override { return stream_->schema(); }
  arrow::Status ReadNext(BatchPtr* out) override { return stream_->ReadNext(out); }

 private:
  const std::unique_ptr<SpillFile> file_;
  const ReaderPtr stream_;
};

// One of the readers that are merged, at its next row.
struct MergeInput {
  ReaderPtr reader;
  BatchPtr batch;
  std::shared_ptr<arrow::BinaryArray> keys;
  std::string last_key;  // of the batch before
  int64_t row = 0;
  int64_t base = 0;  // where the batch begins among those held
  std::string_view key() const { return keys->GetView(row); }
};

class MergeReader : public arrow::RecordBatchReader {
 public:
  MergeReader(std::shared_ptr<arrow::Schema> schema, std::vector<int> places, int64_t batch_rows)
      : schema_(std::move(schema)), places_(std::move(places)), batch_rows_(batch_rows) {}

  arrow::Status Begin(std::vector<ReaderPtr> readers) {
    for (ReaderPtr& reader : readers) {
      inputs_.emplace_back();
      inputs_.back().reader = std::move(reader);
    }
    for (size_t i = 0; i < inputs_.size(); ++i) {
      ARROW_RETURN_NOT_OK(Advance(&inputs_[i]));
      if (inputs_[i].batch != nullptr) {
        heap_.push_back(i);
      }
    }
    std::make_heap(heap_.begin(), heap_.end(), Later{this});
    return arrow::Status::OK();
  }

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Status ReadNext(BatchPtr* out) override {
    *out = nullptr;
    arrow::Int64Builder picked;
    while (!heap_.empty() && picked.length() < batch_rows_) {
      std::pop_heap(heap_.begin(), heap_.end(), Later{this});
      const size_t place = heap_.back();
      heap_.pop_back();
      MergeInput& input = inputs_[place];
      if (picked.length() == 0 && TakesWholeRest(input, place)) {
        // Runs that do not overlap pass as they are.
        *out = input.batch->Slice(input.row,
                                  std::min(batch_rows_, input.batch->num_rows() - input.row));
        input.row += (*out)->num_rows();
        ARROW_RETURN_NOT_OK(Return(place));
        Forget();
        return arrow::Status::OK();
      }
      do {
        ARROW_RETURN_NOT_OK(picked.Append(input.base + input.row));
        ++input.row;
      } while (input.row < input.batch->num_rows() && picked.length() < batch_rows_ &&
               IsNext(input, place));
      ARROW_RETURN_NOT_OK(Return(place));
    }
    if (picked.length() == 0) {
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(const auto indices, picked.Finish());
    ARROW_ASSIGN_OR_RAISE(const auto held, arrow::ConcatenateRecordBatches(held_));
    ARROW_ASSIGN_OR_RAISE(*out, TakeIndices(held, indices));
    Forget();
    return arrow::Status::OK();
  }

 private:
  // std heaps have the greatest in front: here the input whose row comes first.
  struct Later {
    const MergeReader* self;
    bool operator()(size_t a, size_t b) const {
      const int order = self->inputs_[a].key().compare(self->inputs_[b].key());
      return order > 0 || (order == 0 && a > b);
    }
  };

  bool IsNext(const MergeInput& input, size_t place) const {
    if (heap_.empty()) {
      return true;
    }
    const size_t other = heap_.front();
    const int order = input.key().compare(inputs_[other].key());
    return order < 0 || (order == 0 && place < other);
  }

  bool TakesWholeRest(const MergeInput& input, size_t place) const {
    if (heap_.empty()) {
      return true;
    }
    const size_t other = heap_.front();
    const int order = input.keys->GetView(input.keys->length() - 1).compare(inputs_[other].key());
    return order < 0 || (order == 0 && place < other);
  }

  // Puts the input back, with its next batch where this one is at its end.
  arrow::Status Return(size_t place) {
    MergeInput& input = inputs_[place];
    if (input.row == input.batch->num_rows()) {
      ARROW_RETURN_NOT_OK(Advance(&input));
    }
    if (input.batch != nullptr) {
      heap_.push_back(place);
      std::push_heap(heap_.begin(), heap_.end(), Later{this});
    }
    return arrow::Status::OK();
  }

  arrow::Status Advance(MergeInput* input) {
    if (input->keys != nullptr && input->keys->length() > 0) {
      input->last_key = input->keys->GetString(input->keys->length() - 1);
    }
    do {
      ARROW_RETURN_NOT_OK(input->reader->ReadNext(&input->batch));
    } while (input->batch != nullptr && input->batch->num_rows() == 0);
    input->row = 0;
    if (input->batch == nullptr) {
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(input->keys, KeysOf(*input->batch, places_));
    if (input->key() < std::string_view(input->last_key)) {
      return MakeError(ErrorCode::kInternal, "rows to merge are not in their order");
    }
    input->base = held_rows_;
    held_.push_back(input->batch);
    held_rows_ += input->batch->num_rows();
    return arrow::Status::OK();
  }

  // Keeps the batches that inputs stand in.
  void Forget() {
    held_.clear();
    held_rows_ = 0;
    for (MergeInput& input : inputs_) {
      if (input.batch != nullptr) {
        input.base = held_rows_;
        held_.push_back(input.batch);
        held_rows_ += input.batch->num_rows();
      }
    }
  }

  const std::shared_ptr<arrow::Schema> schema_;
  const std::vector<int> places_;
  const int64_t batch_rows_;
  std::vector<MergeInput> inputs_;
  std::vector<size_t> heap_;
  arrow::RecordBatchVector held_;
  int64_t held_rows_ = 0;
};

class SpillingSorter : public RowSorter {
 public:
  SpillingSorter(std::shared_ptr<arrow::Schema> schema, std::vector<int> places,
                 SortOptions options, base::Random& random)
      : schema_(std::move(schema)),
        places_(std::move(places)),
        options_(std::move(options)),
        random_(random) {}

  arrow::Status Write(const BatchPtr& batch) override {
    if (batch->num_rows() == 0) {
      return arrow::Status::OK();
    }
    bytes_ += arrow::util::ReferencedBufferSize(*batch).ValueOr(0);
    batches_.push_back(batch);
    // Sorting needs the rows twice, and their keys.
    const bool is_full = bytes_ > options_.memory_bytes / 3;
    return is_full && !options_.scratch_dir.empty() ? Spill() : arrow::Status::OK();
  }

  arrow::Result<ReaderPtr> Finish() override {
    std::vector<ReaderPtr> readers;
    for (auto& file : spills_) {
      ARROW_ASSIGN_OR_RAISE(auto reader, SpillReader::Open(std::move(file)));
      readers.push_back(std::move(reader));
    }
    spills_.clear();
    if (!batches_.empty() || readers.empty()) {
      ARROW_ASSIGN_OR_RAISE(auto sorted, SortBatches(options_.batch_rows));
      ARROW_ASSIGN_OR_RAISE(auto reader,
                            arrow::RecordBatchReader::Make(std::move(sorted), schema_));
      readers.push_back(std::move(reader));
    }
    if (readers.size() == 1) {
      return readers.front();
    }
    return MergeSorted(schema_, std::move(readers), options_.columns, options_.batch_rows);
  }

 private:
  // What is held, sorted, in batches; nothing is held afterwards.
  arrow::Result<arrow::RecordBatchVector> SortBatches(int64_t batch_rows) {
    arrow::RecordBatchVector sorted;
    if (batches_.empty()) {
      return sorted;
    }
    ARROW_ASSIGN_OR_RAISE(const BatchPtr all, arrow::ConcatenateRecordBatches(batches_));
    batches_.clear();
    bytes_ = 0;
    ARROW_ASSIGN_OR_RAISE(const auto keys, KeysOf(*all, places_));
    std::vector<int64_t> order(static_cast<size_t>(all->num_rows()));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return keys->GetView(a) < keys->GetView(b); });
    for (size_t begin = 0; begin < order.size(); begin += static_cast<size_t>(batch_rows)) {
      const size_t end = std::min(begin + static_cast<size_t>(batch_rows), order.size());
      arrow::Int64Builder indices;
      ARROW_RETURN_NOT_OK(
          indices.AppendValues(order.data() + begin, static_cast<int64_t>(end - begin)));
      ARROW_ASSIGN_OR_RAISE(const auto picked, indices.Finish());
      ARROW_ASSIGN_OR_RAISE(auto batch, TakeIndices(all, picked));
      sorted.push_back(std::move(batch));
    }
    return sorted;
  }

  arrow::Status Spill() {
    ARROW_ASSIGN_OR_RAISE(const auto sorted, SortBatches(kSpillRows));
    auto file = std::make_unique<SpillFile>(options_.scratch_dir + "/sort-" +
                                            base::NewUuid(random_) + ".arrow");
    ARROW_ASSIGN_OR_RAISE(const auto sink, arrow::io::FileOutputStream::Open(file->path()));
    ARROW_ASSIGN_OR_RAISE(const auto writer, arrow::ipc::MakeStreamWriter(sink, schema_));
    for (const BatchPtr& batch : sorted) {
      ARROW_RETURN_NOT_OK(writer->WriteRecordBatch(*batch));
    }
    ARROW_RETURN_NOT_OK(writer->Close());
    ARROW_RETURN_NOT_OK(sink->Close());
    spills_.push_back(std::move(file));
    return arrow::Status::OK();
  }

  const std::shared_ptr<arrow::Schema> schema_;
  const std::vector<int> places_;
  const SortOptions options_;
  base::Random& random_;
  arrow::RecordBatchVector batches_;
  int64_t bytes_ = 0;
  std::vector<std::unique_ptr<SpillFile>> spills_;
};

}  // namespace

arrow::Result<std::unique_ptr<RowSorter>> RowSorter::Open(std::shared_ptr<arrow::Schema> schema,
                                                          SortOptions options,
                                                          base::Random& random) {
  ARROW_ASSIGN_OR_RAISE(auto places, PlacesOf(*schema, options.columns));
  return std::make_unique<SpillingSorter>(std::move(schema), std::move(places), std::move(options),
                                          random);
}

arrow::Result<ReaderPtr> MergeSorted(std::shared_ptr<arrow::Schema> schema,
                                     std::vector<ReaderPtr> readers,
                                     const std::vector<std::string>& columns, int64_t batch_rows) {
  ARROW_ASSIGN_OR_RAISE(auto places, PlacesOf(*schema, columns));
  auto merged = std::make_shared<MergeReader>(std::move(schema), std::move(places), batch_rows);
  ARROW_RETURN_NOT_OK(merged->Begin(std::move(readers)));
  return merged;
}

}  // namespace icecore::lake
