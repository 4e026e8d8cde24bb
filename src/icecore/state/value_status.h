#pragma once
// Why a feature has the value it has.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace icecore::state {

// kError: what is stored of the key is damaged; only a read of a store gives it.
enum class ValueStatus : uint8_t { kPresent, kNull, kNotFound, kExpired, kError };
inline constexpr size_t kValueStatuses = 5;

// As answers name it: "present", "null", "not_found", "expired", "error".
std::string_view ValueStatusName(ValueStatus status);

}  // namespace icecore::state
