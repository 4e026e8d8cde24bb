#pragma once
// Looks whether one table is whole: its log, its checkpoints, its files, and, on demand, every
// value. Laws that span tables are audited by pipeline/lake_audit.h.

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "icecore/lake/commit_log.h"
#include "icecore/lake/finding.h"
#include "icecore/lake/table.h"

namespace icecore::lake {

struct AuditOptions {
  // Reads every row group of every file: page checksums, statistics, _seq unique and ascending.
  bool deep = false;
  int64_t machine_now_us = 0;  // against the store's file times
  // Files that no version names are findings once they are older; younger ones may belong to a
  // write under way.
  int64_t orphan_grace_us = int64_t{24} * 3600 * 1'000'000;
};

struct TableAudit {
  std::shared_ptr<const Snapshot> snapshot;  // null where the log does not give one
  std::vector<CommitRecord> commits;         // those that are there and readable, oldest first
  bool has_all_commits = false;              // from version 0 on
  std::vector<Finding> findings;
  int64_t files = 0;
  int64_t bytes = 0;
  int64_t rows = 0;
};

// Findings are no error: an error means that the audit itself could not be done (the store does not
// answer). Safe beside writers: what they change meanwhile is no finding. Memory: the log, one row
// group, and a bit per _seq.
arrow::Result<TableAudit> AuditTable(Table& table, const AuditOptions& options);

}  // namespace icecore::lake
