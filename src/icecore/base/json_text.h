#pragma once
// Values as JSON text, written straight into a buffer. The forms are those of the command line and
// of HTTP answers: int64 with all digits, floats shortest that read back to the same bits, "NaN",
// "Infinity", "-Infinity", decimals as strings, timestamps RFC 3339 with microseconds and Z, dates
// YYYY-MM-DD, binary base64.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace icecore::base {

// With quotes; bytes that are not UTF-8 become U+FFFD.
void AppendJsonString(std::string_view text, std::string* out);
void AppendJsonDouble(double value, std::string* out);
void AppendJsonFloat(float value, std::string* out);
void AppendJsonInt(int64_t value, std::string* out);

// The same to `out`, which has room for so many bytes; returns where they end.
inline constexpr size_t kMaxJsonNumberBytes = 40;
char* WriteJsonDouble(double value, char* out);
char* WriteJsonFloat(float value, char* out);
char* WriteJsonInt(int64_t value, char* out);

// Element `index` of the array. An unsupported type is kUnsupported.
arrow::Status AppendJsonValue(const arrow::Array& array, int64_t index, std::string* out);

// All rows as a JSON array of objects, a line each.
arrow::Result<std::string> JsonRows(const arrow::Table& table);

// Standard base64 with padding.
std::string Base64(std::string_view bytes);
// The bytes of such a text, with padding; false when it is none.
bool ParseBase64(std::string_view text, std::string* out);

// Element `index` as plain text for a person: strings bare, null as "null".
arrow::Result<std::string> ValueText(const arrow::Array& array, int64_t index);

}  // namespace icecore::base
