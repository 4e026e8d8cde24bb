#include "icecore/feature/label_range.h"

#include <algorithm>
#include <numeric>

namespace icecore::feature {
namespace {

std::vector<LabelRange> CutOneKey(const LabelSet& labels, const LabelRange& range, size_t count) {
  std::vector<LabelRange> pieces;
  const size_t most = std::min(count, range.size());
  pieces.reserve(most);
  for (size_t i = 0; i < most; ++i) {
    pieces.push_back(RangeOf(labels, range.first + range.size() * i / most,
                             range.first + range.size() * (i + 1) / most));
  }
  return pieces;
}

}  // namespace

LabelRange AllOf(const LabelSet& labels) {
  return {0, labels.times().size(), 0, labels.keys().size(), labels.earliest(), labels.latest()};
}

LabelRange RangeOf(const LabelSet& labels, size_t first, size_t end) {
  LabelRange range{first, end, labels.KeyAt(first), labels.KeyAt(end - 1) + 1};
  for (int32_t key = range.first_key; key < range.end_key; ++key) {
    const size_t from = FirstOf(labels, range, key);
    const size_t to = EndOf(labels, range, key);
    if (from == to) continue;
    range.earliest = std::min(range.earliest, labels.times()[from]);
    range.latest = std::max(range.latest, labels.times()[to - 1]);
  }
  return range;
}

size_t FirstOf(const LabelSet& labels, const LabelRange& range, int32_t key) {
  return std::max<size_t>(range.first, labels.starts()[static_cast<size_t>(key)]);
}

size_t EndOf(const LabelSet& labels, const LabelRange& range, int32_t key) {
  return std::min<size_t>(range.end, labels.starts()[static_cast<size_t>(key) + 1]);
}

std::vector<LabelRange> CutRange(const LabelSet& labels, const LabelRange& range,
                                 const std::vector<int64_t>& weights, size_t count) {
  if (range.end_key - range.first_key == 1) return CutOneKey(labels, range, count);
  const int64_t all = std::accumulate(weights.begin(), weights.end(), int64_t{0});
  const int64_t share = std::max<int64_t>(all / static_cast<int64_t>(count), 1);
  std::vector<LabelRange> pieces;
  size_t first = range.first;
  int64_t weight = 0;
  for (int32_t key = range.first_key; key < range.end_key; ++key) {
    const size_t from = FirstOf(labels, range, key);
    const int64_t own = weights[static_cast<size_t>(key - range.first_key)];
    if (from > first && weight + own > share) {
      pieces.push_back(RangeOf(labels, first, from));
      first = from;
      weight = 0;
    }
    weight += own;
  }
  if (first < range.end) pieces.push_back(RangeOf(labels, first, range.end));
  return pieces;
}

std::vector<size_t> KeyBounds(const LabelSet& labels, const LabelRange& range, size_t most) {
  const size_t pieces = std::clamp<size_t>(range.size(), 1, most);
  std::vector<size_t> bounds = {range.first};
  for (size_t piece = 1; piece <= pieces; ++piece) {
    const size_t about = range.first + range.size() * piece / pieces;
    const size_t whole = *std::lower_bound(labels.starts().begin(), labels.starts().end(), about);
    const size_t bound = std::min(whole, range.end);
    if (bound > bounds.back()) bounds.push_back(bound);
  }
  return bounds;
}

}  // namespace icecore::feature
