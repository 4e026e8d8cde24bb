#pragma once
// Upkeep of tables by their full names: what the lake's own tools need to know of steps, views and
// manifests. docs/maintenance.md.

#include <arrow/result.h>

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "icecore/lake/compaction.h"
#include "icecore/lake/vacuum.h"
#include "icecore/pipeline/workspace.h"

namespace icecore::pipeline {

struct CompactRequest {
  std::string table;                 // full name
  bool cluster = false;              // begin to cluster, by `columns` or by its views
  std::vector<std::string> columns;  // else the keys and times of the views that read it
  int64_t target_bytes = int64_t{256} << 20;
  std::stop_token stop;
};
// A table that is clustered stays so, also without `cluster`. Views that want different orders, or
// none that reads the table: kInvalidArgument, say the columns.
arrow::Result<lake::CompactionReport> CompactTable(const Workspace& workspace,
                                                   const CompactRequest& request);

struct VacuumRequest {
  std::string table;  // full name
  int64_t retention_us = int64_t{7} * 24 * 3600 * 1'000'000;
  bool force = false;
  bool dry_run = false;
};
// lake::Vacuum, and manifests that no version within the retention names. Keeps the versions that a
// half-done step will read. Landed originals are never touched.
arrow::Result<lake::VacuumReport> VacuumTable(const Workspace& workspace,
                                              const std::vector<std::string>& lake_tables,
                                              const VacuumRequest& request);

// The columns by which views find rows of `table` (full name): entity
// keys, event time, known time. Empty where no view reads it.
arrow::Result<std::vector<std::string>> ClusterColumnsOf(const Workspace& workspace,
                                                         const std::string& table);

}  // namespace icecore::pipeline
