#include "icecore/feature/sweep_window.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "icecore/state/distinct_sketch.h"
#include "icecore/state/moments.h"
#include "icecore/state/quantile_buckets.h"

namespace icecore::feature {

namespace {

using state::AggregateKind;
using state::ValueForm;

// What every window needs: where values come from and answers go.
class WindowBase : public SweepWindow {
 public:
  WindowBase(const state::Slot& slot, const SweepColumn* column, const SweepSlice* slice,
             const RangeRead& read)
      : maker_(*slot.maker), column_(*column), slice_(*slice), targets_(read.targets) {}
  void StartKey(int64_t, int64_t) override {}

 protected:
  bool Usable(int64_t position) const { return column_.usable[static_cast<size_t>(position)] != 0; }
  uint64_t Narrow(int64_t position) const {
    return (*column_.narrow)[static_cast<size_t>(position)];
  }
  const std::string& Wide(int64_t position) const {
    return (*column_.wide)[static_cast<size_t>(position)];
  }
  const state::ValueCodec& codec() const { return *maker_.codec(); }
  bool narrow() const { return codec().form() == ValueForm::kNarrow; }

  static void PutDouble(const RangeTarget& target, int64_t place, double value) {
    target.output->PutBits(place, std::bit_cast<uint64_t>(value));
  }
  void PutPosition(int64_t place, int64_t position) const {
    for (const RangeTarget& target : targets_) {
      if (target.output->form == SweepOutput::Form::kNarrow) {
        target.output->PutBits(place, Narrow(position));
      } else {
        target.output->PutRow(place, slice_.RowAt(position));
      }
    }
  }
  void PutList(int64_t place, const std::vector<int64_t>& positions) const {
    for (const RangeTarget& target : targets_) {
      target.lists->labels.push_back(static_cast<uint32_t>(place));
      target.lists->sizes.push_back(static_cast<uint32_t>(positions.size()));
      for (const int64_t at : positions) target.lists->rows.push_back(slice_.RowAt(at));
      target.output->statuses[static_cast<size_t>(place)] = state::ValueStatus::kPresent;
    }
  }

  const state::StateMaker& maker_;
  const SweepColumn& column_;
  const SweepSlice& slice_;
  const std::vector<RangeTarget> targets_;
};

class CountWindow final : public WindowBase {
 public:
  using WindowBase::WindowBase;
  void StartKey(int64_t, int64_t) override { count_ = 0; }
  void Enter(int64_t position) override { count_ += Usable(position) ? 1 : 0; }
  void Leave(int64_t position) override { count_ -= Usable(position) ? 1 : 0; }
  arrow::Status Answer(int64_t place) override {
    for (const RangeTarget& target : targets_) {
      target.output->PutBits(place, static_cast<uint64_t>(count_));
    }
    return arrow::Status::OK();
  }

 private:
  int64_t count_ = 0;
};

class MomentsWindow final : public WindowBase {
 public:
  MomentsWindow(const state::Slot& slot, const SweepColumn* column, const SweepSlice* slice,
                const RangeRead& read)
      : WindowBase(slot, column, slice, read),
        moments_(maker_.with_squares()),
        answers_(targets_.size()) {}
  void StartKey(int64_t, int64_t) override {
    moments_.Reset();
    changed_ = true;
  }
  void Enter(int64_t position) override { Change(position, false); }
  void Leave(int64_t position) override { Change(position, true); }
  arrow::Status Answer(int64_t place) override {
    for (size_t i = 0; i < targets_.size(); ++i) {
      const RangeTarget& target = targets_[i];
      const AggregateKind kind = target.asked->kind;
      if (moments_.count() < (state::NeedsSquares(kind) ? 2 : 1)) continue;
      if (target.output->form == SweepOutput::Form::kDecimal) {
        const auto at = static_cast<size_t>(place);
        ARROW_ASSIGN_OR_RAISE(target.output->decimals[at], state::DecimalSum(moments_, maker_));
        target.output->statuses[at] = state::ValueStatus::kPresent;
        continue;
      }
      if (target.output->form == SweepOutput::Form::kInt64) {
        ARROW_ASSIGN_OR_RAISE(const int64_t sum, moments_.SumAsInt64());
        target.output->PutBits(place, static_cast<uint64_t>(sum));
        continue;
      }
      if (changed_) answers_[i] = Compute(kind);
      PutDouble(target, place, answers_[i]);
    }
    changed_ = false;
    return arrow::Status::OK();
  }

 private:
  double Compute(AggregateKind kind) const {
    switch (kind) {
      case AggregateKind::kSum:
        return moments_.SumAsDouble();
      case AggregateKind::kMean:
        return moments_.Mean(maker_.scale());
      case AggregateKind::kVariance:
        return moments_.Variance(maker_.scale());
      default:
        return std::sqrt(moments_.Variance(maker_.scale()));
    }
  }
  void Change(int64_t position, bool remove) {
    if (!Usable(position)) return;
    changed_ = true;
    if (narrow()) {
      moments_.AddNarrow(codec(), Narrow(position), remove);
      return;
    }
    uint64_t magnitude[4];
    const bool negative = state::ValueCodec::DecimalMagnitude(Wide(position), magnitude);
    moments_.AddDecimal(magnitude, negative, remove);
  }

  state::Moments moments_;
  bool changed_ = true;
  std::vector<double> answers_;  // valid while nothing changed
};

class QuantileWindow final : public WindowBase {
 public:
  using WindowBase::WindowBase;
  void StartKey(int64_t, int64_t) override { buckets_.Reset(); }
  void Enter(int64_t position) override { Change(position, false); }
  void Leave(int64_t position) override { Change(position, true); }
  arrow::Status Answer(int64_t place) override {
    if (buckets_.count() == 0) return arrow::Status::OK();
    for (const RangeTarget& target : targets_) {
      PutDouble(target, place, buckets_.Quantile(target.asked->q));
    }
    return arrow::Status::OK();
  }

 private:
  void Change(int64_t position, bool remove) {
    if (!Usable(position)) return;
    buckets_.Add(
        narrow() ? codec().ToDouble(Narrow(position)) : codec().DecimalToDouble(Wide(position)),
        remove);
  }
  state::QuantileBuckets buckets_;
};

// Counts how often each hash is there; beyond 256 hashes also how often each rank of each register
// is, so that the registers can be known after a row has left.
class DistinctWindow final : public WindowBase {
 public:
  using WindowBase::WindowBase;
  void StartKey(int64_t, int64_t) override {
    hashes_.clear();
    DropRegisters();
  }
  void Enter(int64_t position) override {
    if (!Usable(position)) return;
    const uint64_t hash = HashOf(position);
    if (++hashes_[hash] > 1) return;
    if (!ranks_.empty()) {
      Count(hash, 1);
    } else if (hashes_.size() > state::kMostExact) {
      histogram_.fill(0);
      histogram_[0] = static_cast<int32_t>(state::kRegisters);
      ranks_.resize(state::kRegisters);
      for (const auto& [known, count] : hashes_) Count(known, 1);
    }
  }
  void Leave(int64_t position) override {
    if (!Usable(position)) return;
    const auto at = hashes_.find(HashOf(position));
    if (--at->second > 0) return;
    if (!ranks_.empty()) Count(at->first, -1);
    hashes_.erase(at);
    if (hashes_.size() <= state::kMostExact / 2) DropRegisters();
  }
  arrow::Status Answer(int64_t place) override {
    const int64_t distinct = hashes_.size() <= state::kMostExact
                                 ? static_cast<int64_t>(hashes_.size())
                                 : state::EstimateDistinct(histogram_);
    for (const RangeTarget& target : targets_) {
      target.output->PutBits(place, static_cast<uint64_t>(distinct));
    }
    return arrow::Status::OK();
  }

 private:
  uint64_t HashOf(int64_t position) const {
    return (*column_.hashes)[static_cast<size_t>(position)];
  }
  void DropRegisters() { ranks_.clear(); }
  void Count(uint64_t hash, int32_t change) {
    const state::RegisterRank at = state::RegisterRankOf(hash);
    std::map<uint8_t, int32_t>& counts = ranks_[at.index];
    --histogram_[counts.empty() ? 0 : counts.rbegin()->first];
    counts[at.rank] += change;
    if (counts[at.rank] == 0) counts.erase(at.rank);
    ++histogram_[counts.empty() ? 0 : counts.rbegin()->first];
  }

  std::unordered_map<uint64_t, int32_t> hashes_;
  std::vector<std::map<uint8_t, int32_t>> ranks_;  // per register; empty while the set is exact
  state::RankHistogram histogram_{};
};

// first, last and last_n: positions are ordered by (e, a, s).
class EdgeWindow final : public WindowBase {
 public:
  using WindowBase::WindowBase;
  void StartKey(int64_t begin, int64_t end) override {
    begin_ = begin;
    tail_ = first_ = begin;
    last_ = begin - 1;
    present_.assign(static_cast<size_t>(end - begin), 0);
  }
  void Enter(int64_t position) override {
    if (!Usable(position)) return;
    present_[static_cast<size_t>(position - begin_)] = 1;
    last_ = std::max(last_, position);
    first_ = std::min(first_, position);
  }
  void Leave(int64_t position) override {
    present_[static_cast<size_t>(position - begin_)] = 0;
    tail_ = position + 1;
  }
  arrow::Status Answer(int64_t place) override {
    first_ = std::max(first_, tail_);
    if (last_ < first_) return arrow::Status::OK();
    while (first_ < last_ && !Present(first_)) ++first_;
    if (maker_.spec().kind == AggregateKind::kFirst) {
      PutPosition(place, first_);
    } else if (maker_.spec().kind == AggregateKind::kLast) {
      PutPosition(place, last_);
    } else {
      return AnswerLastN(place);
    }
    return arrow::Status::OK();
  }

 private:
  bool Present(int64_t position) const {
    return present_[static_cast<size_t>(position - begin_)] != 0;
  }
  arrow::Status AnswerLastN(int64_t place) {
    std::vector<int64_t> newest;
    for (int64_t at = last_; at >= first_; --at) {
      if (static_cast<int64_t>(newest.size()) == maker_.spec().n) break;
      if (Present(at)) newest.push_back(at);
    }
    std::reverse(newest.begin(), newest.end());
    if (!newest.empty()) PutList(place, newest);
    return arrow::Status::OK();
  }

  int64_t begin_ = 0;
  int64_t tail_ = 0;
  int64_t first_ = 0;  // no present row lies before it, save behind the tail
  int64_t last_ = -1;  // the last row that ever entered
  std::vector<uint8_t> present_;
};

// min and max: the positions that can still win, ascending, each beaten only by those before it.
class ExtremeWindow final : public WindowBase {
 public:
  using WindowBase::WindowBase;
  void StartKey(int64_t, int64_t) override {
    candidates_.clear();
    front_ = 0;
  }
  void Enter(int64_t position) override {
    if (!Usable(position)) return;
    auto at = candidates_.end();
    const auto begin = candidates_.begin() + static_cast<std::ptrdiff_t>(front_);
    if (at != begin && *std::prev(at) > position) at = std::upper_bound(begin, at, position);
    // A later row that is as good outlives this one.
    if (at != candidates_.end() && !Better(position, *at)) return;
    auto from = at;
    while (from != begin && !Better(*std::prev(from), position)) --from;
    if (from == at) {
      candidates_.insert(at, position);
    } else {
      *from = position;
      candidates_.erase(std::next(from), at);
    }
  }
  void Leave(int64_t position) override {
    while (front_ < candidates_.size() && candidates_[front_] <= position) ++front_;
    if (front_ > 64 && front_ * 2 > candidates_.size()) {
      candidates_.erase(candidates_.begin(),
                        candidates_.begin() + static_cast<std::ptrdiff_t>(front_));
      front_ = 0;
    }
  }
  arrow::Status Answer(int64_t place) override {
    if (front_ < candidates_.size()) PutPosition(place, candidates_[front_]);
    return arrow::Status::OK();
  }

 private:
  bool Better(int64_t a, int64_t b) const {
    const bool min = maker_.spec().kind == AggregateKind::kMin;
    if (narrow()) return min ? Narrow(a) < Narrow(b) : Narrow(a) > Narrow(b);
    return min ? Wide(a) < Wide(b) : Wide(a) > Wide(b);
  }
  std::vector<int64_t> candidates_;
  size_t front_ = 0;
};

// Rows by value, then position; they leave in any order.
class ValueOrderedWindow : public WindowBase {
 public:
  ValueOrderedWindow(const state::Slot& slot, const SweepColumn* column, const SweepSlice* slice,
                     const RangeRead& read)
      : WindowBase(slot, column, slice, read), ordered_(Less{this}) {}
  void StartKey(int64_t, int64_t) override { ordered_.clear(); }
  void Enter(int64_t position) override {
    if (Usable(position)) ordered_.insert(position);
  }
  void Leave(int64_t position) override { ordered_.erase(position); }

 protected:
  struct Less {
    const ValueOrderedWindow* window;
    bool operator()(int64_t a, int64_t b) const {
      if (window->narrow()) {
        return std::pair(window->Narrow(a), a) < std::pair(window->Narrow(b), b);
      }
      const int order = window->Wide(a).compare(window->Wide(b));
      return order != 0 ? order < 0 : a < b;
    }
  };
  std::set<int64_t, Less> ordered_;
};

class TopNWindow final : public ValueOrderedWindow {
 public:
  using ValueOrderedWindow::ValueOrderedWindow;
  arrow::Status Answer(int64_t place) override {
    if (ordered_.empty()) return arrow::Status::OK();
    std::vector<int64_t> greatest;
    for (auto at = ordered_.rbegin(); at != ordered_.rend(); ++at) {
      if (static_cast<int64_t>(greatest.size()) == maker_.spec().n) break;
      greatest.push_back(*at);
    }
    PutList(place, greatest);
    return arrow::Status::OK();
  }
};

// min and max where rows leave in any order.
class OrderedExtremeWindow final : public ValueOrderedWindow {
 public:
  using ValueOrderedWindow::ValueOrderedWindow;
  arrow::Status Answer(int64_t place) override {
    if (ordered_.empty()) return arrow::Status::OK();
    const bool min = maker_.spec().kind == AggregateKind::kMin;
    PutPosition(place, min ? *ordered_.begin() : *ordered_.rbegin());
    return arrow::Status::OK();
  }
};

// first, last and last_n where rows leave in any order.
class OrderedEdgeWindow final : public WindowBase {
 public:
  using WindowBase::WindowBase;
  void StartKey(int64_t, int64_t) override { present_.clear(); }
  void Enter(int64_t position) override {
    if (Usable(position)) present_.insert(position);
  }
  void Leave(int64_t position) override { present_.erase(position); }
  arrow::Status Answer(int64_t place) override {
    const AggregateKind kind = maker_.spec().kind;
    if (kind == AggregateKind::kLastN) return AnswerLastN(place);
    if (present_.empty()) return arrow::Status::OK();
    PutPosition(place, kind == AggregateKind::kFirst ? *present_.begin() : *present_.rbegin());
    return arrow::Status::OK();
  }

 private:
  arrow::Status AnswerLastN(int64_t place) {
    if (present_.empty()) return arrow::Status::OK();
    std::vector<int64_t> newest;
    for (auto at = present_.rbegin(); at != present_.rend(); ++at) {
      if (static_cast<int64_t>(newest.size()) == maker_.spec().n) break;
      newest.push_back(*at);
    }
    std::reverse(newest.begin(), newest.end());
    if (!newest.empty()) PutList(place, newest);
    return arrow::Status::OK();
  }

  std::set<int64_t> present_;
};

}  // namespace

std::unique_ptr<SweepWindow> MakeSweepWindow(const state::Slot& slot, const SweepColumn* column,
                                             const SweepSlice* slice, const RangeRead& read,
                                             bool leave_in_any_order) {
  auto make = [&]<typename Window>() -> std::unique_ptr<SweepWindow> {
    return std::make_unique<Window>(slot, column, slice, read);
  };
  switch (state::StateKindOf(slot.maker->spec().kind)) {
    case state::StateKind::kCount:
      return make.operator()<CountWindow>();
    case state::StateKind::kMoments:
      return make.operator()<MomentsWindow>();
    case state::StateKind::kQuantile:
      return make.operator()<QuantileWindow>();
    case state::StateKind::kDistinct:
      return make.operator()<DistinctWindow>();
    case state::StateKind::kMin:
    case state::StateKind::kMax:
      return leave_in_any_order ? make.operator()<OrderedExtremeWindow>()
                                : make.operator()<ExtremeWindow>();
    case state::StateKind::kTopN:
      return make.operator()<TopNWindow>();
    default:
      return leave_in_any_order ? make.operator()<OrderedEdgeWindow>()
                                : make.operator()<EdgeWindow>();
  }
}

}  // namespace icecore::feature
