#include "icecore/feature/general_sweep.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "icecore/state/answers.h"
#include "icecore/state/version_chain.h"

namespace icecore::feature {

void PutAsOf(const state::ViewLayout& layout, const SweepSlice& slice, const AsOfTarget& target,
             int64_t place, int64_t t, int64_t position) {
  if (position < 0) return;
  if (state::IsExpired(layout, slice.event_times()[static_cast<size_t>(position)], t)) {
    target.output->statuses[static_cast<size_t>(place)] = state::ValueStatus::kExpired;
  } else {
    target.output->PutRow(place, slice.RowAt(position));
  }
}

GeneralSweep::GeneralSweep(const state::ViewPlan& plan, const SweepSlice& slice,
                           const std::vector<WindowClock>& clocks)
    : plan_(plan), slice_(slice) {
  for (const WindowClock& clock : clocks) {
    clocks_.emplace_back();
    clocks_.back().clock = clock;
  }
}

void GeneralSweep::AddWindow(size_t clock, size_t slot, std::unique_ptr<SweepWindow> window) {
  clocks_[clock].windows.push_back({slot, std::move(window)});
}

int64_t GeneralSweep::UntilOf(int64_t position) const {
  return ends() ? slice_.untils()[static_cast<size_t>(position)] : state::kForever;
}

void GeneralSweep::Start(int64_t begin, int64_t end, const std::vector<uint8_t>& slots,
                         bool with_as_of) {
  begin_ = begin;
  end_ = end;
  with_as_of_ = with_as_of;
  next_entry_ = next_end_ = 0;
  const auto count = static_cast<size_t>(end - begin);
  entered_.assign(count, 0);
  by_activation_.resize(count);
  std::iota(by_activation_.begin(), by_activation_.end(), begin);
  auto earlier = [this](int64_t a, int64_t b) {
    const std::vector<int64_t>& activations = slice_.activations();
    return activations[static_cast<size_t>(a)] < activations[static_cast<size_t>(b)];
  };
  if (!std::is_sorted(by_activation_.begin(), by_activation_.end(), earlier)) {
    std::stable_sort(by_activation_.begin(), by_activation_.end(), earlier);
  }
  by_until_.clear();
  for (int64_t position = begin; ends() && position < end; ++position) {
    if (UntilOf(position) != state::kForever) by_until_.push_back(position);
  }
  std::sort(by_until_.begin(), by_until_.end(),
            [this](int64_t a, int64_t b) { return UntilOf(a) < UntilOf(b); });
  for (AsOf& as_of : as_of_) {
    as_of.best = -1;
    as_of.present.clear();
  }
  for (Clock& clock : clocks_) {
    clock.tail_position = begin;
    clock.running.clear();
    for (Window& window : clock.windows) {
      if (slots[window.slot] == 0) continue;
      clock.running.push_back(window.window.get());
      window.window->StartKey(begin, end);
    }
  }
}

void GeneralSweep::Enter(int64_t position) {
  Entered(position) = 1;
  for (AsOf& as_of : as_of_) {
    if (!with_as_of_ || as_of.target.column->usable[static_cast<size_t>(position)] == 0) continue;
    as_of.best = std::max(as_of.best, position);
    if (ends()) as_of.present.insert(position);
  }
  for (Clock& clock : clocks_) {
    if (position < clock.tail_position) continue;
    for (SweepWindow* window : clock.running) window->Enter(position);
  }
}

void GeneralSweep::End(int64_t position) {
  Entered(position) = 0;
  for (AsOf& as_of : as_of_) {
    as_of.present.erase(position);
    as_of.best = as_of.present.empty() ? -1 : *as_of.present.rbegin();
  }
  for (Clock& clock : clocks_) {
    if (position < clock.tail_position) continue;  // has left already
    for (SweepWindow* window : clock.running) window->Leave(position);
  }
}

void GeneralSweep::EnterUpTo(int64_t t) {
  while (next_entry_ < by_activation_.size()) {
    const int64_t position = by_activation_[next_entry_];
    if (slice_.activations()[static_cast<size_t>(position)] > t) return;
    ++next_entry_;
    if (t < UntilOf(position)) Enter(position);
  }
}

void GeneralSweep::EndUpTo(int64_t t) {
  while (next_end_ < by_until_.size() && UntilOf(by_until_[next_end_]) <= t) {
    const int64_t position = by_until_[next_end_++];
    if (Entered(position) != 0) End(position);
  }
}

void GeneralSweep::MoveTails(int64_t t) {
  for (Clock& clock : clocks_) {
    const int64_t tail = state::WindowTail(t, clock.clock.length_us, clock.clock.hop_us);
    int64_t& at = clock.tail_position;
    for (; at < end_ && slice_.event_times()[static_cast<size_t>(at)] < tail; ++at) {
      if (Entered(at) == 0) continue;
      for (SweepWindow* window : clock.running) window->Leave(at);
    }
  }
}

arrow::Status GeneralSweep::Run(int64_t begin, int64_t end, std::span<const int64_t> times,
                                int64_t first_label, const std::vector<uint8_t>& slots,
                                bool with_as_of) {
  Start(begin, end, slots, with_as_of);
  for (size_t i = 0; i < times.size(); ++i) {
    const int64_t t = times[i];
    const int64_t place = first_label + static_cast<int64_t>(i);
    MoveTails(t);
    EndUpTo(t);
    EnterUpTo(t);
    for (AsOf& as_of : as_of_) {
      if (with_as_of) PutAsOf(plan_.layout, slice_, as_of.target, place, t, as_of.best);
    }
    for (Clock& clock : clocks_) {
      for (SweepWindow* window : clock.running) ARROW_RETURN_NOT_OK(window->Answer(place));
    }
  }
  return arrow::Status::OK();
}

}  // namespace icecore::feature
