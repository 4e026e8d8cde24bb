#include "icecore/pipeline/given_rows.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/base/suggest.h"
#include "icecore/lake/envelope.h"
#include "icecore/pipeline/step_commit.h"
#include "icecore/quality/text_conversion.h"
#include "icecore/spec/parse.h"

namespace icecore::pipeline {
namespace {

using base::ErrorCode;
using Cells = std::vector<const spec::TestValue*>;  // null: the row has none

arrow::Status NotOfType(const spec::TestValue& value, const arrow::DataType& type) {
  return base::MakeErrorAt(
      ErrorCode::kInvalidDefinition, value.location,
      "'" + value.name + "': '" + value.text + "' is no " + spec::TypeText(type));
}

arrow::Result<std::shared_ptr<arrow::Array>> Typed(const Cells& cells,
                                                   const std::shared_ptr<arrow::DataType>& type) {
  arrow::StringBuilder builder;
  for (const spec::TestValue* cell : cells) {
    if (cell == nullptr || cell->is_null) {
      ARROW_RETURN_NOT_OK(builder.AppendNull());
    } else {
      ARROW_RETURN_NOT_OK(builder.Append(cell->text));
    }
  }
  ARROW_ASSIGN_OR_RAISE(const auto texts, builder.Finish());
  quality::ColumnTarget target;
  target.type = type;
  ARROW_ASSIGN_OR_RAISE(auto converted, quality::ConvertText(*texts, target, {}, /*json=*/false));
  if (!converted.bad.empty()) {
    return NotOfType(*cells[static_cast<size_t>(converted.bad.front().row)], *type);
  }
  return converted.values;
}

arrow::Result<std::shared_ptr<arrow::Array>> Numbers(int64_t count) {
  arrow::Int64Builder builder;
  for (int64_t i = 1; i <= count; ++i) {
    ARROW_RETURN_NOT_OK(builder.Append(i));
  }
  return builder.Finish();
}

// The given `_arrived_at`, else `arrived_at_us`.
arrow::Result<std::shared_ptr<arrow::Array>> Arrivals(const std::shared_ptr<arrow::Array>& given,
                                                      const std::shared_ptr<arrow::DataType>& type,
                                                      int64_t arrived_at_us) {
  const auto& times = static_cast<const arrow::TimestampArray&>(*given);
  arrow::TimestampBuilder builder(type, arrow::default_memory_pool());
  for (int64_t row = 0; row < times.length(); ++row) {
    ARROW_RETURN_NOT_OK(builder.Append(times.IsValid(row) ? times.Value(row) : arrived_at_us));
  }
  return builder.Finish();
}

arrow::Status CheckColumns(const spec::TestTable& given, const arrow::Schema& schema) {
  std::vector<std::string> columns = UserSchema(schema)->field_names();
  columns.emplace_back(lake::kArrivedAt);
  for (const auto& row : given.rows) {
    for (const spec::TestValue& value : row) {
      if (std::find(columns.begin(), columns.end(), value.name) == columns.end()) {
        return base::MakeErrorAt(ErrorCode::kInvalidDefinition, value.location,
                                 given.name + " has no column '" + value.name + "'" +
                                     base::DidYouMean(value.name, columns));
      }
    }
  }
  return arrow::Status::OK();
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> BatchOfRows(
    const spec::TestTable& given, const std::shared_ptr<arrow::Schema>& schema,
    int64_t arrived_at_us) {
  ARROW_RETURN_NOT_OK(CheckColumns(given, *schema));
  const auto count = static_cast<int64_t>(given.rows.size());
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (const auto& field : schema->fields()) {
    if (field->name() == lake::kSeq) {
      ARROW_ASSIGN_OR_RAISE(auto numbers, Numbers(count));
      columns.push_back(std::move(numbers));
      continue;
    }
    Cells cells;
    for (const auto& row : given.rows) {
      const auto cell = std::find_if(row.begin(), row.end(), [&](const spec::TestValue& value) {
        return value.name == field->name();
      });
      cells.push_back(cell == row.end() ? nullptr : &*cell);
    }
    ARROW_ASSIGN_OR_RAISE(auto column, Typed(cells, field->type()));
    if (field->name() == lake::kArrivedAt) {
      ARROW_ASSIGN_OR_RAISE(column, Arrivals(column, field->type(), arrived_at_us));
    }
    columns.push_back(std::move(column));
  }
  return arrow::RecordBatch::Make(schema, count, std::move(columns));
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::Array>> GivenValue(
    const spec::TestValue& value, const std::shared_ptr<arrow::DataType>& type) {
  return Typed({&value}, type);
}

arrow::Status WriteGiven(const Workspace& workspace, const spec::TestTable& given,
                         const std::shared_ptr<arrow::Schema>& table, int64_t arrived_at_us) {
  // A test says what matters to it, also of columns that a contract requires.
  arrow::FieldVector fields;
  for (const auto& field : table->fields()) {
    fields.push_back(field->name() == lake::kSeq ? field : field->WithNullable(true));
  }
  const auto schema = arrow::schema(fields);
  ARROW_ASSIGN_OR_RAISE(const auto rows, BatchOfRows(given, schema, arrived_at_us));
  StepCommit::Target target;
  target.table = given.name;
  target.quarantine = "quarantine." + given.name.substr(given.name.find('.') + 1);
  target.origin = given.name;
  target.run_id = "test";
  ARROW_ASSIGN_OR_RAISE(target.before, LoadTable(workspace, given.name));
  ARROW_ASSIGN_OR_RAISE(target.quarantine_before, LoadTable(workspace, target.quarantine));
  target.next.definition = "test";
  target.next.generation = 1;
  target.next.seq_up_to = rows->num_rows();
  target.schema = schema;
  target.last_seq = rows->num_rows();
  target.operation = "TEST";
  ARROW_ASSIGN_OR_RAISE(auto commit, StepCommit::Open(workspace, std::move(target)));
  if (rows->num_rows() > 0) {
    ARROW_RETURN_NOT_OK(commit->Write(rows));
  }
  StepCounts counts;
  counts.read = counts.written = rows->num_rows();
  StepReport report;
  return commit->Finish(counts, &report);
}

}  // namespace icecore::pipeline
