#include "icecore/feature/run_scan.h"

#include <algorithm>

#include "icecore/base/parallel.h"
#include "icecore/feature/sorted_search.h"

namespace icecore::feature {
namespace {

// A row, and the label that is the first to see it.
struct SeenRow {
  size_t place = 0;
  int64_t row = 0;
};

// The as-of rows of a run for one piece of the labels, key by key.
class RunJoin {
 public:
  RunJoin(const ClusteredRun& run, const state::ViewPlan& plan, size_t set, const KnowledgeCut& cut,
          const LabelSet& labels, int64_t first_name, bool alone, AsOfJoin* join)
      : run_(run),
        plan_(plan),
        mask_(plan.as_of[set].mask),
        cut_(cut),
        labels_(labels),
        first_name_(first_name),
        alone_(alone),
        join_(join) {
    // What was known at once is known at its event time.
    by_known_at_ = cut.kind == KnowledgeCut::Kind::kLabel && !run.facts().known_at_once;
    const bool all_known =
        cut.kind != KnowledgeCut::Kind::kTime || run.facts().latest_known_at <= cut.time_us;
    ascends_ = mask_ < 0 && all_known && (!by_known_at_ || run.facts().ascending);
  }

  void Join(const KeyRange& range) {
    if (plan_.layout.always && mask_ < 0) {
      for (size_t place = range.first_label; place < range.end_label; ++place) {
        Offer(place, range.end_row - 1);
      }
    } else if (ascends_) {
      JoinAscending(range);
    } else {
      JoinOneByOne(range);
    }
  }

  // The rows that labels of later pieces see first: others may offer to those meanwhile.
  void OfferLater() {
    for (const SeenRow& seen : later_) Offer(seen.place, seen.row);
  }
  int64_t looked_at() const { return looked_at_; }

 private:
  int64_t ActivationOf(int64_t row) const {
    const int64_t event_time = run_.event_time(row);
    return plan_.ActivationOf(event_time, by_known_at_ ? run_.known_at(row) : event_time);
  }
  void Offer(size_t place, int64_t row) {
    AsOfRow offered;
    offered.event_time = run_.event_time(row);
    if (!alone_) {
      offered.known_at = run_.known_at(row);
      offered.seq = run_.seq(row);
    }
    offered.row = first_name_ + row;
    join_->Offer(place, offered);
  }

  // Activations never fall: the last row that is active is the greatest.
  void JoinAscending(const KeyRange& range) {
    int64_t low = range.first_row;  // rows before it are active at the label
    for (size_t place = range.first_label; place < range.end_label; ++place) {
      const int64_t t = labels_.times()[place];
      int64_t high = range.end_row;
      if (place > range.first_label) {
        int64_t width = 1;
        while (low + width < range.end_row && ActivationOf(low + width) <= t) {
          low += width;
          width *= 2;
        }
        high = std::min(low + width, range.end_row);
      }
      while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (ActivationOf(middle) <= t) {
          low = middle + 1;
        } else {
          high = middle;
        }
      }
      if (low > range.first_row) Offer(place, low - 1);
    }
  }

  // The first row of the key that has not happened by t.
  int64_t FirstAfter(const KeyRange& range, int64_t t) const {
    if (plan_.layout.always) return range.end_row;
    int64_t low = range.first_row;
    int64_t high = range.end_row;
    while (low < high) {
      const int64_t middle = low + (high - low) / 2;
      if (run_.event_time(middle) <= t) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  bool MayCount(int64_t row) const {
    if (mask_ >= 0 && !run_.Holds(mask_, row)) return false;
    return plan_.layout.always || cut_.kind != KnowledgeCut::Kind::kTime ||
           run_.known_at(row) <= cut_.time_us;
  }

  // From the newest row down: what becomes active at a label that sees a newer one never wins. Of
  // a key in several pieces each takes the rows that happened since the last label of the one
  // before, for its own labels and all later ones.
  void JoinOneByOne(const KeyRange& range) {
    const int64_t* times = labels_.times().data();
    const auto key = static_cast<size_t>(range.key);
    const bool is_first = range.first_label == labels_.starts()[key];
    const int64_t first_row =
        is_first ? range.first_row : FirstAfter(range, times[range.first_label - 1]);
    size_t open_end = labels_.starts()[key + 1];  // labels from here on see a newer row
    const int64_t end_row = FirstAfter(range, times[range.end_label - 1]);
    int64_t row = end_row;
    while (row > first_row && open_end > range.first_label) {
      --row;
      if (!MayCount(row)) continue;
      const int64_t activation = ActivationOf(row);
      if (activation > times[open_end - 1]) continue;
      open_end = FirstNotBelow(times, range.first_label, open_end, activation);
      if (open_end < range.end_label) {
        Offer(open_end, row);
      } else {
        later_.push_back({open_end, row});
      }
    }
    looked_at_ += end_row - row;
  }

  const ClusteredRun& run_;
  const state::ViewPlan& plan_;
  const int mask_;
  const KnowledgeCut& cut_;
  const LabelSet& labels_;
  const int64_t first_name_;
  const bool alone_;
  AsOfJoin* join_;
  bool by_known_at_ = false;
  bool ascends_ = false;
  int64_t looked_at_ = 0;
  std::vector<SeenRow> later_;
};

}  // namespace

arrow::Status VisitKeys(const ClusteredRun& run, const LabelSet& labels, size_t first, size_t end,
                        const std::function<arrow::Status(const KeyRange&)>& visit) {
  const std::vector<uint32_t>& starts = labels.starts();
  auto key = static_cast<size_t>(labels.KeyAt(first));
  int64_t at = 0;
  for (; key + 1 < starts.size() && starts[key] < end; ++key) {
    const auto number = static_cast<int32_t>(key);
    const uint64_t word = labels.keys().WordOf(number);
    const std::string_view bytes = labels.keys().BytesOf(number);
    at = run.Seek(at, word, bytes);
    if (at == run.facts().keys) break;
    if (!run.KeyIs(at, word, bytes)) continue;
    ARROW_RETURN_NOT_OK(
        visit({number, std::max<size_t>(starts[key], first), std::min<size_t>(starts[key + 1], end),
               run.StartOf(at), run.StartOf(at + 1)}));
  }
  return arrow::Status::OK();
}

namespace {

// Event times of the keys of labels [first, end).
void ExpectTimes(const ClusteredRun& run, const LabelSet& labels, size_t first, size_t end) {
  const auto row_from = [&](size_t place) {
    const int32_t key = labels.KeyAt(place);
    return run.StartOf(run.Seek(0, labels.keys().WordOf(key), labels.keys().BytesOf(key)));
  };
  const int64_t from = row_from(first);
  const int64_t to = end < labels.times().size() ? row_from(end) : run.facts().rows;
  if (from < to) run.Expect(from, to, 0, 1);
}

}  // namespace

arrow::Result<int64_t> FindInRun(const ClusteredRun& run, const state::ViewPlan& plan, size_t set,
                                 const KnowledgeCut& cut, const LabelSet& labels,
                                 int64_t first_name, bool alone, AsOfJoin* join) {
  const std::vector<size_t> bounds = CutPlaces(labels.times().size());
  const bool dense =
      ClusteredRun::TouchAll(static_cast<int64_t>(labels.times().size()), run.facts().rows);
  std::vector<RunJoin> joins(bounds.size() - 1,
                             RunJoin(run, plan, set, cut, labels, first_name, alone, join));
  ARROW_RETURN_NOT_OK(base::RunParallel(joins.size(), [&](size_t piece) {
    if (dense) ExpectTimes(run, labels, bounds[piece], bounds[piece + 1]);
    int64_t first_row = run.facts().rows;
    int64_t end_row = 0;
    ARROW_RETURN_NOT_OK(
        VisitKeys(run, labels, bounds[piece], bounds[piece + 1], [&](const KeyRange& range) {
          first_row = std::min(first_row, range.first_row);
          end_row = std::max(end_row, range.end_row);
          joins[piece].Join(range);
          return arrow::Status::OK();
        }));
    run.Release(first_row, end_row);
    return arrow::Status::OK();
  }));
  int64_t looked_at = 0;
  for (RunJoin& of_piece : joins) {
    of_piece.OfferLater();
    looked_at += of_piece.looked_at();
  }
  return looked_at;
}

}  // namespace icecore::feature
