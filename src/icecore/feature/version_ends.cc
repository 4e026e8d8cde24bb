#include "icecore/feature/version_ends.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_primitive.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/checked_cast.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/feature/gather.h"
#include "icecore/state/version_chain.h"

namespace icecore::feature {

using arrow::internal::checked_cast;

namespace {

constexpr int kPartBits = 7;
constexpr size_t kParts = size_t{1} << kPartBits;
constexpr int kDeepest = 8;  // kPartBits each, of 64
// Beside what a version takes in the file.
constexpr int64_t kBytesBesideVersion = 96;
// What lies in RowChunk::columns and RowChunk::versions.
constexpr size_t kActivationColumn = 1;
constexpr size_t kSeqColumn = 4;

const int64_t* NumbersOf(const arrow::Array& array) {
  return checked_cast<const arrow::Int64Array&>(array).raw_values();
}

std::shared_ptr<arrow::Array> NumberArray(std::vector<int64_t> values) {
  const auto length = static_cast<int64_t>(values.size());
  return std::make_shared<arrow::Int64Array>(length, arrow::Buffer::FromVector(std::move(values)));
}

arrow::Result<arrow::ArrayVector> Gathered(const arrow::ArrayVector& columns, size_t count,
                                           const std::vector<int32_t>& places) {
  arrow::ArrayVector gathered;
  for (size_t i = 0; i < count; ++i) {
    ARROW_ASSIGN_OR_RAISE(gathered.emplace_back(),
                          Gather(*columns[i], places.data(), static_cast<int64_t>(places.size())));
  }
  return gathered;
}

}  // namespace

arrow::Status FindEndsOf(std::vector<RowChunk>* chunks) {
  int64_t versions = 0;
  for (const RowChunk& chunk : *chunks) {
    if (!chunk.versions.empty()) versions += chunk.versions[0]->length();
  }
  std::vector<state::VersionMark> marks;
  marks.reserve(static_cast<size_t>(versions));
  int64_t rows = 0;
  for (const RowChunk& chunk : *chunks) {
    if (!chunk.versions.empty()) {
      const auto& keys = checked_cast<const arrow::BinaryArray&>(*chunk.versions[0]);
      const auto& orders = checked_cast<const arrow::BinaryArray&>(*chunk.versions[1]);
      const int64_t* seqs = NumbersOf(*chunk.versions[2]);
      const int64_t* activations = NumbersOf(*chunk.versions[3]);
      const int64_t* places = NumbersOf(*chunk.versions[4]);
      for (int64_t i = 0; i < keys.length(); ++i) {
        marks.push_back({keys.GetView(i), orders.GetView(i), seqs[i], activations[i],
                         places[i] < 0 ? -1 : places[i] + rows, state::kForever});
      }
    }
    rows += chunk.rows;
  }
  std::vector<int64_t> untils(static_cast<size_t>(rows), state::kForever);
  state::FindEnds(&marks);
  for (const state::VersionMark& mark : marks) {
    if (mark.place >= 0) untils[static_cast<size_t>(mark.place)] = mark.until;
  }
  const auto all = NumberArray(std::move(untils));
  int64_t first = 0;
  for (RowChunk& chunk : *chunks) {
    chunk.columns.push_back(all->Slice(first, chunk.rows));
    chunk.versions.clear();
    first += chunk.rows;
  }
  return arrow::Status::OK();
}

arrow::Result<std::unique_ptr<VersionScratch>> VersionScratch::Open(const std::string& folder,
                                                                    const RowNeeds& needs) {
  return Open(folder, needs, 0);
}

arrow::Result<std::unique_ptr<VersionScratch>> VersionScratch::Open(const std::string& folder,
                                                                    const RowNeeds& needs,
                                                                    int depth) {
  auto scratch = std::make_unique<VersionScratch>();
  scratch->folder_ = folder;
  scratch->needs_ = &needs;
  scratch->depth_ = depth;
  const auto key = arrow::field("table_key", arrow::binary());
  const auto order = arrow::field("order", arrow::binary());
  arrow::FieldVector rows = needs.schema->fields();
  rows.insert(rows.end(), {key, order});
  ARROW_ASSIGN_OR_RAISE(scratch->rows_,
                        RowScratch::Open(folder, arrow::schema(std::move(rows)), kParts));
  const auto hidden = arrow::schema(
      {key, order, arrow::field("s", arrow::int64()), arrow::field("activation", arrow::int64())});
  ARROW_ASSIGN_OR_RAISE(scratch->hidden_, RowScratch::Open(folder, hidden, kParts));
  return scratch;
}

std::vector<uint32_t> VersionScratch::PartsOf(const arrow::Array& table_keys) const {
  const auto& keys = checked_cast<const arrow::BinaryArray&>(table_keys);
  std::vector<uint32_t> parts(static_cast<size_t>(keys.length()));
  for (int64_t i = 0; i < keys.length(); ++i) {
    const uint64_t hash = base::Hash64(keys.GetView(i));
    parts[static_cast<size_t>(i)] = static_cast<uint32_t>((hash >> (kPartBits * depth_)) % kParts);
  }
  return parts;
}

arrow::Status VersionScratch::Write(const RowChunk& chunk) {
  if (chunk.versions.empty()) return arrow::Status::OK();
  std::vector<int32_t> reached;
  std::vector<int32_t> others;
  const int64_t* places = NumbersOf(*chunk.versions[4]);
  for (int32_t i = 0; i < static_cast<int32_t>(chunk.versions[4]->length()); ++i) {
    (places[i] < 0 ? others : reached).push_back(i);
  }
  if (!reached.empty()) {
    ARROW_ASSIGN_OR_RAISE(const auto ids, Gathered(chunk.versions, 2, reached));
    arrow::ArrayVector columns = chunk.columns;
    columns.insert(columns.end(), ids.begin(), ids.end());
    ARROW_RETURN_NOT_OK(rows_->Write(columns, PartsOf(*ids[0])));
  }
  if (others.empty()) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(const auto columns, Gathered(chunk.versions, 4, others));
  return hidden_->Write(columns, PartsOf(*columns[0]));
}

arrow::Status VersionScratch::ReadPart(size_t part,
                                       const std::function<arrow::Status(RowChunk)>& visit) const {
  const auto width = static_cast<size_t>(needs_->schema->num_fields());
  for (size_t piece = 0; piece < rows_->pieces_of(part); ++piece) {
    ARROW_ASSIGN_OR_RAISE(const auto rows, rows_->Read(part, piece));
    arrow::ArrayVector columns = rows->columns();
    std::vector<int64_t> places(static_cast<size_t>(rows->num_rows()));
    std::iota(places.begin(), places.end(), int64_t{0});
    RowChunk chunk;
    chunk.rows = rows->num_rows();
    chunk.versions = {columns[width], columns[width + 1], columns[kSeqColumn],
                      columns[kActivationColumn], NumberArray(std::move(places))};
    columns.resize(width);
    chunk.columns = std::move(columns);
    ARROW_RETURN_NOT_OK(visit(std::move(chunk)));
  }
  for (size_t piece = 0; piece < hidden_->pieces_of(part); ++piece) {
    ARROW_ASSIGN_OR_RAISE(const auto rows, hidden_->Read(part, piece));
    RowChunk chunk;
    chunk.versions = rows->columns();
    chunk.versions.push_back(
        NumberArray(std::vector<int64_t>(static_cast<size_t>(rows->num_rows()), -1)));
    for (const auto& field : needs_->schema->fields()) {
      ARROW_ASSIGN_OR_RAISE(chunk.columns.emplace_back(), arrow::MakeEmptyArray(field->type()));
    }
    ARROW_RETURN_NOT_OK(visit(std::move(chunk)));
  }
  return arrow::Status::OK();
}

arrow::Status VersionScratch::ForEachPart(
    int64_t most_bytes, const std::function<arrow::Status(RowChunk)>& visit) const {
  for (size_t part = 0; part < kParts; ++part) {
    if (rows_->rows_of(part) == 0) continue;
    const int64_t versions = rows_->rows_of(part) + hidden_->rows_of(part);
    const int64_t bytes =
        rows_->bytes_of(part) + hidden_->bytes_of(part) + versions * kBytesBesideVersion;
    if (bytes <= most_bytes) {
      std::vector<RowChunk> chunks;
      ARROW_RETURN_NOT_OK(ReadPart(part, [&](RowChunk chunk) {
        chunks.push_back(std::move(chunk));
        return arrow::Status::OK();
      }));
      ARROW_RETURN_NOT_OK(FindEndsOf(&chunks));
      ARROW_ASSIGN_OR_RAISE(RowChunk merged, Merge(std::move(chunks)));
      ARROW_RETURN_NOT_OK(visit(std::move(merged)));
      continue;
    }
    if (depth_ == kDeepest) {
      return base::MakeError(
          base::ErrorCode::kLimit,
          "the " + std::to_string(versions) + " versions of one key of its table take " +
              std::to_string(bytes >> 20) + " MB, and `memory` leaves " +
              std::to_string(most_bytes >> 20) + " MB: raise it in icecore.yaml");
    }
    ARROW_ASSIGN_OR_RAISE(const auto deeper, Open(folder_, *needs_, depth_ + 1));
    ARROW_RETURN_NOT_OK(
        ReadPart(part, [&](const RowChunk& chunk) { return deeper->Write(chunk); }));
    ARROW_RETURN_NOT_OK(deeper->ForEachPart(most_bytes, visit));
  }
  return arrow::Status::OK();
}

}  // namespace icecore::feature
