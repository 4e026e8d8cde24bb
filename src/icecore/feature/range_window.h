#pragma once
// The windows over one column for one key at all its labels at once, from ranges of rows: prefix
// sums, minima of blocks, rank indices. What each costs does not depend on how long windows are.
// The answers are those of SweepWindow and of state::KeyState, bit for bit.

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "icecore/feature/key_ranges.h"
#include "icecore/feature/sweep_output.h"
#include "icecore/feature/sweep_slice.h"
#include "icecore/state/view_plan.h"

namespace icecore::feature {

// Where one feature's answers go. `lists` is that of the thread.
struct RangeTarget {
  const state::AggregateSpec* asked = nullptr;
  SweepOutput* output = nullptr;
  ListPart* lists = nullptr;
};

// The features of one slot over the windows of one clock.
struct RangeRead {
  size_t clock = 0;
  std::vector<RangeTarget> targets;
};

// Not thread safe; one key at a time.
class RangeWindow {
 public:
  virtual ~RangeWindow() = default;
  // Answers every label of the key; false, with nothing answered, where the values of this key
  // need the general way.
  virtual arrow::Result<bool> Answer(const KeyRanges& key) = 0;
};

// Null where the slot has no such way. Column and slice outlive the window.
std::unique_ptr<RangeWindow> MakeRangeWindow(const state::Slot& slot, const SweepColumn* column,
                                             const SweepSlice* slice, std::vector<RangeRead> reads);

}  // namespace icecore::feature
