#pragma once
// Bound on outside JSON before a recursive walk.

#include <string_view>

namespace icecore::lake {

// Deeper JSON is refused (kLimit): walks over parsed values take a stack frame per level.
inline constexpr int kMostJsonLevels = 512;

// Whether objects and arrays nest deeper than kMostJsonLevels. Text that is no JSON: any answer.
bool IsTooDeep(std::string_view json);

}  // namespace icecore::lake
