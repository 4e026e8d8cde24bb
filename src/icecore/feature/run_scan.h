#pragma once
// Rows of a clustered run for labels: keys by galloping, rows of a key by halving, or, where they
// do not become active in their order, one by one from the newest.

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

// The as-of rows of set `set` of the plan; rows are named first_name + row. `alone`: there are no
// rows elsewhere, so that known times and _seq of those chosen need not be looked at. Runs on all
// cores. Gives how many rows were looked at one by one, where halving does not find them: each at
// most once, however many labels its key has. Holds 16 bytes a row that is first seen by labels of
// a later piece than the one in whose time it happened.
arrow::Result<int64_t> FindInRun(const ClusteredRun& run, const state::ViewPlan& plan, size_t set,
                                 const KnowledgeCut& cut, const LabelSet& labels,
                                 int64_t first_name, bool alone, AsOfJoin* join);

}  // namespace icecore::feature
