#include "icecore/feature/run_writer.h"

#include <arrow/array/array_primitive.h>
#include <arrow/array/builder_base.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/data.h>
#include <arrow/compute/api_vector.h>
#include <arrow/io/file.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/byte_size.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/parallel.h"
#include "icecore/feature/gather.h"

namespace icecore::feature {
namespace {

using Arrays = std::vector<std::shared_ptr<arrow::Array>>;

arrow::Status Sync(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool done = file >= 0 && ::fsync(file) == 0;
  if (file >= 0) ::close(file);
  return done ? arrow::Status::OK()
              : base::MakeError(base::ErrorCode::kUnavailable, "cannot sync " + path);
}

class IpcFile {
 public:
  static arrow::Result<std::unique_ptr<IpcFile>> Open(
      std::string path, const std::shared_ptr<arrow::Schema>& schema) {
    auto file = std::make_unique<IpcFile>();
    file->path_ = std::move(path);
    ARROW_ASSIGN_OR_RAISE(file->out_, arrow::io::FileOutputStream::Open(file->path_));
    ARROW_ASSIGN_OR_RAISE(file->writer_, arrow::ipc::MakeFileWriter(file->out_, schema));
    return file;
  }
  arrow::Status Write(const arrow::RecordBatch& batch) { return writer_->WriteRecordBatch(batch); }
  arrow::Status Close() {
    ARROW_RETURN_NOT_OK(writer_->Close());
    ARROW_RETURN_NOT_OK(out_->Close());
    return Sync(path_);
  }

 private:
  std::string path_;
  std::shared_ptr<arrow::io::FileOutputStream> out_;
  std::shared_ptr<arrow::ipc::RecordBatchWriter> writer_;
};

// The two files of a run.
class RunFiles {
 public:
  static arrow::Result<std::unique_ptr<RunFiles>> Open(const std::string& prefix,
                                                       const RunSchema& schema) {
    auto files = std::make_unique<RunFiles>();
    files->schema_ = schema;
    ARROW_ASSIGN_OR_RAISE(files->rows_, IpcFile::Open(prefix + ".rows", schema.rows));
    ARROW_ASSIGN_OR_RAISE(files->keys_, IpcFile::Open(prefix + ".keys", schema.keys));
    return files;
  }

  // The rows from here on are of this key.
  arrow::Status StartKey(uint64_t word, std::string_view bytes, int64_t row) {
    ARROW_RETURN_NOT_OK(words_.Append(word));
    ARROW_RETURN_NOT_OK(starts_.Append(row));
    if (schema_.keys->num_fields() > 2) ARROW_RETURN_NOT_OK(bytes_.Append(bytes));
    ++facts_.keys;
    return words_.length() == ClusteredRun::kBatchRows ? FlushKeys() : arrow::Status::OK();
  }
  // kBatchRows of them, or the last.
  arrow::Status WriteRows(Arrays columns) {
    const int64_t rows = columns[0]->length();
    const auto& event_time = static_cast<const arrow::Int64Array&>(*columns[0]);
    const auto& known_at = static_cast<const arrow::Int64Array&>(*columns[1]);
    for (int64_t row = 0; row < rows; ++row) {
      facts_.latest_known_at = std::max(facts_.latest_known_at, known_at.Value(row));
      facts_.known_at_once = facts_.known_at_once && known_at.Value(row) == event_time.Value(row);
    }
    facts_.rows += rows;
    return rows_->Write(*arrow::RecordBatch::Make(schema_.rows, rows, std::move(columns)));
  }
  void FallsWithinKey() { facts_.ascending = false; }
  arrow::Result<RunFacts> Close() {
    if (words_.length() > 0) ARROW_RETURN_NOT_OK(FlushKeys());
    ARROW_RETURN_NOT_OK(rows_->Close());
    ARROW_RETURN_NOT_OK(keys_->Close());
    return facts_;
  }

 private:
  arrow::Status FlushKeys() {
    const int64_t count = words_.length();
    Arrays columns(2);
    ARROW_RETURN_NOT_OK(words_.Finish(&columns[0]));
    ARROW_RETURN_NOT_OK(starts_.Finish(&columns[1]));
    if (schema_.keys->num_fields() > 2) ARROW_RETURN_NOT_OK(bytes_.Finish(&columns.emplace_back()));
    return keys_->Write(*arrow::RecordBatch::Make(schema_.keys, count, std::move(columns)));
  }

  RunSchema schema_;
  std::unique_ptr<IpcFile> rows_;
  std::unique_ptr<IpcFile> keys_;
  arrow::UInt64Builder words_;
  arrow::Int64Builder starts_;
  arrow::BinaryBuilder bytes_;
  RunFacts facts_;
};

class SortingBuilder final : public RunBuilder {
 public:
  SortingBuilder(const state::ViewLayout& layout, std::unique_ptr<KeyEncoder> encoder)
      : encoder_(std::move(encoder)),
        schema_(RunSchema::Make(layout, encoder_->narrow())),
        columns_(static_cast<size_t>(schema_.rows->num_fields())) {}

  const RunSchema& schema() const override { return schema_; }
  int64_t row_count() const override { return static_cast<int64_t>(keys_.words.size()); }
  int64_t byte_count() const override {
    // Beside the rows: their order, one column joined, one batch taken.
    return bytes_ + row_count() * static_cast<int64_t>(sizeof(Item) + 2 * sizeof(uint64_t));
  }
  arrow::Status Add(const state::PreparedRows& rows) override;
  arrow::Result<RunFacts> Write(const std::string& prefix) override;

 private:
  struct Item {
    uint64_t word = 0;
    uint32_t row = 0;
  };
  arrow::Status Join(size_t column);
  arrow::Status Sort();
  bool IsLess(const Item& a, const Item& b) const;
  std::string_view BytesOf(const Item& item) const {
    return encoder_->narrow() ? std::string_view() : keys_.BytesOf(item.row);
  }
  const arrow::Int64Array& Times(size_t column) const {
    return static_cast<const arrow::Int64Array&>(*columns_[column][0]);
  }

  std::unique_ptr<KeyEncoder> encoder_;
  RunSchema schema_;
  KeyWords keys_;
  std::vector<Arrays> columns_;  // by column of schema_.rows: pieces
  int64_t bytes_ = 0;
  std::vector<Item> order_;
};

arrow::Status SortingBuilder::Add(const state::PreparedRows& rows) {
  Arrays columns = {rows.event_time, rows.known_at, rows.seq};
  columns.insert(columns.end(), rows.masks.begin(), rows.masks.end());
  columns.insert(columns.end(), rows.values.begin(), rows.values.end());
  Arrays key_columns = rows.keys;
  if (rows.event_time->null_count() > 0 || rows.known_at->null_count() > 0) {
    arrow::Int64Builder timed;
    for (int64_t row = 0; row < rows.num_rows; ++row) {
      if (rows.event_time->IsNull(row) || rows.known_at->IsNull(row)) continue;
      ARROW_RETURN_NOT_OK(timed.Append(row));
    }
    ARROW_ASSIGN_OR_RAISE(const auto places, timed.Finish());
    for (auto* list : {&columns, &key_columns}) {
      for (auto& column : *list) {
        ARROW_ASSIGN_OR_RAISE(column, arrow::compute::Take(*column, *places));
      }
    }
  }
  if (columns[0]->length() == 0) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(const KeyWords keys, encoder_->Encode(key_columns));
  if (row_count() + keys.size() > std::numeric_limits<int32_t>::max()) {
    return base::MakeError(base::ErrorCode::kLimit, "a run of more than 2^31 rows");
  }
  keys_.words.insert(keys_.words.end(), keys.words.begin(), keys.words.end());
  const uint64_t first = keys_.bytes.size();
  keys_.bytes += keys.bytes;
  for (const uint64_t end : keys.ends) keys_.ends.push_back(first + end);
  bytes_ += static_cast<int64_t>(keys.bytes.size());
  for (size_t i = 0; i < columns.size(); ++i) {
    bytes_ += arrow::util::ReferencedBufferSize(*columns[i]).ValueOr(0);
    columns_[i].push_back(std::move(columns[i]));
  }
  return arrow::Status::OK();
}

arrow::Status SortingBuilder::Join(size_t column) {
  if (columns_[column].size() == 1) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(auto joined, arrow::Concatenate(columns_[column]));
  columns_[column] = {std::move(joined)};
  return arrow::Status::OK();
}

bool SortingBuilder::IsLess(const Item& a, const Item& b) const {
  if (a.word != b.word) return a.word < b.word;
  if (!encoder_->narrow()) {
    if (const int order = BytesOf(a).compare(BytesOf(b)); order != 0) return order < 0;
  }
  const auto key = [this](uint32_t row) {
    return std::tuple(Times(0).Value(row), Times(1).Value(row), Times(2).Value(row));
  };
  return key(a.row) < key(b.row);
}

// Words are spread over all 64 bits: their first bits part the rows into small buckets.
arrow::Status SortingBuilder::Sort() {
  const size_t count = keys_.words.size();
  int bits = 1;
  while (bits < 20 && (count >> (bits + 5)) > 0) ++bits;
  const int shift = 64 - bits;
  std::vector<uint32_t> starts((size_t{1} << bits) + 1, 0);
  for (const uint64_t word : keys_.words) ++starts[(word >> shift) + 1];
  std::partial_sum(starts.begin(), starts.end(), starts.begin());
  order_.resize(count);
  std::vector<uint32_t> next(starts.begin(), starts.end() - 1);
  for (size_t row = 0; row < count; ++row) {
    order_[next[keys_.words[row] >> shift]++] = {keys_.words[row], static_cast<uint32_t>(row)};
  }
  constexpr size_t kPieces = 64;
  const size_t buckets = starts.size() - 1;
  return base::RunParallel(kPieces, [&](size_t piece) {
    const auto less = [this](const Item& a, const Item& b) { return IsLess(a, b); };
    for (size_t b = buckets * piece / kPieces; b < buckets * (piece + 1) / kPieces; ++b) {
      const auto begin = order_.begin() + starts[b];
      const auto end = order_.begin() + starts[b + 1];
      // A key of many rows is mostly in order.
      if (!std::is_sorted(begin, end, less)) std::sort(begin, end, less);
    }
    return arrow::Status::OK();
  });
}

arrow::Result<RunFacts> SortingBuilder::Write(const std::string& prefix) {
  for (size_t i = 0; i < 3; ++i) ARROW_RETURN_NOT_OK(Join(i));
  ARROW_RETURN_NOT_OK(Sort());
  for (size_t i = 3; i < columns_.size(); ++i) ARROW_RETURN_NOT_OK(Join(i));
  ARROW_ASSIGN_OR_RAISE(const auto files, RunFiles::Open(prefix, schema_));
  for (size_t i = 0; i < order_.size(); ++i) {
    const Item& item = order_[i];
    const bool same =
        i > 0 && order_[i - 1].word == item.word && BytesOf(order_[i - 1]) == BytesOf(item);
    if (!same) {
      ARROW_RETURN_NOT_OK(files->StartKey(item.word, BytesOf(item), static_cast<int64_t>(i)));
    } else if (Times(1).Value(order_[i - 1].row) > Times(1).Value(item.row)) {
      files->FallsWithinKey();
    }
  }
  const auto batch_rows = static_cast<size_t>(ClusteredRun::kBatchRows);
  for (size_t from = 0; from < order_.size(); from += batch_rows) {
    const size_t end = std::min(from + batch_rows, order_.size());
    std::vector<int32_t> places;
    for (size_t i = from; i < end; ++i) places.push_back(static_cast<int32_t>(order_[i].row));
    Arrays columns(columns_.size());
    ARROW_RETURN_NOT_OK(base::RunParallel(columns.size(), [&](size_t i) {
      return Gather(*columns_[i][0], places.data(), static_cast<int64_t>(places.size()))
          .Value(&columns[i]);
    }));
    ARROW_RETURN_NOT_OK(files->WriteRows(std::move(columns)));
  }
  keys_ = {};
  for (Arrays& pieces : columns_) pieces.clear();
  bytes_ = 0;
  order_ = {};
  return files->Close();
}

// A run at the key that is next in it.
struct Cursor {
  const ClusteredRun* run = nullptr;
  int64_t key = 0;
  int64_t row = 0;  // within the key at hand
  int64_t end = 0;
  std::vector<std::vector<arrow::ArraySpan>> spans;  // by batch, column

  bool AtEnd() const { return key == run->facts().keys; }
  std::tuple<int64_t, int64_t, int64_t> Order() const { return OrderAt(row); }
  std::tuple<int64_t, int64_t, int64_t> OrderAt(int64_t at) const {
    return {run->event_time(at), run->known_at(at), run->seq(at)};
  }
};

class Merger {
 public:
  Merger(const std::vector<std::shared_ptr<const ClusteredRun>>& runs, const RunSchema& schema)
      : schema_(schema) {
    for (const auto& run : runs) {
      Cursor cursor;
      cursor.run = run.get();
      for (int64_t batch = 0; batch < run->batch_count(); ++batch) {
        auto& spans = cursor.spans.emplace_back();
        for (const auto& column : run->Batch(batch).column_data()) spans.emplace_back(*column);
      }
      cursors_.push_back(std::move(cursor));
    }
  }

  arrow::Result<RunFacts> Run(const std::string& prefix) {
    ARROW_ASSIGN_OR_RAISE(files_, RunFiles::Open(prefix, schema_));
    for (const auto& field : schema_.rows->fields()) {
      ARROW_ASSIGN_OR_RAISE(builders_.emplace_back(), arrow::MakeBuilder(field->type()));
    }
    for (const Cursor& cursor : cursors_) {
      if (!cursor.run->facts().ascending) files_->FallsWithinKey();
    }
    while (true) {
      const Cursor* least = nullptr;
      for (const Cursor& cursor : cursors_) {
        if (!cursor.AtEnd() && (least == nullptr || IsLess(cursor, *least))) least = &cursor;
      }
      if (least == nullptr) break;
      ARROW_RETURN_NOT_OK(
          MergeKey(least->run->WordOf(least->key), std::string(least->run->BytesOf(least->key))));
    }
    if (filled_ > 0) ARROW_RETURN_NOT_OK(Flush());
    return files_->Close();
  }

 private:
  static bool IsLess(const Cursor& a, const Cursor& b) {
    const uint64_t left = a.run->WordOf(a.key);
    const uint64_t right = b.run->WordOf(b.key);
    return left != right ? left < right : a.run->BytesOf(a.key) < b.run->BytesOf(b.key);
  }

  arrow::Status MergeKey(uint64_t word, const std::string& bytes) {
    ARROW_RETURN_NOT_OK(files_->StartKey(word, bytes, written_ + filled_));
    std::vector<Cursor*> open;
    for (Cursor& cursor : cursors_) {
      if (cursor.AtEnd() || !cursor.run->KeyIs(cursor.key, word, bytes)) continue;
      cursor.row = cursor.run->StartOf(cursor.key);
      cursor.end = cursor.run->StartOf(++cursor.key);
      open.push_back(&cursor);
    }
    int64_t last_known_at = std::numeric_limits<int64_t>::min();
    while (!open.empty()) {
      const auto least = std::min_element(
          open.begin(), open.end(), [](Cursor* a, Cursor* b) { return a->Order() < b->Order(); });
      Cursor* from = *least;
      // As many rows as come before all others' next.
      int64_t end = from->end;
      if (open.size() > 1) {
        constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
        std::tuple<int64_t, int64_t, int64_t> bound(kMost, kMost, kMost);
        for (const Cursor* other : open) {
          if (other != from) bound = std::min(bound, other->Order());
        }
        end = from->row + 1;
        while (end < from->end && from->OrderAt(end) <= bound) ++end;
      }
      if (from->run->known_at(from->row) < last_known_at) files_->FallsWithinKey();
      last_known_at = std::max(last_known_at, from->run->known_at(end - 1));
      ARROW_RETURN_NOT_OK(Append(*from, from->row, end));
      from->row = end;
      if (from->row == from->end) open.erase(least);
    }
    return arrow::Status::OK();
  }

  arrow::Status Append(const Cursor& from, int64_t begin, int64_t end) {
    while (begin < end) {
      const int64_t batch = begin / ClusteredRun::kBatchRows;
      const int64_t at = begin % ClusteredRun::kBatchRows;
      const int64_t count = std::min(
          {end - begin, ClusteredRun::kBatchRows - at, ClusteredRun::kBatchRows - filled_});
      for (size_t i = 0; i < builders_.size(); ++i) {
        ARROW_RETURN_NOT_OK(
            builders_[i]->AppendArraySlice(from.spans[static_cast<size_t>(batch)][i], at, count));
      }
      begin += count;
      filled_ += count;
      if (filled_ == ClusteredRun::kBatchRows) ARROW_RETURN_NOT_OK(Flush());
    }
    return arrow::Status::OK();
  }

  arrow::Status Flush() {
    Arrays columns(builders_.size());
    for (size_t i = 0; i < builders_.size(); ++i) {
      ARROW_RETURN_NOT_OK(builders_[i]->Finish(&columns[i]));
    }
    written_ += filled_;
    filled_ = 0;
    // What was read is not looked at again.
    for (Cursor& cursor : cursors_) {
      const int64_t batch = cursor.row / ClusteredRun::kBatchRows;
      if (batch > 0) {
        cursor.run->Release((batch - 1) * ClusteredRun::kBatchRows,
                            batch * ClusteredRun::kBatchRows);
      }
    }
    return files_->WriteRows(std::move(columns));
  }

  const RunSchema& schema_;
  std::vector<Cursor> cursors_;
  std::unique_ptr<RunFiles> files_;
  std::vector<std::unique_ptr<arrow::ArrayBuilder>> builders_;
  int64_t written_ = 0;
  int64_t filled_ = 0;
};

}  // namespace

arrow::Result<std::unique_ptr<RunBuilder>> RunBuilder::Make(
    const state::ViewLayout& layout, const std::vector<std::shared_ptr<arrow::DataType>>& keys) {
  ARROW_ASSIGN_OR_RAISE(auto encoder, KeyEncoder::Make(keys));
  return std::make_unique<SortingBuilder>(layout, std::move(encoder));
}

arrow::Result<RunFacts> MergeRuns(const std::vector<std::shared_ptr<const ClusteredRun>>& runs,
                                  const RunSchema& schema, const std::string& prefix) {
  return Merger(runs, schema).Run(prefix);
}

}  // namespace icecore::feature
