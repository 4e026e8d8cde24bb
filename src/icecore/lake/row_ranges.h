#pragma once
// A set of rows of one file, by their place in it (0 = first).

#include <cstdint>
#include <vector>

namespace icecore::lake {

struct RowRange {
  int64_t first = 0;
  int64_t end = 0;  // one past the last
  bool operator==(const RowRange&) const = default;
};

// Ranges in ascending order that neither touch nor overlap.
class RowRanges {
 public:
  RowRanges() = default;

  // Adds [first, end); `first` must not be below the end of what is there. An empty range adds
  // nothing.
  void Append(int64_t first, int64_t end);

  const std::vector<RowRange>& ranges() const { return ranges_; }
  bool empty() const { return ranges_.empty(); }
  // Number of rows.
  int64_t count() const { return count_; }
  // One past the greatest row; 0 when empty.
  int64_t end() const { return ranges_.empty() ? 0 : ranges_.back().end; }

  bool Contains(int64_t row) const;
  // Number of rows in [first, end).
  int64_t CountIn(int64_t first, int64_t end) const;
  // The parts that lie in [first, end).
  std::vector<RowRange> In(int64_t first, int64_t end) const;
  // What is here and not in `other`.
  RowRanges Minus(const RowRanges& other) const;

  bool operator==(const RowRanges&) const = default;

 private:
  std::vector<RowRange> ranges_;
  int64_t count_ = 0;
};

}  // namespace icecore::lake
