#include "icecore/feature/as_of_join.h"

#include <algorithm>
#include <tuple>

#include "icecore/base/parallel.h"
#include "icecore/feature/sorted_search.h"

namespace icecore::feature {
namespace {

// How far ahead memory is asked for: about what a core has under way at once.
constexpr size_t kRowsAhead = 16;
constexpr uint32_t kReach = 1;  // the next row of a hot key is mostly seen by the same label

template <typename Row>
auto OrderOf(const Row& row) {
  return std::tie(row.event_time, row.known_at, row.seq);
}

}  // namespace

AsOfJoin::AsOfJoin(const LabelSet& labels) : labels_(labels), best_(labels.times().size()) {}

void AsOfJoin::Offer(size_t place, const AsOfRow& row) {
  Best& best = best_[place];
  if (best.row != kNone && OrderOf(best) >= OrderOf(row)) return;
  best = {row.event_time, row.known_at, row.seq, row.row};
}

// Each row costs three cache misses: where its key's labels begin, their times, what was noted.
// Each loop asks for what the next one needs, for all rows, so that they wait for memory together.
void AsOfJoin::Add(std::vector<AsOfRow>* rows) {
  const size_t count = rows->size();
  const uint32_t* starts = labels_.starts().data();
  const int64_t* times = labels_.times().data();
  for (size_t i = 0; i < count; ++i) {
    if (i + kRowsAhead < count) __builtin_prefetch(starts + (*rows)[i + kRowsAhead].key);
    __builtin_prefetch(times + starts[(*rows)[i].key]);
  }
  std::vector<uint32_t> places(count);
  uint32_t place = 0;  // of the row before
  for (size_t i = 0; i < count; ++i) {
    const AsOfRow& row = (*rows)[i];
    const uint32_t begin = starts[row.key];
    const uint32_t end = starts[row.key + 1];
    // Rows of one hot key mostly come in the order of time.
    const bool is_next = i > 0 && (*rows)[i - 1].key == row.key && place > begin &&
                         times[place - 1] < row.activation;
    place = is_next ? GallopNotBelow(times, place, end, row.activation, kReach)
                    : FirstNotBelow(times, begin, end, row.activation);
    places[i] = place == end ? LabelSet::kNowhere : place;
    if (place != end) __builtin_prefetch(&best_[place], 1);
  }
  {
    const std::lock_guard lock(mutex_);
    for (size_t i = 0; i < count; ++i) {
      if (places[i] != LabelSet::kNowhere) Offer(places[i], (*rows)[i]);
    }
  }
  rows->clear();
}

// Of equals the one noted last: Offer may have been given no more than event times.
void AsOfJoin::TakeGreater(const Best& later, Best* best) {
  if (later.row != kNone && (best->row == kNone || OrderOf(later) >= OrderOf(*best))) *best = later;
}

AsOfJoin::Best AsOfJoin::BestOf(size_t begin, size_t end) const {
  Best best;
  for (size_t place = begin; place < end; ++place) TakeGreater(best_[place], &best);
  return best;
}

// By piece: the best of what earlier pieces hold of its first key.
std::vector<AsOfJoin::Best> AsOfJoin::BestBefore(const std::vector<size_t>& bounds) const {
  const std::vector<uint32_t>& starts = labels_.starts();
  const size_t pieces = bounds.size() - 1;
  std::vector<Best> before(pieces);
  const arrow::Status status = base::RunParallel(pieces - 1, [&](size_t piece) {
    const size_t end = bounds[piece + 1];
    const size_t first = starts[static_cast<size_t>(labels_.KeyAt(end))];
    if (first < end) before[piece + 1] = BestOf(std::max(first, bounds[piece]), end);
    return arrow::Status::OK();
  });
  static_cast<void>(status.ok());  // pieces do not fail
  for (size_t piece = 2; piece < pieces; ++piece) {
    if (starts[static_cast<size_t>(labels_.KeyAt(bounds[piece]))] >= bounds[piece - 1]) continue;
    Best best = before[piece - 1];
    TakeGreater(before[piece], &best);
    before[piece] = best;
  }
  return before;
}

void AsOfJoin::ChooseOfPlaces(size_t begin, size_t end, Best best,
                              const std::optional<int64_t>& ttl_us,
                              std::vector<int64_t>* chosen) const {
  for (auto key = static_cast<size_t>(labels_.KeyAt(begin)); begin < end; ++key, best = {}) {
    const size_t stop = std::min<size_t>(end, labels_.starts()[key + 1]);
    for (; begin < stop; ++begin) {
      TakeGreater(best_[begin], &best);
      int64_t age = 0;
      const bool is_expired =
          ttl_us && best.row != kNone &&
          (__builtin_sub_overflow(labels_.times()[begin], best.event_time, &age) || age > *ttl_us);
      (*chosen)[begin] = is_expired ? kExpired : best.row;
    }
  }
}

std::vector<int64_t> AsOfJoin::Chosen(const std::optional<int64_t>& ttl_us) const {
  std::vector<int64_t> chosen(best_.size());
  const std::vector<size_t> bounds = CutPlaces(chosen.size());
  const std::vector<Best> before = BestBefore(bounds);
  const arrow::Status status = base::RunParallel(before.size(), [&](size_t piece) {
    ChooseOfPlaces(bounds[piece], bounds[piece + 1], before[piece], ttl_us, &chosen);
    return arrow::Status::OK();
  });
  static_cast<void>(status.ok());  // pieces do not fail
  return chosen;
}

}  // namespace icecore::feature
