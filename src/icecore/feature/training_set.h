#pragma once
// Point-in-time training sets: every spine row back, once, in its place, with the service's
// features as they were known. The sweep is the stream's own state machine (state/view_state.h).

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "icecore/feature/service.h"

namespace icecore::feature {

// What the feature values may know.
struct KnowledgeCut {
  enum class Kind { kLabel, kLatest, kTime } kind = Kind::kLabel;
  int64_t time_us = 0;  // kTime
};

// The view's log: all rows of its table that may matter, as batches holding BoundView::columns().
// Called once per view. A clustered log gives rows sorted by (key, e, a, s); this interface does
// not ask for it.
class FeatureLog {
 public:
  virtual ~FeatureLog() = default;
  virtual arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Scan(const BoundView& view) = 0;
};

struct FeatureReport {
  std::string name;
  int64_t rows = 0;
  int64_t nulls = 0;  // before defaults
  int64_t expired = 0;
};

struct TrainingSet {
  std::shared_ptr<arrow::Table> table;  // spine columns unchanged, then the features
  std::vector<FeatureReport> features;
};

// `spine` holds the service's key columns, `event_timestamp` (timestamp, date or RFC 3339 text;
// naive is UTC; nanoseconds round down) and any other columns, which pass through unchanged.
// Missing key or request columns, keys of a type that cannot be one, a feature named as a spine
// column: kInvalidArgument naming column, expected type and the nearest column. Rows come back in
// the spine's order.
arrow::Result<TrainingSet> BuildTrainingSet(const BoundService& service,
                                            const std::shared_ptr<arrow::Table>& spine,
                                            const KnowledgeCut& cut, FeatureLog* log);

}  // namespace icecore::feature
