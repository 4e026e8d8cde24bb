#include "icecore/feature/as_of_join.h"

#include <algorithm>
#include <tuple>

#include "icecore/base/parallel.h"
#include "icecore/feature/sorted_search.h"

namespace icecore::feature {
namespace {

// How far ahead memory is asked for: about what a core has under way at once.
constexpr size_t kRowsAhead = 16;
constexpr size_t kLeastKeysOfPiece = 4096;
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

void AsOfJoin::ChooseOfKeys(size_t begin, size_t end, const std::optional<int64_t>& ttl_us,
                            std::vector<int64_t>* chosen) const {
  for (size_t key = begin; key < end; ++key) {
    const Best none;
    const Best* best = &none;
    for (size_t place = labels_.starts()[key]; place < labels_.starts()[key + 1]; ++place) {
      // Of equals the one noted last: Offer may have been given no more than event times.
      const Best& noted = best_[place];
      if (noted.row != kNone && (best->row == kNone || OrderOf(noted) >= OrderOf(*best))) {
        best = &noted;
      }
      int64_t age = 0;
      const bool is_expired =
          ttl_us && best->row != kNone &&
          (__builtin_sub_overflow(labels_.times()[place], best->event_time, &age) || age > *ttl_us);
      (*chosen)[place] = is_expired ? kExpired : best->row;
    }
  }
}

std::vector<int64_t> AsOfJoin::Chosen(const std::optional<int64_t>& ttl_us) const {
  std::vector<int64_t> chosen(best_.size());
  const auto keys = static_cast<size_t>(labels_.keys().size());
  const size_t pieces = std::clamp<size_t>(keys / kLeastKeysOfPiece, 1, 64);
  const arrow::Status status = base::RunParallel(pieces, [&](size_t piece) {
    ChooseOfKeys(keys * piece / pieces, keys * (piece + 1) / pieces, ttl_us, &chosen);
    return arrow::Status::OK();
  });
  static_cast<void>(status.ok());  // pieces do not fail
  return chosen;
}

}  // namespace icecore::feature
