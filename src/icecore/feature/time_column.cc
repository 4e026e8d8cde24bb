#include "icecore/feature/time_column.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_primitive.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/compute/cast.h>
#include <arrow/type.h>
#include <arrow/util/checked_cast.h>

#include <string>

#include "icecore/base/error.h"
#include "icecore/base/time.h"

namespace icecore::feature {

using arrow::internal::checked_cast;

namespace {

struct Unit {
  int64_t multiply = 1;
  int64_t divide = 1;
};

arrow::Status OutOfRange(int64_t value, const arrow::DataType& type) {
  return base::MakeError(base::ErrorCode::kInvalidArgument,
                         "the time " + std::to_string(value) + " of type " + type.ToString() +
                             " is beyond what microseconds can hold");
}

template <typename Native>
arrow::Result<std::shared_ptr<arrow::Int64Array>> Scaled(const arrow::Array& column, Unit unit,
                                                         Rounding rounding) {
  arrow::Int64Builder builder;
  ARROW_RETURN_NOT_OK(builder.Reserve(column.length()));
  const Native* values = column.data()->GetValues<Native>(1);
  for (int64_t i = 0; i < column.length(); ++i) {
    if (column.IsNull(i)) {
      builder.UnsafeAppendNull();
      continue;
    }
    int64_t micros = values[i];
    if (__builtin_mul_overflow(micros, unit.multiply, &micros)) {
      return OutOfRange(values[i], *column.type());
    }
    if (unit.divide > 1) {
      const int64_t rest = micros % unit.divide;
      micros /= unit.divide;
      // Division rounds towards zero.
      if (rest > 0 && rounding == Rounding::kUp) ++micros;
      if (rest < 0 && rounding == Rounding::kDown) --micros;
    }
    builder.UnsafeAppend(micros);
  }
  std::shared_ptr<arrow::Int64Array> out;
  ARROW_RETURN_NOT_OK(builder.Finish(&out));
  return out;
}

arrow::Result<std::shared_ptr<arrow::Int64Array>> Parsed(const arrow::StringArray& column,
                                                         Rounding rounding) {
  arrow::Int64Builder builder;
  ARROW_RETURN_NOT_OK(builder.Reserve(column.length()));
  for (int64_t i = 0; i < column.length(); ++i) {
    if (column.IsNull(i)) {
      builder.UnsafeAppendNull();
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(const base::ParsedTime time, base::ParseTime(column.GetView(i)));
    const bool up = rounding == Rounding::kUp && time.nanos_below > 0;
    builder.UnsafeAppend(base::SaturatingAdd(time.micros, up ? 1 : 0));
  }
  std::shared_ptr<arrow::Int64Array> out;
  ARROW_RETURN_NOT_OK(builder.Finish(&out));
  return out;
}

Unit UnitOf(arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return {base::kMicrosPerSecond, 1};
    case arrow::TimeUnit::MILLI:
      return {1000, 1};
    case arrow::TimeUnit::MICRO:
      return {1, 1};
    default:
      return {1, 1000};
  }
}

}  // namespace

bool IsInstant(const arrow::DataType& type) {
  if (type.id() == arrow::Type::DATE32 || type.id() == arrow::Type::DATE64) return true;
  return type.id() == arrow::Type::TIMESTAMP &&
         !checked_cast<const arrow::TimestampType&>(type).timezone().empty();
}

arrow::Result<std::shared_ptr<arrow::Int64Array>> ToMicros(const arrow::Array& column,
                                                           Rounding rounding) {
  switch (column.type_id()) {
    case arrow::Type::TIMESTAMP:
      if (checked_cast<const arrow::TimestampType&>(*column.type()).unit() ==
          arrow::TimeUnit::MICRO) {
        ARROW_ASSIGN_OR_RAISE(auto micros, column.View(arrow::int64()));
        return std::static_pointer_cast<arrow::Int64Array>(std::move(micros));
      }
      return Scaled<int64_t>(
          column, UnitOf(checked_cast<const arrow::TimestampType&>(*column.type()).unit()),
          rounding);
    case arrow::Type::DATE32:
      return Scaled<int32_t>(column, {base::kMicrosPerDay, 1}, rounding);
    case arrow::Type::DATE64:
      return Scaled<int64_t>(column, {1000, 1}, rounding);
    case arrow::Type::STRING:
      return Parsed(checked_cast<const arrow::StringArray&>(column), rounding);
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
    case arrow::Type::NA: {
      ARROW_ASSIGN_OR_RAISE(auto text, arrow::compute::Cast(column, arrow::utf8()));
      return Parsed(checked_cast<const arrow::StringArray&>(*text), rounding);
    }
    case arrow::Type::DICTIONARY: {
      const auto& type = checked_cast<const arrow::DictionaryType&>(*column.type());
      ARROW_ASSIGN_OR_RAISE(auto plain, arrow::compute::Cast(column, type.value_type()));
      return ToMicros(*plain, rounding);
    }
    default:
      return base::MakeError(
          base::ErrorCode::kInvalidArgument,
          "a time is a timestamp, a date or RFC 3339 text, not " + column.type()->ToString());
  }
}

}  // namespace icecore::feature
