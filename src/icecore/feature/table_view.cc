#include "icecore/feature/table_view.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_primitive.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/cast.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include <algorithm>
#include <utility>

#include "icecore/base/time.h"
#include "icecore/feature/default_value.h"
#include "icecore/feature/key_column.h"
#include "icecore/feature/time_column.h"
#include "icecore/lake/envelope.h"
#include "icecore/state/ordered_bytes.h"

namespace icecore::feature {

using base::ErrorCode;

namespace {

using Types = std::vector<std::shared_ptr<arrow::DataType>>;
using Arrays = std::vector<std::shared_ptr<arrow::Array>>;

class TableView final : public BoundView {
 public:
  explicit TableView(ViewParts parts) : parts_(std::move(parts)) { FindRowColumns(); }

  const std::string& name() const override { return parts_.name; }
  const std::vector<std::string>& columns() const override { return parts_.columns; }
  const Types& key_types() const override { return parts_.key_types; }
  const std::vector<std::string>& key_names() const override { return parts_.key_names; }
  const std::vector<std::string>& feature_names() const override { return parts_.feature_names; }
  const Types& feature_types() const override { return parts_.engine->output_types(); }
  std::shared_ptr<const state::ViewEngine> engine() const override { return parts_.engine; }

  arrow::Result<state::PreparedRows> Prepare(const arrow::RecordBatch& rows) const override;
  const std::vector<std::string>& row_columns() const override { return row_columns_; }
  const std::vector<std::string>& value_columns() const override { return parts_.value_columns; }
  arrow::Result<state::PreparedRows> PrepareRows(const arrow::RecordBatch& rows,
                                                 std::vector<int32_t>* taken) const override;
  arrow::Result<Arrays> PrepareValues(const arrow::RecordBatch& rows) const override;
  std::string event_time_column() const override { return parts_.event_time.column; }
  arrow::Result<InspectedRows> Inspect(const arrow::RecordBatch& rows) const override;
  arrow::Result<std::shared_ptr<arrow::Array>> ApplyDefault(
      int feature, std::shared_ptr<arrow::Array> values) const override {
    return FillNulls(std::move(values), parts_.defaults[static_cast<size_t>(feature)]);
  }

 private:
  arrow::Result<std::shared_ptr<arrow::Array>> Column(const arrow::RecordBatch& rows,
                                                      const std::string& column) const;
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Select(const arrow::RecordBatch& rows,
                                                            Arrays* keys,
                                                            std::vector<int32_t>* taken) const;
  void FindRowColumns();
  arrow::Result<Arrays> CastKeys(const arrow::RecordBatch& rows) const;
  // Per row whether the view's where holds; all where it has none.
  arrow::Result<std::vector<bool>> HoldsWhere(const arrow::RecordBatch& rows) const;
  arrow::Status PrepareTimes(const arrow::RecordBatch& rows, state::PreparedRows* out) const;
  arrow::Result<std::shared_ptr<arrow::Int64Array>> DeleteTimes(
      const arrow::RecordBatch& rows, const std::vector<bool>& deleted,
      const state::PreparedRows& times) const;
  arrow::Status PrepareVersions(const arrow::RecordBatch& rows, state::PreparedRows* out) const;
  arrow::Result<std::vector<bool>> Deleted(const arrow::RecordBatch& rows) const;
  // All of `out` but its keys.
  arrow::Status PrepareColumns(const arrow::RecordBatch& rows, state::PreparedRows* out) const;

  ViewParts parts_;
  std::vector<std::string> row_columns_;
};

// All but those that only values are taken from.
void TableView::FindRowColumns() {
  std::vector<std::string> needed = parts_.key_columns;
  needed.insert(needed.end(), {parts_.event_time.column, parts_.known_at.column,
                               std::string(lake::kSeq), std::string(lake::kArrivedAt)});
  if (parts_.where != nullptr) {
    needed.insert(needed.end(), parts_.where->columns().begin(), parts_.where->columns().end());
  }
  for (const auto& mask : parts_.masks) {
    needed.insert(needed.end(), mask->columns().begin(), mask->columns().end());
  }
  for (const std::string& column : parts_.columns) {
    if (std::find(needed.begin(), needed.end(), column) != needed.end()) {
      row_columns_.push_back(column);
    }
  }
}

// Null counts as false.
arrow::Result<std::shared_ptr<arrow::BooleanArray>> Holds(const expr::Expression& predicate,
                                                          const arrow::RecordBatch& rows) {
  ARROW_ASSIGN_OR_RAISE(auto values, predicate.Evaluate(rows));
  return std::static_pointer_cast<arrow::BooleanArray>(std::move(values));
}

arrow::Result<std::shared_ptr<arrow::Array>> TableView::Column(const arrow::RecordBatch& rows,
                                                               const std::string& column) const {
  auto values = rows.GetColumnByName(column);
  if (values == nullptr) {
    return base::MakeError(ErrorCode::kInternal, "feature_view '" + parts_.name +
                                                     "': a batch lacks column '" + column + "'");
  }
  return values;
}

arrow::Result<Arrays> TableView::CastKeys(const arrow::RecordBatch& rows) const {
  Arrays keys;
  for (size_t i = 0; i < parts_.key_columns.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(auto column, Column(rows, parts_.key_columns[i]));
    ARROW_ASSIGN_OR_RAISE(auto key, CastKey(std::move(column), parts_.key_types[i]));
    keys.push_back(std::move(key));
  }
  return keys;
}

arrow::Result<std::vector<bool>> TableView::HoldsWhere(const arrow::RecordBatch& rows) const {
  std::vector<bool> keep(static_cast<size_t>(rows.num_rows()), true);
  if (parts_.where == nullptr) return keep;
  ARROW_ASSIGN_OR_RAISE(auto holds, Holds(*parts_.where, rows));
  for (int64_t row = 0; row < holds->length(); ++row) {
    if (holds->IsNull(row) || !holds->Value(row)) keep[static_cast<size_t>(row)] = false;
  }
  return keep;
}

void LeaveOutNullKeys(const Arrays& keys, std::vector<bool>* keep) {
  for (const auto& key : keys) {
    for (int64_t row = 0; key->null_count() > 0 && row < key->length(); ++row) {
      if (key->IsNull(row)) (*keep)[static_cast<size_t>(row)] = false;
    }
  }
}

// The rows that pass the view's where and have whole keys, and their keys; `taken` (null: not asked
// for) are their places, empty where they are all.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> TableView::Select(
    const arrow::RecordBatch& rows, Arrays* keys, std::vector<int32_t>* taken) const {
  ARROW_ASSIGN_OR_RAISE(*keys, CastKeys(rows));
  const bool has_null_keys = std::any_of(keys->begin(), keys->end(),
                                         [](const auto& key) { return key->null_count() > 0; });
  if (parts_.where == nullptr && !has_null_keys) return rows.Slice(0);
  ARROW_ASSIGN_OR_RAISE(std::vector<bool> keep, HoldsWhere(rows));
  LeaveOutNullKeys(*keys, &keep);
  auto selected = rows.Slice(0);
  if (std::find(keep.begin(), keep.end(), false) == keep.end()) return selected;
  for (size_t row = 0; taken != nullptr && row < keep.size(); ++row) {
    if (keep[row]) taken->push_back(static_cast<int32_t>(row));
  }
  arrow::BooleanBuilder builder;
  ARROW_RETURN_NOT_OK(builder.AppendValues(keep));
  ARROW_ASSIGN_OR_RAISE(auto filter, builder.Finish());
  for (auto& key : *keys) {
    ARROW_ASSIGN_OR_RAISE(const auto kept, arrow::compute::Filter(key, filter));
    key = kept.make_array();
  }
  ARROW_ASSIGN_OR_RAISE(const auto kept, arrow::compute::Filter(selected, filter));
  return kept.record_batch();
}

arrow::Status TableView::PrepareTimes(const arrow::RecordBatch& rows,
                                      state::PreparedRows* out) const {
  ARROW_ASSIGN_OR_RAISE(auto seq, Column(rows, std::string(lake::kSeq)));
  out->seq = std::static_pointer_cast<arrow::Int64Array>(seq);
  if (parts_.event_time.always) {
    arrow::Int64Builder zeros;
    ARROW_RETURN_NOT_OK(zeros.AppendEmptyValues(rows.num_rows()));
    ARROW_RETURN_NOT_OK(zeros.Finish(&out->event_time));
    out->known_at = out->event_time;
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(auto event_time, Column(rows, parts_.event_time.column));
  ARROW_ASSIGN_OR_RAISE(out->event_time, ToMicros(*event_time, Rounding::kUp));
  std::shared_ptr<arrow::Int64Array> known = out->event_time;
  std::shared_ptr<arrow::Int64Array> otherwise;
  using Kind = spec::KnownAt::Kind;
  if (parts_.known_at.kind == Kind::kEventTime) {
    out->known_at = out->event_time;
    return arrow::Status::OK();
  }
  if (parts_.known_at.kind == Kind::kColumn || parts_.known_at.kind == Kind::kSnapshot) {
    ARROW_ASSIGN_OR_RAISE(auto column, Column(rows, parts_.known_at.column));
    ARROW_ASSIGN_OR_RAISE(known, ToMicros(*column, Rounding::kUp));
  }
  if (parts_.known_at.kind == Kind::kArrival || parts_.known_at.kind == Kind::kSnapshot) {
    ARROW_ASSIGN_OR_RAISE(auto column, Column(rows, std::string(lake::kArrivedAt)));
    ARROW_ASSIGN_OR_RAISE(otherwise, ToMicros(*column, Rounding::kUp));
    if (parts_.known_at.kind == Kind::kArrival) known = otherwise;
  }
  const int64_t delay = parts_.known_at.kind == Kind::kDelay ? parts_.known_at.delay_us : 0;
  arrow::Int64Builder builder;
  ARROW_RETURN_NOT_OK(builder.Reserve(rows.num_rows()));
  for (int64_t row = 0; row < rows.num_rows(); ++row) {
    const arrow::Int64Array& from =
        known->IsNull(row) && parts_.known_at.kind == Kind::kSnapshot ? *otherwise : *known;
    if (from.IsNull(row)) {
      builder.UnsafeAppendNull();
      continue;
    }
    int64_t known_at = base::SaturatingAdd(from.Value(row), delay);
    if (out->event_time->IsValid(row)) known_at = std::max(known_at, out->event_time->Value(row));
    builder.UnsafeAppend(known_at);
  }
  return builder.Finish(&out->known_at);
}

std::vector<bool> IsDelete(const arrow::Array& ops) {
  const auto& texts = static_cast<const arrow::StringArray&>(ops);
  std::vector<bool> deleted(static_cast<size_t>(texts.length()));
  for (int64_t row = 0; row < texts.length(); ++row) {
    deleted[static_cast<size_t>(row)] = texts.IsValid(row) && texts.GetView(row) == "delete";
  }
  return deleted;
}

// known_at of rows and deletes. What a delete's other columns say is about the row it ends.
arrow::Result<std::shared_ptr<arrow::Int64Array>> TableView::DeleteTimes(
    const arrow::RecordBatch& rows, const std::vector<bool>& deleted,
    const state::PreparedRows& times) const {
  const bool arrival = parts_.known_at.kind == spec::KnownAt::Kind::kArrival;
  ARROW_ASSIGN_OR_RAISE(auto column,
                        Column(rows, std::string(arrival ? lake::kArrivedAt : lake::kKnownAt)));
  ARROW_ASSIGN_OR_RAISE(const auto log_times, ToMicros(*column, Rounding::kUp));
  arrow::Int64Builder builder;
  ARROW_RETURN_NOT_OK(builder.Reserve(rows.num_rows()));
  for (int64_t row = 0; row < rows.num_rows(); ++row) {
    const bool ends = deleted[static_cast<size_t>(row)];
    const arrow::Int64Array& from = ends ? *log_times : *times.known_at;
    if (from.IsNull(row)) {
      builder.UnsafeAppendNull();
      continue;
    }
    int64_t known_at = from.Value(row);
    if (times.event_time->IsValid(row)) {
      known_at = std::max(known_at, times.event_time->Value(row));
    }
    builder.UnsafeAppend(known_at);
  }
  std::shared_ptr<arrow::Int64Array> known_at;
  ARROW_RETURN_NOT_OK(builder.Finish(&known_at));
  return known_at;
}

arrow::Result<std::vector<bool>> TableView::Deleted(const arrow::RecordBatch& rows) const {
  ARROW_ASSIGN_OR_RAISE(auto ops, Column(rows, std::string(lake::kOp)));
  if (ops->type_id() != arrow::Type::STRING) {
    ARROW_ASSIGN_OR_RAISE(ops, arrow::compute::Cast(*ops, arrow::utf8()));
  }
  return IsDelete(*ops);
}

arrow::Status TableView::PrepareVersions(const arrow::RecordBatch& rows,
                                         state::PreparedRows* out) const {
  ARROW_ASSIGN_OR_RAISE(const std::vector<bool> deleted, Deleted(rows));
  if (!parts_.event_time.always) {
    ARROW_ASSIGN_OR_RAISE(out->known_at, DeleteTimes(rows, deleted, *out));
  }
  ARROW_ASSIGN_OR_RAISE(std::vector<bool> live, HoldsWhere(rows));
  LeaveOutNullKeys(out->keys, &live);
  for (size_t row = 0; row < live.size(); ++row) live[row] = live[row] && !deleted[row];
  arrow::BooleanBuilder builder;
  ARROW_RETURN_NOT_OK(builder.AppendValues(live));
  ARROW_RETURN_NOT_OK(builder.Finish(&out->live));
  const auto ordered = [&](const std::vector<std::string>& names)
      -> arrow::Result<std::shared_ptr<arrow::BinaryArray>> {
    Arrays columns;
    for (const std::string& name : names) {
      ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), Column(rows, name));
    }
    return state::OrderedBytes(columns, rows.num_rows());
  };
  ARROW_ASSIGN_OR_RAISE(out->table_key, ordered(parts_.table_key));
  ARROW_ASSIGN_OR_RAISE(out->version_order, ordered(parts_.order_by));
  return arrow::Status::OK();
}

arrow::Result<state::PreparedRows> TableView::Prepare(const arrow::RecordBatch& batch) const {
  state::PreparedRows out;
  std::shared_ptr<arrow::RecordBatch> rows;
  if (parts_.versioned) {
    rows = batch.Slice(0);
    ARROW_ASSIGN_OR_RAISE(out.keys, CastKeys(*rows));
  } else {
    ARROW_ASSIGN_OR_RAISE(rows, Select(batch, &out.keys, nullptr));
  }
  out.num_rows = rows->num_rows();
  ARROW_RETURN_NOT_OK(PrepareColumns(*rows, &out));
  return out;
}

arrow::Result<InspectedRows> TableView::Inspect(const arrow::RecordBatch& rows) const {
  InspectedRows out;
  out.rows.num_rows = rows.num_rows();
  ARROW_ASSIGN_OR_RAISE(out.rows.keys, CastKeys(rows));
  ARROW_RETURN_NOT_OK(PrepareColumns(rows, &out.rows));
  ARROW_ASSIGN_OR_RAISE(out.passes, HoldsWhere(rows));
  out.deleted.assign(static_cast<size_t>(rows.num_rows()), false);
  if (parts_.versioned) {
    ARROW_ASSIGN_OR_RAISE(out.deleted, Deleted(rows));
  }
  return out;
}

arrow::Status TableView::PrepareColumns(const arrow::RecordBatch& rows,
                                        state::PreparedRows* out) const {
  ARROW_RETURN_NOT_OK(PrepareTimes(rows, out));
  if (parts_.versioned) ARROW_RETURN_NOT_OK(PrepareVersions(rows, out));
  ARROW_ASSIGN_OR_RAISE(out->values, PrepareValues(rows));
  for (const auto& mask : parts_.masks) {
    ARROW_ASSIGN_OR_RAISE(auto holds, Holds(*mask, rows));
    out->masks.push_back(std::move(holds));
  }
  return arrow::Status::OK();
}

arrow::Result<state::PreparedRows> TableView::PrepareRows(const arrow::RecordBatch& batch,
                                                          std::vector<int32_t>* taken) const {
  state::PreparedRows out;
  taken->clear();
  ARROW_ASSIGN_OR_RAISE(const auto rows, Select(batch, &out.keys, taken));
  out.num_rows = rows->num_rows();
  ARROW_RETURN_NOT_OK(PrepareTimes(*rows, &out));
  for (const auto& mask : parts_.masks) {
    ARROW_ASSIGN_OR_RAISE(auto holds, Holds(*mask, *rows));
    out.masks.push_back(std::move(holds));
  }
  return out;
}

arrow::Result<Arrays> TableView::PrepareValues(const arrow::RecordBatch& rows) const {
  const Types& types = parts_.engine->layout().value_types;
  Arrays values;
  for (size_t i = 0; i < parts_.value_columns.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(auto column, Column(rows, parts_.value_columns[i]));
    if (!column->type()->Equals(*types[i])) {
      ARROW_ASSIGN_OR_RAISE(column, arrow::compute::Cast(*column, types[i]));
    }
    values.push_back(std::move(column));
  }
  return values;
}

}  // namespace

std::shared_ptr<const BoundView> MakeTableView(ViewParts parts) {
  return std::make_shared<TableView>(std::move(parts));
}

}  // namespace icecore::feature
