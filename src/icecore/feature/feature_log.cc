#include "icecore/feature/feature_log.h"

#include <arrow/record_batch.h>

namespace icecore::feature {

arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatchReader>>> FeatureLog::ScanParts(
    const BoundView& view, const LogQuery& /*query*/) {
  std::vector<std::shared_ptr<arrow::RecordBatchReader>> parts(1);
  ARROW_ASSIGN_OR_RAISE(parts[0], Scan(view));
  return parts;
}

arrow::Result<std::shared_ptr<const ClusteredLog>> FeatureLog::Clustered(
    const BoundView& /*view*/) {
  return std::shared_ptr<const ClusteredLog>();
}

}  // namespace icecore::feature
