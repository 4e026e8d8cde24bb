#pragma once
// Where the windows of one key lie at each of its labels: rows are ordered by (e, a, s), so a
// window is what is active of the rows from its tail on. Mostly that is one range; rows that became
// known late leave gaps for a while, so it may be a few.

#include <cstdint>
#include <span>
#include <vector>

#include "icecore/feature/sweep_slice.h"
#include "icecore/state/view_plan.h"

namespace icecore::feature {

// The windows of one length and hop.
struct WindowClock {
  int64_t length_us = 0;
  int64_t hop_us = 0;
  auto operator<=>(const WindowClock&) const = default;
};

// Positions [begin, end), not empty.
struct RowRange {
  int64_t begin = 0;
  int64_t end = 0;
};

// Not thread safe; reused from key to key.
class KeyRanges {
 public:
  explicit KeyRanges(std::vector<WindowClock> clocks)
      : clocks_(std::move(clocks)), tails_(clocks_.size()) {}

  // For the rows at positions [begin, end) and labels at `times`, ascending; the first label's
  // place is `first_label`. False where rows end, or so many were late that ranges do not pay.
  bool Find(const SweepSlice& slice, int64_t begin, int64_t end, std::span<const int64_t> times,
            int64_t first_label);

  int64_t begin() const { return begin_; }
  int64_t end() const { return end_; }
  int64_t row_count() const { return end_ - begin_; }
  int64_t label_count() const { return static_cast<int64_t>(heads_.size()); }
  // The label's place in the outputs.
  int64_t Place(int64_t label) const { return first_label_ + label; }
  // Whether every label sees one range: nothing came late.
  bool single() const { return extras_.empty(); }

  // The first row of the window of clock `clock`.
  int64_t Tail(size_t clock, int64_t label) const {
    return tails_[clock][static_cast<size_t>(label)];
  }
  // Where some window begins or ends: all that parts one window's rows from another's. Ascending,
  // begin() and end() among them, so that a sum or a minimum of each piece between them is enough.
  const std::vector<int64_t>& cuts() const { return cuts_; }
  // The index among them of a position that is one.
  size_t CutAt(int64_t position) const { return cut_at_[static_cast<size_t>(position - begin_)]; }

  // All rows before it are active.
  int64_t Head(int64_t label) const { return heads_[static_cast<size_t>(label)]; }

  // Calls each(begin, end) for the ranges from `tail` on, ascending.
  template <typename Each>
  void ForEach(int64_t label, int64_t tail, const Each& each) const {
    const auto at = static_cast<size_t>(label);
    if (tail < heads_[at]) each(tail, heads_[at]);
    if (extras_.empty()) return;
    for (size_t i = extra_starts_[at]; i < extra_starts_[at + 1]; ++i) {
      const RowRange& range = extras_[i];
      if (tail < range.end) each(range.begin > tail ? range.begin : tail, range.end);
    }
  }
  // The same, descending.
  template <typename Each>
  void ForEachDown(int64_t label, int64_t tail, const Each& each) const {
    const auto at = static_cast<size_t>(label);
    if (!extras_.empty()) {
      for (size_t i = extra_starts_[at + 1]; i > extra_starts_[at]; --i) {
        const RowRange& range = extras_[i - 1];
        if (tail < range.end) each(range.begin > tail ? range.begin : tail, range.end);
      }
    }
    if (tail < heads_[at]) each(tail, heads_[at]);
  }

 private:
  void FindTails(const SweepSlice& slice, std::span<const int64_t> times);
  bool FindLateRanges(const SweepSlice& slice, std::span<const int64_t> times);
  bool FindHeads(const SweepSlice& slice, std::span<const int64_t> times);
  void FindCuts();

  const std::vector<WindowClock> clocks_;
  int64_t begin_ = 0;
  int64_t end_ = 0;
  int64_t first_label_ = 0;
  std::vector<std::vector<int64_t>> tails_;  // by clock, by label
  std::vector<int64_t> heads_;               // by label
  std::vector<RowRange> extras_;             // behind the heads
  std::vector<size_t> extra_starts_;         // by label and one more; only with extras
  std::vector<int64_t> cuts_;
  std::vector<uint32_t> cut_at_;  // by row of the key and one more; said of cuts alone
  std::vector<uint64_t> is_cut_;  // a bit for each of them
  std::vector<int64_t> by_activation_;
  std::vector<uint8_t> active_;
};

}  // namespace icecore::feature
