#include "icecore/feature/loose_rows.h"

#include <arrow/array/array_primitive.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/checked_cast.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "icecore/base/parallel.h"

namespace icecore::feature {

using arrow::internal::checked_cast;

namespace {

constexpr size_t kMostParts = 256;
// A row of the scratch file takes so much more once it is read.
constexpr int64_t kBytesBesideFile = 24;
// What is written at once, at most.
constexpr int64_t kGroupBytes = int64_t{16} << 20;
constexpr int64_t kLeastPartBytes = int64_t{1} << 20;

void MoveTo(std::vector<RowChunk> from, std::vector<RowChunk>* to) {
  std::move(from.begin(), from.end(), std::back_inserter(*to));
}

}  // namespace

LooseRows::LooseRows(const RowNeeds& needs, const LabelSet& labels, const KnowledgeCut& cut,
                     int64_t most_bytes, std::string scratch_dir)
    : needs_(needs),
      labels_(labels),
      cut_(cut),
      most_bytes_(most_bytes),
      scratch_dir_(std::move(scratch_dir)),
      all_(AllOf(labels)) {}

arrow::Status LooseRows::Read(const BoundView& view,
                              const std::vector<std::shared_ptr<arrow::RecordBatchReader>>& parts) {
  std::vector<std::unique_ptr<RowCollector>> collectors;
  collectors.reserve(parts.size());
  for (size_t i = 0; i < parts.size(); ++i) {
    collectors.push_back(std::make_unique<RowCollector>(needs_, labels_, all_, cut_));
  }
  const auto read = [&](size_t part) {
    return ReadPart(view, parts[part].get(), collectors[part].get());
  };
  // One part is read on this thread, so that Arrow's can help with its columns.
  ARROW_RETURN_NOT_OK(parts.size() == 1 ? read(0) : base::RunParallel(parts.size(), read));
  for (const auto& collector : collectors) {
    std::vector<RowChunk> chunks = collector->Take();
    if (is_full_) {
      ARROW_RETURN_NOT_OK(Write(std::move(chunks)));
    } else {
      MoveTo(std::move(chunks), &held_);
    }
  }
  return needs_.layout().versioned ? EndVersions() : arrow::Status::OK();
}

arrow::Status LooseRows::ReadPart(const BoundView& view, arrow::RecordBatchReader* reader,
                                  RowCollector* collector) {
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, reader->Next());
    if (batch == nullptr) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(const auto prepared, view.Prepare(*batch));
    const int64_t before = collector->byte_count();
    ARROW_RETURN_NOT_OK(collector->Add(prepared));
    if (Note(collector->byte_count() - before, collector->byte_count())) {
      ARROW_RETURN_NOT_OK(Write(collector->Take()));
    }
  }
}

bool LooseRows::Note(int64_t more_bytes, int64_t all_of_collector) {
  const int64_t bytes = taken_bytes_.fetch_add(more_bytes) + more_bytes;
  int64_t peak = peak_bytes_;
  while (bytes > peak && !peak_bytes_.compare_exchange_weak(peak, bytes)) {
  }
  if (scratch_dir_.empty()) return false;
  // Each thread may add another batch before it sees that.
  if (bytes > most_bytes_ - most_bytes_ / 4) is_full_ = true;
  const auto threads = static_cast<int64_t>(base::ParallelPieces());
  return is_full_ && all_of_collector > most_bytes_ / (4 * threads);
}

arrow::Status LooseRows::OpenScratch() {
  const std::lock_guard lock(mutex_);
  if (scratch_ != nullptr) return arrow::Status::OK();
  bounds_ = KeyBounds(labels_, all_, kMostParts);
  part_of_key_.resize(static_cast<size_t>(labels_.keys().size()));
  uint32_t part = 0;
  for (size_t key = 0; key < part_of_key_.size(); ++key) {
    while (part + 2 < bounds_.size() && labels_.starts()[key] >= bounds_[part + 1]) ++part;
    part_of_key_[key] = part;
  }
  arrow::FieldVector fields = needs_.schema->fields();
  if (needs_.layout().versioned) {
    fields.push_back(arrow::field("until", arrow::int64()));
    ARROW_ASSIGN_OR_RAISE(versions_, VersionScratch::Open(scratch_dir_, needs_));
  }
  return RowScratch::Open(scratch_dir_, arrow::schema(std::move(fields)), bounds_.size() - 1)
      .Value(&scratch_);
}

arrow::Status LooseRows::Write(std::vector<RowChunk> chunks) {
  ARROW_RETURN_NOT_OK(OpenScratch());
  const int64_t most_of_group = std::min(kGroupBytes, most_bytes_ / 8);
  std::vector<RowChunk> group;
  int64_t group_bytes = 0;
  for (size_t i = 0; i < chunks.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(const int64_t bytes, chunks[i].ByteCount());
    group_bytes += bytes;
    group.push_back(std::move(chunks[i]));
    if (group_bytes < most_of_group && i + 1 < chunks.size()) continue;
    ARROW_ASSIGN_OR_RAISE(const RowChunk merged, Merge(std::move(group)));
    ARROW_RETURN_NOT_OK(versions_ != nullptr ? versions_->Write(merged) : WriteByKey(merged));
    taken_bytes_ -= group_bytes;
    group.clear();
    group_bytes = 0;
  }
  return arrow::Status::OK();
}

arrow::Status LooseRows::WriteByKey(const RowChunk& chunk) {
  const int32_t* keys = checked_cast<const arrow::Int32Array&>(*chunk.columns[0]).raw_values();
  std::vector<uint32_t> parts(static_cast<size_t>(chunk.rows));
  for (size_t row = 0; row < parts.size(); ++row) {
    parts[row] = part_of_key_[static_cast<size_t>(keys[row])];
  }
  return scratch_->Write(chunk.columns, parts);
}

arrow::Status LooseRows::EndVersions() {
  if (versions_ == nullptr) {
    ARROW_RETURN_NOT_OK(FindEndsOf(&held_));
    taken_bytes_ = 0;
    for (const RowChunk& chunk : held_) {
      ARROW_ASSIGN_OR_RAISE(const int64_t bytes, chunk.ByteCount());
      taken_bytes_ += bytes;
    }
    return arrow::Status::OK();
  }
  const std::unique_ptr<VersionScratch> versions = std::move(versions_);
  return versions->ForEachPart(std::max(most_bytes_ / 2, kLeastPartBytes),
                               [&](const RowChunk& chunk) { return WriteByKey(chunk); });
}

arrow::Status LooseRows::Spill() {
  ARROW_RETURN_NOT_OK(OpenScratch());
  versions_.reset();  // their ends are known
  return Write(std::move(held_));
}

int64_t LooseRows::scratch_bytes() const {
  int64_t bytes = 0;
  for (size_t part = 0; scratch_ != nullptr && part < scratch_->part_count(); ++part) {
    bytes += scratch_->bytes_of(part);
  }
  return bytes;
}

void LooseRows::Weigh(const LabelRange& range, std::vector<int64_t>* weights) const {
  const auto add = [&](int64_t bytes, size_t labels) {
    const double each =
        static_cast<double>(bytes) / static_cast<double>(std::max<size_t>(labels, 1));
    return [this, &range, weights, each](int32_t key) {
      const size_t own = EndOf(labels_, range, key) - FirstOf(labels_, range, key);
      (*weights)[static_cast<size_t>(key - range.first_key)] +=
          static_cast<int64_t>(each * static_cast<double>(own));
    };
  };
  if (is_held()) {
    const auto weigh = add(held_bytes(), labels_.times().size());
    for (int32_t key = range.first_key; key < range.end_key; ++key) weigh(key);
    return;
  }
  int32_t key = range.first_key;
  while (key < range.end_key) {
    const size_t part = part_of_key_[static_cast<size_t>(key)];
    const auto weigh = add(scratch_->bytes_of(part) + scratch_->rows_of(part) * kBytesBesideFile,
                           bounds_[part + 1] - bounds_[part]);
    for (; key < range.end_key && part_of_key_[static_cast<size_t>(key)] == part; ++key) {
      weigh(key);
    }
  }
}

arrow::Result<bool> LooseRows::Collect(const LabelRange& range, int64_t most_bytes,
                                       std::vector<RowChunk>* chunks) const {
  std::vector<std::pair<size_t, size_t>> pieces;  // part, piece
  if (!is_held() && range.size() > 0) {
    const size_t end = part_of_key_[static_cast<size_t>(range.end_key - 1)] + size_t{1};
    for (size_t part = part_of_key_[static_cast<size_t>(range.first_key)]; part < end; ++part) {
      for (size_t piece = 0; piece < scratch_->pieces_of(part); ++piece) {
        pieces.emplace_back(part, piece);
      }
    }
  }
  const size_t count = is_held() ? held_.size() : pieces.size();
  const size_t threads = std::min(base::ParallelPieces(), count);
  std::vector<std::unique_ptr<RowCollector>> collectors;
  collectors.reserve(threads);
  for (size_t i = 0; i < threads; ++i) {
    collectors.push_back(std::make_unique<RowCollector>(needs_, labels_, range, cut_));
  }
  std::atomic<int64_t> bytes = 0;
  ARROW_RETURN_NOT_OK(base::RunParallel(threads, [&](size_t thread) -> arrow::Status {
    RowCollector& collector = *collectors[thread];
    for (size_t i = count * thread / threads; i < count * (thread + 1) / threads; ++i) {
      if (bytes > most_bytes) break;
      const int64_t before = collector.byte_count();
      if (is_held()) {
        ARROW_RETURN_NOT_OK(collector.Add(held_[i]));
      } else {
        ARROW_ASSIGN_OR_RAISE(const auto rows, scratch_->Read(pieces[i].first, pieces[i].second));
        RowChunk chunk;
        chunk.rows = rows->num_rows();
        chunk.columns = rows->columns();
        ARROW_RETURN_NOT_OK(collector.Add(chunk));
      }
      bytes += collector.byte_count() - before;
    }
    return arrow::Status::OK();
  }));
  for (const auto& collector : collectors) MoveTo(collector->Take(), chunks);
  return bytes <= most_bytes;
}

}  // namespace icecore::feature
