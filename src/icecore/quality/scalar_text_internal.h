#pragma once
// One text -> one value. The forms are those of text_conversion.h.

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

namespace icecore::quality {

template <typename T>
bool ParseInteger(std::string_view text, T* out) {
  const char* const end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && stop == end;
}

bool ParseFloat64(std::string_view text, double* out);
bool ParseFloat32(std::string_view text, float* out);
bool ParseBool(std::string_view text, bool* out);
// Days since 1970.
bool ParseDate(std::string_view text, int32_t* out);
// Microseconds of the day.
bool ParseTimeOfDay(std::string_view text, int64_t* out);
// Microseconds rounded up; a wall time unless has_zone.
bool ParseTimestamp(std::string_view text, int64_t* out, bool* has_zone);
// 16 bytes little endian, unscaled at `scale`.
bool ParseDecimal(std::string_view text, int32_t precision, int32_t scale, uint8_t* out);
bool ParseBase64(std::string_view text, std::string* out);

}  // namespace icecore::quality
