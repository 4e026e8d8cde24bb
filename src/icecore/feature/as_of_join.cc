#include "icecore/feature/as_of_join.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace icecore::feature {
namespace {

auto OrderOf(const AsOfRow& row) { return std::tie(row.event_time, row.known_at, row.seq); }

// Rows by (key, e, a, s), as places in `rows`: counted by key, then sorted within a key where they
// did not come in order, which is rare.
std::vector<uint32_t> Sorted(const std::vector<AsOfRow>& rows, size_t key_count) {
  std::vector<uint32_t> starts(key_count + 1, 0);
  for (const AsOfRow& row : rows) ++starts[static_cast<size_t>(row.key) + 1];
  std::partial_sum(starts.begin(), starts.end(), starts.begin());
  std::vector<uint32_t> order(rows.size());
  std::vector<uint32_t> next(starts.begin(), starts.end() - 1);
  for (size_t i = 0; i < rows.size(); ++i) {
    order[next[static_cast<size_t>(rows[i].key)]++] = static_cast<uint32_t>(i);
  }
  const auto less = [&](uint32_t a, uint32_t b) { return OrderOf(rows[a]) < OrderOf(rows[b]); };
  for (size_t key = 0; key < key_count; ++key) {
    const auto begin = order.begin() + starts[key];
    const auto end = order.begin() + starts[key + 1];
    if (end - begin > 1 && !std::is_sorted(begin, end, less)) std::sort(begin, end, less);
  }
  return order;
}

}  // namespace

AsOfJoin::AsOfJoin(const LabelSet& labels) : labels_(labels), best_(labels.times().size()) {}

void AsOfJoin::Merge(const std::vector<AsOfRow>& rows, const std::vector<uint32_t>& order,
                     size_t begin, size_t end, std::vector<Step>* steps) {
  const auto key = static_cast<size_t>(rows[order[begin]].key);
  // A row that becomes active after a greater one never wins: what is left ascends in both.
  steps->clear();
  for (size_t i = begin; i < end; ++i) {
    const Step step{rows[order[i]].activation, order[i]};
    while (!steps->empty() && steps->back().activation >= step.activation) steps->pop_back();
    steps->push_back(step);
  }
  const int64_t* times = labels_.times().data();
  const size_t last = labels_.starts()[key + 1];
  size_t place = static_cast<size_t>(
      std::lower_bound(times + labels_.starts()[key], times + last, steps->front().activation) -
      times);
  auto step = steps->begin();
  for (; place < last; ++place) {
    // Gallop: labels ascend, and so do the steps.
    size_t width = 1;
    while (static_cast<size_t>(steps->end() - step) > width &&
           (step + static_cast<std::ptrdiff_t>(width))->activation <= times[place]) {
      step += static_cast<std::ptrdiff_t>(width);
      width *= 2;
    }
    const auto bound = static_cast<size_t>(steps->end() - step) > width
                           ? step + static_cast<std::ptrdiff_t>(width)
                           : steps->end();
    step = std::prev(std::upper_bound(step, bound, times[place],
                                      [](int64_t t, const Step& s) { return t < s.activation; }));
    Offer(place, rows[step->row]);
  }
}

void AsOfJoin::Offer(size_t place, const AsOfRow& row) {
  Best& best = best_[place];
  if (best.row != kNone && std::tie(best.event_time, best.known_at, best.seq) >= OrderOf(row)) {
    return;
  }
  best = {row.event_time, row.known_at, row.seq, row.row};
}

void AsOfJoin::Add(std::vector<AsOfRow>* rows) {
  if (rows->empty()) return;
  const std::vector<uint32_t> order = Sorted(*rows, static_cast<size_t>(labels_.keys().size()));
  std::vector<Step> steps;
  const std::lock_guard lock(mutex_);
  for (size_t begin = 0; begin < order.size();) {
    const int32_t key = (*rows)[order[begin]].key;
    size_t end = begin + 1;
    while (end < order.size() && (*rows)[order[end]].key == key) ++end;
    Merge(*rows, order, begin, end, &steps);
    begin = end;
  }
  rows->clear();
}

std::vector<int64_t> AsOfJoin::Chosen(const std::optional<int64_t>& ttl_us) const {
  std::vector<int64_t> chosen(best_.size());
  for (size_t place = 0; place < best_.size(); ++place) {
    const Best& best = best_[place];
    chosen[place] = best.row;
    int64_t age = 0;
    if (ttl_us && best.row != kNone &&
        (__builtin_sub_overflow(labels_.times()[place], best.event_time, &age) || age > *ttl_us)) {
      chosen[place] = kExpired;
    }
  }
  return chosen;
}

}  // namespace icecore::feature
