#include "icecore/feature/sweep_window.h"

#include <arrow/array/builder_nested.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/type.h>
#include <arrow/util/checked_cast.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/state/distinct_sketch.h"
#include "icecore/state/moments.h"
#include "icecore/state/quantile_buckets.h"

namespace icecore::feature {

namespace {

using arrow::internal::checked_cast;
using state::AggregateKind;
using state::ValueForm;

// What every window needs: where values come from and answers go.
class WindowBase : public SweepWindow {
 public:
  WindowBase(const state::Slot& slot, const state::WindowRead& read,
             const std::vector<state::FeatureLayout>& features, const SweepColumn* column,
             std::vector<SweepOutput>* outputs)
      : maker_(*slot.maker), column_(*column) {
    for (const int feature : read.features) {
      const auto at = static_cast<size_t>(feature);
      targets_.push_back({&features[at].aggregate, &(*outputs)[at]});
    }
  }
  void StartKey(int64_t, int64_t) override {}

 protected:
  struct Target {
    const state::AggregateSpec* asked;
    SweepOutput* output;
  };

  bool Usable(int64_t position) const { return column_.usable[static_cast<size_t>(position)] != 0; }
  uint64_t Narrow(int64_t position) const {
    return (*column_.narrow)[static_cast<size_t>(position)];
  }
  const std::string& Wide(int64_t position) const {
    return (*column_.wide)[static_cast<size_t>(position)];
  }
  const state::ValueCodec& codec() const { return *maker_.codec(); }
  bool narrow() const { return codec().form() == ValueForm::kNarrow; }

  void PutPosition(int64_t label, int64_t position) {
    for (const Target& target : targets_) {
      target.output->integers[static_cast<size_t>(label)] = position;
    }
  }
  // Of aggregates that give lists.
  arrow::Status AnswerNull(int64_t label) {
    for (const Target& target : targets_) {
      ARROW_RETURN_NOT_OK(target.output->builder->AppendNull());
      target.output->labels.push_back(label);
    }
    return arrow::Status::OK();
  }
  arrow::Status AnswerList(int64_t label, const std::vector<int64_t>& positions) {
    for (const Target& target : targets_) {
      auto* list = checked_cast<arrow::ListBuilder*>(target.output->builder.get());
      ARROW_RETURN_NOT_OK(list->Append());
      for (const int64_t at : positions) {
        ARROW_RETURN_NOT_OK(narrow() ? codec().AppendNarrow(Narrow(at), list->value_builder())
                                     : codec().AppendWide(Wide(at), list->value_builder()));
      }
      target.output->labels.push_back(label);
    }
    return arrow::Status::OK();
  }
  static void Put(SweepOutput* output, int64_t label, int64_t value) {
    output->integers[static_cast<size_t>(label)] = value;
    output->valid[static_cast<size_t>(label)] = 1;
  }
  static void Put(SweepOutput* output, int64_t label, double value) {
    output->doubles[static_cast<size_t>(label)] = value;
    output->valid[static_cast<size_t>(label)] = 1;
  }

  const state::StateMaker& maker_;
  const SweepColumn& column_;
  std::vector<Target> targets_;
};

class CountWindow final : public WindowBase {
 public:
  using WindowBase::WindowBase;
  void StartKey(int64_t, int64_t) override { count_ = 0; }
  void Enter(int64_t position) override { count_ += Usable(position) ? 1 : 0; }
  void Leave(int64_t position) override { count_ -= Usable(position) ? 1 : 0; }
  arrow::Status Answer(int64_t label) override {
    for (const Target& target : targets_) Put(target.output, label, count_);
    return arrow::Status::OK();
  }

 private:
  int64_t count_ = 0;
};

class MomentsWindow final : public WindowBase {
 public:
  MomentsWindow(const state::Slot& slot, const state::WindowRead& read,
                const std::vector<state::FeatureLayout>& features, const SweepColumn* column,
                std::vector<SweepOutput>* outputs)
      : WindowBase(slot, read, features, column, outputs),
        moments_(maker_.with_squares()),
        answers_(targets_.size()) {}
  void StartKey(int64_t, int64_t) override {
    moments_.Reset();
    changed_ = true;
  }
  void Enter(int64_t position) override { Change(position, false); }
  void Leave(int64_t position) override { Change(position, true); }
  arrow::Status Answer(int64_t label) override {
    for (size_t i = 0; i < targets_.size(); ++i) {
      const Target& target = targets_[i];
      const AggregateKind kind = target.asked->kind;
      if (target.output->form == SweepOutput::Form::kBuilt) {
        ARROW_RETURN_NOT_OK(
            state::AppendMoments(moments_, maker_, kind, target.output->builder.get()));
        target.output->labels.push_back(label);
        continue;
      }
      if (moments_.count() < (state::NeedsSquares(kind) ? 2 : 1)) continue;
      if (target.output->form == SweepOutput::Form::kInt64) {
        ARROW_ASSIGN_OR_RAISE(const int64_t sum, moments_.SumAsInt64());
        Put(target.output, label, sum);
        continue;
      }
      if (changed_) answers_[i] = Compute(kind);
      Put(target.output, label, answers_[i]);
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
  arrow::Status Answer(int64_t label) override {
    if (buckets_.count() == 0) return arrow::Status::OK();
    for (const Target& target : targets_) {
      Put(target.output, label, buckets_.Quantile(target.asked->q));
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
  arrow::Status Answer(int64_t label) override {
    const int64_t distinct = hashes_.size() <= state::kMostExact
                                 ? static_cast<int64_t>(hashes_.size())
                                 : state::EstimateDistinct(histogram_);
    for (const Target& target : targets_) Put(target.output, label, distinct);
    return arrow::Status::OK();
  }

 private:
  uint64_t HashOf(int64_t position) const {
    return narrow() ? codec().HashNarrow(Narrow(position))
                    : state::ValueCodec::HashWide(Wide(position));
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
  arrow::Status Answer(int64_t label) override {
    first_ = std::max(first_, tail_);
    if (last_ < first_) {
      return maker_.spec().kind == AggregateKind::kLastN ? AnswerNull(label) : arrow::Status::OK();
    }
    while (first_ < last_ && !Present(first_)) ++first_;
    if (maker_.spec().kind == AggregateKind::kFirst) {
      PutPosition(label, first_);
    } else if (maker_.spec().kind == AggregateKind::kLast) {
      PutPosition(label, last_);
    } else {
      return AnswerLastN(label);
    }
    return arrow::Status::OK();
  }

 private:
  bool Present(int64_t position) const {
    return present_[static_cast<size_t>(position - begin_)] != 0;
  }
  arrow::Status AnswerLastN(int64_t label) {
    std::vector<int64_t> newest;
    for (int64_t at = last_; at >= first_; --at) {
      if (static_cast<int64_t>(newest.size()) == maker_.spec().n) break;
      if (Present(at)) newest.push_back(at);
    }
    std::reverse(newest.begin(), newest.end());
    return AnswerList(label, newest);
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
  arrow::Status Answer(int64_t label) override {
    if (front_ < candidates_.size()) PutPosition(label, candidates_[front_]);
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
  ValueOrderedWindow(const state::Slot& slot, const state::WindowRead& read,
                     const std::vector<state::FeatureLayout>& features, const SweepColumn* column,
                     std::vector<SweepOutput>* outputs)
      : WindowBase(slot, read, features, column, outputs), ordered_(Less{this}) {}
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
  arrow::Status Answer(int64_t label) override {
    if (ordered_.empty()) return AnswerNull(label);
    std::vector<int64_t> greatest;
    for (auto at = ordered_.rbegin(); at != ordered_.rend(); ++at) {
      if (static_cast<int64_t>(greatest.size()) == maker_.spec().n) break;
      greatest.push_back(*at);
    }
    return AnswerList(label, greatest);
  }
};

// min and max where rows leave in any order.
class OrderedExtremeWindow final : public ValueOrderedWindow {
 public:
  using ValueOrderedWindow::ValueOrderedWindow;
  arrow::Status Answer(int64_t label) override {
    if (ordered_.empty()) return arrow::Status::OK();
    const bool min = maker_.spec().kind == AggregateKind::kMin;
    PutPosition(label, min ? *ordered_.begin() : *ordered_.rbegin());
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
  arrow::Status Answer(int64_t label) override {
    const AggregateKind kind = maker_.spec().kind;
    if (kind == AggregateKind::kLastN) return AnswerLastN(label);
    if (present_.empty()) return arrow::Status::OK();
    PutPosition(label, kind == AggregateKind::kFirst ? *present_.begin() : *present_.rbegin());
    return arrow::Status::OK();
  }

 private:
  arrow::Status AnswerLastN(int64_t label) {
    if (present_.empty()) return AnswerNull(label);
    std::vector<int64_t> newest;
    for (auto at = present_.rbegin(); at != present_.rend(); ++at) {
      if (static_cast<int64_t>(newest.size()) == maker_.spec().n) break;
      newest.push_back(*at);
    }
    std::reverse(newest.begin(), newest.end());
    return AnswerList(label, newest);
  }

  std::set<int64_t> present_;
};

}  // namespace

SweepOutput::Form FormOf(const state::AggregateSpec& aggregate) {
  switch (aggregate.kind) {
    case AggregateKind::kCount:
    case AggregateKind::kCountDistinct:
      return SweepOutput::Form::kInt64;
    case AggregateKind::kSum:
      if (arrow::is_integer(aggregate.input->id())) return SweepOutput::Form::kInt64;
      return arrow::is_decimal(aggregate.input->id()) ? SweepOutput::Form::kBuilt
                                                      : SweepOutput::Form::kDouble;
    case AggregateKind::kMean:
    case AggregateKind::kStddev:
    case AggregateKind::kVariance:
    case AggregateKind::kQuantile:
      return SweepOutput::Form::kDouble;
    case AggregateKind::kLastN:
    case AggregateKind::kTopN:
      return SweepOutput::Form::kBuilt;
    default:
      return SweepOutput::Form::kPosition;
  }
}

arrow::Result<std::unique_ptr<SweepWindow>> MakeSweepWindow(
    const state::ViewPlan& plan, const state::Slot& slot, const state::WindowRead& read,
    const SweepColumn* column, bool leave_in_any_order, std::vector<SweepOutput>* outputs) {
  auto make = [&]<typename Window>() -> std::unique_ptr<SweepWindow> {
    return std::make_unique<Window>(slot, read, plan.layout.features, column, outputs);
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
