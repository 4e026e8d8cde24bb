#pragma once
// As-of features from a log of any order: one pass over keys and times finds the row of each label,
// a second one takes the values of those rows and of no others.

#include <arrow/result.h>

#include "icecore/feature/feature_log.h"
#include "icecore/feature/label_set.h"
#include "icecore/feature/view_answers.h"
#include "icecore/state/view_plan.h"

namespace icecore::feature {

// Whether all features of the view are as-of features, and its rows are no versions.
bool IsAsOfOnly(const state::ViewPlan& plan);

// `plan` is the view's, for which IsAsOfOnly holds. Beside the answer it holds 64 bytes a label
// while it works, 8 bytes a row that was chosen, and no rows. Runs on all cores.
arrow::Result<ViewAnswers> AnswerAsOf(const BoundView& view, const state::ViewPlan& plan,
                                      const LabelSet& labels, const KnowledgeCut& cut,
                                      FeatureLog* log);

}  // namespace icecore::feature
