#include "icecore/online/key_encoding.h"

#include <arrow/array.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>

#include <bit>
#include <cmath>
#include <limits>

#include "icecore/base/error.h"
#include "icecore/base/time.h"

namespace icecore::online {
namespace {

// First byte of every part. A part's bytes follow; 0 is no tag, it ends the key.
enum class Tag : uint8_t {
  kBool = 0x01,        // 1 byte
  kInteger = 0x02,     // int64, sign flipped, big endian
  kBigInteger = 0x03,  // uint64 above the int64s, big endian
  kFloat = 0x04,       // float64 bits, order-preserving
  kDecimal = 0x05,     // scale byte, 16 bytes, sign flipped, big endian
  kDate = 0x06,        // days, as an integer
  kTimestamp = 0x07,   // microseconds, as an integer
  kTime = 0x08,        // microseconds, as an integer
  kString = 0x09,      // 0x00 as 0x00 0xff; ends with 0x00 0x01
  kBinary = 0x0a,      // as kString
  kTableKey = 0x0b,    // as kString; of no entity
};

constexpr uint64_t kSignBit = uint64_t{1} << 63;

void PutTag(Tag tag, std::string* out) { out->push_back(static_cast<char>(tag)); }

void PutBigEndian(uint64_t value, std::string* out) {
  char bytes[8];
  for (int i = 7; i >= 0; --i) {
    bytes[i] = static_cast<char>(value & 0xff);
    value >>= 8;
  }
  out->append(bytes, sizeof bytes);
}

void PutSigned(Tag tag, int64_t value, std::string* out) {
  PutTag(tag, out);
  PutBigEndian(static_cast<uint64_t>(value) ^ kSignBit, out);
}

void PutUnsigned(uint64_t value, std::string* out) {
  if (value < kSignBit) {
    PutSigned(Tag::kInteger, static_cast<int64_t>(value), out);
  } else {
    PutTag(Tag::kBigInteger, out);
    PutBigEndian(value, out);
  }
}

// -0.0 is 0.0, and there is one NaN, above everything.
void PutFloat(double value, std::string* out) {
  if (value == 0) {
    value = 0.0;
  } else if (std::isnan(value)) {
    value = std::numeric_limits<double>::quiet_NaN();
  }
  const uint64_t bits = std::bit_cast<uint64_t>(value);
  PutTag(Tag::kFloat, out);
  PutBigEndian((bits & kSignBit) != 0 ? ~bits : bits | kSignBit, out);
}

void PutText(Tag tag, std::string_view text, std::string* out) {
  PutTag(tag, out);
  size_t zero = text.find('\0');
  while (zero != std::string_view::npos) {
    out->append(text.substr(0, zero));
    out->append("\x00\xff", 2);
    text.remove_prefix(zero + 1);
    zero = text.find('\0');
  }
  out->append(text);
  out->append("\x00\x01", 2);
}

void PutDecimal(const arrow::Decimal128& value, int32_t scale, std::string* out) {
  PutTag(Tag::kDecimal, out);
  out->push_back(static_cast<char>(scale + 128));
  PutBigEndian(static_cast<uint64_t>(value.high_bits()) ^ kSignBit, out);
  PutBigEndian(value.low_bits(), out);
}

// Held at the ends of int64; such instants lie outside every calendar.
int64_t Scale(int64_t value, int64_t factor) {
  int64_t product = 0;
  if (__builtin_mul_overflow(value, factor, &product)) {
    return value < 0 ? INT64_MIN : INT64_MAX;
  }
  return product;
}

int64_t ToMicros(int64_t value, arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return Scale(value, base::kMicrosPerSecond);
    case arrow::TimeUnit::MILLI:
      return Scale(value, 1000);
    case arrow::TimeUnit::MICRO:
      return value;
    case arrow::TimeUnit::NANO:
      return base::FloorDiv(value, 1000);
  }
  return value;
}

template <typename ArrayType>
auto Value(const arrow::Array& array, int64_t row) {
  return static_cast<const ArrayType&>(array).GetView(row);
}

arrow::Status PutTemporal(const arrow::Array& column, int64_t row, std::string* out) {
  const arrow::DataType& type = *column.type();
  switch (type.id()) {
    case arrow::Type::DATE32:
      PutSigned(Tag::kDate, Value<arrow::Date32Array>(column, row), out);
      return arrow::Status::OK();
    case arrow::Type::DATE64: {
      constexpr int64_t kMillisPerDay = 86'400'000;
      const int64_t millis = Value<arrow::Date64Array>(column, row);
      PutSigned(Tag::kDate, base::FloorDiv(millis, kMillisPerDay), out);
      return arrow::Status::OK();
    }
    case arrow::Type::TIMESTAMP: {
      const auto unit = static_cast<const arrow::TimestampType&>(type).unit();
      PutSigned(Tag::kTimestamp, ToMicros(Value<arrow::TimestampArray>(column, row), unit), out);
      return arrow::Status::OK();
    }
    case arrow::Type::TIME32: {
      const auto unit = static_cast<const arrow::Time32Type&>(type).unit();
      PutSigned(Tag::kTime, ToMicros(Value<arrow::Time32Array>(column, row), unit), out);
      return arrow::Status::OK();
    }
    case arrow::Type::TIME64: {
      const auto unit = static_cast<const arrow::Time64Type&>(type).unit();
      PutSigned(Tag::kTime, ToMicros(Value<arrow::Time64Array>(column, row), unit), out);
      return arrow::Status::OK();
    }
    default:
      return base::MakeError(base::ErrorCode::kUnsupported,
                             "an entity key of type " + type.ToString() +
                                 "; keys are integers, strings, binary, bool, dates, times, "
                                 "timestamps, floats or decimals");
  }
}

arrow::Status PutPart(const arrow::Array& column, int64_t row, std::string* out) {
  switch (column.type_id()) {
    case arrow::Type::BOOL:
      PutTag(Tag::kBool, out);
      out->push_back(Value<arrow::BooleanArray>(column, row) ? '\x02' : '\x01');
      break;
    case arrow::Type::INT8:
      PutSigned(Tag::kInteger, Value<arrow::Int8Array>(column, row), out);
      break;
    case arrow::Type::INT16:
      PutSigned(Tag::kInteger, Value<arrow::Int16Array>(column, row), out);
      break;
    case arrow::Type::INT32:
      PutSigned(Tag::kInteger, Value<arrow::Int32Array>(column, row), out);
      break;
    case arrow::Type::INT64:
      PutSigned(Tag::kInteger, Value<arrow::Int64Array>(column, row), out);
      break;
    case arrow::Type::UINT8:
      PutUnsigned(Value<arrow::UInt8Array>(column, row), out);
      break;
    case arrow::Type::UINT16:
      PutUnsigned(Value<arrow::UInt16Array>(column, row), out);
      break;
    case arrow::Type::UINT32:
      PutUnsigned(Value<arrow::UInt32Array>(column, row), out);
      break;
    case arrow::Type::UINT64:
      PutUnsigned(Value<arrow::UInt64Array>(column, row), out);
      break;
    case arrow::Type::FLOAT:
      PutFloat(static_cast<double>(Value<arrow::FloatArray>(column, row)), out);
      break;
    case arrow::Type::DOUBLE:
      PutFloat(Value<arrow::DoubleArray>(column, row), out);
      break;
    case arrow::Type::DECIMAL128:
      PutDecimal(
          arrow::Decimal128(static_cast<const arrow::Decimal128Array&>(column).GetValue(row)),
          static_cast<const arrow::Decimal128Type&>(*column.type()).scale(), out);
      break;
    case arrow::Type::STRING:
      PutText(Tag::kString, Value<arrow::StringArray>(column, row), out);
      break;
    case arrow::Type::LARGE_STRING:
      PutText(Tag::kString, Value<arrow::LargeStringArray>(column, row), out);
      break;
    case arrow::Type::STRING_VIEW:
      PutText(Tag::kString, Value<arrow::StringViewArray>(column, row), out);
      break;
    case arrow::Type::BINARY:
      PutText(Tag::kBinary, Value<arrow::BinaryArray>(column, row), out);
      break;
    case arrow::Type::LARGE_BINARY:
      PutText(Tag::kBinary, Value<arrow::LargeBinaryArray>(column, row), out);
      break;
    case arrow::Type::BINARY_VIEW:
      PutText(Tag::kBinary, Value<arrow::BinaryViewArray>(column, row), out);
      break;
    case arrow::Type::FIXED_SIZE_BINARY:
      PutText(Tag::kBinary, Value<arrow::FixedSizeBinaryArray>(column, row), out);
      break;
    default:
      return PutTemporal(column, row, out);
  }
  return arrow::Status::OK();
}

// Length of a fixed part after its tag; 0 for text, nullopt for no tag of ours.
std::optional<size_t> PartLength(uint8_t tag) {
  switch (static_cast<Tag>(tag)) {
    case Tag::kBool:
      return 1;
    case Tag::kInteger:
    case Tag::kBigInteger:
    case Tag::kFloat:
    case Tag::kDate:
    case Tag::kTimestamp:
    case Tag::kTime:
      return 8;
    case Tag::kDecimal:
      return 17;
    case Tag::kString:
    case Tag::kBinary:
    case Tag::kTableKey:
      return 0;
  }
  return std::nullopt;
}

// Position after the text that starts at `position`, or nullopt when it has no end.
std::optional<size_t> EndOfText(std::string_view bytes, size_t position) {
  while (true) {
    position = bytes.find('\0', position);
    if (position == std::string_view::npos || position + 1 >= bytes.size()) {
      return std::nullopt;
    }
    if (bytes[position + 1] == '\x01') {
      return position + 2;
    }
    position += 2;
  }
}

}  // namespace

arrow::Result<EncodedKeys> EncodeKeys(const std::vector<std::shared_ptr<arrow::Array>>& columns,
                                      int64_t num_rows) {
  for (const auto& column : columns) {
    if (column == nullptr || column->length() != num_rows) {
      return base::MakeError(base::ErrorCode::kInternal, "key columns of unequal lengths");
    }
  }
  std::string bytes;
  std::vector<size_t> ends;
  ends.reserve(static_cast<size_t>(num_rows));
  for (int64_t row = 0; row < num_rows; ++row) {
    const size_t begin = bytes.size();
    for (const auto& column : columns) {
      if (column->IsNull(row)) {
        bytes.resize(begin);
        break;
      }
      ARROW_RETURN_NOT_OK(PutPart(*column, row, &bytes));
    }
    ends.push_back(bytes.size());
  }
  return EncodedKeys(std::move(bytes), std::move(ends));
}

std::string EncodeTableKey(std::string_view bytes) {
  std::string out;
  PutText(Tag::kTableKey, bytes, &out);
  return out;
}

std::optional<size_t> EncodedKeyLength(std::string_view bytes) {
  size_t position = 0;
  while (position < bytes.size()) {
    const uint8_t tag = static_cast<uint8_t>(bytes[position]);
    if (tag == 0) {
      return position == 0 ? std::nullopt : std::optional<size_t>(position);
    }
    const std::optional<size_t> length = PartLength(tag);
    if (!length.has_value()) {
      return std::nullopt;
    }
    if (*length > 0) {
      position += 1 + *length;
      continue;
    }
    const std::optional<size_t> end = EndOfText(bytes, position + 1);
    if (!end.has_value()) {
      return std::nullopt;
    }
    position = *end;
  }
  return std::nullopt;
}

}  // namespace icecore::online
