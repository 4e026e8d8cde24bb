#pragma once
// Instants as text without an allocation: an answer may hold thousands.

#include <cstddef>
#include <cstdint>
#include <string>

namespace icecore::base {

inline constexpr size_t kMaxInstantBytes = 64;

// Writes what FormatInstant gives to `out`, which has room for kMaxInstantBytes, and returns where
// it ends.
char* WriteInstant(int64_t micros, char* out);
void AppendInstant(int64_t micros, std::string* out);

}  // namespace icecore::base
