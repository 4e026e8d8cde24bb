#pragma once
// One window over one column as a key's labels move forward: rows enter when they become active and
// leave when the tail passes them. States that can be subtracted run along; the extremes keep the
// rows that can still win. The general way: of keys whose rows end or came late in great numbers,
// and of values that ranges (range_window.h) do not take. The answers are those of
// state::KeyState::Read, bit for bit, because states depend neither on the order nor on the
// grouping of their rows.

#include <arrow/result.h>

#include <cstdint>
#include <memory>

#include "icecore/feature/range_window.h"
#include "icecore/feature/sweep_slice.h"
#include "icecore/state/view_plan.h"

namespace icecore::feature {

// Not thread safe; one key at a time. Labels are told by their places in the outputs.
class SweepWindow {
 public:
  virtual ~SweepWindow() = default;
  // For a key whose rows lie in [begin, end).
  virtual void StartKey(int64_t begin, int64_t end) = 0;
  virtual void Enter(int64_t position) = 0;
  // Of a row that entered and has not left; rows leave in order of position, unless the window was
  // made for any order.
  virtual void Leave(int64_t position) = 0;
  // Answers for every feature of the window.
  virtual arrow::Status Answer(int64_t place) = 0;
};

// Column and slice outlive the window.
std::unique_ptr<SweepWindow> MakeSweepWindow(const state::Slot& slot, const SweepColumn* column,
                                             const SweepSlice* slice, const RangeRead& read,
                                             bool leave_in_any_order);

}  // namespace icecore::feature
