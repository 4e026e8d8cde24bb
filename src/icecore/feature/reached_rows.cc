#include "icecore/feature/reached_rows.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_primitive.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/type.h>
#include <arrow/util/byte_size.h>
#include <arrow/util/checked_cast.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "icecore/base/parallel.h"
#include "icecore/feature/gather.h"

namespace icecore::feature {

using arrow::internal::checked_cast;

namespace {

using Arrays = arrow::ArrayVector;

constexpr size_t kFixedColumns = 5;    // key, activation, e, a, s
constexpr size_t kVersionColumns = 5;  // table key, order, s, activation, place
// Of a row beside its columns: wider keys, its place in the sweep's order, and what is copied while
// chunks are put together.
constexpr int64_t kBytesBesideColumns = 24;
// Of a version beside its columns: what finding its end takes.
constexpr int64_t kBytesOfMark = sizeof(int64_t) * 8;

template <typename ArrayType, typename T>
std::shared_ptr<arrow::Array> ArrayOf(std::vector<T> values) {
  const auto length = static_cast<int64_t>(values.size());
  return std::make_shared<ArrayType>(length, arrow::Buffer::FromVector(std::move(values)));
}

arrow::Result<std::shared_ptr<arrow::Array>> Chosen(const std::shared_ptr<arrow::Array>& values,
                                                    const std::vector<int32_t>& places) {
  const auto count = static_cast<int64_t>(places.size());
  if (count == values->length()) return values;
  return Gather(*values, places.data(), count);
}

}  // namespace

arrow::Result<RowNeeds> RowNeeds::Of(const state::ViewPlan& plan) {
  RowNeeds needs;
  ARROW_ASSIGN_OR_RAISE(needs.engine, state::ViewEngine::Make(plan.layout));
  needs.values.resize(plan.layout.value_types.size());
  for (const state::WindowColumn& column : plan.columns) {
    needs.values[static_cast<size_t>(column.value)] = true;
  }
  for (const state::AsOfSet& set : plan.as_of) {
    for (const int value : set.values) needs.values[static_cast<size_t>(value)] = true;
  }
  arrow::FieldVector fields = {arrow::field("key", arrow::int32())};
  for (const char* name : {"activation", "e", "a", "s"}) {
    fields.push_back(arrow::field(name, arrow::int64()));
  }
  for (int i = 0; i < plan.layout.mask_count; ++i) {
    fields.push_back(arrow::field("m" + std::to_string(i), arrow::boolean()));
  }
  for (size_t i = 0; i < needs.values.size(); ++i) {
    if (!needs.values[i]) continue;
    fields.push_back(arrow::field("v" + std::to_string(i), plan.layout.value_types[i]));
  }
  needs.schema = arrow::schema(std::move(fields));
  return needs;
}

int64_t RowNeeds::OldestFor(int64_t earliest) const {
  return layout().always ? std::numeric_limits<int64_t>::min() : engine->OldestRelevant(earliest);
}

arrow::Result<int64_t> RowChunk::ByteCount() const {
  int64_t bytes = rows * kBytesBesideColumns;
  for (const auto& column : columns) {
    ARROW_ASSIGN_OR_RAISE(const int64_t of_column, arrow::util::ReferencedBufferSize(*column));
    bytes += of_column;
  }
  if (versions.empty()) return bytes;
  for (const auto& column : versions) {
    ARROW_ASSIGN_OR_RAISE(const int64_t of_column, arrow::util::ReferencedBufferSize(*column));
    bytes += of_column;
  }
  return bytes + versions[0]->length() * kBytesOfMark;
}

// The rows of a batch that are taken, and the versions among them that end others.
struct RowCollector::Picked {
  std::vector<int32_t> places;
  std::vector<int32_t> keys;
  std::vector<int64_t> activations;
  std::vector<int32_t> versions;  // places in the batch
  std::vector<int64_t> version_activations;
  std::vector<int64_t> version_rows;  // places among those that are taken, or -1
};

RowCollector::RowCollector(const RowNeeds& needs, const LabelSet& labels, const LabelRange& range,
                           const KnowledgeCut& cut)
    : labels_(labels),
      range_(range),
      cut_(cut),
      needs_(needs),
      engine_(*needs.engine),
      always_(engine_.layout().always),
      versioned_(engine_.layout().versioned),
      oldest_(range.size() == 0 ? 0 : needs.OldestFor(range.earliest)) {}

arrow::Status RowCollector::Add(const state::PreparedRows& batch) {
  ARROW_ASSIGN_OR_RAISE(const auto keys, labels_.keys().FindAll(batch.keys));
  return Add(batch, keys);
}

arrow::Status RowCollector::Add(const state::PreparedRows& batch,
                                const std::vector<int32_t>& keys) {
  Picked picked;
  for (int64_t row = 0; row < batch.num_rows; ++row) {
    int32_t key = keys[static_cast<size_t>(row)];
    if (!range_.has_key(key) || (versioned_ && !batch.live->Value(row))) key = -1;
    if ((key < 0 && !versioned_) || batch.event_time->IsNull(row) || batch.known_at->IsNull(row)) {
      continue;
    }
    const int64_t event_time = batch.event_time->Value(row);
    const int64_t known_at = std::max(batch.known_at->Value(row), event_time);
    if (!always_ && cut_.kind == KnowledgeCut::Kind::kTime && known_at > cut_.time_us) continue;
    const int64_t activation = engine_.ActivationOf(
        event_time, cut_.kind == KnowledgeCut::Kind::kLabel ? known_at : event_time);
    if (activation > range_.latest) continue;
    const bool reached = key >= 0 && event_time >= oldest_;
    if (versioned_) {
      // Whatever it is, it ends its predecessors.
      picked.versions.push_back(static_cast<int32_t>(row));
      picked.version_activations.push_back(activation);
      picked.version_rows.push_back(reached ? static_cast<int64_t>(picked.places.size()) : -1);
    }
    if (!reached) continue;
    picked.places.push_back(static_cast<int32_t>(row));
    picked.keys.push_back(key);
    picked.activations.push_back(activation);
  }
  RowChunk chunk;
  chunk.rows = static_cast<int64_t>(picked.places.size());
  if (!picked.versions.empty()) ARROW_RETURN_NOT_OK(AddVersions(batch, picked, &chunk));
  if (chunk.rows == 0 && chunk.versions.empty()) return arrow::Status::OK();
  chunk.columns = {ArrayOf<arrow::Int32Array>(std::move(picked.keys)),
                   ArrayOf<arrow::Int64Array>(std::move(picked.activations))};
  Arrays others = {batch.event_time, batch.known_at, batch.seq};
  others.insert(others.end(), batch.masks.begin(), batch.masks.end());
  for (size_t i = 0; i < needs_.values.size(); ++i) {
    if (needs_.values[i]) others.push_back(batch.values[i]);
  }
  for (const auto& column : others) {
    ARROW_ASSIGN_OR_RAISE(chunk.columns.emplace_back(), Chosen(column, picked.places));
  }
  return Keep(std::move(chunk));
}

arrow::Status RowCollector::AddVersions(const state::PreparedRows& batch, const Picked& picked,
                                        RowChunk* chunk) const {
  for (const std::shared_ptr<arrow::Array>& column :
       Arrays{batch.table_key, batch.version_order, batch.seq}) {
    ARROW_ASSIGN_OR_RAISE(chunk->versions.emplace_back(), Chosen(column, picked.versions));
  }
  chunk->versions.push_back(ArrayOf<arrow::Int64Array>(picked.version_activations));
  chunk->versions.push_back(ArrayOf<arrow::Int64Array>(picked.version_rows));
  return arrow::Status::OK();
}

arrow::Status RowCollector::Add(const RowChunk& chunk) {
  const auto& keys = checked_cast<const arrow::Int32Array&>(*chunk.columns[0]);
  const auto& activations = checked_cast<const arrow::Int64Array&>(*chunk.columns[1]);
  const auto& event_times = checked_cast<const arrow::Int64Array&>(*chunk.columns[2]);
  std::vector<int32_t> places;
  for (int64_t row = 0; row < chunk.rows; ++row) {
    if (range_.has_key(keys.Value(row)) && activations.Value(row) <= range_.latest &&
        event_times.Value(row) >= oldest_) {
      places.push_back(static_cast<int32_t>(row));
    }
  }
  if (places.empty()) return arrow::Status::OK();
  RowChunk kept;
  kept.rows = static_cast<int64_t>(places.size());
  for (const auto& column : chunk.columns) {
    ARROW_ASSIGN_OR_RAISE(kept.columns.emplace_back(), Chosen(column, places));
  }
  return Keep(std::move(kept));
}

arrow::Status RowCollector::Keep(RowChunk chunk) {
  ARROW_ASSIGN_OR_RAISE(const int64_t bytes, chunk.ByteCount());
  byte_count_ += bytes;
  chunks_.push_back(std::move(chunk));
  return arrow::Status::OK();
}

std::vector<RowChunk> RowCollector::Take() {
  byte_count_ = 0;
  return std::exchange(chunks_, {});
}

namespace {

// Column `at` of all chunks; they no longer hold it.
arrow::Result<std::shared_ptr<arrow::Array>> JoinColumn(
    size_t at, const std::shared_ptr<arrow::DataType>& type, std::vector<RowChunk>* chunks) {
  Arrays parts;
  for (RowChunk& chunk : *chunks) {
    if (chunk.rows > 0) parts.push_back(std::move(chunk.columns[at]));
    chunk.columns[at].reset();
  }
  if (parts.empty()) return arrow::MakeEmptyArray(type);
  return parts.size() == 1 ? parts[0] : arrow::Concatenate(parts);
}

template <typename ArrayType>
std::vector<int64_t> JoinNumbers(size_t at, int64_t less, std::vector<RowChunk>* chunks) {
  int64_t count = 0;
  for (const RowChunk& chunk : *chunks) count += chunk.rows;
  std::vector<int64_t> numbers;
  numbers.reserve(static_cast<size_t>(count));
  for (RowChunk& chunk : *chunks) {
    const auto* values = checked_cast<const ArrayType&>(*chunk.columns[at]).raw_values();
    for (int64_t row = 0; row < chunk.rows; ++row) numbers.push_back(values[row] - less);
    chunk.columns[at].reset();
  }
  return numbers;
}

// Places in what the chunks before it have, too.
std::shared_ptr<arrow::Array> Moved(const arrow::Array& places, int64_t by) {
  const auto* values = checked_cast<const arrow::Int64Array&>(places).raw_values();
  std::vector<int64_t> moved(values, values + places.length());
  for (int64_t& place : moved) place += place < 0 ? 0 : by;
  return ArrayOf<arrow::Int64Array>(std::move(moved));
}

}  // namespace

arrow::Result<RowChunk> Merge(std::vector<RowChunk> chunks) {
  if (chunks.size() == 1) return std::move(chunks[0]);
  RowChunk merged;
  std::vector<Arrays> versions(kVersionColumns);
  for (RowChunk& chunk : chunks) {
    for (size_t i = 0; i < chunk.versions.size(); ++i) {
      const bool is_place = i + 1 == kVersionColumns;
      versions[i].push_back(is_place ? Moved(*chunk.versions[i], merged.rows)
                                     : std::move(chunk.versions[i]));
    }
    merged.rows += chunk.rows;
  }
  for (size_t i = 0; i < chunks[0].columns.size(); ++i) {
    const auto type = chunks[0].columns[i]->type();
    ARROW_ASSIGN_OR_RAISE(merged.columns.emplace_back(), JoinColumn(i, type, &chunks));
  }
  for (const Arrays& parts : versions) {
    if (parts.empty()) break;
    ARROW_ASSIGN_OR_RAISE(merged.versions.emplace_back(), arrow::Concatenate(parts));
  }
  return merged;
}

arrow::Result<SweepRows> LayOut(const RowNeeds& needs, int32_t first_key,
                                std::vector<RowChunk> chunks) {
  SweepRows out;
  for (const RowChunk& chunk : chunks) out.rows.num_rows += chunk.rows;
  const auto masks = static_cast<size_t>(needs.layout().mask_count);
  const auto count = static_cast<size_t>(needs.schema->num_fields());
  Arrays columns(count);
  const size_t all = count + (needs.layout().versioned ? 1 : 0);
  ARROW_RETURN_NOT_OK(base::RunParallel(all, [&](size_t at) -> arrow::Status {
    if (at == 0) {
      out.keys = JoinNumbers<arrow::Int32Array>(at, first_key, &chunks);
    } else if (at == 1) {
      out.activations = JoinNumbers<arrow::Int64Array>(at, 0, &chunks);
    } else if (at == count) {
      out.untils = JoinNumbers<arrow::Int64Array>(at, 0, &chunks);
    } else {
      const auto& type = needs.schema->field(static_cast<int>(at))->type();
      ARROW_ASSIGN_OR_RAISE(columns[at], JoinColumn(at, type, &chunks));
    }
    return arrow::Status::OK();
  }));
  out.rows.event_time = std::static_pointer_cast<arrow::Int64Array>(columns[2]);
  out.rows.known_at = std::static_pointer_cast<arrow::Int64Array>(columns[3]);
  out.rows.seq = std::static_pointer_cast<arrow::Int64Array>(columns[4]);
  for (size_t i = 0; i < masks; ++i) {
    out.rows.masks.push_back(
        std::static_pointer_cast<arrow::BooleanArray>(columns[kFixedColumns + i]));
  }
  size_t value = kFixedColumns + masks;
  for (const bool needed : needs.values) {
    out.rows.values.push_back(needed ? columns[value++] : nullptr);
  }
  return out;
}

}  // namespace icecore::feature
