#pragma once
// As-of features from a log of any order: one pass over keys and times finds the row of each label,
// a second one takes the values of those rows and of no others.

#include <arrow/result.h>

#include "icecore/feature/feature_log.h"
#include "icecore/feature/label_set.h"
#include "icecore/feature/view_answers.h"
#include "icecore/state/view_plan.h"

namespace icecore::feature {

// Whether all features asked for are as-of features, and rows are no versions.
bool IsAsOfOnly(const state::ViewPlan& plan);

// `plan` is of the view's rows, and of some or all of its features; IsAsOfOnly holds for it. Beside
// the answer it holds 64 bytes a label while it works, 8 bytes a row that was chosen, and no rows.
// Runs on all cores.
arrow::Result<ViewAnswers> AnswerAsOf(const BoundView& view, const state::ViewPlan& plan,
                                      const LabelSet& labels, const KnowledgeCut& cut,
                                      FeatureLog* log);

}  // namespace icecore::feature
