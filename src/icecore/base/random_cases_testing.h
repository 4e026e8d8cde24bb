#pragma once
// How many random cases a test tries.

#include <cstdint>
#include <cstdlib>
#include <iostream>

namespace icecore::base {

// The seeds [first, end) of a test.
struct Seeds {
  uint64_t first = 0;
  uint64_t end = 0;
};

// `all` seeds from `first` in the long test (ICECORE_LONG is set), else the first quarter of them.
// Says them on stdout.
inline Seeds SeedsFrom(uint64_t first, uint64_t all) {
  const Seeds seeds{first, first + (std::getenv("ICECORE_LONG") == nullptr ? (all + 3) / 4 : all)};
  std::cout << "seeds " << seeds.first << " to " << seeds.end - 1 << "\n";
  return seeds;
}

}  // namespace icecore::base
