#pragma once
// How many operations a fault test breaks.

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace icecore::base {

// Every how-manieth operation to break; ICECORE_FAULT_STRIDE=1, as in `./dev test --long`, breaks
// them all.
inline int64_t FaultStride(int64_t otherwise) {
  const char* given = std::getenv("ICECORE_FAULT_STRIDE");
  return given == nullptr ? otherwise : std::max<int64_t>(1, std::atoll(given));
}

}  // namespace icecore::base
