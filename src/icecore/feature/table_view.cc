#include "icecore/feature/table_view.h"

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

namespace icecore::feature {

using base::ErrorCode;

namespace {

using Types = std::vector<std::shared_ptr<arrow::DataType>>;

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
  arrow::Result<std::shared_ptr<arrow::Array>> ApplyDefault(
      int feature, std::shared_ptr<arrow::Array> values) const override {
    return FillNulls(std::move(values), parts_.defaults[static_cast<size_t>(feature)]);
  }

 private:
  arrow::Result<std::shared_ptr<arrow::Array>> Column(const arrow::RecordBatch& rows,
                                                      const std::string& column) const;
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Select(
      const arrow::RecordBatch& rows, std::vector<std::shared_ptr<arrow::Array>>* keys) const;
  arrow::Status PrepareTimes(const arrow::RecordBatch& rows, state::PreparedRows* out) const;

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

// The rows that pass the view's where and have whole keys, and their keys.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> TableView::Select(
    const arrow::RecordBatch& rows, std::vector<std::shared_ptr<arrow::Array>>* keys) const {
  std::vector<bool> keep(static_cast<size_t>(rows.num_rows()), true);
  bool all = true;
  for (size_t i = 0; i < parts_.key_columns.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(auto column, Column(rows, parts_.key_columns[i]));
    ARROW_ASSIGN_OR_RAISE(auto key, CastKey(std::move(column), parts_.key_types[i]));
    for (int64_t row = 0; key->null_count() > 0 && row < key->length(); ++row) {
      if (key->IsNull(row)) keep[static_cast<size_t>(row)] = all = false;
    }
    keys->push_back(std::move(key));
  }
  auto selected = rows.Slice(0);
  if (parts_.where != nullptr) {
    ARROW_ASSIGN_OR_RAISE(auto holds, Holds(*parts_.where, rows));
    for (int64_t row = 0; row < holds->length(); ++row) {
      if (holds->IsNull(row) || !holds->Value(row)) keep[static_cast<size_t>(row)] = all = false;
    }
  }
  if (all) return selected;
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

arrow::Result<state::PreparedRows> TableView::Prepare(const arrow::RecordBatch& batch) const {
  state::PreparedRows out;
  ARROW_ASSIGN_OR_RAISE(const auto rows, Select(batch, &out.keys));
  out.num_rows = rows->num_rows();
  ARROW_RETURN_NOT_OK(PrepareTimes(*rows, &out));
  const Types& types = parts_.engine->layout().value_types;
  for (size_t i = 0; i < parts_.value_columns.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(auto values, Column(*rows, parts_.value_columns[i]));
    if (!values->type()->Equals(*types[i])) {
      ARROW_ASSIGN_OR_RAISE(values, arrow::compute::Cast(*values, types[i]));
    }
    out.values.push_back(std::move(values));
  }
  for (const auto& mask : parts_.masks) {
    ARROW_ASSIGN_OR_RAISE(auto holds, Holds(*mask, *rows));
    out.masks.push_back(std::move(holds));
  }
  return out;
}

}  // namespace

std::shared_ptr<const BoundView> MakeTableView(ViewParts parts) {
  return std::make_shared<TableView>(std::move(parts));
}

}  // namespace icecore::feature
