#include "icecore/ingest/files/row_builder.h"

#include <arrow/array/util.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include <unordered_map>
#include <utility>

#include "icecore/base/text.h"
#include "icecore/ingest/files/file_rows.h"
#include "icecore/lake/envelope.h"

namespace icecore::ingest {
namespace {

arrow::Result<std::shared_ptr<arrow::Array>> RepeatText(const std::string& text, int64_t count) {
  return arrow::MakeArrayFromScalar(arrow::StringScalar(text), count);
}

}  // namespace

std::string CheckColumnNames(const std::vector<std::string>& names) {
  if (names.size() > static_cast<size_t>(kMaxColumns)) {
    return "more than " + std::to_string(kMaxColumns) + " columns";
  }
  std::unordered_map<std::string, size_t> seen;
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string lower = base::LowerText(names[i]);
    if (lake::IsEnvelope(names[i])) {
      return "column '" + names[i] + "' (number " + std::to_string(i + 1) +
             ") begins with '_', as only Icecore's own columns may; rename it in the source";
    }
    const auto [other, is_new] = seen.emplace(lower, i);
    if (!is_new) {
      return "columns " + std::to_string(other->second + 1) + " and " + std::to_string(i + 1) +
             " have the same name: '" + names[other->second] + "' and '" + names[i] + "'";
    }
  }
  return "";
}

std::shared_ptr<arrow::Schema> WithFileEnvelope(
    const std::vector<std::shared_ptr<arrow::Field>>& user) {
  arrow::FieldVector fields = user;
  fields.push_back(arrow::field(std::string(kFileColumn), arrow::utf8(), false));
  fields.push_back(arrow::field(std::string(kRowColumn), arrow::int64(), false));
  fields.push_back(arrow::field(std::string(kProblemColumn), arrow::utf8()));
  fields.push_back(arrow::field(std::string(kRawColumn), arrow::binary()));
  return arrow::schema(std::move(fields));
}

RowBuilder::RowBuilder(const std::vector<std::string>& columns, std::string file, int64_t from_row)
    : file_(std::move(file)), from_row_(from_row) {
  arrow::FieldVector fields;
  for (const std::string& name : columns) {
    fields.push_back(arrow::field(name, arrow::utf8()));
    values_.push_back(std::make_unique<arrow::StringBuilder>());
  }
  schema_ = WithFileEnvelope(fields);
}

arrow::Status RowBuilder::Value(size_t column, std::string_view utf8) {
  bytes_ += static_cast<int64_t>(utf8.size());
  return values_[column]->Append(utf8);
}

arrow::Status RowBuilder::EndRow() {
  ++rows_;
  ARROW_RETURN_NOT_OK(row_numbers_.Append(from_row_ + rows_));
  ARROW_RETURN_NOT_OK(problems_.AppendNull());
  return raw_.AppendNull();
}

arrow::Status RowBuilder::Problem(std::string_view problem, std::string_view raw) {
  for (const auto& column : values_) {
    ARROW_RETURN_NOT_OK(column->AppendNull());
  }
  ++rows_;
  ++problem_rows_;
  bytes_ += static_cast<int64_t>(raw.size());
  ARROW_RETURN_NOT_OK(row_numbers_.Append(from_row_ + rows_));
  ARROW_RETURN_NOT_OK(problems_.Append(problem));
  return raw_.Append(raw);
}

bool RowBuilder::full() const {
  return row_numbers_.length() >= kBatchRows || bytes_ >= kBatchBytes;
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> RowBuilder::Flush() {
  const int64_t rows = row_numbers_.length();
  if (rows == 0) {
    return nullptr;
  }
  bytes_ = 0;
  arrow::ArrayVector columns;
  for (const auto& builder : values_) {
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), builder->Finish());
  }
  ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), RepeatText(file_, rows));
  ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), row_numbers_.Finish());
  ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), problems_.Finish());
  ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), raw_.Finish());
  return arrow::RecordBatch::Make(schema_, rows, std::move(columns));
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> AddFileEnvelope(
    const arrow::RecordBatch& batch, const std::shared_ptr<arrow::Schema>& schema,
    const std::string& file, int64_t first_row) {
  arrow::ArrayVector columns = batch.columns();
  ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), RepeatText(file, batch.num_rows()));
  arrow::Int64Builder row_numbers;
  ARROW_RETURN_NOT_OK(row_numbers.Reserve(batch.num_rows()));
  for (int64_t i = 0; i < batch.num_rows(); ++i) {
    row_numbers.UnsafeAppend(first_row + i);
  }
  ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), row_numbers.Finish());
  ARROW_ASSIGN_OR_RAISE(columns.emplace_back(),
                        arrow::MakeArrayOfNull(arrow::utf8(), batch.num_rows()));
  ARROW_ASSIGN_OR_RAISE(columns.emplace_back(),
                        arrow::MakeArrayOfNull(arrow::binary(), batch.num_rows()));
  return arrow::RecordBatch::Make(schema, batch.num_rows(), std::move(columns));
}

}  // namespace icecore::ingest
