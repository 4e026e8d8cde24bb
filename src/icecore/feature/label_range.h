#pragma once
// Labels that are answered together: of whole keys, or a stretch of one key's.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "icecore/feature/label_set.h"

namespace icecore::feature {

// Labels [first, end) by place. Either all labels of keys [first_key, end_key), or some of one key.
struct LabelRange {
  size_t first = 0;
  size_t end = 0;
  int32_t first_key = 0;
  int32_t end_key = 0;
  // Of their t; earliest > latest where there are none.
  int64_t earliest = std::numeric_limits<int64_t>::max();
  int64_t latest = std::numeric_limits<int64_t>::min();

  size_t size() const { return end - first; }
  bool has_key(int64_t key) const { return key >= first_key && key < end_key; }
};

LabelRange AllOf(const LabelSet& labels);
// Labels [first, end), at least one, of whole keys or of one.
LabelRange RangeOf(const LabelSet& labels, size_t first, size_t end);

// Where the labels of key `key` that lie in the range begin, and end.
size_t FirstOf(const LabelSet& labels, const LabelRange& range, int32_t key);
size_t EndOf(const LabelSet& labels, const LabelRange& range, int32_t key);

// The range cut at about the same weight into `count` pieces or a few more, fewer where it has
// fewer keys; a range of one key by its labels, which all weigh the same. `weights`: of the
// range's keys.
std::vector<LabelRange> CutRange(const LabelSet& labels, const LabelRange& range,
                                 const std::vector<int64_t>& weights, size_t count);

// Bounds, by place, of at most `most` pieces of the range with about as many labels each: whole
// keys, and the range's own bounds.
std::vector<size_t> KeyBounds(const LabelSet& labels, const LabelRange& range, size_t most);

}  // namespace icecore::feature
