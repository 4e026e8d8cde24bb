#pragma once
// Features of a view from all of its rows that some label can reach: windows, and as-of features
// beside them or over versions.

#include <arrow/result.h>

#include "icecore/feature/feature_log.h"
#include "icecore/feature/label_set.h"
#include "icecore/feature/view_answers.h"
#include "icecore/state/view_plan.h"

namespace icecore::feature {

// `plan` is of the view's rows, and of some or all of its features. Holds the rows that a label can
// reach with one of these.
arrow::Result<ViewAnswers> AnswerBySweep(const BoundView& view, const state::ViewPlan& plan,
                                         const LabelSet& labels, const KnowledgeCut& cut,
                                         FeatureLog* log);

}  // namespace icecore::feature
