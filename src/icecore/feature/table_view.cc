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
  explicit TableView(ViewParts parts) : parts_(std::move(parts)) {}

  const std::string& name() const override { return parts_.name; }
  const std::vector<std::string>& columns() const override { return parts_.columns; }
  const Types& key_types() const override { return parts_.key_types; }
  const std::vector<std::string>& key_names() const override { return parts_.key_names; }
  const std::vector<std::string>& feature_names() const override { return parts_.feature_names; }
  const Types& feature_types() const override { return parts_.engine->output_types(); }
  std::shared_ptr<const state::ViewEngine> engine() const override { return parts_.engine; }

  arrow::Result<state::PreparedRows> Prepare(const arrow::RecordBatch& rows) const override;
  arrow::Result<InspectedRows> Inspect(const arrow::RecordBatch& rows) const override;
  arrow::Result<std::shared_ptr<arrow::Array>> ApplyDefault(
      int feature, std::shared_ptr<arrow::Array> values) const override {
    return FillNulls(std::move(values), parts_.defaults[static_cast<size_t>(feature)]);
  }

 private:
  arrow::Result<std::shared_ptr<arrow::Array>> Column(const arrow::RecordBatch& rows,
                                                      const std::string& column) const;
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Select(
      const arrow::RecordBatch& rows, std::vector<std::shared_ptr<arrow::Array>>* keys) const;
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
};

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

// The rows that pass the view's where and have whole keys, and their keys.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> TableView::Select(const arrow::RecordBatch& rows,
                                                                     Arrays* keys) const {
  ARROW_ASSIGN_OR_RAISE(*keys, CastKeys(rows));
  ARROW_ASSIGN_OR_RAISE(std::vector<bool> keep, HoldsWhere(rows));
  LeaveOutNullKeys(*keys, &keep);
  auto selected = rows.Slice(0);
  if (std::find(keep.begin(), keep.end(), false) == keep.end()) return selected;
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
    ARROW_ASSIGN_OR_RAISE(rows, Select(batch, &out.keys));
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
  const Types& types = parts_.engine->layout().value_types;
  for (size_t i = 0; i < parts_.value_columns.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(auto values, Column(rows, parts_.value_columns[i]));
    if (!values->type()->Equals(*types[i])) {
      ARROW_ASSIGN_OR_RAISE(values, arrow::compute::Cast(*values, types[i]));
    }
    out->values.push_back(std::move(values));
  }
  for (const auto& mask : parts_.masks) {
    ARROW_ASSIGN_OR_RAISE(auto holds, Holds(*mask, rows));
    out->masks.push_back(std::move(holds));
  }
  return arrow::Status::OK();
}

}  // namespace

std::shared_ptr<const BoundView> MakeTableView(ViewParts parts) {
  return std::make_shared<TableView>(std::move(parts));
}

}  // namespace icecore::feature
