#include "icecore/server/request_columns.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/compute/cast.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include "icecore/base/suggest.h"
#include "icecore/quality/text_conversion.h"
#include "icecore/spec/parse.h"

namespace icecore::server {
namespace {

std::string DoubleText(double value) {
  char buffer[40];
  return std::string(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
}

// The scalar as the text that the column's type is read from; nullopt: another kind of JSON value
// than the type takes.
std::optional<std::string> TextFor(const JsonScalar& scalar, const arrow::DataType& type) {
  const arrow::Type::type id = type.id();
  if (id == arrow::Type::BOOL) {
    const bool* value = std::get_if<bool>(&scalar);
    return value == nullptr ? std::nullopt : std::optional<std::string>(*value ? "true" : "false");
  }
  if (arrow::is_integer(id) || arrow::is_floating(id)) {
    if (const auto* whole = std::get_if<int64_t>(&scalar)) {
      return std::to_string(*whole);
    }
    if (const auto* whole = std::get_if<uint64_t>(&scalar)) {
      return std::to_string(*whole);
    }
    if (const auto* number = std::get_if<double>(&scalar);
        number != nullptr && arrow::is_floating(id)) {
      return DoubleText(*number);
    }
    const auto* text = std::get_if<std::string>(&scalar);
    const bool special = text != nullptr && arrow::is_floating(id) &&
                         (*text == "NaN" || *text == "Infinity" || *text == "-Infinity");
    return special ? std::optional<std::string>(*text) : std::nullopt;
  }
  if (const auto* text = std::get_if<std::string>(&scalar)) {
    return *text;
  }
  if (const auto* whole = std::get_if<int64_t>(&scalar);
      whole != nullptr && arrow::is_decimal(id)) {
    return std::to_string(*whole);
  }
  return std::nullopt;
}

const JsonScalar& ScalarAt(const RequestValues& values, int64_t row) {
  return values.values[values.values.size() == 1 ? 0 : static_cast<size_t>(row)];
}

// A column of whole numbers, without a text between. nullptr: some value is not simply one; then
// the way through texts says what is wrong, or that it is right all the same.
template <typename Type>
arrow::Result<std::shared_ptr<arrow::Array>> ReadWhole(const RequestValues& values, int64_t rows) {
  using Value = typename Type::c_type;
  typename arrow::TypeTraits<Type>::BuilderType builder;
  ARROW_RETURN_NOT_OK(builder.Reserve(rows));
  for (int64_t row = 0; row < rows; ++row) {
    const JsonScalar& scalar = ScalarAt(values, row);
    if (std::holds_alternative<std::monostate>(scalar)) {
      builder.UnsafeAppendNull();
      continue;
    }
    const int64_t* whole = std::get_if<int64_t>(&scalar);
    if (whole == nullptr || !std::in_range<Value>(*whole)) {
      return nullptr;
    }
    builder.UnsafeAppend(static_cast<Value>(*whole));
  }
  return builder.Finish();
}

// As ReadWhole, of doubles. A whole number is the nearest double, as its text would be.
arrow::Result<std::shared_ptr<arrow::Array>> ReadDoubles(const RequestValues& values,
                                                         int64_t rows) {
  arrow::DoubleBuilder builder;
  ARROW_RETURN_NOT_OK(builder.Reserve(rows));
  for (int64_t row = 0; row < rows; ++row) {
    const JsonScalar& scalar = ScalarAt(values, row);
    if (std::holds_alternative<std::monostate>(scalar)) {
      builder.UnsafeAppendNull();
    } else if (const double* number = std::get_if<double>(&scalar)) {
      builder.UnsafeAppend(*number);
    } else if (const int64_t* whole = std::get_if<int64_t>(&scalar)) {
      builder.UnsafeAppend(static_cast<double>(*whole));
    } else {
      return nullptr;
    }
  }
  return builder.Finish();
}

// Any type, by the text that it is read from.
arrow::Result<std::shared_ptr<arrow::Array>> ReadTexts(const feature::RequestColumn& column,
                                                       const std::string& field,
                                                       const RequestValues& values, int64_t rows) {
  const auto wrong = [&](int64_t row) {
    return FieldError(field,
                      "value " + std::to_string(row) + " is no " + spec::TypeText(*column.type));
  };
  arrow::StringBuilder builder;
  for (int64_t row = 0; row < rows; ++row) {
    const JsonScalar& scalar = ScalarAt(values, row);
    if (std::holds_alternative<std::monostate>(scalar)) {
      ARROW_RETURN_NOT_OK(builder.AppendNull());
      continue;
    }
    const auto text = TextFor(scalar, *column.type);
    if (!text) {
      return wrong(row);
    }
    ARROW_RETURN_NOT_OK(builder.Append(*text));
  }
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Array> texts, builder.Finish());
  if (column.type->id() == arrow::Type::STRING) {
    return texts;
  }
  quality::ColumnTarget target;
  target.type = column.type;
  ARROW_ASSIGN_OR_RAISE(auto converted, quality::ConvertText(*texts, target, {}, /*json=*/true));
  if (!converted.bad.empty()) {
    return wrong(converted.bad.front().row);
  }
  return converted.values;
}

// In the type the service wants. Keys are whole numbers or strings nearly always.
arrow::Result<std::shared_ptr<arrow::Array>> ToArray(const feature::RequestColumn& column,
                                                     const std::string& field,
                                                     const RequestValues& values, int64_t rows) {
  arrow::Result<std::shared_ptr<arrow::Array>> read = nullptr;
  switch (column.type->id()) {
    case arrow::Type::INT64:
      read = ReadWhole<arrow::Int64Type>(values, rows);
      break;
    case arrow::Type::INT32:
      read = ReadWhole<arrow::Int32Type>(values, rows);
      break;
    case arrow::Type::DOUBLE:
      read = ReadDoubles(values, rows);
      break;
    default:
      break;
  }
  if (!read.ok() || *read != nullptr) {
    return read;
  }
  return ReadTexts(column, field, values, rows);
}

bool IsInstant(const arrow::DataType& type) {
  return type.id() == arrow::Type::TIMESTAMP &&
         !static_cast<const arrow::TimestampType&>(type).timezone().empty();
}

bool IsText(arrow::Type::type id) { return arrow::is_string(id) || id == arrow::Type::STRING_VIEW; }

// Whether values of the one type are values of the other, as far as each fits.
bool MayFit(const arrow::DataType& given, const arrow::DataType& wanted) {
  const arrow::Type::type from = given.id();
  const arrow::Type::type to = wanted.id();
  return from == arrow::Type::NA || (arrow::is_integer(from) && arrow::is_integer(to)) ||
         ((arrow::is_integer(from) || arrow::is_floating(from)) && arrow::is_floating(to)) ||
         ((arrow::is_integer(from) || arrow::is_decimal(from)) && arrow::is_decimal(to)) ||
         (IsText(from) && to == arrow::Type::STRING) ||
         ((arrow::is_binary(from) || from == arrow::Type::FIXED_SIZE_BINARY) &&
          to == arrow::Type::BINARY) ||
         (IsInstant(given) && IsInstant(wanted)) || (arrow::is_date(from) && arrow::is_date(to));
}

arrow::Result<std::shared_ptr<arrow::Array>> Fitted(const feature::RequestColumn& column,
                                                    std::shared_ptr<arrow::Array> given) {
  if (given->type()->Equals(*column.type)) {
    return given;
  }
  const std::string given_type = given->type()->ToString();
  if (given->type_id() == arrow::Type::DICTIONARY) {
    const auto& type = static_cast<const arrow::DictionaryType&>(*given->type());
    if (MayFit(*type.value_type(), *column.type)) {
      ARROW_ASSIGN_OR_RAISE(given, arrow::compute::Cast(*given, type.value_type()));
    }
  }
  if (!MayFit(*given->type(), *column.type)) {
    return FieldError(column.name, "is " + given_type + "; expected " +
                                       spec::TypeText(*column.type) + " (Arrow's " +
                                       column.type->ToString() + ")");
  }
  arrow::compute::CastOptions options = arrow::compute::CastOptions::Safe(column.type);
  // A whole number is the nearest double, as it is in JSON.
  options.allow_float_truncate = arrow::is_integer(given->type_id());
  auto fitted = arrow::compute::Cast(*given, column.type, options);
  if (!fitted.ok()) {
    return FieldError(column.name, "a value is no " + spec::TypeText(*column.type) + ": " +
                                       fitted.status().message());
  }
  return fitted;
}

}  // namespace

arrow::Status RefuseUnknown(const std::vector<feature::RequestColumn>& wanted,
                            const std::vector<RequestValues>& given, const std::string& group) {
  for (const RequestValues& values : given) {
    const bool known = std::any_of(wanted.begin(), wanted.end(),
                                   [&](const auto& column) { return column.name == values.name; });
    if (known) {
      continue;
    }
    std::vector<std::string> names;
    names.reserve(wanted.size());
    for (const feature::RequestColumn& column : wanted) {
      names.push_back(column.name);
    }
    return FieldError(group + "." + values.name,
                      "the service has no such column" + base::DidYouMean(values.name, names));
  }
  return arrow::Status::OK();
}

// The columns wanted, from those given; none may be missing.
arrow::Result<std::vector<std::shared_ptr<arrow::Array>>> ToArrays(
    const std::vector<feature::RequestColumn>& wanted, const std::vector<RequestValues>& given,
    const std::string& group, int64_t rows) {
  std::vector<std::shared_ptr<arrow::Array>> arrays;
  for (const feature::RequestColumn& column : wanted) {
    const std::string field = group + "." + column.name;
    const auto found = std::find_if(given.begin(), given.end(),
                                    [&](const auto& values) { return values.name == column.name; });
    if (found == given.end()) {
      return FieldError(field,
                        "is missing; the service needs it (" + spec::TypeText(*column.type) + ")");
    }
    ARROW_ASSIGN_OR_RAISE(auto array, ToArray(column, field, *found, rows));
    arrays.push_back(std::move(array));
  }
  return arrays;
}

arrow::Result<std::vector<std::shared_ptr<arrow::Array>>> ColumnsOf(
    const std::vector<feature::RequestColumn>& wanted, const arrow::RecordBatch& given) {
  std::vector<std::shared_ptr<arrow::Array>> arrays;
  for (const feature::RequestColumn& column : wanted) {
    const std::vector<int> places = given.schema()->GetAllFieldIndices(column.name);
    if (places.size() != 1) {
      return FieldError(column.name, !places.empty() ? "given twice"
                                                     : "is missing; the service needs it (" +
                                                           spec::TypeText(*column.type) + ")");
    }
    ARROW_ASSIGN_OR_RAISE(auto array, Fitted(column, given.column(places.front())));
    arrays.push_back(std::move(array));
  }
  return arrays;
}

arrow::Status RefuseUnknown(const std::vector<feature::RequestColumn>& keys,
                            const std::vector<feature::RequestColumn>& request,
                            const arrow::RecordBatch& given) {
  std::vector<std::string> names;
  for (const auto* columns : {&keys, &request}) {
    for (const feature::RequestColumn& column : *columns) {
      names.push_back(column.name);
    }
  }
  for (const std::string& name : given.schema()->field_names()) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      return FieldError(name, "the service has no such column" + base::DidYouMean(name, names));
    }
  }
  return arrow::Status::OK();
}

}  // namespace icecore::server
