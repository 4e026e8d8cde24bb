#pragma once
// One window over one column as a key's labels move forward: rows enter when they become active and
// leave when the tail passes them. States that can be subtracted run along; the extremes keep the
// rows that can still win. The answers are those of state::KeyState::Read, bit for bit, because
// states depend neither on the order nor on the grouping of their rows.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "icecore/state/view_plan.h"

namespace icecore::feature {

// The rows of a view that matter, ordered by (key, e, a, s); everything is indexed by that
// position.
struct SweepColumn {
  std::vector<uint8_t> usable;  // 1: passes the mask, and neither null nor NaN
  std::shared_ptr<const std::vector<uint64_t>> narrow;   // of narrow types
  std::shared_ptr<const std::vector<std::string>> wide;  // of others, where an aggregate needs it
};

// One feature's values for all labels, written in any order of labels.
struct SweepOutput {
  enum class Form { kPosition, kInt64, kDouble, kBuilt };
  Form form = Form::kPosition;
  std::vector<int64_t> integers;  // kPosition: of the row chosen, -1 none; kInt64: the value
  std::vector<double> doubles;
  std::vector<uint8_t> valid;                    // kInt64, kDouble
  std::unique_ptr<arrow::ArrayBuilder> builder;  // kBuilt: one element per label, in `labels`
  std::vector<int64_t> labels;
};

// Not thread safe; one key at a time.
class SweepWindow {
 public:
  virtual ~SweepWindow() = default;
  // For a key whose rows lie in [begin, end).
  virtual void StartKey(int64_t begin, int64_t end) = 0;
  virtual void Enter(int64_t position) = 0;
  // Of a row that entered and has not left; rows leave in order of position, unless the window was
  // made for any order.
  virtual void Leave(int64_t position) = 0;
  // Answers for every feature of the window at label `label`.
  virtual arrow::Status Answer(int64_t label) = 0;
};

// How the features of a window come out.
SweepOutput::Form FormOf(const state::AggregateSpec& aggregate);

// `outputs` holds one entry per feature of the plan, those of read.features ready for the labels.
arrow::Result<std::unique_ptr<SweepWindow>> MakeSweepWindow(
    const state::ViewPlan& plan, const state::Slot& slot, const state::WindowRead& read,
    const SweepColumn* column, bool leave_in_any_order, std::vector<SweepOutput>* outputs);

}  // namespace icecore::feature
