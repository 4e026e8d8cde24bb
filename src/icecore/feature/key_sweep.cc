#include "icecore/feature/key_sweep.h"

#include <algorithm>

namespace icecore::feature {

namespace {

SweepSlice::Needs NeedsOf(state::StateKind kind) {
  switch (kind) {
    case state::StateKind::kMoments:
    case state::StateKind::kMin:
    case state::StateKind::kMax:
    case state::StateKind::kTopN:
    case state::StateKind::kQuantile:
      return {.ordered = true, .hashes = false};
    case state::StateKind::kDistinct:
      return {.ordered = false, .hashes = true};
    default:
      return {};
  }
}

}  // namespace

KeySweep::KeySweep(const SweepInput& input)
    : input_(input),
      slice_(*input.plan, *input.rows, *input.row_order),
      lists_(input.plan->layout.features.size()) {
  CollectSlots();
  MakeWindows();
}

size_t KeySweep::ClockOf(const WindowClock& clock) {
  const auto known = std::find(clocks_.begin(), clocks_.end(), clock);
  if (known != clocks_.end()) return static_cast<size_t>(known - clocks_.begin());
  clocks_.push_back(clock);
  return clocks_.size() - 1;
}

KeySweep::Slot& KeySweep::SlotOf(const state::Slot& slot) {
  const state::AggregateSpec& spec = slot.maker->spec();
  for (Slot& known : slots_) {
    const state::AggregateSpec& other = known.slot.maker->spec();
    if (known.slot.value != slot.value || known.slot.mask != slot.mask) continue;
    if (state::StateKindOf(other.kind) != state::StateKindOf(spec.kind) || other.n != spec.n) {
      continue;
    }
    // The wider moments answer for both.
    if (slot.maker->with_squares()) known.slot.maker = slot.maker;
    return known;
  }
  slots_.push_back({slot, {}, nullptr});
  return slots_.back();
}

void KeySweep::CollectSlots() {
  for (const state::TileGroup& group : input_.plan->groups) {
    for (const state::WindowRead& read : group.reads) {
      Slot& slot = SlotOf(group.slots[static_cast<size_t>(read.slot)]);
      RangeRead& added = slot.reads.emplace_back();
      added.clock = ClockOf({read.length_us, group.hop_us});
      for (const int feature : read.features) {
        const auto at = static_cast<size_t>(feature);
        added.targets.push_back(
            {&input_.plan->layout.features[at].aggregate, &(*input_.outputs)[at], &lists_[at]});
      }
    }
  }
}

void KeySweep::MakeWindows() {
  general_ = std::make_unique<GeneralSweep>(*input_.plan, slice_, clocks_);
  ranges_ = std::make_unique<KeyRanges>(clocks_);
  const bool ends = !input_.rows->untils.empty();
  for (size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    const SweepColumn* column = slice_.AddColumn(
        slot.slot.value, slot.slot.mask, NeedsOf(state::StateKindOf(slot.slot.maker->spec().kind)));
    slot.ranges = MakeRangeWindow(slot.slot, column, &slice_, slot.reads);
    for (const RangeRead& read : slot.reads) {
      general_->AddWindow(read.clock, i, MakeSweepWindow(slot.slot, column, &slice_, read, ends));
    }
  }
  for (const state::AsOfSet& set : input_.plan->as_of) {
    const auto first = static_cast<size_t>(set.members[0].feature);
    as_of_.push_back({slice_.AddColumn(-1, set.mask, {}), &(*input_.outputs)[first]});
    general_->AddAsOf(as_of_.back());
  }
}

arrow::Status KeySweep::Run(const std::vector<KeyPart>& parts) {
  pieces_.clear();
  for (const KeyPart& part : parts) pieces_.push_back({part.first_row, part.row_count});
  ARROW_RETURN_NOT_OK(slice_.Load(pieces_));
  int64_t begin = 0;
  for (const KeyPart& part : parts) {
    ARROW_RETURN_NOT_OK(RunPart(begin, part));
    begin += part.row_count;
  }
  return arrow::Status::OK();
}

arrow::Status KeySweep::RunPart(int64_t begin, const KeyPart& part) {
  times_.resize(static_cast<size_t>(part.label_count));
  for (int64_t i = 0; i < part.label_count; ++i) {
    times_[static_cast<size_t>(i)] =
        input_.labels->times[static_cast<size_t>(input_.label_order->ItemAt(part.first_label + i))];
  }
  const int64_t end = begin + part.row_count;
  const bool by_ranges =
      input_.by_ranges && ranges_->Find(slice_, begin, end, times_, part.first_label);
  left_.assign(slots_.size(), 1);
  bool any_left = !by_ranges;
  for (size_t i = 0; by_ranges && i < slots_.size(); ++i) {
    if (slots_[i].ranges != nullptr) {
      ARROW_ASSIGN_OR_RAISE(const bool answered, slots_[i].ranges->Answer(*ranges_));
      left_[i] = answered ? 0 : 1;
    }
    any_left |= left_[i] != 0;
  }
  if (by_ranges) AnswerAsOf(times_);
  if (!any_left) return arrow::Status::OK();
  return general_->Run(begin, end, times_, part.first_label, left_, !by_ranges);
}

void KeySweep::AnswerAsOf(std::span<const int64_t> times) {
  for (const AsOfTarget& target : as_of_) {
    passing_.Reset(*target.column, ranges_->begin(), ranges_->end());
    for (int64_t label = 0; label < ranges_->label_count(); ++label) {
      int64_t found = -1;
      ranges_->ForEachDown(label, ranges_->begin(), [&](int64_t begin, int64_t end) {
        if (found < 0) found = passing_.Last(begin, end);
      });
      PutAsOf(input_.plan->layout, slice_, target, ranges_->Place(label),
              times[static_cast<size_t>(label)], found);
    }
  }
}

}  // namespace icecore::feature
