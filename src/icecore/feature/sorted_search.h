#pragma once
// Places among ascending values.

#include <algorithm>
#include <cstdint>

namespace icecore::feature {

// The first place in [from, end) whose value is not below `bound`, else `end`. Without a branch per
// step: which way to go is foretold wrongly every other time.
template <typename Place>
Place FirstNotBelow(const int64_t* values, Place from, Place end, int64_t bound) {
  Place count = end - from;
  while (count > 0) {
    const Place half = count / 2;
    const bool is_below = values[from + half] < bound;
    from = is_below ? from + half + 1 : from;
    count = is_below ? count - half - 1 : half;
  }
  return from;
}

// The same, where the place is near `from`: looks at `reach` values first.
template <typename Place>
Place GallopNotBelow(const int64_t* values, Place from, Place end, int64_t bound, Place reach) {
  while (end - from > reach && values[from + reach - 1] < bound) {
    from += reach;
    reach *= 4;
  }
  return FirstNotBelow(values, from, static_cast<Place>(from + std::min<Place>(reach, end - from)),
                       bound);
}

}  // namespace icecore::feature
