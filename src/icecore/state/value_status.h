#pragma once
// Why a feature has the value it has.

#include <cstdint>
#include <string_view>

namespace icecore::state {

enum class ValueStatus : uint8_t { kPresent, kNull, kNotFound, kExpired };

// As answers name it: "present", "null", "not_found", "expired".
std::string_view ValueStatusName(ValueStatus status);

}  // namespace icecore::state
