#pragma once
// What a step's rows are to a table that keeps versions: the rows of its log, and what becomes of
// its present.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "icecore/pipeline/present_table.h"
#include "icecore/pipeline/versions.h"
#include "icecore/pipeline/workspace.h"
#include "icecore/quality/reason.h"

namespace icecore::pipeline {

struct VersionContext {
  VersionedTable table;
  std::optional<spec::KnownAt> known_at;  // the table's own
  std::optional<spec::EventTime> event_time;
  std::shared_ptr<const lake::Snapshot> present;  // brought up to `history`
  std::shared_ptr<const lake::Snapshot> history;
  bool anew = false;  // a new generation: what there was does not count
};

struct VersionRows {
  std::shared_ptr<arrow::RecordBatch> history;  // ascending by _seq, in the log's columns
  PresentChange change;
  int64_t inserts = 0;  // of the log's rows
  int64_t updates = 0;
  int64_t deletes = 0;
  int64_t superseded = 0;    // of the log's rows, those that are not the present now
  int64_t present_rows = 0;  // of the present after the change
};

// `rows`: ascending by _seq, in the present's columns; `_op` "delete" ends its key's row.
arrow::Result<VersionRows> MergeVersions(const Workspace& workspace, const VersionContext& context,
                                         const std::shared_ptr<arrow::RecordBatch>& rows);

// Takes the rows that have a null in their key, which are versions of nothing, out of *rows.
arrow::Result<quality::RejectedRows> TakeKeylessRows(const std::vector<std::string>& key,
                                                     const std::string& definition,
                                                     std::shared_ptr<arrow::RecordBatch>* rows);

// What the rows of a table that was computed whole get when they are versions.
struct VersionStamp {
  int64_t seq_after = 0;  // the first gets the next number
  int64_t arrived_us = 0;
  std::string run_id;
};

// `rows`: all that the table shall hold, in the present's columns; their `_seq`, `_arrived_at`,
// `_run` and `_op` are given here. Rows equal to the present's of their key are no versions, and a
// present row whose key is neither in `rows` nor in `spared` is a delete. The result depends on
// the rows, not on their order. A key that `rows` has twice is kContractViolation naming it.
arrow::Result<VersionRows> CompareVersions(const Workspace& workspace,
                                           const VersionContext& context,
                                           const std::shared_ptr<arrow::RecordBatch>& rows,
                                           const std::shared_ptr<arrow::RecordBatch>& spared,
                                           const VersionStamp& stamp);

}  // namespace icecore::pipeline
