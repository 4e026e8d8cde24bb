#include "icecore/feature/sweep_order.h"

#include <arrow/array/array_primitive.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/parallel.h"

namespace icecore::feature {

namespace {

// Below this a second thread costs more than it brings.
constexpr size_t kLeastPiece = size_t{1} << 16;

size_t PiecesOf(size_t count) {
  return std::clamp<size_t>(count / kLeastPiece, 1, base::ParallelPieces());
}

// Calls work(piece, begin, end) for each of `pieces` parts of [0, count).
template <typename Work>
arrow::Status ForPieces(size_t count, size_t pieces, const Work& work) {
  return base::RunParallel(pieces, [&](size_t piece) {
    work(piece, count * piece / pieces, count * (piece + 1) / pieces);
    return arrow::Status::OK();
  });
}

// Items before the last run of those without a key.
size_t CountKeyed(const std::vector<int64_t>& keys) {
  size_t count = keys.size();
  while (count > 0 && keys[count - 1] < 0) --count;
  return count;
}

// Whether the first `count` keys are >= 0 and ascending, and less(i, i - 1) is false wherever two
// keys are equal.
template <typename Less>
arrow::Result<bool> IsInOrder(const std::vector<int64_t>& keys, size_t count, const Less& less) {
  std::atomic<bool> ordered = count == 0 || keys[0] >= 0;
  ARROW_RETURN_NOT_OK(ForPieces(count, PiecesOf(count), [&](size_t, size_t begin, size_t end) {
    for (size_t i = std::max<size_t>(begin, 1); i < end; ++i) {
      if (keys[i - 1] < keys[i]) continue;
      if (keys[i - 1] == keys[i] && !less(i, i - 1)) continue;
      ordered = false;
      return;
    }
  }));
  return ordered.load();
}

// Counts per key and piece, turned into the first place of each: stable for any number of pieces.
arrow::Status CountSort(const std::vector<int64_t>& keys, int64_t key_count, ByKey* order) {
  const auto key_size = static_cast<size_t>(key_count);
  // The counts of all pieces must not outgrow the keys themselves.
  const size_t pieces = std::clamp<size_t>(keys.size() / (key_size + 1), 1, PiecesOf(keys.size()));
  std::vector<std::vector<uint32_t>> counts(pieces);
  ARROW_RETURN_NOT_OK(ForPieces(keys.size(), pieces, [&](size_t piece, size_t begin, size_t end) {
    counts[piece].assign(key_size, 0);
    for (size_t i = begin; i < end; ++i) {
      if (keys[i] >= 0) ++counts[piece][static_cast<size_t>(keys[i])];
    }
  }));
  uint32_t next = 0;
  for (size_t key = 0; key < key_size; ++key) {
    order->starts[key] = next;
    for (auto& of_piece : counts) next += std::exchange(of_piece[key], next);
  }
  order->starts[key_size] = next;
  order->items.resize(next);
  return ForPieces(keys.size(), pieces, [&](size_t piece, size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      if (keys[i] < 0) continue;
      order->items[counts[piece][static_cast<size_t>(keys[i])]++] = static_cast<uint32_t>(i);
    }
  });
}

template <typename Less>
arrow::Result<ByKey> Group(const std::vector<int64_t>& keys, int64_t key_count, const Less& less) {
  if (keys.size() >= std::numeric_limits<uint32_t>::max()) {
    return base::MakeError(base::ErrorCode::kLimit,
                           "one view and one spine may meet in 4,294,967,294 rows, not in " +
                               std::to_string(keys.size()));
  }
  ByKey order;
  order.starts.resize(static_cast<size_t>(key_count) + 1);
  const size_t keyed = CountKeyed(keys);
  ARROW_ASSIGN_OR_RAISE(const bool ordered, IsInOrder(keys, keyed, less));
  if (!ordered) {
    ARROW_RETURN_NOT_OK(CountSort(keys, key_count, &order));
    return order;
  }
  size_t key = 0;
  for (size_t i = 0; i < keyed; ++i) {
    while (key <= static_cast<size_t>(keys[i])) order.starts[key++] = static_cast<int64_t>(i);
  }
  while (key < order.starts.size()) order.starts[key++] = static_cast<int64_t>(keyed);
  return order;
}

template <typename Less>
void SortGroup(int64_t begin, int64_t end, const Less& less, ByKey* order) {
  const auto first = order->items.begin() + begin;
  const auto last = order->items.begin() + end;
  if (!std::is_sorted(first, last, less)) std::stable_sort(first, last, less);
}

// (e, a, s) of rows.
class RowLess {
 public:
  RowLess(const SweepRows& rows, bool always)
      : always_(always),
        event_time_(rows.rows.event_time->raw_values()),
        known_at_(rows.rows.known_at->raw_values()),
        seq_(rows.rows.seq->raw_values()) {}
  bool operator()(size_t a, size_t b) const {
    if (!always_) {
      if (event_time_[a] != event_time_[b]) return event_time_[a] < event_time_[b];
      if (known_at_[a] != known_at_[b]) return known_at_[a] < known_at_[b];
    }
    return seq_[a] < seq_[b];
  }

 private:
  bool always_;
  const int64_t* event_time_;
  const int64_t* known_at_;
  const int64_t* seq_;
};

struct LabelLess {
  const int64_t* times;
  bool operator()(size_t a, size_t b) const { return times[a] < times[b]; }
};

}  // namespace

arrow::Result<ByKey> GroupRows(const SweepRows& rows, bool always, int64_t key_count) {
  return Group(rows.keys, key_count, RowLess(rows, always));
}

arrow::Result<ByKey> GroupLabels(const SweepLabels& labels, int64_t key_count) {
  return Group(labels.keys, key_count, LabelLess{labels.times.data()});
}

void SortRows(const SweepRows& rows, bool always, int64_t begin, int64_t end, ByKey* order) {
  if (!order->as_given()) SortGroup(begin, end, RowLess(rows, always), order);
}

void SortLabels(const SweepLabels& labels, int64_t begin, int64_t end, ByKey* order) {
  if (!order->as_given()) SortGroup(begin, end, LabelLess{labels.times.data()}, order);
}

}  // namespace icecore::feature
