#include <arrow/array.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/compute/cast.h>
#include <arrow/type.h>

#include <cmath>
#include <utility>

#include "icecore/base/time.h"
#include "icecore/quality/column_tools_internal.h"
#include "icecore/quality/text_conversion.h"
#include "icecore/quality/wall_time_internal.h"

namespace icecore::quality {
namespace {

using arrow::Result;
using arrow::Status;
using TypePtr = std::shared_ptr<arrow::DataType>;

bool IsInteger(arrow::Type::type id) {
  return id >= arrow::Type::UINT8 && id <= arrow::Type::INT64;
}
bool IsFloat(arrow::Type::type id) { return id == arrow::Type::FLOAT || id == arrow::Type::DOUBLE; }

// Pairs whose cast in Arrow keeps the meaning; its own checks find values that do not fit.
bool CastKeepsMeaning(const arrow::DataType& from, const arrow::DataType& to) {
  arrow::Type::type a = from.id();
  arrow::Type::type b = to.id();
  bool number = IsInteger(a) || IsFloat(a) || arrow::is_decimal(a);
  if (IsInteger(b)) {
    return number || a == arrow::Type::BOOL;
  }
  if (IsFloat(b)) {
    return IsInteger(a) || IsFloat(a);
  }
  switch (b) {
    case arrow::Type::DECIMAL128:
      return IsInteger(a) || arrow::is_decimal(a);
    case arrow::Type::STRING:
      return IsInteger(a) || a == arrow::Type::BOOL || arrow::is_decimal(a) ||
             a == arrow::Type::DATE32;
    case arrow::Type::BINARY:
      return a == arrow::Type::STRING || arrow::is_fixed_size_binary(a);
    case arrow::Type::DATE32:
      return a == arrow::Type::DATE64;
    case arrow::Type::TIME64:
      return a == arrow::Type::TIME32 || a == arrow::Type::TIME64;
    case arrow::Type::LIST:
      return arrow::is_list_like(a) && a != arrow::Type::MAP;
    case arrow::Type::STRUCT:
    case arrow::Type::MAP:
      return a == b;
    default:
      return false;
  }
}

Result<ConvertedColumn> AllBad(const arrow::Array& values, const TypePtr& type) {
  ConvertedColumn out;
  for (int64_t i = 0; i < values.length(); ++i) {
    if (values.IsValid(i)) {
      out.bad.push_back({i, Misfit::kType});
    }
  }
  ARROW_ASSIGN_OR_RAISE(out.values, arrow::MakeArrayOfNull(type, values.length()));
  return out;
}

// A checked cast of the whole; where that fails, of its halves, down to the single bad rows.
Status CastParts(const std::shared_ptr<arrow::Array>& values, const TypePtr& type,
                 int64_t first_row, arrow::ArrayVector* parts,
                 std::vector<ConvertedColumn::BadRow>* bad) {
  arrow::compute::CastOptions options = arrow::compute::CastOptions::Safe(type);
  Result<arrow::Datum> cast = arrow::compute::Cast(values, options);
  if (cast.ok()) {
    parts->push_back(cast->make_array());
    return Status::OK();
  }
  if (values->length() <= 1) {
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Array> null,
                          arrow::MakeArrayOfNull(type, values->length()));
    parts->push_back(std::move(null));
    bad->push_back({first_row, Misfit::kType});
    return Status::OK();
  }
  int64_t half = values->length() / 2;
  ARROW_RETURN_NOT_OK(CastParts(values->Slice(0, half), type, first_row, parts, bad));
  return CastParts(values->Slice(half), type, first_row + half, parts, bad);
}

// Arrow rounds float64 to float32 without a word; rows where that changes the value are bad.
void FindRounded(const arrow::Array& wide, const arrow::Array& narrow,
                 std::vector<ConvertedColumn::BadRow>* bad) {
  const auto& before = static_cast<const arrow::DoubleArray&>(wide);
  const auto& behind = static_cast<const arrow::FloatArray&>(narrow);
  for (int64_t i = 0; i < wide.length(); ++i) {
    if (before.IsValid(i) && !std::isnan(before.Value(i)) &&
        static_cast<double>(behind.Value(i)) != before.Value(i)) {
      bad->push_back({i, Misfit::kType});
    }
  }
}

Result<ConvertedColumn> CastChecked(const std::shared_ptr<arrow::Array>& values,
                                    const ColumnTarget& target) {
  ConvertedColumn out;
  arrow::ArrayVector parts;
  ARROW_RETURN_NOT_OK(CastParts(values, target.type, 0, &parts, &out.bad));
  ARROW_ASSIGN_OR_RAISE(out.values, arrow::Concatenate(parts));
  if (values->type_id() == arrow::Type::DOUBLE && target.type->id() == arrow::Type::FLOAT) {
    FindRounded(*values, *out.values, &out.bad);
    ARROW_ASSIGN_OR_RAISE(out.values, NullAt(out.values, out.bad));
  }
  ARROW_RETURN_NOT_OK(CheckLengths(target, &out));
  return out;
}

// Microseconds of a timestamp; nanoseconds round up. False: beyond int64.
bool ToMicros(int64_t value, arrow::TimeUnit::type unit, int64_t* out) {
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return !__builtin_mul_overflow(value, int64_t{1'000'000}, out);
    case arrow::TimeUnit::MILLI:
      return !__builtin_mul_overflow(value, int64_t{1'000}, out);
    case arrow::TimeUnit::MICRO:
      *out = value;
      return true;
    case arrow::TimeUnit::NANO: {
      int64_t rest = value % 1'000;
      *out = value / 1'000 + (rest > 0 ? 1 : 0);
      return true;
    }
  }
  return false;
}

// Timestamps of every unit, dates, to timestamp, local_timestamp or date.
Result<ConvertedColumn> ConvertTimes(const std::shared_ptr<arrow::Array>& given,
                                     const ColumnTarget& target) {
  std::shared_ptr<arrow::Array> values = given;
  bool from_date = values->type_id() != arrow::Type::TIMESTAMP;
  if (from_date) {
    ARROW_ASSIGN_OR_RAISE(values,
                          arrow::compute::Cast(*given, arrow::timestamp(arrow::TimeUnit::SECOND)));
  }
  const auto& from = static_cast<const arrow::TimestampType&>(*values->type());
  bool naive = from.timezone().empty();
  bool to_date = target.type->id() == arrow::Type::DATE32;
  bool to_local =
      to_date || static_cast<const arrow::TimestampType&>(*target.type).timezone().empty();
  if (to_local && !naive) {
    return AllBad(*values, target.type);  // which wall time it means is not ours to guess
  }
  const auto& times = static_cast<const arrow::TimestampArray&>(*values);
  auto rows = static_cast<size_t>(times.length());
  std::vector<int64_t> micros(rows);
  std::vector<uint8_t> valid(rows, 1);
  ConvertedColumn out;
  for (size_t i = 0; i < rows; ++i) {
    auto row = static_cast<int64_t>(i);
    valid[i] = times.IsValid(row) ? 1 : 0;
    bool fits = valid[i] == 0 || ToMicros(times.Value(row), from.unit(), &micros[i]);
    if (fits && to_date && valid[i] != 0) {
      fits = base::FloorMod(micros[i], base::kMicrosPerDay) == 0;
    }
    if (!fits) {
      valid[i] = 0;
      out.bad.push_back({row, Misfit::kType});
    }
  }
  if (naive && !to_local && target.zone.has_value()) {
    std::vector<uint8_t> unresolved;
    std::vector<ConvertedColumn::BadRow> bad;
    ARROW_RETURN_NOT_OK(ResolveWallTimes(*target.zone, target.ambiguous, &micros, &unresolved));
    for (size_t i = 0; i < rows; ++i) {
      if (valid[i] != 0 && unresolved[i] != 0) {
        valid[i] = 0;
        bad.push_back({static_cast<int64_t>(i), Misfit::kZone});
      }
    }
    out.bad = MergeBad(out.bad, bad);
  }
  if (to_date) {
    std::vector<int32_t> days(rows);
    for (size_t i = 0; i < rows; ++i) {
      days[i] = static_cast<int32_t>(micros[i] / base::kMicrosPerDay);
    }
    ARROW_ASSIGN_OR_RAISE(out.values, FixedWidthArray<int32_t>(target.type, days, valid));
    return out;
  }
  ARROW_ASSIGN_OR_RAISE(out.values, FixedWidthArray<int64_t>(target.type, micros, valid));
  return out;
}

bool IsTimeLike(arrow::Type::type id) {
  return id == arrow::Type::TIMESTAMP || id == arrow::Type::DATE32 || id == arrow::Type::DATE64;
}

}  // namespace

TypePtr NaturalType(const TypePtr& type) {
  switch (type->id()) {
    case arrow::Type::DICTIONARY:
      return NaturalType(static_cast<const arrow::DictionaryType&>(*type).value_type());
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
      return arrow::utf8();
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::BINARY_VIEW:
    case arrow::Type::FIXED_SIZE_BINARY:
      return arrow::binary();
    case arrow::Type::HALF_FLOAT:
      return arrow::float32();
    case arrow::Type::DATE64:
      return arrow::date32();
    case arrow::Type::TIME32:
    case arrow::Type::TIME64:
      return arrow::time64(arrow::TimeUnit::MICRO);
    case arrow::Type::TIMESTAMP:
      return static_cast<const arrow::TimestampType&>(*type).timezone().empty()
                 ? arrow::timestamp(arrow::TimeUnit::MICRO)
                 : arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    case arrow::Type::DECIMAL32:
    case arrow::Type::DECIMAL64: {
      const auto& decimal = static_cast<const arrow::DecimalType&>(*type);
      return arrow::decimal128(decimal.precision(), decimal.scale());
    }
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
    case arrow::Type::FIXED_SIZE_LIST:
    case arrow::Type::LIST_VIEW:
    case arrow::Type::LARGE_LIST_VIEW:
      return arrow::list(NaturalType(type->field(0)->type()));
    case arrow::Type::STRUCT: {
      arrow::FieldVector fields;
      for (const std::shared_ptr<arrow::Field>& field : type->fields()) {
        fields.push_back(field->WithType(NaturalType(field->type())));
      }
      return arrow::struct_(fields);
    }
    default:
      return type;
  }
}

Result<ConvertedColumn> ConvertTyped(const std::shared_ptr<arrow::Array>& given,
                                     const ColumnTarget& target) {
  ARROW_RETURN_NOT_OK(InitializeCompute());
  std::shared_ptr<arrow::Array> values = given;
  if (values->type_id() == arrow::Type::DICTIONARY ||
      values->type_id() == arrow::Type::HALF_FLOAT ||
      arrow::is_binary_view_like(values->type_id()) ||
      arrow::is_large_binary_like(values->type_id())) {
    ARROW_ASSIGN_OR_RAISE(values, arrow::compute::Cast(*given, NaturalType(given->type())));
  }
  const TypePtr& type = target.type;
  if (values->type()->Equals(*type)) {
    ConvertedColumn out{values, {}};
    ARROW_RETURN_NOT_OK(CheckLengths(target, &out));
    return out;
  }
  if (values->length() == 0 || values->null_count() == values->length()) {
    ConvertedColumn out;
    ARROW_ASSIGN_OR_RAISE(out.values, arrow::MakeArrayOfNull(type, values->length()));
    return out;
  }
  if (values->type_id() == arrow::Type::STRING && type->id() != arrow::Type::BINARY) {
    return ConvertText(*values, target, {}, /*json=*/true);
  }
  if (IsTimeLike(values->type_id()) &&
      (type->id() == arrow::Type::TIMESTAMP ||
       (type->id() == arrow::Type::DATE32 && values->type_id() == arrow::Type::TIMESTAMP))) {
    return ConvertTimes(values, target);
  }
  if (!CastKeepsMeaning(*values->type(), *type)) {
    return AllBad(*values, type);
  }
  return CastChecked(values, target);
}

}  // namespace icecore::quality
