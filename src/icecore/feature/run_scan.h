#pragma once
// Rows of a clustered run for labels, without looking at others: keys by galloping, rows of a key
// by halving.

#include <arrow/result.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "icecore/feature/as_of_join.h"
#include "icecore/feature/clustered_run.h"
#include "icecore/feature/feature_log.h"
#include "icecore/feature/label_set.h"
#include "icecore/state/view_plan.h"

namespace icecore::feature {

// Labels of one key by place, and the rows of that key.
struct KeyRange {
  int32_t key = 0;
  size_t first_label = 0;
  size_t end_label = 0;
  int64_t first_row = 0;
  int64_t end_row = 0;
};

// Calls visit for every key of labels [first, end) by place that the run has, ascending.
arrow::Status VisitKeys(const ClusteredRun& run, const LabelSet& labels, size_t first, size_t end,
                        const std::function<arrow::Status(const KeyRange&)>& visit);

// Places cut into pieces of about equal weight, for all cores: their bounds. A hot key is cut too.
std::vector<size_t> CutPlaces(const LabelSet& labels);

// The as-of rows of set `set` of the plan; rows are named first_name + row. `alone`: there are no
// rows elsewhere, so that known times and _seq of those chosen need not be looked at. Runs on all
// cores.
arrow::Status FindInRun(const ClusteredRun& run, const state::ViewPlan& plan, size_t set,
                        const KnowledgeCut& cut, const LabelSet& labels, int64_t first_name,
                        bool alone, AsOfJoin* join);

}  // namespace icecore::feature
