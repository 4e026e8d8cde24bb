#include "icecore/feature/default_value.h"

#include <arrow/array/array_base.h>
#include <arrow/array/builder_base.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/util/checked_cast.h>
#include <arrow/util/decimal.h>

#include <cmath>
#include <limits>
#include <string>

#include "icecore/base/decimal_text.h"
#include "icecore/base/error.h"
#include "icecore/base/time.h"

namespace icecore::feature {

namespace {

using Kind = spec::Literal::Kind;
using arrow::internal::checked_cast;

arrow::Status WrongType(const spec::Literal& literal, const arrow::DataType& type) {
  return base::MakeErrorAt(
      base::ErrorCode::kInvalidDefinition, literal.location,
      "default '" + literal.string_value + "' is no value of type " + type.ToString());
}

arrow::Result<std::shared_ptr<arrow::Scalar>> DecimalDefault(
    const spec::Literal& literal, const std::shared_ptr<arrow::DataType>& type) {
  const auto& decimal = checked_cast<const arrow::DecimalType&>(*type);
  const auto value =
      type->id() == arrow::Type::DECIMAL128
          ? base::ParseDecimal(literal.string_value, decimal.precision(), decimal.scale())
          : std::nullopt;
  if (!value) {
    return WrongType(literal, *type);
  }
  return std::make_shared<arrow::Decimal128Scalar>(*value, type);
}

bool Suits(const spec::Literal& literal, const arrow::DataType& type) {
  switch (literal.kind) {
    case Kind::kBool:
      return type.id() == arrow::Type::BOOL;
    case Kind::kInt:
      return arrow::is_integer(type.id()) || arrow::is_floating(type.id());
    case Kind::kFloat:
      return arrow::is_floating(type.id());
    default:
      return arrow::is_base_binary_like(type.id()) || arrow::is_temporal(type.id());
  }
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::Scalar>> DefaultValue(
    const spec::Literal& literal, const std::shared_ptr<arrow::DataType>& type) {
  if (literal.kind == Kind::kNull) return nullptr;
  if (arrow::is_decimal(type->id())) return DecimalDefault(literal, type);
  if (!Suits(literal, *type)) return WrongType(literal, *type);
  if (type->id() == arrow::Type::DOUBLE || type->id() == arrow::Type::FLOAT) {
    const double value =
        literal.kind == Kind::kInt ? static_cast<double>(literal.int_value) : literal.float_value;
    if (type->id() == arrow::Type::DOUBLE) return std::make_shared<arrow::DoubleScalar>(value);
    return std::make_shared<arrow::FloatScalar>(static_cast<float>(value));
  }
  if (type->id() == arrow::Type::TIMESTAMP) {
    const auto time = base::ParseInstant(literal.string_value);
    if (!time.ok()) return WrongType(literal, *type);
    return arrow::TimestampScalar(*time, arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"))
        .CastTo(type);
  }
  auto scalar = arrow::Scalar::Parse(type, literal.string_value);
  if (!scalar.ok()) return WrongType(literal, *type);
  return scalar;
}

arrow::Result<std::shared_ptr<arrow::Array>> FillNulls(
    std::shared_ptr<arrow::Array> values, const std::shared_ptr<arrow::Scalar>& scalar) {
  if (scalar == nullptr || values->null_count() == 0) return values;
  ARROW_ASSIGN_OR_RAISE(auto builder, arrow::MakeBuilder(values->type()));
  ARROW_RETURN_NOT_OK(builder->Reserve(values->length()));
  const arrow::ArraySpan span(*values->data());
  for (int64_t row = 0; row < values->length();) {
    int64_t end = row;
    const bool valid = values->IsValid(row);
    while (end < values->length() && values->IsValid(end) == valid) ++end;
    if (valid) {
      ARROW_RETURN_NOT_OK(builder->AppendArraySlice(span, row, end - row));
    } else {
      ARROW_RETURN_NOT_OK(builder->AppendScalar(*scalar, end - row));
    }
    row = end;
  }
  return builder->Finish();
}

}  // namespace icecore::feature
