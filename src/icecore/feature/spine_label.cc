#include "icecore/feature/spine_label.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/compute/api_scalar.h>
#include <arrow/compute/initialize.h>
#include <arrow/datum.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <string>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/suggest.h"
#include "icecore/base/time.h"
#include "icecore/feature/service.h"
#include "icecore/feature/time_column.h"
#include "icecore/spec/parse.h"

namespace icecore::feature {
namespace {

using base::ErrorCode;

// One rule at work on one spine.
class Judge {
 public:
  Judge(const spec::LabelColumn& rule, int64_t cut_us, const arrow::Table& spine)
      : rule_(rule), cut_us_(cut_us), spine_(spine) {}

  arrow::Result<LabelledSpine> Run() {
    if (spine_.schema()->GetFieldIndex(kLabelStatusColumn) >= 0) {
      return Fail("the spine has a column 'label_status' already; name it otherwise");
    }
    ARROW_ASSIGN_OR_RAISE(const auto label, Column(rule_.column));
    ARROW_ASSIGN_OR_RAISE(const auto asked, Times(kEventTimestamp));
    std::shared_ptr<arrow::Int64Array> known_at;
    if (rule_.known_at) {
      ARROW_ASSIGN_OR_RAISE(known_at, Times(*rule_.known_at));
    }
    LabelledSpine out;
    arrow::StringBuilder statuses;
    arrow::BooleanBuilder pending;
    for (int64_t row = 0; row < label->length(); ++row) {
      const char* status = StatusOf(*label, *asked, known_at.get(), row, &out.counts);
      ARROW_RETURN_NOT_OK(statuses.Append(status));
      ARROW_RETURN_NOT_OK(pending.Append(status == kPending));
    }
    ARROW_ASSIGN_OR_RAISE(const auto mask, pending.Finish());
    ARROW_ASSIGN_OR_RAISE(auto table, Without(spine_, rule_.column, mask));
    if (rule_.known_at) {
      ARROW_ASSIGN_OR_RAISE(table, Without(*table, *rule_.known_at, mask));
    }
    ARROW_ASSIGN_OR_RAISE(auto values, statuses.Finish());
    ARROW_ASSIGN_OR_RAISE(
        out.table,
        table->AddColumn(table->num_columns(), arrow::field(kLabelStatusColumn, arrow::utf8()),
                         std::make_shared<arrow::ChunkedArray>(values)));
    return out;
  }

 private:
  static constexpr const char* kKnown = "known";
  static constexpr const char* kMissing = "missing";
  static constexpr const char* kPending = "pending";

  const char* StatusOf(const arrow::Array& label, const arrow::Int64Array& asked,
                       const arrow::Int64Array* known_at, int64_t row, LabelCounts* counts) const {
    if (asked.IsNull(row)) {
      ++counts->missing;
      return kMissing;
    }
    const bool mature = base::SaturatingAdd(asked.Value(row), rule_.mature_after_us) <= cut_us_;
    const bool has_known = known_at != nullptr && known_at->IsValid(row);
    if (!mature || (has_known && known_at->Value(row) > cut_us_)) {
      ++counts->pending;
      return kPending;
    }
    if (label.IsNull(row) || (known_at != nullptr && !has_known)) {
      ++counts->missing;
      return kMissing;
    }
    ++counts->known;
    if (has_known && known_at->Value(row) <= asked.Value(row)) {
      ++counts->known_when_asked;
    }
    return kKnown;
  }

  arrow::Status Fail(const std::string& message) const {
    return base::MakeErrorAt(ErrorCode::kInvalidDefinition, rule_.location, "label: " + message);
  }

  arrow::Result<std::shared_ptr<arrow::Array>> Column(const std::string& name) const {
    const auto column = spine_.GetColumnByName(name);
    if (!column) {
      return Fail("the spine has no column '" + name + "'" +
                  base::DidYouMean(name, spine_.ColumnNames()));
    }
    if (column->num_chunks() == 0) {
      return arrow::MakeEmptyArray(column->type());
    }
    return column->num_chunks() == 1 ? column->chunk(0) : arrow::Concatenate(column->chunks());
  }

  arrow::Result<std::shared_ptr<arrow::Int64Array>> Times(const std::string& name) const {
    ARROW_ASSIGN_OR_RAISE(auto column, Column(name));
    if (column->type_id() == arrow::Type::NA) {
      ARROW_ASSIGN_OR_RAISE(column, arrow::MakeArrayOfNull(arrow::timestamp(arrow::TimeUnit::MICRO),
                                                           column->length()));
    }
    // A moment within a microsecond is not later than it for a question, not earlier for a fact.
    auto times = ToMicros(*column, name == kEventTimestamp ? Rounding::kDown : Rounding::kUp);
    if (!times.ok()) {
      return Fail("column '" + name + "' (" + spec::TypeText(*column->type()) +
                  ") holds no times: " + times.status().message());
    }
    return times;
  }

  // The column null where the mask says.
  static arrow::Result<std::shared_ptr<arrow::Table>> Without(
      const arrow::Table& spine, const std::string& name,
      const std::shared_ptr<arrow::Array>& mask) {
    const int index = spine.schema()->GetFieldIndex(name);
    const auto field = spine.schema()->field(index)->WithNullable(true);
    ARROW_ASSIGN_OR_RAISE(const auto none, arrow::MakeArrayOfNull(field->type(), 1));
    ARROW_ASSIGN_OR_RAISE(const auto null, none->GetScalar(0));
    ARROW_ASSIGN_OR_RAISE(const arrow::Datum values,
                          arrow::compute::IfElse(mask, null, arrow::Datum(spine.column(index))));
    auto column = values.is_array() ? std::make_shared<arrow::ChunkedArray>(values.make_array())
                                    : values.chunked_array();
    return spine.SetColumn(index, field, std::move(column));
  }

  const spec::LabelColumn& rule_;
  const int64_t cut_us_;
  const arrow::Table& spine_;
};

}  // namespace

arrow::Result<LabelledSpine> JudgeLabels(const spec::LabelColumn& rule, int64_t cut_us,
                                         const std::shared_ptr<arrow::Table>& spine) {
  ARROW_RETURN_NOT_OK(arrow::compute::Initialize());
  return Judge(rule, cut_us, *spine).Run();
}

}  // namespace icecore::feature
