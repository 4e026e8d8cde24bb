#include "icecore/feature/run_scan.h"

#include <algorithm>
#include <limits>

#include "icecore/base/parallel.h"

namespace icecore::feature {
namespace {

constexpr size_t kMostPieces = 64;
constexpr size_t kLeastPieceLabels = 1024;

// The as-of rows of a run, key by key.
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
      JoinBySteps(range);
    }
  }

 private:
  struct Step {
    int64_t activation = 0;
    int64_t row = 0;
  };

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

  // Rows that can win, in the order in which they begin to (as AsOfJoin has it).
  void JoinBySteps(const KeyRange& range) {
    steps_.clear();
    for (int64_t row = range.first_row; row < range.end_row; ++row) {
      if (mask_ >= 0 && !run_.Holds(mask_, row)) continue;
      if (!plan_.layout.always && cut_.kind == KnowledgeCut::Kind::kTime &&
          run_.known_at(row) > cut_.time_us) {
        continue;
      }
      const Step step{ActivationOf(row), row};
      while (!steps_.empty() && steps_.back().activation >= step.activation) steps_.pop_back();
      steps_.push_back(step);
    }
    for (size_t place = range.first_label; place < range.end_label; ++place) {
      const auto next =
          std::upper_bound(steps_.begin(), steps_.end(), labels_.times()[place],
                           [](int64_t t, const Step& step) { return t < step.activation; });
      if (next != steps_.begin()) Offer(place, std::prev(next)->row);
    }
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
  std::vector<Step> steps_;
};

}  // namespace

arrow::Status VisitKeys(const ClusteredRun& run, const LabelSet& labels, size_t first, size_t end,
                        const std::function<arrow::Status(const KeyRange&)>& visit) {
  const std::vector<uint32_t>& starts = labels.starts();
  auto key = static_cast<size_t>(
      std::upper_bound(starts.begin(), starts.end(), static_cast<uint32_t>(first)) -
      starts.begin() - 1);
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

std::vector<size_t> CutPlaces(const LabelSet& labels) {
  const size_t count = labels.times().size();
  const size_t pieces = std::clamp(count / kLeastPieceLabels, size_t{1}, kMostPieces);
  std::vector<size_t> bounds;
  for (size_t piece = 0; piece <= pieces; ++piece) bounds.push_back(count * piece / pieces);
  return bounds;
}

namespace {

// Event times of the keys of labels [first, end).
void ExpectTimes(const ClusteredRun& run, const LabelSet& labels, size_t first, size_t end) {
  const std::vector<uint32_t>& starts = labels.starts();
  const auto row_from = [&](size_t place) {
    const auto after = std::upper_bound(starts.begin(), starts.end(), static_cast<uint32_t>(place));
    const auto key = static_cast<int32_t>(after - starts.begin() - 1);
    return run.StartOf(run.Seek(0, labels.keys().WordOf(key), labels.keys().BytesOf(key)));
  };
  const int64_t from = row_from(first);
  const int64_t to = end < labels.times().size() ? row_from(end) : run.facts().rows;
  if (from < to) run.Expect(from, to, 0, 1);
}

}  // namespace

arrow::Status FindInRun(const ClusteredRun& run, const state::ViewPlan& plan, size_t set,
                        const KnowledgeCut& cut, const LabelSet& labels, int64_t first_name,
                        bool alone, AsOfJoin* join) {
  const std::vector<size_t> bounds = CutPlaces(labels);
  const bool dense =
      ClusteredRun::TouchAll(static_cast<int64_t>(labels.times().size()), run.facts().rows);
  return base::RunParallel(bounds.size() - 1, [&](size_t piece) {
    RunJoin key_join(run, plan, set, cut, labels, first_name, alone, join);
    if (dense) ExpectTimes(run, labels, bounds[piece], bounds[piece + 1]);
    int64_t first_row = run.facts().rows;
    int64_t end_row = 0;
    ARROW_RETURN_NOT_OK(
        VisitKeys(run, labels, bounds[piece], bounds[piece + 1], [&](const KeyRange& range) {
          first_row = std::min(first_row, range.first_row);
          end_row = std::max(end_row, range.end_row);
          key_join.Join(range);
          return arrow::Status::OK();
        }));
    run.Release(first_row, end_row);
    return arrow::Status::OK();
  });
}

}  // namespace icecore::feature
