#include "icecore/quality/scalar_text_internal.h"

#include <arrow/util/decimal.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "icecore/base/json_text.h"
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
  const char* const end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
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

// A decimal number as coefficient x 10^exponent; the coefficient ends in no zero.
struct DecimalText {
  unsigned __int128 coefficient = 0;
  int64_t exponent = 0;
  bool negative = false;
};

constexpr int kMaxDecimalDigits = 38;

// Digits of one part; zeros wait until a digit behind them needs them. False: more than 38 digits.
class DigitReader {
 public:
  explicit DigitReader(DecimalText* out) : out_(out) {}

  bool Take(char digit, bool behind_point) {
    ++seen_;
    out_->exponent -= behind_point ? 1 : 0;
    ++zeros_;
    if (digit == '0') {
      return true;
    }
    for (; zeros_ > 0; --zeros_) {
      if (out_->coefficient != 0 && ++significant_ > kMaxDecimalDigits) {
        return false;
      }
      out_->coefficient *= 10;
    }
    significant_ = significant_ == 0 ? 1 : significant_;
    out_->coefficient += static_cast<unsigned>(digit - '0');
    return true;
  }
  bool Finish() {
    out_->exponent += zeros_;
    return seen_ > 0;
  }

 private:
  DecimalText* out_;
  int64_t seen_ = 0;
  int64_t zeros_ = 0;  // digits read that are not in the coefficient yet
  int significant_ = 0;
};

// -?digits[.digits][e[+-]digits] with a digit somewhere in front.
bool ReadDecimal(std::string_view text, DecimalText* out) {
  size_t i = !text.empty() && text[0] == '-' ? 1 : 0;
  out->negative = i == 1;
  DigitReader digits(out);
  for (; i < text.size() && IsDigit(text[i]); ++i) {
    if (!digits.Take(text[i], false)) {
      return false;
    }
  }
  if (i < text.size() && text[i] == '.') {
    for (++i; i < text.size() && IsDigit(text[i]); ++i) {
      if (!digits.Take(text[i], true)) {
        return false;
      }
    }
  }
  if (!digits.Finish()) {
    return false;
  }
  if (i == text.size()) {
    return true;
  }
  if (text[i] != 'e' && text[i] != 'E') {
    return false;
  }
  ++i;
  i += i < text.size() && text[i] == '+' && i + 1 < text.size() && IsDigit(text[i + 1]) ? 1 : 0;
  int32_t exponent = 0;
  const char* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data() + i, end, exponent);
  out->exponent += exponent;
  return error == std::errc() && stop == end;
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
      base::FloorMod(parsed->micros, base::kMicrosPerDay) != 0) {
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
  DecimalText number;
  if (!ReadDecimal(text, &number)) {
    return false;
  }
  int64_t shift = number.exponent + scale;
  if (number.coefficient == 0) {
    shift = 0;
  }
  if (shift < 0 || shift > kMaxDecimalDigits) {
    return false;
  }
  unsigned __int128 limit = 1;
  for (int32_t k = 0; k < precision; ++k) {
    limit *= 10;
  }
  unsigned __int128 value = number.coefficient;
  for (; shift > 0; --shift) {
    if (value >= limit) {
      return false;
    }
    value *= 10;
  }
  if (value >= limit) {
    return false;
  }
  value = number.negative ? -value : value;
  arrow::Decimal128(static_cast<int64_t>(value >> 64), static_cast<uint64_t>(value)).ToBytes(out);
  return true;
}

bool ParseBase64(std::string_view text, std::string* out) { return base::ParseBase64(text, out); }

}  // namespace icecore::quality
