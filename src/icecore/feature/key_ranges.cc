#include "icecore/feature/key_ranges.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "icecore/feature/sorted_search.h"

namespace icecore::feature {

namespace {

// Dense labels find what they look for among so many values.
constexpr int64_t kReach = 16;

}  // namespace

void KeyRanges::FindTails(const SweepSlice& slice, std::span<const int64_t> times) {
  const int64_t* event_times = slice.event_times().data();
  for (size_t clock = 0; clock < clocks_.size(); ++clock) {
    std::vector<int64_t>& tails = tails_[clock];
    tails.resize(times.size());
    int64_t at = begin_;
    for (size_t i = 0; i < times.size(); ++i) {
      at = GallopNotBelow(
          event_times, at, end_,
          state::WindowTail(times[i], clocks_[clock].length_us, clocks_[clock].hop_us), kReach);
      tails[i] = at;
    }
  }
}

bool KeyRanges::FindLateRanges(const SweepSlice& slice, std::span<const int64_t> times) {
  const int64_t* activations = slice.activations().data() + begin_;
  const auto count = static_cast<size_t>(row_count());
  by_activation_.resize(count);
  std::iota(by_activation_.begin(), by_activation_.end(), 0);
  std::stable_sort(by_activation_.begin(), by_activation_.end(),
                   [activations](int64_t a, int64_t b) { return activations[a] < activations[b]; });
  active_.assign(count, 0);
  // Looking at gaps must stay cheaper than moving every row in and out of every window.
  int64_t budget = 8 * (row_count() + label_count());
  size_t next = 0;
  int64_t head = 0;
  int64_t last = -1;
  extra_starts_.resize(times.size() + 1);
  for (size_t i = 0; i < times.size(); ++i) {
    for (; next < count && activations[by_activation_[next]] <= times[i]; ++next) {
      active_[static_cast<size_t>(by_activation_[next])] = 1;
      last = std::max(last, by_activation_[next]);
    }
    while (head < row_count() && active_[static_cast<size_t>(head)] != 0) ++head;
    heads_[i] = begin_ + head;
    extra_starts_[i] = extras_.size();
    budget -= std::max<int64_t>(last - head, 0);
    if (budget < 0) return false;
    for (int64_t at = head; at <= last;) {
      while (active_[static_cast<size_t>(at)] == 0) ++at;
      const int64_t from = at;
      while (at <= last && active_[static_cast<size_t>(at)] != 0) ++at;
      extras_.push_back({begin_ + from, begin_ + at});
    }
  }
  extra_starts_[times.size()] = extras_.size();
  return true;
}

bool KeyRanges::FindHeads(const SweepSlice& slice, std::span<const int64_t> times) {
  const int64_t* activations = slice.activations().data();
  if (!std::is_sorted(activations + begin_, activations + end_)) {
    return FindLateRanges(slice, times);
  }
  int64_t at = begin_;
  for (size_t i = 0; i < times.size(); ++i) {
    // The first that is not active: its activation is at least t + 1.
    at = times[i] == INT64_MAX ? end_ : GallopNotBelow(activations, at, end_, times[i] + 1, kReach);
    heads_[i] = at;
  }
  return true;
}

void KeyRanges::FindCuts() {
  const auto rows = static_cast<size_t>(row_count());
  is_cut_.assign(rows / 64 + 1, 0);
  if (cut_at_.size() <= rows) cut_at_.resize(rows + 1);
  const auto mark = [this](int64_t position) {
    const auto at = static_cast<size_t>(position - begin_);
    is_cut_[at / 64] |= uint64_t{1} << (at % 64);
  };
  mark(begin_);
  mark(end_);
  for (const std::vector<int64_t>& tails : tails_) {
    for (const int64_t tail : tails) mark(tail);
  }
  for (const int64_t head : heads_) mark(head);
  for (const RowRange& range : extras_) {
    mark(range.begin);
    mark(range.end);
  }
  cuts_.clear();
  for (size_t word = 0; word < is_cut_.size(); ++word) {
    for (uint64_t bits = is_cut_[word]; bits != 0; bits &= bits - 1) {
      const size_t at = word * 64 + static_cast<size_t>(std::countr_zero(bits));
      cut_at_[at] = static_cast<uint32_t>(cuts_.size());
      cuts_.push_back(begin_ + static_cast<int64_t>(at));
    }
  }
}

bool KeyRanges::Find(const SweepSlice& slice, int64_t begin, int64_t end,
                     std::span<const int64_t> times, int64_t first_label) {
  if (!slice.untils().empty()) return false;
  begin_ = begin;
  end_ = end;
  first_label_ = first_label;
  heads_.resize(times.size());
  extras_.clear();
  FindTails(slice, times);
  if (!FindHeads(slice, times)) return false;
  FindCuts();
  return true;
}

}  // namespace icecore::feature
