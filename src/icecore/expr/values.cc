#include "icecore/expr/values_internal.h"

#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_nested.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/compute/cast.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/decimal.h>

#include <charconv>
#include <cmath>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/time.h"

namespace icecore::expr {
namespace {

using arrow::Array;
using arrow::Result;
using arrow::Status;

constexpr double kExactInDouble = 9007199254740992.0;  // 2^53

Int128 FromDecimal128(const arrow::Decimal128& value) {
  return (static_cast<Int128>(value.high_bits()) << 64) |
         static_cast<Int128>(static_cast<unsigned __int128>(value.low_bits()));
}

void CopyValidity(const Array& array, Values* out) {
  if (array.null_count() == 0) {
    return;
  }
  out->valid.resize(static_cast<size_t>(array.length()));
  for (int64_t i = 0; i < array.length(); ++i) {
    out->valid[static_cast<size_t>(i)] = array.IsValid(i) ? 1 : 0;
  }
}

template <typename ArrayType, typename Target>
void CopyNumbers(const Array& array, std::vector<Target>* out) {
  const auto& typed = static_cast<const ArrayType&>(array);
  const auto* raw = typed.raw_values();
  out->assign(raw, raw + array.length());
}

template <typename ArrayType>
void CopyStrings(const std::shared_ptr<Array>& array, Values* out) {
  const auto& typed = static_cast<const ArrayType&>(*array);
  out->strings.resize(static_cast<size_t>(array->length()));
  for (int64_t i = 0; i < array->length(); ++i) {
    if (array->IsValid(i)) {
      out->strings[static_cast<size_t>(i)] = typed.GetView(i);
    }
  }
  out->owners.push_back(array);
}

// Seconds, milliseconds and nanoseconds as microseconds; what lies below is cut off downwards.
Status ScaleToMicros(arrow::TimeUnit::type unit, std::vector<int64_t>* values) {
  for (int64_t& value : *values) {
    switch (unit) {
      case arrow::TimeUnit::SECOND:
      case arrow::TimeUnit::MILLI:
        if (__builtin_mul_overflow(value, unit == arrow::TimeUnit::SECOND ? 1'000'000 : 1'000,
                                   &value)) {
          return base::MakeError(base::ErrorCode::kBadInput, "a time is beyond microseconds");
        }
        break;
      case arrow::TimeUnit::MICRO:
        return Status::OK();
      case arrow::TimeUnit::NANO:
        value = base::FloorDiv(value, 1'000);
        break;
    }
  }
  return Status::OK();
}

Status CopyTimes(const Array& array, Values* out) {
  switch (array.type_id()) {
    case arrow::Type::DATE64:
      CopyNumbers<arrow::Date64Array>(array, &out->ints);
      for (int64_t& value : out->ints) {
        value = base::FloorDiv(value, 86'400'000);
      }
      return Status::OK();
    case arrow::Type::TIME32:
      CopyNumbers<arrow::Time32Array>(array, &out->ints);
      return ScaleToMicros(static_cast<const arrow::Time32Type&>(*array.type()).unit(), &out->ints);
    case arrow::Type::TIME64:
      CopyNumbers<arrow::Time64Array>(array, &out->ints);
      return ScaleToMicros(static_cast<const arrow::Time64Type&>(*array.type()).unit(), &out->ints);
    case arrow::Type::TIMESTAMP:
      CopyNumbers<arrow::TimestampArray>(array, &out->ints);
      return ScaleToMicros(static_cast<const arrow::TimestampType&>(*array.type()).unit(),
                           &out->ints);
    default:
      CopyNumbers<arrow::Date32Array>(array, &out->ints);
      return Status::OK();
  }
}

Status CopyIntegers(const Array& array, Values* out) {
  switch (array.type_id()) {
    case arrow::Type::INT8:
      CopyNumbers<arrow::Int8Array>(array, &out->ints);
      return Status::OK();
    case arrow::Type::INT16:
      CopyNumbers<arrow::Int16Array>(array, &out->ints);
      return Status::OK();
    case arrow::Type::INT32:
      CopyNumbers<arrow::Int32Array>(array, &out->ints);
      return Status::OK();
    case arrow::Type::INT64:
      CopyNumbers<arrow::Int64Array>(array, &out->ints);
      return Status::OK();
    case arrow::Type::UINT8:
      CopyNumbers<arrow::UInt8Array>(array, &out->ints);
      return Status::OK();
    case arrow::Type::UINT16:
      CopyNumbers<arrow::UInt16Array>(array, &out->ints);
      return Status::OK();
    case arrow::Type::UINT32:
      CopyNumbers<arrow::UInt32Array>(array, &out->ints);
      return Status::OK();
    default:
      CopyNumbers<arrow::UInt64Array>(array, &out->ints);
      return Status::OK();
  }
}

void CopyDecimals(const Array& array, Values* out) {
  const auto& typed = static_cast<const arrow::Decimal128Array&>(array);
  out->decimals.resize(static_cast<size_t>(array.length()));
  for (int64_t i = 0; i < array.length(); ++i) {
    if (array.IsValid(i)) {
      out->decimals[static_cast<size_t>(i)] = FromDecimal128(arrow::Decimal128(typed.GetValue(i)));
    }
  }
}

Status CopyLists(const Array& array, Values* out) {
  std::shared_ptr<Array> items;
  auto rows = static_cast<size_t>(array.length());
  out->lists.begins.resize(rows);
  out->lists.lengths.resize(rows);
  auto fill = [&](const auto& typed) {
    items = typed.values();
    for (size_t i = 0; i < rows; ++i) {
      auto row = static_cast<int64_t>(i);
      out->lists.begins[i] = typed.value_offset(row);
      out->lists.lengths[i] = typed.IsValid(row) ? typed.value_length(row) : 0;
    }
  };
  switch (array.type_id()) {
    case arrow::Type::LIST:
      fill(static_cast<const arrow::ListArray&>(array));
      break;
    case arrow::Type::LARGE_LIST:
      fill(static_cast<const arrow::LargeListArray&>(array));
      break;
    default:
      fill(static_cast<const arrow::FixedSizeListArray&>(array));
      break;
  }
  ARROW_ASSIGN_OR_RAISE(ValuesPtr inner, FromArrow(items, TypeOf(*items->type())));
  auto numbers = std::make_shared<std::vector<double>>(inner->floats);
  if (numbers->empty()) {
    numbers->assign(inner->ints.begin(), inner->ints.end());
  }
  out->lists.items = std::move(numbers);
  if (!inner->valid.empty()) {
    out->lists.item_valid = std::make_shared<std::vector<uint8_t>>(inner->valid);
  }
  return Status::OK();
}

// Types that have no loop of their own, in the form that has one.
Result<std::shared_ptr<Array>> Plain(const std::shared_ptr<Array>& array) {
  std::shared_ptr<arrow::DataType> target;
  switch (array->type_id()) {
    case arrow::Type::DICTIONARY:
      target = static_cast<const arrow::DictionaryType&>(*array->type()).value_type();
      break;
    case arrow::Type::STRING_VIEW:
      target = arrow::utf8();
      break;
    case arrow::Type::BINARY_VIEW:
      target = arrow::binary();
      break;
    case arrow::Type::HALF_FLOAT:
      target = arrow::float32();
      break;
    case arrow::Type::DECIMAL32:
    case arrow::Type::DECIMAL64: {
      const auto& type = static_cast<const arrow::DecimalType&>(*array->type());
      target = arrow::decimal128(type.precision(), type.scale());
      break;
    }
    default:
      return array;
  }
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<Array> plain, arrow::compute::Cast(*array, target));
  return Plain(plain);
}

bool IsList(arrow::Type::type id) {
  return id == arrow::Type::LIST || id == arrow::Type::LARGE_LIST ||
         id == arrow::Type::FIXED_SIZE_LIST;
}

Kind KindOf(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::NA:
      return Kind::kNull;
    case arrow::Type::BOOL:
      return Kind::kBool;
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::UINT8:
    case arrow::Type::UINT16:
    case arrow::Type::UINT32:
      return Kind::kInt;
    case arrow::Type::UINT64:
      return Kind::kUint;
    case arrow::Type::HALF_FLOAT:
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
      return Kind::kFloat;
    case arrow::Type::DECIMAL32:
    case arrow::Type::DECIMAL64:
    case arrow::Type::DECIMAL128:
      return Kind::kDecimal;
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
      return Kind::kString;
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::BINARY_VIEW:
    case arrow::Type::FIXED_SIZE_BINARY:
      return Kind::kBinary;
    case arrow::Type::DATE32:
    case arrow::Type::DATE64:
      return Kind::kDate;
    case arrow::Type::TIME32:
    case arrow::Type::TIME64:
      return Kind::kTime;
    case arrow::Type::TIMESTAMP:
      return static_cast<const arrow::TimestampType&>(type).timezone().empty()
                 ? Kind::kLocalTimestamp
                 : Kind::kTimestamp;
    default:
      break;
  }
  if (IsList(type.id())) {
    Kind item = KindOf(*static_cast<const arrow::BaseListType&>(type).value_type());
    return item == Kind::kInt || item == Kind::kFloat ? Kind::kList : Kind::kOther;
  }
  return Kind::kOther;
}

std::shared_ptr<arrow::Buffer> ValidityBitmap(const Values& values, int64_t rows) {
  if (values.valid.empty()) {
    return nullptr;
  }
  auto bitmap = arrow::AllocateEmptyBitmap(rows);
  if (!bitmap.ok()) {
    return nullptr;
  }
  uint8_t* bits = (*bitmap)->mutable_data();
  for (int64_t i = 0; i < rows; ++i) {
    if (values.IsValid(i)) {
      arrow::bit_util::SetBit(bits, i);
    }
  }
  return *bitmap;
}

template <typename T, typename Source>
Result<std::shared_ptr<Array>> NumberArray(const Values& values, const std::vector<Source>& source,
                                           const Type& type, int64_t rows) {
  ARROW_ASSIGN_OR_RAISE(std::unique_ptr<arrow::Buffer> data,
                        arrow::AllocateBuffer(rows * static_cast<int64_t>(sizeof(T))));
  auto* out = reinterpret_cast<T*>(data->mutable_data());
  for (int64_t i = 0; i < rows; ++i) {
    out[i] = static_cast<T>(source[values.At(i)]);
  }
  return arrow::MakeArray(arrow::ArrayData::Make(
      type.arrow, rows, {ValidityBitmap(values, rows), std::shared_ptr(std::move(data))}));
}

Result<std::shared_ptr<Array>> BoolArray(const Values& values, int64_t rows) {
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> data, arrow::AllocateEmptyBitmap(rows));
  uint8_t* bits = data->mutable_data();
  for (int64_t i = 0; i < rows; ++i) {
    if (values.ints[values.At(i)] != 0) {
      arrow::bit_util::SetBit(bits, i);
    }
  }
  return arrow::MakeArray(
      arrow::ArrayData::Make(arrow::boolean(), rows, {ValidityBitmap(values, rows), data}));
}

Result<std::shared_ptr<Array>> IntegerArray(const Values& values, const Type& type, int64_t rows) {
  switch (type.arrow->id()) {
    case arrow::Type::INT8:
      return NumberArray<int8_t>(values, values.ints, type, rows);
    case arrow::Type::INT16:
      return NumberArray<int16_t>(values, values.ints, type, rows);
    case arrow::Type::INT32:
      return NumberArray<int32_t>(values, values.ints, type, rows);
    case arrow::Type::UINT8:
      return NumberArray<uint8_t>(values, values.ints, type, rows);
    case arrow::Type::UINT16:
      return NumberArray<uint16_t>(values, values.ints, type, rows);
    case arrow::Type::UINT32:
      return NumberArray<uint32_t>(values, values.ints, type, rows);
    default:
      return NumberArray<int64_t>(values, values.ints, type, rows);
  }
}

template <typename Builder>
Result<std::shared_ptr<Array>> BytesArray(const Values& values, int64_t rows) {
  Builder builder;
  ARROW_RETURN_NOT_OK(builder.Reserve(rows));
  for (int64_t i = 0; i < rows; ++i) {
    ARROW_RETURN_NOT_OK(values.IsValid(i) ? builder.Append(values.strings[values.At(i)])
                                          : builder.AppendNull());
  }
  return builder.Finish();
}

Result<std::shared_ptr<Array>> DecimalArray(const Values& values, const Type& type, int64_t rows) {
  ARROW_ASSIGN_OR_RAISE(std::unique_ptr<arrow::Buffer> data, arrow::AllocateBuffer(rows * 16));
  for (int64_t i = 0; i < rows; ++i) {
    Int128 value = values.decimals[values.At(i)];
    arrow::Decimal128 decimal(static_cast<int64_t>(value >> 64), static_cast<uint64_t>(value));
    decimal.ToBytes(data->mutable_data() + i * 16);
  }
  return arrow::MakeArray(arrow::ArrayData::Make(
      type.arrow, rows, {ValidityBitmap(values, rows), std::shared_ptr(std::move(data))}));
}

}  // namespace

Type TypeOf(const arrow::DataType& type) {
  Type result;
  if (type.id() == arrow::Type::DICTIONARY) {
    return TypeOf(*static_cast<const arrow::DictionaryType&>(type).value_type());
  }
  result.kind = KindOf(type);
  switch (result.kind) {
    case Kind::kDecimal: {
      const auto& decimal = static_cast<const arrow::DecimalType&>(type);
      return DecimalOf(decimal.precision(), decimal.scale());
    }
    case Kind::kInt:
      result.arrow = type.GetSharedPtr();
      return result;
    case Kind::kFloat:
      result.arrow = type.id() == arrow::Type::DOUBLE ? arrow::float64() : arrow::float32();
      return result;
    case Kind::kList:
    case Kind::kOther:
      result.arrow = type.GetSharedPtr();
      return result;
    default:
      return MakeType(result.kind);
  }
}

Type MakeType(Kind kind) {
  switch (kind) {
    case Kind::kNull:
      return {kind, arrow::null()};
    case Kind::kBool:
      return {kind, arrow::boolean()};
    case Kind::kUint:
      return {kind, arrow::uint64()};
    case Kind::kFloat:
      return {kind, arrow::float64()};
    case Kind::kString:
      return {kind, arrow::utf8()};
    case Kind::kBinary:
      return {kind, arrow::binary()};
    case Kind::kDate:
      return {kind, arrow::date32()};
    case Kind::kTime:
      return {kind, arrow::time64(arrow::TimeUnit::MICRO)};
    case Kind::kTimestamp:
      return {kind, arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")};
    case Kind::kLocalTimestamp:
      return {kind, arrow::timestamp(arrow::TimeUnit::MICRO)};
    default:
      return {Kind::kInt, arrow::int64()};
  }
}

Type DecimalOf(int32_t precision, int32_t scale) {
  return {Kind::kDecimal, arrow::decimal128(precision, scale), scale, precision};
}

std::string TypeName(const Type& type) {
  switch (type.kind) {
    case Kind::kFloat:
      return type.arrow->id() == arrow::Type::FLOAT ? "float32" : "float64";
    case Kind::kDecimal:
      return "decimal(" + std::to_string(type.precision) + "," + std::to_string(type.scale) + ")";
    case Kind::kDate:
      return "date";
    case Kind::kTime:
      return "time";
    case Kind::kTimestamp:
      return "timestamp";
    case Kind::kLocalTimestamp:
      return "local_timestamp";
    default:
      return type.arrow->ToString();
  }
}

bool IsNumeric(Kind kind) {
  return kind == Kind::kInt || kind == Kind::kUint || kind == Kind::kFloat ||
         kind == Kind::kDecimal;
}

bool IsTemporal(Kind kind) {
  return kind == Kind::kDate || kind == Kind::kTime || kind == Kind::kTimestamp ||
         kind == Kind::kLocalTimestamp;
}

Result<ValuesPtr> FromArrow(const std::shared_ptr<Array>& given, const Type& type) {
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<Array> array, Plain(given));
  auto out = std::make_shared<Values>();
  out->size = array->length();
  CopyValidity(*array, out.get());
  switch (type.kind) {
    case Kind::kNull:
      out->ints.resize(static_cast<size_t>(array->length()));
      break;
    case Kind::kBool: {
      const auto& bools = static_cast<const arrow::BooleanArray&>(*array);
      out->ints.resize(static_cast<size_t>(array->length()));
      for (int64_t i = 0; i < array->length(); ++i) {
        out->ints[static_cast<size_t>(i)] = bools.Value(i) ? 1 : 0;
      }
      break;
    }
    case Kind::kInt:
    case Kind::kUint:
      ARROW_RETURN_NOT_OK(CopyIntegers(*array, out.get()));
      break;
    case Kind::kFloat:
      if (array->type_id() == arrow::Type::FLOAT) {
        CopyNumbers<arrow::FloatArray>(*array, &out->floats);
      } else {
        CopyNumbers<arrow::DoubleArray>(*array, &out->floats);
      }
      break;
    case Kind::kDecimal:
      CopyDecimals(*array, out.get());
      break;
    case Kind::kString:
    case Kind::kBinary:
      if (array->type_id() == arrow::Type::FIXED_SIZE_BINARY) {
        CopyStrings<arrow::FixedSizeBinaryArray>(array, out.get());
      } else if (array->type_id() == arrow::Type::LARGE_STRING ||
                 array->type_id() == arrow::Type::LARGE_BINARY) {
        CopyStrings<arrow::LargeBinaryArray>(array, out.get());
      } else {
        CopyStrings<arrow::BinaryArray>(array, out.get());
      }
      break;
    case Kind::kDate:
    case Kind::kTime:
    case Kind::kTimestamp:
    case Kind::kLocalTimestamp:
      ARROW_RETURN_NOT_OK(CopyTimes(*array, out.get()));
      break;
    case Kind::kList:
      ARROW_RETURN_NOT_OK(CopyLists(*array, out.get()));
      break;
    case Kind::kOther:
      break;
  }
  return out;
}

Result<std::shared_ptr<Array>> ToArrow(const Values& values, const Type& type, int64_t rows) {
  switch (type.kind) {
    case Kind::kNull:
      return arrow::MakeArrayOfNull(arrow::null(), rows);
    case Kind::kBool:
      return BoolArray(values, rows);
    case Kind::kInt:
      return IntegerArray(values, type, rows);
    case Kind::kFloat:
      return type.arrow->id() == arrow::Type::FLOAT
                 ? NumberArray<float>(values, values.floats, type, rows)
                 : NumberArray<double>(values, values.floats, type, rows);
    case Kind::kDecimal:
      return DecimalArray(values, type, rows);
    case Kind::kString:
      return BytesArray<arrow::StringBuilder>(values, rows);
    case Kind::kBinary:
      return BytesArray<arrow::BinaryBuilder>(values, rows);
    case Kind::kDate:
      return NumberArray<int32_t>(values, values.ints, type, rows);
    case Kind::kUint:
    case Kind::kTime:
    case Kind::kTimestamp:
    case Kind::kLocalTimestamp:
      return NumberArray<int64_t>(values, values.ints, type, rows);
    case Kind::kList:
    case Kind::kOther:
      break;
  }
  return base::MakeError(base::ErrorCode::kUnsupported,
                         "an expression cannot give values of type " + TypeName(type));
}

std::shared_ptr<Values> MakeValues(Kind kind, int64_t n) {
  auto out = std::make_shared<Values>();
  out->size = n;
  auto count = static_cast<size_t>(n);
  switch (kind) {
    case Kind::kFloat:
      out->floats.resize(count);
      break;
    case Kind::kDecimal:
      out->decimals.resize(count);
      break;
    case Kind::kString:
    case Kind::kBinary:
      out->strings.resize(count);
      break;
    case Kind::kList:
      out->lists.begins.resize(count);
      out->lists.lengths.resize(count);
      out->lists.items = std::make_shared<std::vector<double>>();
      break;
    case Kind::kOther:
      break;
    default:
      out->ints.resize(count);
      break;
  }
  return out;
}

ValuesPtr NullValues(Kind kind) {
  std::shared_ptr<Values> out = MakeValues(kind, 1);
  out->constant = true;
  out->valid = {0};
  return out;
}

void SetNull(Values* values, int64_t i) {
  if (values->valid.empty()) {
    values->valid.assign(static_cast<size_t>(values->size), 1);
  }
  values->valid[static_cast<size_t>(i)] = 0;
}

void CopyElement(Kind kind, const Values& source, int64_t from, Values* target, int64_t to) {
  if (!source.IsValid(from)) {
    SetNull(target, to);
    return;
  }
  size_t in = source.At(from);
  auto out = static_cast<size_t>(to);
  switch (kind) {
    case Kind::kFloat:
      target->floats[out] = source.floats[in];
      break;
    case Kind::kDecimal:
      target->decimals[out] = source.decimals[in];
      break;
    case Kind::kString:
    case Kind::kBinary:
      target->strings[out] = source.strings[in];
      break;
    case Kind::kList:
      target->lists.begins[out] = source.lists.begins[in];
      target->lists.lengths[out] = source.lists.lengths[in];
      break;
    case Kind::kOther:
      break;
    default:
      target->ints[out] = source.ints[in];
      break;
  }
}

ValuesPtr Gather(const ValuesPtr& values, const Selection& rows) {
  if (values->constant) {
    return values;
  }
  auto out = std::make_shared<Values>();
  out->size = static_cast<int64_t>(rows.size());
  out->owners = values->owners;
  out->lists.items = values->lists.items;
  out->lists.item_valid = values->lists.item_valid;
  auto take = [&rows](const auto& source, auto* target) {
    if (source.empty()) {
      return;
    }
    target->resize(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      (*target)[i] = source[static_cast<size_t>(rows[i])];
    }
  };
  take(values->valid, &out->valid);
  take(values->ints, &out->ints);
  take(values->floats, &out->floats);
  take(values->decimals, &out->decimals);
  take(values->strings, &out->strings);
  take(values->lists.begins, &out->lists.begins);
  take(values->lists.lengths, &out->lists.lengths);
  return out;
}

void IntersectValidity(const Values& a, const Values& b, Values* out) {
  if (a.valid.empty() && b.valid.empty()) {
    out->valid.clear();
    return;
  }
  out->valid.resize(static_cast<size_t>(out->size));
  for (int64_t i = 0; i < out->size; ++i) {
    out->valid[static_cast<size_t>(i)] = a.IsValid(i) && b.IsValid(i) ? 1 : 0;
  }
}

double DecimalToDouble(Int128 value, int32_t scale) {
  double magnitude = std::fabs(static_cast<double>(value));
  if (magnitude < kExactInDouble && scale >= 0 && scale <= 22) {
    static constexpr double kPowers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                         1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                         1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    return static_cast<double>(value) / kPowers[scale];  // both exact, so rounded once
  }
  std::string text = DecimalText(value, scale);
  double result = 0;
  std::from_chars(text.data(), text.data() + text.size(), result);
  return result;
}

std::string DecimalText(Int128 value, int32_t scale) {
  arrow::Decimal128 decimal(static_cast<int64_t>(value >> 64), static_cast<uint64_t>(value));
  return decimal.ToString(scale);
}

}  // namespace icecore::expr
