#pragma once
// What training sets read: the logs of views, and how much of them may be known.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "icecore/feature/clustered_run.h"
#include "icecore/feature/view.h"

namespace icecore::feature {

// What the feature values may know.
struct KnowledgeCut {
  enum class Kind { kLabel, kLatest, kTime } kind = Kind::kLabel;
  int64_t time_us = 0;  // kTime
};

// What of a view's log is asked for. Rows with an event time outside the bounds may be left out.
struct LogQuery {
  std::vector<std::string> columns;                         // of BoundView::columns()
  int64_t seq_after = std::numeric_limits<int64_t>::min();  // rows up to here are left out
  int64_t earliest_us = std::numeric_limits<int64_t>::min();
  int64_t latest_us = std::numeric_limits<int64_t>::max();
};

// Rows of a view that rest sorted: all of them with a _seq up to `seq_up_to`.
struct ClusteredLog {
  std::vector<std::shared_ptr<const ClusteredRun>> runs;
  int64_t seq_up_to = std::numeric_limits<int64_t>::min();
};

// The view's log: all rows of its table that may matter.
class FeatureLog {
 public:
  virtual ~FeatureLog() = default;

  // Batches that hold BoundView::columns(), others too.
  virtual arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Scan(const BoundView& view) = 0;

  // The same in parts, each of which may be read on a thread of its own, while others are. As long
  // as the log lives, one query always gives the same parts, with the same rows in the same order.
  virtual arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatchReader>>> ScanParts(
      const BoundView& view, const LogQuery& query);

  // What of the log rests sorted; never of a table with versions. Null: nothing, or nothing that
  // can be trusted. The same answer as long as the log lives.
  virtual arrow::Result<std::shared_ptr<const ClusteredLog>> Clustered(const BoundView& view);
};

}  // namespace icecore::feature
