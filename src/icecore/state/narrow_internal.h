#pragma once
// Numbers as narrow values and back (value_codec.h): 64 bits whose unsigned order is theirs.

#include <bit>
#include <cstdint>

namespace icecore::state {

inline constexpr uint64_t kSign = uint64_t{1} << 63;
inline constexpr uint32_t kSign32 = uint32_t{1} << 31;

// Signed integers keep their order when the sign bit is turned over.
inline uint64_t OrderedInt(int64_t value) { return static_cast<uint64_t>(value) ^ kSign; }
inline int64_t PlainInt(uint64_t narrow) { return static_cast<int64_t>(narrow ^ kSign); }

// Doubles: negative ones with all bits turned over, so that greater magnitudes come first.
inline uint64_t OrderedDouble(double value) {
  const auto bits = std::bit_cast<uint64_t>(value);
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}
inline double PlainDouble(uint64_t narrow) {
  return std::bit_cast<double>((narrow & kSign) != 0 ? narrow ^ kSign : ~narrow);
}
inline uint64_t OrderedFloat(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return (bits & kSign32) != 0 ? ~bits : bits | kSign32;
}
inline float PlainFloat(uint64_t narrow) {
  const auto bits = static_cast<uint32_t>(narrow);
  return std::bit_cast<float>((bits & kSign32) != 0 ? bits ^ kSign32 : ~bits);
}

}  // namespace icecore::state
