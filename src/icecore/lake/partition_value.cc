#include "icecore/lake/partition_value.h"

#include <arrow/buffer.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string_view>
#include <utility>

#include "icecore/base/decimal_text.h"
#include "icecore/base/error.h"
#include "icecore/base/text.h"
#include "icecore/base/time.h"

namespace icecore::lake {
namespace {

using arrow::Type;
using base::ErrorCode;
using base::MakeError;
using ScalarPtr = std::shared_ptr<arrow::Scalar>;

// nullptr where the text is no value.
template <typename ScalarType, typename Value>
ScalarPtr WholeNumber(std::string_view text) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
  }
  Value value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return nullptr;
  }
  return std::make_shared<ScalarType>(value);
}

template <typename ScalarType, typename Value>
ScalarPtr FloatingNumber(std::string_view text) {
  const std::string lower = base::LowerText(text);
  const std::string_view unsigned_text =
      std::string_view(lower).substr(lower.starts_with('-') || lower.starts_with('+') ? 1 : 0);
  if (unsigned_text == "nan") {
    return std::make_shared<ScalarType>(std::numeric_limits<Value>::quiet_NaN());
  }
  if (unsigned_text == "infinity" || unsigned_text == "inf") {
    const Value infinity = std::numeric_limits<Value>::infinity();
    return std::make_shared<ScalarType>(lower.starts_with('-') ? -infinity : infinity);
  }
  const std::string_view digits = std::string_view(lower).substr(lower.starts_with('+') ? 1 : 0);
  Value value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) {
    return nullptr;
  }
  return std::make_shared<ScalarType>(value);
}

ScalarPtr Boolean(std::string_view text) {
  const std::string lower = base::LowerText(text);
  if (lower != "true" && lower != "false") {
    return nullptr;
  }
  return std::make_shared<arrow::BooleanScalar>(lower == "true");
}

ScalarPtr Decimal(std::string_view text, const std::shared_ptr<arrow::DataType>& type) {
  const auto& decimal = static_cast<const arrow::Decimal128Type&>(*type);
  const auto value = base::ParseDecimal(text, decimal.precision(), decimal.scale());
  return value ? std::make_shared<arrow::Decimal128Scalar>(*value, type) : nullptr;
}

ScalarPtr Date(std::string_view text) {
  const auto time = base::ParseTime(text);
  if (!time.ok() || time->nanos_below != 0 || time->micros % base::kMicrosPerDay != 0) {
    return nullptr;
  }
  return std::make_shared<arrow::Date32Scalar>(
      static_cast<int32_t>(time->micros / base::kMicrosPerDay));
}

ScalarPtr Timestamp(std::string_view text, const std::shared_ptr<arrow::DataType>& type) {
  const auto time = base::ParseTime(text);
  if (!time.ok()) {
    return nullptr;
  }
  return std::make_shared<arrow::TimestampScalar>(time->micros, type);
}

bool IsMicros(const arrow::DataType& type) {
  return static_cast<const arrow::TimestampType&>(type).unit() == arrow::TimeUnit::MICRO;
}

arrow::Result<ScalarPtr> Parse(const std::string& text,
                               const std::shared_ptr<arrow::DataType>& type) {
  switch (type->id()) {
    case Type::BOOL:
      return Boolean(text);
    case Type::INT8:
      return WholeNumber<arrow::Int8Scalar, int8_t>(text);
    case Type::INT16:
      return WholeNumber<arrow::Int16Scalar, int16_t>(text);
    case Type::INT32:
      return WholeNumber<arrow::Int32Scalar, int32_t>(text);
    case Type::INT64:
      return WholeNumber<arrow::Int64Scalar, int64_t>(text);
    case Type::FLOAT:
      return FloatingNumber<arrow::FloatScalar, float>(text);
    case Type::DOUBLE:
      return FloatingNumber<arrow::DoubleScalar, double>(text);
    case Type::DECIMAL128:
      return Decimal(text, type);
    case Type::DATE32:
      return Date(text);
    case Type::TIMESTAMP:
      if (IsMicros(*type)) {
        return Timestamp(text, type);
      }
      break;
    case Type::STRING:
      return std::make_shared<arrow::StringScalar>(text);
    case Type::BINARY:
      return std::make_shared<arrow::BinaryScalar>(arrow::Buffer::FromString(text));
    default:
      break;
  }
  return MakeError(ErrorCode::kUnsupported, "a partition column of type " + type->ToString());
}

}  // namespace

arrow::Result<ScalarPtr> ParsePartitionValue(const std::optional<std::string>& text,
                                             const std::shared_ptr<arrow::DataType>& type) {
  if (!text.has_value() || text->empty()) {
    return arrow::MakeNullScalar(type);
  }
  ARROW_ASSIGN_OR_RAISE(ScalarPtr value, Parse(*text, type));
  if (value == nullptr) {
    return MakeError(ErrorCode::kCorrupt,
                     "partition value '" + *text + "' is no " + type->ToString());
  }
  return value;
}

}  // namespace icecore::lake
