#pragma once
// What the sweep finds out: for each label a value, or the rows that hold it. Labels are told by
// their place in the sweep's order, so that threads write side by side; at the end each column is
// put into the labels' own order at once.

#include <arrow/result.h>

#include <cstdint>
#include <vector>

#include "icecore/feature/sweep.h"
#include "icecore/feature/sweep_order.h"
#include "icecore/state/view_plan.h"

namespace icecore::feature {

inline constexpr uint32_t kNoRow = UINT32_MAX;

// One feature's answers. Threads may write to different labels.
struct SweepOutput {
  enum class Form {
    kRow,      // the value of one row
    kInt64,    // in `bits`
    kDouble,   // in `bits`
    kNarrow,   // in `bits`: a narrow value of the feature's type
    kDecimal,  // in `decimals`
    kRows,     // a list of the values of rows: ListPart
  };
  Form form = Form::kRow;
  state::ValueStatus none = state::ValueStatus::kNull;  // of labels without an answer
  std::vector<uint32_t> rows;
  std::vector<uint64_t> bits;
  std::vector<unsigned __int128> decimals;
  std::vector<state::ValueStatus> statuses;

  void PutRow(int64_t label, uint32_t row) {
    const auto at = static_cast<size_t>(label);
    rows[at] = row;
    statuses[at] = state::ValueStatus::kPresent;
  }
  void PutBits(int64_t label, uint64_t value) {
    const auto at = static_cast<size_t>(label);
    bits[at] = value;
    statuses[at] = state::ValueStatus::kPresent;
  }
};

// The lists that one thread found, for one feature.
struct ListPart {
  std::vector<uint32_t> labels;
  std::vector<uint32_t> sizes;
  std::vector<uint32_t> rows;
};

// How a feature comes out.
SweepOutput::Form FormOf(const state::ViewPlan& plan, const state::FeatureLayout& feature);

// Ready for `labels` labels, all without an answer.
SweepOutput MakeOutput(const state::ViewPlan& plan, const state::FeatureLayout& feature,
                       int64_t labels);

// From the sweep's places to the labels' own order.
void ToLabelOrder(const ByKey& order, SweepOutput* output);

// The column of feature `feature`, of an output in the labels' own order; what a window found is
// used up, what an as-of chose may be asked for again. `parts`: lists of all threads, whose labels
// are places in `order`.
arrow::Result<state::VectorSink::Column> FinishColumn(const state::ViewPlan& plan, size_t feature,
                                                      const SweepRows& rows, const ByKey& order,
                                                      SweepOutput* output,
                                                      const std::vector<const ListPart*>& parts);

}  // namespace icecore::feature
