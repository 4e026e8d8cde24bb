#pragma once
// One thread's way through keys: lays their rows out, finds the windows at their labels and answers
// them, by ranges where the key allows, else the general way.

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "icecore/feature/general_sweep.h"
#include "icecore/feature/key_ranges.h"
#include "icecore/feature/range_window_internal.h"
#include "icecore/feature/sweep_output.h"
#include "icecore/feature/sweep_slice.h"

namespace icecore::feature {

// Some rows of a key, and those of its labels that need no others.
struct KeyPart {
  int64_t first_row = 0;  // position in the rows' order
  int64_t row_count = 0;
  int64_t first_label = 0;  // position in the labels' order
  int64_t label_count = 0;
};

// What the threads of one sweep share.
struct SweepInput {
  const state::ViewPlan* plan = nullptr;
  const SweepRows* rows = nullptr;
  const SweepLabels* labels = nullptr;
  const ByKey* row_order = nullptr;
  const ByKey* label_order = nullptr;
  bool by_ranges = true;
  std::vector<SweepOutput>* outputs = nullptr;  // by feature; as-of: at the first of its set
};

// Not thread safe; several may run beside each other on different labels.
class KeySweep {
 public:
  explicit KeySweep(const SweepInput& input);
  arrow::Status Run(const std::vector<KeyPart>& parts);
  const ListPart& lists(size_t feature) const { return lists_[feature]; }

 private:
  // All windows over one kind of state of one column under one mask, whatever their hops.
  struct Slot {
    state::Slot slot;
    std::vector<RangeRead> reads;
    std::unique_ptr<RangeWindow> ranges;  // null: always the general way
  };

  size_t ClockOf(const WindowClock& clock);
  Slot& SlotOf(const state::Slot& slot);
  void CollectSlots();
  void MakeWindows();
  arrow::Status RunPart(int64_t begin, const KeyPart& part);
  void AnswerAsOf(std::span<const int64_t> times);

  const SweepInput input_;
  SweepSlice slice_;
  std::vector<WindowClock> clocks_;
  std::vector<Slot> slots_;
  std::vector<AsOfTarget> as_of_;
  std::vector<ListPart> lists_;  // by feature
  std::unique_ptr<GeneralSweep> general_;
  std::unique_ptr<KeyRanges> ranges_;
  UsableRows passing_;
  std::vector<SweepSlice::Piece> pieces_;
  std::vector<int64_t> times_;
  std::vector<uint8_t> left_;  // by slot: not answered by ranges
};

}  // namespace icecore::feature
