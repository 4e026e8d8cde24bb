#include "icecore/quality/quarantine.h"

#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_nested.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/builder_time.h>
#include <arrow/array/util.h>
#include <arrow/compute/cast.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/json_text.h"
#include "icecore/quality/breaks_internal.h"
#include "icecore/quality/wall_time_internal.h"

namespace icecore::quality {
namespace {

using arrow::Result;
using ArrayPtr = std::shared_ptr<arrow::Array>;

std::shared_ptr<arrow::DataType> ReasonType() {
  return arrow::struct_(
      {arrow::field("rule", arrow::utf8()), arrow::field("version", arrow::utf8()),
       arrow::field("column", arrow::utf8()), arrow::field("observed", arrow::utf8()),
       arrow::field("expected", arrow::utf8())});
}

// The column of that name as `type`, or nulls.
Result<ArrayPtr> ColumnOrNull(const arrow::RecordBatch& rows, const std::string& name,
                              const std::shared_ptr<arrow::DataType>& type) {
  ArrayPtr column = rows.GetColumnByName(name);
  if (column == nullptr) {
    return arrow::MakeArrayOfNull(type, rows.num_rows());
  }
  if (column->type()->Equals(*type)) {
    return column;
  }
  return arrow::compute::Cast(*column, type);
}

Result<ArrayPtr> Repeat(const std::string& text, int64_t rows) {
  arrow::StringBuilder builder;
  for (int64_t i = 0; i < rows; ++i) {
    ARROW_RETURN_NOT_OK(builder.Append(text));
  }
  return builder.Finish();
}

Result<ArrayPtr> FirstRules(const RejectedRows& rejected) {
  arrow::StringBuilder builder;
  for (const std::vector<Reason>& reasons : rejected.reasons) {
    ARROW_RETURN_NOT_OK(builder.Append(RuleKey(reasons[0])));
  }
  return builder.Finish();
}

Result<ArrayPtr> Reasons(const RejectedRows& rejected) {
  std::shared_ptr<arrow::DataType> type = ReasonType();
  std::vector<std::shared_ptr<arrow::ArrayBuilder>> parts;
  parts.reserve(static_cast<size_t>(type->num_fields()));
  for (int i = 0; i < type->num_fields(); ++i) {
    parts.push_back(std::make_shared<arrow::StringBuilder>());
  }
  auto records = std::make_shared<arrow::StructBuilder>(type, arrow::default_memory_pool(), parts);
  arrow::ListBuilder builder(arrow::default_memory_pool(), records, arrow::list(type));
  for (const std::vector<Reason>& reasons : rejected.reasons) {
    ARROW_RETURN_NOT_OK(builder.Append());
    for (const Reason& reason : reasons) {
      ARROW_RETURN_NOT_OK(records->Append());
      const std::string* texts[] = {&reason.rule, &reason.version, &reason.column, &reason.observed,
                                    &reason.expected};
      for (size_t i = 0; i < parts.size(); ++i) {
        ARROW_RETURN_NOT_OK(static_cast<arrow::StringBuilder&>(*parts[i]).Append(*texts[i]));
      }
    }
  }
  return builder.Finish();
}

Result<ArrayPtr> RowTexts(const arrow::RecordBatch& rows) {
  arrow::StringBuilder builder;
  std::string text;
  for (int64_t i = 0; i < rows.num_rows(); ++i) {
    text = "{";
    for (int c = 0; c < rows.num_columns(); ++c) {
      if (rows.column_name(c).starts_with('_')) {
        continue;
      }
      text += text.size() > 1 ? "," : "";
      base::AppendJsonString(rows.column_name(c), &text);
      text += ':';
      size_t begin = text.size();
      if (!base::AppendJsonValue(*rows.column(c), i, &text).ok()) {
        text.resize(begin);
        base::AppendJsonString(ObservedText(*rows.column(c), i), &text);
      }
    }
    text += '}';
    ARROW_RETURN_NOT_OK(builder.Append(text));
  }
  return builder.Finish();
}

}  // namespace

const std::shared_ptr<arrow::Schema>& QuarantineSchema() {
  static const std::shared_ptr<arrow::Schema> schema = [] {
    std::shared_ptr<arrow::DataType> time = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    return arrow::schema({
        arrow::field("_seq", arrow::int64()),
        arrow::field("_arrived_at", time),
        arrow::field("_origin", arrow::utf8()),
        arrow::field("_file", arrow::utf8()),
        arrow::field("_row", arrow::int64()),
        arrow::field("_position", arrow::utf8()),
        arrow::field("_run", arrow::utf8()),
        arrow::field("first_seen", time),
        arrow::field("status", arrow::utf8()),
        arrow::field("rule", arrow::utf8()),
        arrow::field("reasons", arrow::list(ReasonType())),
        arrow::field("row", arrow::utf8()),
        arrow::field("raw", arrow::binary()),
    });
  }();
  return schema;
}

Result<std::shared_ptr<arrow::RecordBatch>> BuildQuarantine(const RejectedRows& rejected,
                                                            const QuarantineContext& context) {
  ARROW_RETURN_NOT_OK(InitializeCompute());
  const arrow::RecordBatch& rows = *rejected.rows;
  int64_t count = rows.num_rows();
  if (rejected.reasons.size() != static_cast<size_t>(count)) {
    return base::MakeError(base::ErrorCode::kInternal, "rejected rows without their reasons");
  }
  for (const std::vector<Reason>& reasons : rejected.reasons) {
    if (reasons.empty()) {
      return base::MakeError(base::ErrorCode::kInternal, "a rejected row without a reason");
    }
  }
  const std::shared_ptr<arrow::Schema>& schema = QuarantineSchema();
  arrow::ArrayVector columns(static_cast<size_t>(schema->num_fields()));
  auto at = [&](const char* name) -> ArrayPtr& {
    return columns[static_cast<size_t>(schema->GetFieldIndex(name))];
  };
  for (const char* name : {"_seq", "_arrived_at", "_file", "_row", "_position"}) {
    ARROW_ASSIGN_OR_RAISE(at(name), ColumnOrNull(rows, name, schema->GetFieldByName(name)->type()));
  }
  ARROW_ASSIGN_OR_RAISE(at("raw"), ColumnOrNull(rows, "_raw", arrow::binary()));
  ARROW_ASSIGN_OR_RAISE(at("_origin"), Repeat(context.origin, count));
  ARROW_ASSIGN_OR_RAISE(at("_run"), Repeat(context.run, count));
  ARROW_ASSIGN_OR_RAISE(at("status"), Repeat("open", count));
  arrow::TimestampBuilder seen(schema->GetFieldByName("first_seen")->type(),
                               arrow::default_memory_pool());
  ARROW_RETURN_NOT_OK(
      seen.AppendValues(std::vector<int64_t>(static_cast<size_t>(count), context.first_seen_us)));
  ARROW_ASSIGN_OR_RAISE(at("first_seen"), seen.Finish());
  ARROW_ASSIGN_OR_RAISE(at("rule"), FirstRules(rejected));
  ARROW_ASSIGN_OR_RAISE(at("reasons"), Reasons(rejected));
  ARROW_ASSIGN_OR_RAISE(at("row"), RowTexts(rows));
  return arrow::RecordBatch::Make(schema, count, std::move(columns));
}

}  // namespace icecore::quality
