#include "icecore/base/json_text.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/util/utf8.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <type_traits>

#include "icecore/base/error.h"
#include "icecore/base/instant_text.h"
#include "icecore/base/time.h"

namespace icecore::base {
namespace {

// Length of the valid UTF-8 sequence at the front, or 0.
size_t Utf8Length(std::string_view text) {
  static const bool initialized = (arrow::util::InitializeUTF8(), true);
  static_cast<void>(initialized);
  const auto lead = static_cast<unsigned char>(text[0]);
  const size_t length = lead < 0x80           ? 1
                        : (lead >> 5) == 0x06 ? 2
                        : (lead >> 4) == 0x0e ? 3
                        : (lead >> 3) == 0x1e ? 4
                                              : 0;
  if (length == 0 || text.size() < length ||
      !arrow::util::ValidateUTF8(reinterpret_cast<const uint8_t*>(text.data()),
                                 static_cast<int64_t>(length))) {
    return 0;
  }
  return length;
}

// Length of the front that stands in JSON as it is.
size_t PlainLength(std::string_view text) {
  size_t length = 0;
  while (length < text.size()) {
    const auto byte = static_cast<unsigned char>(text[length]);
    if (byte < 0x20 || byte >= 0x80 || byte == '"' || byte == '\\') {
      break;
    }
    ++length;
  }
  return length;
}

// The character at the front, which is not plain. Returns how many bytes of `text` it has.
size_t AppendEscaped(std::string_view text, std::string* out) {
  static constexpr char kHex[] = "0123456789abcdef";
  const char c = text[0];
  const auto byte = static_cast<unsigned char>(c);
  if (c == '"' || c == '\\') {
    *out += '\\';
    *out += c;
  } else if (c == '\n') {
    *out += "\\n";
  } else if (c == '\r') {
    *out += "\\r";
  } else if (c == '\t') {
    *out += "\\t";
  } else if (byte < 0x20) {
    *out += "\\u00";
    *out += kHex[byte >> 4];
    *out += kHex[byte & 15];
  } else if (const size_t length = Utf8Length(text); length > 0) {
    out->append(text.substr(0, length));
    return length;
  } else {
    *out += "\xef\xbf\xbd";
  }
  return 1;
}

constexpr std::array<char, 3000> kThreeDigits = [] {
  std::array<char, 3000> digits{};
  for (size_t number = 0; number < 1000; ++number) {
    digits[3 * number] = static_cast<char>('0' + number / 100);
    digits[3 * number + 1] = static_cast<char>('0' + number / 10 % 10);
    digits[3 * number + 2] = static_cast<char>('0' + number % 10);
  }
  return digits;
}();

// Doubles with at most six digits behind the point, as most that people write: the digits are those
// of a whole number, which are found sooner than the shortest text of any double. nullptr, and
// nothing written, where the shortest text may be another.
char* WriteShortDecimal(double value, char* out) {
  constexpr double kScale = 1e6;
  const double size = std::fabs(value);
  // Below, and from here on up, texts with an exponent may be shorter.
  if (!(size >= 0.01 && size < 1e5)) return nullptr;
  const auto digits = static_cast<uint64_t>(std::llround(size * kScale));
  // Both are exact below 2^53, so their quotient is the double nearest to the decimal; and with
  // fewer than 15 digits no other decimal as short has the same nearest double.
  if (static_cast<double>(digits) / kScale != size) return nullptr;
  constexpr uint64_t kUnit = 1'000'000;
  constexpr size_t kMostWholeDigits = 5;
  if (value < 0) *out++ = '-';
  out = std::to_chars(out, out + kMostWholeDigits, digits / kUnit).ptr;
  *out++ = '.';
  const auto rest = static_cast<size_t>(digits % kUnit);
  const size_t last_three = rest % 1000;
  out = std::copy_n(kThreeDigits.data() + 3 * (rest / 1000), 3, out);
  size_t zeros = 2;  // of what may be left out
  if (last_three != 0) {
    out = std::copy_n(kThreeDigits.data() + 3 * last_three, 3, out);
    zeros += 3;
  }
  for (; zeros > 0 && out[-1] == '0'; --zeros) --out;
  return out;
}

template <typename Float>
char* WriteFloat(Float value, char* out) {
  if constexpr (std::is_same_v<Float, double>) {
    if (char* const end = WriteShortDecimal(value, out); end != nullptr) return end;
  }
  const auto write = [&](std::string_view text) {
    return std::copy_n(text.data(), text.size(), out);
  };
  if (std::isnan(value)) return write("\"NaN\"");
  if (std::isinf(value)) return write(value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
  char* const end = std::to_chars(out, out + kMaxJsonNumberBytes, value).ptr;
  if (std::any_of(out, end, [](char c) { return c == '.' || c == 'e'; })) return end;
  out = end;
  return write(".0");
}

int64_t ToMicros(int64_t value, arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return value * kMicrosPerSecond;
    case arrow::TimeUnit::MILLI:
      return value * 1000;
    case arrow::TimeUnit::MICRO:
      return value;
    case arrow::TimeUnit::NANO:
      return FloorDiv(value, 1000);
  }
  return value;
}

void AppendTimestamp(const arrow::TimestampArray& array, int64_t index, std::string* out) {
  const auto& type = static_cast<const arrow::TimestampType&>(*array.type());
  *out += '"';
  AppendInstant(ToMicros(array.Value(index), type.unit()), out);
  if (type.timezone().empty()) {
    out->pop_back();  // a wall time has no Z
  }
  *out += '"';
}

// hh:mm:ss.ffffff
void AppendTimeOfDay(int64_t micros, std::string* out) {
  const std::string instant = FormatInstant(micros);
  AppendJsonString(std::string_view(instant).substr(11, 15), out);
}

arrow::Status AppendItems(const arrow::Array& items, int64_t begin, int64_t end, std::string* out) {
  *out += '[';
  for (int64_t i = begin; i < end; ++i) {
    if (i > begin) {
      *out += ',';
    }
    ARROW_RETURN_NOT_OK(AppendJsonValue(items, i, out));
  }
  *out += ']';
  return arrow::Status::OK();
}

arrow::Status AppendStruct(const arrow::StructArray& array, int64_t index, std::string* out) {
  *out += '{';
  for (int i = 0; i < array.num_fields(); ++i) {
    if (i > 0) {
      *out += ',';
    }
    AppendJsonString(array.struct_type()->field(i)->name(), out);
    *out += ':';
    ARROW_RETURN_NOT_OK(AppendJsonValue(*array.field(i), index, out));
  }
  *out += '}';
  return arrow::Status::OK();
}

}  // namespace

void AppendJsonString(std::string_view text, std::string* out) {
  *out += '"';
  while (true) {
    const size_t plain = PlainLength(text);
    out->append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) {
      break;
    }
    text.remove_prefix(AppendEscaped(text, out));
  }
  *out += '"';
}

char* WriteJsonDouble(double value, char* out) { return WriteFloat(value, out); }
char* WriteJsonFloat(float value, char* out) { return WriteFloat(value, out); }
char* WriteJsonInt(int64_t value, char* out) {
  return std::to_chars(out, out + kMaxJsonNumberBytes, value).ptr;
}

void AppendJsonDouble(double value, std::string* out) {
  char text[kMaxJsonNumberBytes];
  out->append(text, WriteJsonDouble(value, text));
}

void AppendJsonFloat(float value, std::string* out) {
  char text[kMaxJsonNumberBytes];
  out->append(text, WriteJsonFloat(value, text));
}

void AppendJsonInt(int64_t value, std::string* out) {
  char text[kMaxJsonNumberBytes];
  out->append(text, WriteJsonInt(value, text));
}

std::string Base64(std::string_view bytes) {
  static constexpr char kAlphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t left = bytes.size() - i;
    uint32_t group = static_cast<uint32_t>(static_cast<unsigned char>(bytes[i])) << 16;
    if (left > 1) {
      group |= static_cast<uint32_t>(static_cast<unsigned char>(bytes[i + 1])) << 8;
    }
    if (left > 2) {
      group |= static_cast<unsigned char>(bytes[i + 2]);
    }
    out += kAlphabet[group >> 18];
    out += kAlphabet[group >> 12 & 63];
    out += left > 1 ? kAlphabet[group >> 6 & 63] : '=';
    out += left > 2 ? kAlphabet[group & 63] : '=';
  }
  return out;
}

bool ParseBase64(std::string_view text, std::string* out) {
  out->clear();
  if (text.size() % 4 != 0) {
    return false;
  }
  auto digit = [](char c) -> int {
    if (c >= 'A' && c <= 'Z') {
      return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
      return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
      return c - '0' + 52;
    }
    return c == '+' ? 62 : (c == '/' ? 63 : -1);
  };
  for (size_t i = 0; i < text.size(); i += 4) {
    bool last = i + 4 == text.size();
    int padding = last && text[i + 3] == '=' ? (text[i + 2] == '=' ? 2 : 1) : 0;
    uint32_t group = 0;
    for (size_t k = 0; k < 4; ++k) {
      int value = k >= static_cast<size_t>(4 - padding) ? 0 : digit(text[i + k]);
      if (value < 0) {
        return false;
      }
      group = group << 6 | static_cast<uint32_t>(value);
    }
    for (int k = 0; k < 3 - padding; ++k) {
      out->push_back(static_cast<char>(group >> (16 - 8 * k) & 0xFF));
    }
  }
  return true;
}

arrow::Status AppendJsonValue(const arrow::Array& array, int64_t index, std::string* out) {
  if (array.IsNull(index)) {
    *out += "null";
    return arrow::Status::OK();
  }
  switch (array.type_id()) {
    case arrow::Type::BOOL:
      *out += static_cast<const arrow::BooleanArray&>(array).Value(index) ? "true" : "false";
      return arrow::Status::OK();
#define ICECORE_INT_CASE(ID, ARRAY)                                           \
  case arrow::Type::ID:                                                       \
    AppendJsonInt(static_cast<const arrow::ARRAY&>(array).Value(index), out); \
    return arrow::Status::OK();
      ICECORE_INT_CASE(INT8, Int8Array)
      ICECORE_INT_CASE(INT16, Int16Array)
      ICECORE_INT_CASE(INT32, Int32Array)
      ICECORE_INT_CASE(INT64, Int64Array)
      ICECORE_INT_CASE(UINT8, UInt8Array)
      ICECORE_INT_CASE(UINT16, UInt16Array)
      ICECORE_INT_CASE(UINT32, UInt32Array)
#undef ICECORE_INT_CASE
    case arrow::Type::UINT64:
      *out += std::to_string(static_cast<const arrow::UInt64Array&>(array).Value(index));
      return arrow::Status::OK();
    case arrow::Type::FLOAT:
      AppendJsonFloat(static_cast<const arrow::FloatArray&>(array).Value(index), out);
      return arrow::Status::OK();
    case arrow::Type::DOUBLE:
      AppendJsonDouble(static_cast<const arrow::DoubleArray&>(array).Value(index), out);
      return arrow::Status::OK();
    case arrow::Type::STRING:
      AppendJsonString(static_cast<const arrow::StringArray&>(array).GetView(index), out);
      return arrow::Status::OK();
    case arrow::Type::LARGE_STRING:
      AppendJsonString(static_cast<const arrow::LargeStringArray&>(array).GetView(index), out);
      return arrow::Status::OK();
    case arrow::Type::BINARY:
      AppendJsonString(Base64(static_cast<const arrow::BinaryArray&>(array).GetView(index)), out);
      return arrow::Status::OK();
    case arrow::Type::LARGE_BINARY:
      AppendJsonString(Base64(static_cast<const arrow::LargeBinaryArray&>(array).GetView(index)),
                       out);
      return arrow::Status::OK();
    case arrow::Type::DECIMAL128:
      AppendJsonString(static_cast<const arrow::Decimal128Array&>(array).FormatValue(index), out);
      return arrow::Status::OK();
    case arrow::Type::DATE32:
      AppendJsonString(FormatDate(static_cast<const arrow::Date32Array&>(array).Value(index)), out);
      return arrow::Status::OK();
    case arrow::Type::TIME64:
      AppendTimeOfDay(ToMicros(static_cast<const arrow::Time64Array&>(array).Value(index),
                               static_cast<const arrow::Time64Type&>(*array.type()).unit()),
                      out);
      return arrow::Status::OK();
    case arrow::Type::TIMESTAMP:
      AppendTimestamp(static_cast<const arrow::TimestampArray&>(array), index, out);
      return arrow::Status::OK();
    case arrow::Type::LIST: {
      const auto& list = static_cast<const arrow::ListArray&>(array);
      return AppendItems(*list.values(), list.value_offset(index), list.value_offset(index + 1),
                         out);
    }
    case arrow::Type::STRUCT:
      return AppendStruct(static_cast<const arrow::StructArray&>(array), index, out);
    default:
      return MakeError(ErrorCode::kUnsupported,
                       "values of type " + array.type()->ToString() + " cannot be shown as JSON");
  }
}

arrow::Result<std::string> ValueText(const arrow::Array& array, int64_t index) {
  if (!array.IsNull(index) && array.type_id() == arrow::Type::STRING) {
    return std::string(static_cast<const arrow::StringArray&>(array).GetView(index));
  }
  std::string out;
  ARROW_RETURN_NOT_OK(AppendJsonValue(array, index, &out));
  if (out.size() >= 2 && out.front() == '"' && array.type_id() != arrow::Type::LIST) {
    return out.substr(1, out.size() - 2);
  }
  return out;
}

arrow::Result<std::string> JsonRows(const arrow::Table& table) {
  std::string out = "[";
  ARROW_ASSIGN_OR_RAISE(auto rows, table.CombineChunksToBatch());
  for (int64_t row = 0; row < rows->num_rows(); ++row) {
    out += row == 0 ? "\n " : ",\n ";
    out += '{';
    for (int i = 0; i < rows->num_columns(); ++i) {
      out += i > 0 ? ", " : "";
      AppendJsonString(rows->schema()->field(i)->name(), &out);
      out += ": ";
      ARROW_RETURN_NOT_OK(AppendJsonValue(*rows->column(i), row, &out));
    }
    out += '}';
  }
  return out + "]\n";
}

}  // namespace icecore::base
