#pragma once
// Features of a view from all of its rows that some label can reach: windows, and as-of features
// beside them or over versions.

#include <arrow/result.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <string>

#include "icecore/feature/feature_log.h"
#include "icecore/feature/label_set.h"
#include "icecore/feature/view_answers.h"
#include "icecore/state/view_plan.h"

namespace icecore::feature {

// What rows may take while a view is answered. No answer depends on it.
struct SweepBounds {
  int64_t row_bytes = std::numeric_limits<int64_t>::max();  // about
  std::string scratch_dir;  // absolute folder; "": rows that rest in no run are held, however many
  // The label as messages name it, by its number.
  std::function<std::string(int64_t label)> name_of = nullptr;
};

// What it took.
struct SweepUse {
  int64_t peak_row_bytes = 0;
  int64_t scratch_bytes = 0;
  int64_t ranges = 0;  // of labels, one after another
};

// `plan` is of the view's rows, and of some or all of its features. Rows that a label can reach
// with one of these are read, and swept all at once where they take no more than the bounds say;
// else for ranges of keys, a key that has too many for stretches of its labels, one after another.
// kLimit where those of a single label take more.
arrow::Result<ViewAnswers> AnswerBySweep(const BoundView& view, const state::ViewPlan& plan,
                                         const LabelSet& labels, const KnowledgeCut& cut,
                                         FeatureLog* log, const SweepBounds& bounds, SweepUse* use);

}  // namespace icecore::feature
