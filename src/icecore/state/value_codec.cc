#include "icecore/state/value_codec.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_decimal.h>
#include <arrow/array/array_nested.h>
#include <arrow/array/array_primitive.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_decimal.h>
#include <arrow/array/builder_nested.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/type.h>
#include <arrow/util/checked_cast.h>
#include <arrow/util/decimal.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/state/narrow_internal.h"
#include "icecore/state/wire.h"

namespace icecore::state {

namespace {

using arrow::internal::checked_cast;
using base::ErrorCode;
using base::MakeError;

template <typename T>
T ValueAt(const arrow::Array& array, int64_t row) {
  return array.data()->GetValues<T>(1)[row];
}

template <typename ArrowType>
arrow::Status AppendAs(uint64_t narrow, arrow::ArrayBuilder* builder) {
  using Native = typename ArrowType::c_type;
  auto* typed = checked_cast<typename arrow::TypeTraits<ArrowType>::BuilderType*>(builder);
  if constexpr (std::is_same_v<ArrowType, arrow::BooleanType>) {
    return typed->Append(narrow != 0);
  } else if constexpr (std::is_same_v<ArrowType, arrow::FloatType>) {
    return typed->Append(PlainFloat(narrow));
  } else if constexpr (std::is_same_v<ArrowType, arrow::DoubleType>) {
    return typed->Append(PlainDouble(narrow));
  } else if constexpr (std::is_unsigned_v<Native>) {
    return typed->Append(static_cast<Native>(narrow));
  } else {
    return typed->Append(static_cast<Native>(PlainInt(narrow)));
  }
}

arrow::Status NotOfType(const arrow::DataType& type) {
  return MakeError(ErrorCode::kCorrupt, "stored bytes are not a value of type " + type.ToString());
}

template <typename ListType>
std::pair<int64_t, int64_t> ListRange(const arrow::Array& array, int64_t row) {
  const auto& list = checked_cast<const typename arrow::TypeTraits<ListType>::ArrayType&>(array);
  return {list.value_offset(row), list.value_offset(row + 1)};
}

}  // namespace

arrow::Result<std::unique_ptr<ValueCodec>> ValueCodec::Make(std::shared_ptr<arrow::DataType> type) {
  std::unique_ptr<ValueCodec> codec(new ValueCodec());
  ARROW_RETURN_NOT_OK(codec->Init(std::move(type)));
  return codec;
}

std::optional<ValueCodec::Kind> ValueCodec::KindOf(arrow::Type::type type) {
  switch (type) {
    case arrow::Type::BOOL:
      return Kind::kBool;
    case arrow::Type::INT8:
      return Kind::kInt8;
    case arrow::Type::INT16:
      return Kind::kInt16;
    case arrow::Type::INT32:
    case arrow::Type::DATE32:
    case arrow::Type::TIME32:
      return Kind::kInt32;
    case arrow::Type::INT64:
    case arrow::Type::DATE64:
    case arrow::Type::TIME64:
    case arrow::Type::TIMESTAMP:
    case arrow::Type::DURATION:
      return Kind::kInt64;
    case arrow::Type::UINT8:
      return Kind::kUint8;
    case arrow::Type::UINT16:
      return Kind::kUint16;
    case arrow::Type::UINT32:
      return Kind::kUint32;
    case arrow::Type::UINT64:
      return Kind::kUint64;
    case arrow::Type::FLOAT:
      return Kind::kFloat;
    case arrow::Type::DOUBLE:
      return Kind::kDouble;
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return Kind::kString;
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      return Kind::kLargeString;
    case arrow::Type::FIXED_SIZE_BINARY:
      return Kind::kFixedBinary;
    case arrow::Type::DECIMAL128:
    case arrow::Type::DECIMAL256:
      return Kind::kDecimal;
    case arrow::Type::LIST:
    case arrow::Type::MAP:
      return Kind::kList;
    case arrow::Type::LARGE_LIST:
      return Kind::kLargeList;
    case arrow::Type::FIXED_SIZE_LIST:
      return Kind::kFixedList;
    case arrow::Type::STRUCT:
      return Kind::kStruct;
    default:
      return std::nullopt;
  }
}

arrow::Status ValueCodec::Init(std::shared_ptr<arrow::DataType> type) {
  type_ = std::move(type);
  const std::optional<Kind> kind = KindOf(type_->id());
  if (!kind) {
    return MakeError(ErrorCode::kUnsupported,
                     "values of type " + type_->ToString() + " cannot be features");
  }
  kind_ = *kind;
  word_bytes_ = WordBytes(*type_);
  if (kind_ == Kind::kFixedList) {
    width_ = checked_cast<const arrow::FixedSizeListType&>(*type_).list_size();
  }
  if (kind_ >= Kind::kList) {
    form_ = ValueForm::kNested;
    for (const auto& field : type_->fields()) {
      ARROW_ASSIGN_OR_RAISE(auto child, Make(field->type()));
      children_.push_back(std::move(child));
    }
  } else if (kind_ >= Kind::kString) {
    form_ = ValueForm::kWide;
    if (kind_ == Kind::kFixedBinary || kind_ == Kind::kDecimal) {
      width_ = checked_cast<const arrow::FixedSizeBinaryType&>(*type_).byte_width();
    }
  }
  return arrow::Status::OK();
}

bool ValueCodec::Usable(const arrow::Array& array, int64_t row) const {
  if (array.IsNull(row)) return false;
  if (kind_ == Kind::kDouble) return !std::isnan(ValueAt<double>(array, row));
  if (kind_ == Kind::kFloat) return !std::isnan(ValueAt<float>(array, row));
  return true;
}

uint64_t ValueCodec::Narrow(const arrow::Array& array, int64_t row) const {
  switch (kind_) {
    case Kind::kBool:
      return checked_cast<const arrow::BooleanArray&>(array).Value(row) ? 1 : 0;
    case Kind::kInt8:
      return OrderedInt(ValueAt<int8_t>(array, row));
    case Kind::kInt16:
      return OrderedInt(ValueAt<int16_t>(array, row));
    case Kind::kInt32:
      return OrderedInt(ValueAt<int32_t>(array, row));
    case Kind::kInt64:
      return OrderedInt(ValueAt<int64_t>(array, row));
    case Kind::kUint8:
      return ValueAt<uint8_t>(array, row);
    case Kind::kUint16:
      return ValueAt<uint16_t>(array, row);
    case Kind::kUint32:
      return ValueAt<uint32_t>(array, row);
    case Kind::kUint64:
      return ValueAt<uint64_t>(array, row);
    case Kind::kFloat:
      return OrderedFloat(ValueAt<float>(array, row));
    case Kind::kDouble:
      return OrderedDouble(ValueAt<double>(array, row));
    default:
      return 0;
  }
}

namespace {

// Elements rows[0 … count), or those from `first` on where rows is null.
template <typename T, typename Map>
void FillNarrow(const arrow::Array& array, int64_t first, const uint32_t* rows, int64_t count,
                uint64_t* narrow, const Map& map) {
  const T* values = array.data()->GetValues<T>(1);
  if (rows == nullptr) {
    for (int64_t i = 0; i < count; ++i) narrow[i] = map(values[first + i]);
  } else {
    for (int64_t i = 0; i < count; ++i) narrow[i] = map(values[rows[i]]);
  }
}

}  // namespace

bool ValueCodec::UsableRows(const arrow::Array& array, int64_t first, const uint32_t* rows,
                            int64_t count, uint8_t* usable) const {
  uint8_t all = 1;
  auto each = [&](const auto& test) {
    for (int64_t i = 0; i < count; ++i) {
      const uint8_t holds = test(rows == nullptr ? first + i : int64_t{rows[i]}) ? 1 : 0;
      usable[i] = holds;
      all &= holds;
    }
  };
  if (kind_ == Kind::kDouble && array.null_count() == 0) {
    const auto* values = array.data()->GetValues<double>(1);
    each([values](int64_t row) { return values[row] == values[row]; });
  } else if (array.null_count() == 0 && !is_floating()) {
    std::fill_n(usable, count, uint8_t{1});
  } else {
    each([&](int64_t row) { return Usable(array, row); });
  }
  return all != 0;
}

void ValueCodec::NarrowRows(const arrow::Array& array, int64_t first, const uint32_t* rows,
                            int64_t count, uint64_t* narrow) const {
  auto plain = [](auto value) { return static_cast<uint64_t>(value); };
  auto ordered = [](auto value) { return OrderedInt(value); };
  switch (kind_) {
    case Kind::kInt8:
      return FillNarrow<int8_t>(array, first, rows, count, narrow, ordered);
    case Kind::kInt16:
      return FillNarrow<int16_t>(array, first, rows, count, narrow, ordered);
    case Kind::kInt32:
      return FillNarrow<int32_t>(array, first, rows, count, narrow, ordered);
    case Kind::kInt64:
      return FillNarrow<int64_t>(array, first, rows, count, narrow, ordered);
    case Kind::kUint8:
      return FillNarrow<uint8_t>(array, first, rows, count, narrow, plain);
    case Kind::kUint16:
      return FillNarrow<uint16_t>(array, first, rows, count, narrow, plain);
    case Kind::kUint32:
      return FillNarrow<uint32_t>(array, first, rows, count, narrow, plain);
    case Kind::kUint64:
      return FillNarrow<uint64_t>(array, first, rows, count, narrow, plain);
    case Kind::kFloat:
      return FillNarrow<float>(array, first, rows, count, narrow, OrderedFloat);
    case Kind::kDouble:
      return FillNarrow<double>(array, first, rows, count, narrow, OrderedDouble);
    default:
      for (int64_t i = 0; i < count; ++i) {
        narrow[i] = Narrow(array, rows == nullptr ? first + i : int64_t{rows[i]});
      }
  }
}

double ValueCodec::ToDouble(uint64_t narrow) const {
  switch (kind_) {
    case Kind::kDouble:
      return PlainDouble(narrow);
    case Kind::kFloat:
      return PlainFloat(narrow);
    case Kind::kInt8:
    case Kind::kInt16:
    case Kind::kInt32:
    case Kind::kInt64:
      return static_cast<double>(PlainInt(narrow));
    default:
      return static_cast<double>(narrow);
  }
}

uint64_t ValueCodec::ToMagnitude(uint64_t narrow, bool* negative) const {
  *negative = false;
  if (kind_ < Kind::kInt8 || kind_ > Kind::kInt64) return narrow;
  const int64_t value = PlainInt(narrow);
  *negative = value < 0;
  return value < 0 ? ~static_cast<uint64_t>(value) + 1 : static_cast<uint64_t>(value);
}

bool ValueCodec::IsNan(uint64_t narrow) const {
  return is_floating() && std::isnan(ToDouble(narrow));
}

bool ValueCodec::NarrowIsValid(uint64_t narrow) const {
  auto in_range = [narrow](int64_t low, int64_t high) {
    return PlainInt(narrow) >= low && PlainInt(narrow) <= high;
  };
  switch (kind_) {
    case Kind::kBool:
      return narrow <= 1;
    case Kind::kInt8:
      return in_range(INT8_MIN, INT8_MAX);
    case Kind::kInt16:
      return in_range(INT16_MIN, INT16_MAX);
    case Kind::kInt32:
      return in_range(INT32_MIN, INT32_MAX);
    case Kind::kUint8:
      return narrow <= UINT8_MAX;
    case Kind::kUint16:
      return narrow <= UINT16_MAX;
    case Kind::kUint32:
    case Kind::kFloat:
      return narrow <= UINT32_MAX;
    default:
      return true;
  }
}

uint64_t ValueCodec::HashNarrow(uint64_t narrow) const {
  uint64_t bits = narrow;
  if (is_floating()) {
    const double value = ToDouble(narrow);
    bits = value == 0 ? 0 : std::bit_cast<uint64_t>(value);
  } else if (kind_ >= Kind::kInt8 && kind_ <= Kind::kInt64) {
    bits = static_cast<uint64_t>(PlainInt(narrow));
  }
  std::string bytes;
  wire::PutFixed64(bits, &bytes);
  return base::Hash64(bytes);
}

uint64_t ValueCodec::HashWide(std::string_view bytes) { return base::Hash64(bytes); }

arrow::Status ValueCodec::Wide(const arrow::Array& array, int64_t row, std::string* bytes) const {
  bytes->clear();
  switch (kind_) {
    case Kind::kString:
      *bytes = checked_cast<const arrow::BinaryArray&>(array).GetView(row);
      return arrow::Status::OK();
    case Kind::kLargeString:
      *bytes = checked_cast<const arrow::LargeBinaryArray&>(array).GetView(row);
      return arrow::Status::OK();
    case Kind::kFixedBinary:
      *bytes = checked_cast<const arrow::FixedSizeBinaryArray&>(array).GetView(row);
      return arrow::Status::OK();
    case Kind::kDecimal: {
      const std::string_view value =
          checked_cast<const arrow::FixedSizeBinaryArray&>(array).GetView(row);
      // Big-endian with the sign bit turned over: the order of bytes is that of numbers.
      bytes->assign(value.rbegin(), value.rend());
      bytes->front() = static_cast<char>(bytes->front() ^ 0x80);
      return arrow::Status::OK();
    }
    default:
      break;
  }
  if (kind_ == Kind::kStruct) {
    const auto& rows = checked_cast<const arrow::StructArray&>(array);
    for (size_t i = 0; i < children_.size(); ++i) {
      ARROW_RETURN_NOT_OK(children_[i]->Encode(*rows.field(static_cast<int>(i)), row, bytes));
    }
    return arrow::Status::OK();
  }
  std::pair<int64_t, int64_t> range;
  std::shared_ptr<arrow::Array> values;
  if (kind_ == Kind::kFixedList) {
    const auto& list = checked_cast<const arrow::FixedSizeListArray&>(array);
    range = {list.value_offset(row), list.value_offset(row) + width_};
    values = list.values();
  } else if (kind_ == Kind::kLargeList) {
    range = ListRange<arrow::LargeListType>(array, row);
    values = checked_cast<const arrow::LargeListArray&>(array).values();
  } else {
    range = ListRange<arrow::ListType>(array, row);
    values = checked_cast<const arrow::ListArray&>(array).values();
  }
  if (kind_ != Kind::kFixedList) {
    wire::PutVarint(static_cast<uint64_t>(range.second - range.first), bytes);
  }
  for (int64_t i = range.first; i < range.second; ++i) {
    ARROW_RETURN_NOT_OK(children_[0]->Encode(*values, i, bytes));
  }
  return arrow::Status::OK();
}

arrow::Status ValueCodec::AppendNarrow(uint64_t narrow, arrow::ArrayBuilder* builder) const {
  switch (type_->id()) {
    case arrow::Type::BOOL:
      return AppendAs<arrow::BooleanType>(narrow, builder);
    case arrow::Type::INT8:
      return AppendAs<arrow::Int8Type>(narrow, builder);
    case arrow::Type::INT16:
      return AppendAs<arrow::Int16Type>(narrow, builder);
    case arrow::Type::INT32:
      return AppendAs<arrow::Int32Type>(narrow, builder);
    case arrow::Type::INT64:
      return AppendAs<arrow::Int64Type>(narrow, builder);
    case arrow::Type::UINT8:
      return AppendAs<arrow::UInt8Type>(narrow, builder);
    case arrow::Type::UINT16:
      return AppendAs<arrow::UInt16Type>(narrow, builder);
    case arrow::Type::UINT32:
      return AppendAs<arrow::UInt32Type>(narrow, builder);
    case arrow::Type::UINT64:
      return AppendAs<arrow::UInt64Type>(narrow, builder);
    case arrow::Type::FLOAT:
      return AppendAs<arrow::FloatType>(narrow, builder);
    case arrow::Type::DOUBLE:
      return AppendAs<arrow::DoubleType>(narrow, builder);
    case arrow::Type::DATE32:
      return AppendAs<arrow::Date32Type>(narrow, builder);
    case arrow::Type::DATE64:
      return AppendAs<arrow::Date64Type>(narrow, builder);
    case arrow::Type::TIME32:
      return AppendAs<arrow::Time32Type>(narrow, builder);
    case arrow::Type::TIME64:
      return AppendAs<arrow::Time64Type>(narrow, builder);
    case arrow::Type::TIMESTAMP:
      return AppendAs<arrow::TimestampType>(narrow, builder);
    case arrow::Type::DURATION:
      return AppendAs<arrow::DurationType>(narrow, builder);
    default:
      return MakeError(ErrorCode::kInternal, "not a narrow type: " + type_->ToString());
  }
}

arrow::Status ValueCodec::AppendWide(std::string_view bytes, arrow::ArrayBuilder* builder) const {
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  switch (kind_) {
    case Kind::kString:
      return checked_cast<arrow::BinaryBuilder*>(builder)->Append(
          data, static_cast<int32_t>(bytes.size()));
    case Kind::kLargeString:
      return checked_cast<arrow::LargeBinaryBuilder*>(builder)->Append(
          data, static_cast<int64_t>(bytes.size()));
    case Kind::kFixedBinary:
      if (bytes.size() != static_cast<size_t>(width_)) return NotOfType(*type_);
      return checked_cast<arrow::FixedSizeBinaryBuilder*>(builder)->Append(data);
    case Kind::kDecimal: {
      if (bytes.size() != static_cast<size_t>(width_)) return NotOfType(*type_);
      std::string value(bytes.rbegin(), bytes.rend());
      value.back() = static_cast<char>(value.back() ^ 0x80);
      return checked_cast<arrow::FixedSizeBinaryBuilder*>(builder)->Append(
          reinterpret_cast<const uint8_t*>(value.data()));
    }
    default:
      break;
  }
  ARROW_RETURN_NOT_OK(AppendNested(&bytes, builder));
  return bytes.empty() ? arrow::Status::OK() : NotOfType(*type_);
}

arrow::Status ValueCodec::AppendNested(std::string_view* in, arrow::ArrayBuilder* builder) const {
  if (kind_ == Kind::kStruct) {
    auto* rows = checked_cast<arrow::StructBuilder*>(builder);
    ARROW_RETURN_NOT_OK(rows->Append());
    for (size_t i = 0; i < children_.size(); ++i) {
      ARROW_RETURN_NOT_OK(children_[i]->Decode(in, rows->field_builder(static_cast<int>(i))));
    }
    return arrow::Status::OK();
  }
  auto count = static_cast<uint64_t>(width_);
  // Every element takes at least its validity byte, which bounds the loop by the bytes given.
  if (kind_ != Kind::kFixedList && (!wire::GetVarint(in, &count) || count > in->size())) {
    return NotOfType(*type_);
  }
  if (type_->id() == arrow::Type::MAP) {
    auto* map = checked_cast<arrow::MapBuilder*>(builder);
    ARROW_RETURN_NOT_OK(map->Append());
    const ValueCodec& entry = *children_[0];
    for (uint64_t i = 0; i < count; ++i) {
      uint8_t valid = 0;
      std::string_view pair;
      if (!wire::GetByte(in, &valid) || valid != 1 || !wire::GetBytes(in, &pair) || pair.empty() ||
          pair.front() != 1) {  // neither entries nor keys are null
        return NotOfType(*type_);
      }
      ARROW_RETURN_NOT_OK(entry.children_[0]->Decode(&pair, map->key_builder()));
      ARROW_RETURN_NOT_OK(entry.children_[1]->Decode(&pair, map->item_builder()));
      if (!pair.empty()) return NotOfType(*type_);
    }
    return arrow::Status::OK();
  }
  arrow::ArrayBuilder* values = nullptr;
  if (kind_ == Kind::kFixedList) {
    auto* list = checked_cast<arrow::FixedSizeListBuilder*>(builder);
    ARROW_RETURN_NOT_OK(list->Append());
    values = list->value_builder();
  } else if (kind_ == Kind::kLargeList) {
    auto* list = checked_cast<arrow::LargeListBuilder*>(builder);
    ARROW_RETURN_NOT_OK(list->Append());
    values = list->value_builder();
  } else {
    auto* list = checked_cast<arrow::ListBuilder*>(builder);
    ARROW_RETURN_NOT_OK(list->Append());
    values = list->value_builder();
  }
  for (uint64_t i = 0; i < count; ++i) {
    ARROW_RETURN_NOT_OK(children_[0]->Decode(in, values));
  }
  return arrow::Status::OK();
}

arrow::Status ValueCodec::Encode(const arrow::Array& array, int64_t row, std::string* out) const {
  const bool valid = array.IsValid(row);
  wire::PutByte(valid ? 1 : 0, out);
  if (!valid) return arrow::Status::OK();
  if (form_ == ValueForm::kNarrow) {
    wire::PutFixed64(Narrow(array, row), out);
    return arrow::Status::OK();
  }
  std::string bytes;
  ARROW_RETURN_NOT_OK(Wide(array, row, &bytes));
  wire::PutBytes(bytes, out);
  return arrow::Status::OK();
}

arrow::Status ValueCodec::Decode(std::string_view* in, arrow::ArrayBuilder* builder) const {
  uint8_t valid = 0;
  if (!wire::GetByte(in, &valid) || valid > 1) return NotOfType(*type_);
  if (valid == 0) return builder->AppendNull();
  if (form_ == ValueForm::kNarrow) {
    uint64_t narrow = 0;
    if (!wire::GetFixed64(in, &narrow) || !NarrowIsValid(narrow)) return NotOfType(*type_);
    return AppendNarrow(narrow, builder);
  }
  std::string_view bytes;
  if (!wire::GetBytes(in, &bytes) || bytes.size() > std::numeric_limits<int32_t>::max()) {
    return NotOfType(*type_);
  }
  return AppendWide(bytes, builder);
}

bool ValueCodec::Skip(std::string_view* in) const {
  uint8_t valid = 0;
  if (!wire::GetByte(in, &valid) || valid > 1) return false;
  if (valid == 0) return true;
  if (form_ == ValueForm::kNarrow) {
    uint64_t narrow = 0;
    return wire::GetFixed64(in, &narrow) && NarrowIsValid(narrow);
  }
  std::string_view bytes;
  return wire::GetBytes(in, &bytes) && WideIsValid(bytes);
}

bool ValueCodec::Cut(std::string_view* in, std::string_view* element) const {
  const std::string_view before = *in;
  uint8_t valid = 0;
  if (!wire::GetByte(in, &valid) || valid > 1) return false;
  if (valid == 1) {
    uint64_t narrow = 0;
    std::string_view bytes;
    const bool cut =
        form_ == ValueForm::kNarrow ? wire::GetFixed64(in, &narrow) : wire::GetBytes(in, &bytes);
    if (!cut) return false;
  }
  *element = before.substr(0, before.size() - in->size());
  return true;
}

int ValueCodec::WordBytes(const arrow::DataType& type) {
  const std::optional<Kind> kind = KindOf(type.id());
  if (!kind) return 0;
  switch (*kind) {
    case Kind::kInt64:
    case Kind::kUint64:
    case Kind::kDouble:
      return 8;
    case Kind::kInt32:
    case Kind::kUint32:
    case Kind::kFloat:
      return 4;
    default:
      return 0;
  }
}

arrow::Status ValueCodec::DecodeWord(std::string_view* in, bool* valid, uint64_t* word) const {
  *word = 0;
  uint8_t present = 0;
  if (!wire::GetByte(in, &present) || present > 1) return NotOfType(*type_);
  *valid = present == 1;
  if (!*valid) return arrow::Status::OK();
  uint64_t narrow = 0;
  if (!wire::GetFixed64(in, &narrow) || !NarrowIsValid(narrow)) return NotOfType(*type_);
  switch (kind_) {
    case Kind::kDouble:
      *word = std::bit_cast<uint64_t>(PlainDouble(narrow));
      break;
    case Kind::kFloat:
      *word = std::bit_cast<uint32_t>(PlainFloat(narrow));
      break;
    case Kind::kInt32:
    case Kind::kInt64:
      *word = static_cast<uint64_t>(PlainInt(narrow));
      break;
    default:
      *word = narrow;
  }
  return arrow::Status::OK();
}

bool ValueCodec::WideIsValid(std::string_view bytes) const {
  if (bytes.size() > std::numeric_limits<int32_t>::max()) return false;
  if (kind_ == Kind::kFixedBinary || kind_ == Kind::kDecimal) {
    return bytes.size() == static_cast<size_t>(width_);
  }
  if (form_ != ValueForm::kNested) return true;
  auto builder = arrow::MakeBuilder(type_);
  return builder.ok() && AppendWide(bytes, builder->get()).ok();
}

bool ValueCodec::DecimalMagnitude(std::string_view bytes, uint64_t magnitude[4]) {
  const bool negative = (static_cast<uint8_t>(bytes.front()) & 0x80) == 0;
  std::fill_n(magnitude, 4, negative ? ~uint64_t{0} : 0);
  for (size_t i = 0; i < bytes.size() && i < 32; ++i) {
    const size_t place = bytes.size() - 1 - i;  // of the byte's weight
    auto byte = static_cast<uint8_t>(bytes[i]);
    if (i == 0) byte ^= 0x80;
    const int shift = static_cast<int>(8 * (place % 8));
    magnitude[place / 8] &= ~(uint64_t{0xff} << shift);
    magnitude[place / 8] |= static_cast<uint64_t>(byte) << shift;
  }
  if (negative) {
    bool carry = true;
    for (int i = 0; i < 4; ++i) {
      magnitude[i] = ~magnitude[i] + (carry ? 1 : 0);
      carry = carry && magnitude[i] == 0;
    }
  }
  return negative;
}

double ValueCodec::DecimalToDouble(std::string_view bytes) const {
  std::string value(bytes.rbegin(), bytes.rend());
  value.back() = static_cast<char>(value.back() ^ 0x80);
  const auto* data = reinterpret_cast<const uint8_t*>(value.data());
  const int32_t scale = checked_cast<const arrow::DecimalType&>(*type_).scale();
  return width_ == 16 ? arrow::Decimal128(data).ToDouble(scale)
                      : arrow::Decimal256(data).ToDouble(scale);
}

}  // namespace icecore::state
