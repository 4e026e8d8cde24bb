#pragma once
// The general way through one key: labels forward in time, rows in when they become active and out
// when they end or a tail passes them, one at a time. Takes every kind of window and rows in any
// order of activation.

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <vector>

#include "icecore/feature/key_ranges.h"
#include "icecore/feature/sweep_window.h"

namespace icecore::feature {

// What chooses the as-of row of one mask.
struct AsOfTarget {
  const SweepColumn* column = nullptr;  // rows that pass the mask
  SweepOutput* output = nullptr;
};

// The chosen row, or none, at t.
void PutAsOf(const state::ViewLayout& layout, const SweepSlice& slice, const AsOfTarget& target,
             int64_t place, int64_t t, int64_t position);

// Not thread safe; one key at a time.
class GeneralSweep {
 public:
  GeneralSweep(const state::ViewPlan& plan, const SweepSlice& slice,
               const std::vector<WindowClock>& clocks);

  void AddWindow(size_t clock, size_t slot, std::unique_ptr<SweepWindow> window);
  void AddAsOf(AsOfTarget target) { as_of_.push_back({target, -1, {}}); }

  // The key's rows lie at [begin, end), its labels are at `times`, ascending, the first one's place
  // is `first_label`. Answers the windows of those slots that are set in `slots`, and, where asked
  // to, the as-of features.
  arrow::Status Run(int64_t begin, int64_t end, std::span<const int64_t> times, int64_t first_label,
                    const std::vector<uint8_t>& slots, bool with_as_of);

 private:
  struct Window {
    size_t slot;
    std::unique_ptr<SweepWindow> window;
  };
  struct Clock {
    WindowClock clock;
    int64_t tail_position = 0;
    std::vector<Window> windows;
    std::vector<SweepWindow*> running;  // of the slots asked for
  };
  struct AsOf {
    AsOfTarget target;
    int64_t best = -1;
    std::set<int64_t> present;  // only where rows end
  };

  void Start(int64_t begin, int64_t end, const std::vector<uint8_t>& slots, bool with_as_of);
  void MoveTails(int64_t t);
  void EnterUpTo(int64_t t);
  void EndUpTo(int64_t t);
  void Enter(int64_t position);
  void End(int64_t position);
  bool ends() const { return !slice_.untils().empty(); }
  int64_t UntilOf(int64_t position) const;
  uint8_t& Entered(int64_t position) { return entered_[static_cast<size_t>(position - begin_)]; }

  const state::ViewPlan& plan_;
  const SweepSlice& slice_;
  std::vector<Clock> clocks_;
  std::vector<AsOf> as_of_;
  int64_t begin_ = 0;
  int64_t end_ = 0;
  bool with_as_of_ = false;
  std::vector<uint8_t> entered_;  // in, and not ended
  std::vector<int64_t> by_activation_;
  std::vector<int64_t> by_until_;  // those that end
  size_t next_entry_ = 0;
  size_t next_end_ = 0;
};

}  // namespace icecore::feature
