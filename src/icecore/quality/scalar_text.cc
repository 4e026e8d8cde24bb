#include "icecore/quality/scalar_text_internal.h"

#include <arrow/util/decimal.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "icecore/base/time.h"

namespace icecore::quality {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool EqualsIgnoringCase(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) {
    return false;
  }
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] + ('a' - 'A')) : text[i];
    if (c != lower[i]) {
      return false;
    }
  }
  return true;
}

// NaN and the infinities.
template <typename T>
bool ParseSpecial(std::string_view text, T* out) {
  if (EqualsIgnoringCase(text, "nan")) {
    *out = std::numeric_limits<T>::quiet_NaN();
    return true;
  }
  bool negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    text.remove_prefix(1);
  }
  if (!EqualsIgnoringCase(text, "inf") && !EqualsIgnoringCase(text, "infinity")) {
    return false;
  }
  *out = negative ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::infinity();
  return true;
}

template <typename T>
T FromC(const char* text) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return std::strtof(text, nullptr);
  } else {
    return std::strtod(text, nullptr);
  }
}

template <typename T>
bool ParseFloat(std::string_view text, T* out) {
  size_t first = !text.empty() && text[0] == '-' ? 1 : 0;
  if (text.size() <= first || !(IsDigit(text[first]) || text[first] == '.')) {
    return ParseSpecial(text, out);
  }
  const char* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, *out);
  if (stop != end) {
    return false;
  }
  if (error == std::errc::result_out_of_range) {
    // from_chars does not tell too great from too small.
    *out = FromC<T>(std::string(text).c_str());
    return std::isfinite(*out);
  }
  return error == std::errc();
}

// -?digits[.digits][e[+-]digits] with a digit somewhere in front.
bool IsDecimalText(std::string_view text) {
  size_t i = !text.empty() && text[0] == '-' ? 1 : 0;
  size_t digits = 0;
  for (; i < text.size() && IsDigit(text[i]); ++i) {
    ++digits;
  }
  if (i < text.size() && text[i] == '.') {
    for (++i; i < text.size() && IsDigit(text[i]); ++i) {
      ++digits;
    }
  }
  if (digits == 0) {
    return false;
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    i += i < text.size() && (text[i] == '+' || text[i] == '-') ? 1 : 0;
    size_t begin = i;
    for (; i < text.size() && IsDigit(text[i]); ++i) {
    }
    return i == text.size() && i > begin && i - begin <= 4;
  }
  return i == text.size();
}

}  // namespace

bool ParseFloat64(std::string_view text, double* out) { return ParseFloat(text, out); }
bool ParseFloat32(std::string_view text, float* out) { return ParseFloat(text, out); }

bool ParseBool(std::string_view text, bool* out) {
  for (std::string_view word : {"true", "t", "1", "yes", "y"}) {
    if (EqualsIgnoringCase(text, word)) {
      *out = true;
      return true;
    }
  }
  for (std::string_view word : {"false", "f", "0", "no", "n"}) {
    if (EqualsIgnoringCase(text, word)) {
      *out = false;
      return true;
    }
  }
  return false;
}

bool ParseDate(std::string_view text, int32_t* out) {
  if (text.size() < 10) {
    return false;
  }
  arrow::Result<base::ParsedTime> parsed = base::ParseTime(text);
  if (!parsed.ok() || parsed->has_zone || parsed->nanos_below != 0 ||
      parsed->micros != base::FloorTo(parsed->micros, base::kMicrosPerDay)) {
    return false;
  }
  *out = static_cast<int32_t>(parsed->micros / base::kMicrosPerDay);
  return true;
}

bool ParseTimeOfDay(std::string_view text, int64_t* out) {
  constexpr std::string_view kDay = "1970-01-01T";
  std::array<char, 64> buffer;
  if (text.empty() || text.size() + kDay.size() > buffer.size()) {
    return false;
  }
  std::memcpy(buffer.data(), kDay.data(), kDay.size());
  std::memcpy(buffer.data() + kDay.size(), text.data(), text.size());
  arrow::Result<base::ParsedTime> parsed =
      base::ParseTime({buffer.data(), kDay.size() + text.size()});
  if (!parsed.ok() || parsed->has_zone || parsed->nanos_below != 0) {
    return false;
  }
  *out = parsed->micros;
  return true;
}

bool ParseTimestamp(std::string_view text, int64_t* out, bool* has_zone) {
  arrow::Result<base::ParsedTime> parsed = base::ParseTime(text);
  if (!parsed.ok()) {
    return false;
  }
  *out = parsed->micros + (parsed->nanos_below > 0 ? 1 : 0);
  *has_zone = parsed->has_zone;
  return true;
}

bool ParseDecimal(std::string_view text, int32_t precision, int32_t scale, uint8_t* out) {
  if (!IsDecimalText(text)) {
    return false;
  }
  arrow::Decimal128 value;
  int32_t own_precision = 0;
  int32_t own_scale = 0;
  if (!arrow::Decimal128::FromString(text, &value, &own_precision, &own_scale).ok()) {
    return false;
  }
  if (own_scale != scale && value != arrow::Decimal128(0)) {
    if (std::abs(own_scale - scale) > 38) {
      return false;
    }
    arrow::Result<arrow::Decimal128> rescaled = value.Rescale(own_scale, scale);
    if (!rescaled.ok()) {
      return false;
    }
    value = *rescaled;
  }
  if (!value.FitsInPrecision(precision)) {
    return false;
  }
  value.ToBytes(out);
  return true;
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
    if (IsDigit(c)) {
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

}  // namespace icecore::quality
