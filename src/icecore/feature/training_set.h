#pragma once
// Point-in-time training sets: every spine row back, once, in its place, with the service's
// features as they were known, block by block and in bounded memory.

#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "icecore/feature/feature_log.h"
#include "icecore/feature/service.h"

namespace icecore::feature {

struct FeatureReport {
  std::string name;
  int64_t rows = 0;
  int64_t nulls = 0;  // before defaults
  int64_t expired = 0;
};

struct TrainingSetOptions {
  // What the spine, the rows of views and their values may hold at once, about. The spine is
  // answered in pieces that fit; windows, and views over tables with versions, for some keys of a
  // piece after the others where the rows that its labels reach do not. kLimit where those of one
  // label do not. Without a scratch folder all values and all these rows are held.
  int64_t memory_bytes = int64_t{1} << 30;
  std::string scratch_dir;                // absolute folder for spills; "": none
  int64_t block_rows = int64_t{1} << 16;  // of a batch, at most
};

// The spine's columns unchanged, then the features. Not thread safe; works on all cores.
class TrainingSetReader : public arrow::RecordBatchReader {
 public:
  // Of the rows read so far.
  virtual const std::vector<FeatureReport>& features() const = 0;
  // Of the rows of the batch read last: by feature, by row.
  virtual const std::vector<std::vector<state::ValueStatus>>& statuses() const = 0;
};

// `spine` holds the service's key columns, `event_timestamp` (timestamp, date or RFC 3339 text;
// naive is UTC; nanoseconds round down) and any other columns, which pass through unchanged.
// Missing key or request columns, keys of a type that cannot be one, a feature named as a spine
// column: kInvalidArgument naming column, expected type and the nearest column. Rows come back in
// the spine's order. A spine that fits is read whole before views are; a longer one is answered
// piece by piece, each piece reading the logs again. `service` and `log` must outlive the reader.
arrow::Result<std::shared_ptr<TrainingSetReader>> OpenTrainingSet(
    const BoundService& service, std::shared_ptr<arrow::RecordBatchReader> spine,
    const KnowledgeCut& cut, FeatureLog* log, const TrainingSetOptions& options);

struct TrainingSet {
  std::shared_ptr<arrow::Table> table;
  std::vector<FeatureReport> features;
  std::vector<std::vector<state::ValueStatus>> statuses;  // by feature, by row
};

// As OpenTrainingSet, all of it at once; nothing is spilled.
arrow::Result<TrainingSet> BuildTrainingSet(const BoundService& service,
                                            const std::shared_ptr<arrow::Table>& spine,
                                            const KnowledgeCut& cut, FeatureLog* log);

}  // namespace icecore::feature
