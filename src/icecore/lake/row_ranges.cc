#include "icecore/lake/row_ranges.h"

#include <algorithm>

namespace icecore::lake {
namespace {

// The first range that ends behind the row.
auto FirstEndingBehind(const std::vector<RowRange>& ranges, int64_t row) {
  return std::upper_bound(ranges.begin(), ranges.end(), row,
                          [](int64_t value, const RowRange& range) { return value < range.end; });
}

}  // namespace

void RowRanges::Append(int64_t first, int64_t end) {
  if (end <= first) {
    return;
  }
  count_ += end - first;
  if (!ranges_.empty() && ranges_.back().end == first) {
    ranges_.back().end = end;
  } else {
    ranges_.push_back({first, end});
  }
}

bool RowRanges::Contains(int64_t row) const {
  const auto range = FirstEndingBehind(ranges_, row);
  return range != ranges_.end() && range->first <= row;
}

int64_t RowRanges::CountIn(int64_t first, int64_t end) const {
  int64_t rows = 0;
  for (const RowRange& range : In(first, end)) {
    rows += range.end - range.first;
  }
  return rows;
}

std::vector<RowRange> RowRanges::In(int64_t first, int64_t end) const {
  std::vector<RowRange> parts;
  if (end <= first) {
    return parts;
  }
  for (auto range = FirstEndingBehind(ranges_, first); range != ranges_.end() && range->first < end;
       ++range) {
    parts.push_back({std::max(range->first, first), std::min(range->end, end)});
  }
  return parts;
}

RowRanges RowRanges::Minus(const RowRanges& other) const {
  RowRanges rest;
  auto hole = other.ranges_.begin();
  for (const RowRange& range : ranges_) {
    int64_t first = range.first;
    while (hole != other.ranges_.end() && hole->end <= first) {
      ++hole;
    }
    for (auto inside = hole; inside != other.ranges_.end() && inside->first < range.end; ++inside) {
      rest.Append(first, inside->first);
      first = std::max(first, inside->end);
    }
    rest.Append(first, range.end);
  }
  return rest;
}

}  // namespace icecore::lake
