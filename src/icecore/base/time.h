#pragma once
// Instants (UTC microseconds) and durations (microseconds) as text.

#include <arrow/result.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace icecore::base {

inline constexpr int64_t kMicrosPerSecond = 1'000'000;
inline constexpr int64_t kMicrosPerMinute = 60 * kMicrosPerSecond;
inline constexpr int64_t kMicrosPerHour = 60 * kMicrosPerMinute;
inline constexpr int64_t kMicrosPerDay = 24 * kMicrosPerHour;

// A parsed RFC 3339 text, e.g. 2013-12-01T12:00:00Z, 2013-12-01 12:00:00.25+01:00,
// 2013-12-01T12:00Z.
struct ParsedTime {
  int64_t micros = 0;       // UTC when has_zone, else the wall time as if it were UTC
  int32_t nanos_below = 0;  // 0..999: what lies below the microsecond
  bool has_zone = false;
};
// Date alone is midnight. More than nine fractional digits, or nonsense, is kInvalidArgument.
arrow::Result<ParsedTime> ParseTime(std::string_view text);

// As ParseTime, for places where a naive time means UTC; rounds down to microseconds.
arrow::Result<int64_t> ParseInstant(std::string_view text);

// "2013-12-01T12:00:00.000000Z", always with six digits.
std::string FormatInstant(int64_t micros);
// "2013-12-01T12:00:00Z": fractional digits only where they are not zero.
std::string FormatInstantShort(int64_t micros);
// "2013-12-01"
std::string FormatDate(int64_t days_since_epoch);

// "90s 15m 26h 7d", also 250ms and 0s; a whole number and one unit. Negative is an error.
arrow::Result<int64_t> ParseDuration(std::string_view text);
// The shortest exact form: "90s", "2h", "7d", "250ms".
std::string FormatDuration(int64_t micros);

// a / b rounded down, and what is left of a above it: 0 <= FloorMod < b. b > 0.
constexpr int64_t FloorDiv(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }
constexpr int64_t FloorMod(int64_t a, int64_t b) { return a % b < 0 ? a % b + b : a % b; }

// The greatest multiple of step_us that is <= micros, also below zero; INT64_MIN where that is
// below it. step_us > 0.
constexpr int64_t FloorTo(int64_t micros, int64_t step_us) {
  int64_t multiple = 0;
  return __builtin_sub_overflow(micros, FloorMod(micros, step_us), &multiple) ? INT64_MIN
                                                                              : multiple;
}

// a + b, held at the ends of int64 instead of overflowing.
constexpr int64_t SaturatingAdd(int64_t a, int64_t b) {
  int64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) {
    return b > 0 ? INT64_MAX : INT64_MIN;
  }
  return sum;
}

}  // namespace icecore::base
