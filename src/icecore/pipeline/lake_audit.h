#pragma once
// Looks whether a whole lake is sound: every table (lake/table_audit.h), landed originals, and the
// laws that span tables: each landed row in its manifest, each driver's row in the table or in the
// quarantine, marks of consumers within what producers gave, the catalog no further than the lake.
// docs/maintenance.md lists the codes of what it finds.

#include <arrow/result.h>

#include <cstdint>
#include <string>
#include <vector>

#include "icecore/lake/finding.h"
#include "icecore/pipeline/workspace.h"

namespace icecore::pipeline {

struct LakeAuditOptions {
  bool deep = false;            // every row group, every original's digest
  int64_t machine_now_us = 0;   // against file times
  int64_t orphan_grace_us = 0;  // files of no version are findings once they are older
};

struct AuditedTable {
  std::string name;  // full name
  int64_t version = -1;
  int64_t files = 0;
  int64_t bytes = 0;
  int64_t rows = 0;
};

struct LakeAudit {
  std::vector<AuditedTable> tables;
  std::vector<lake::Finding> findings;  // by table, in the order of `tables`
  int64_t originals = 0;                // that were looked at

  // Nothing but notes.
  bool sound() const;
};

// `tables`: full names of all tables of the lake. Findings are no error. Safe beside runs: what
// changes meanwhile is looked at again, and is a note where it keeps changing.
arrow::Result<LakeAudit> AuditLake(const Workspace& workspace,
                                   const std::vector<std::string>& tables,
                                   const LakeAuditOptions& options);

}  // namespace icecore::pipeline
