#pragma once
// The parts of lake_audit.h that look at one table's steps.

#include <arrow/result.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "icecore/lake/finding.h"
#include "icecore/lake/table_audit.h"
#include "icecore/pipeline/workspace.h"

namespace icecore::pipeline {

// Each commit for itself and with the one before: counts that balance, rows written = rows of the
// files, ranges without gaps, rows that only moved.
void AuditCommits(const std::string& table, const lake::TableAudit& audit,
                  std::vector<lake::Finding>* findings);

// landing.X_raw: the manifest in force, its files against the rows, the originals. Returns how many
// originals were looked at.
arrow::Result<int64_t> AuditLanding(const Workspace& workspace, const std::string& table,
                                    const lake::Snapshot& snapshot, bool deep,
                                    std::vector<lake::Finding>* findings);

// A table that a step fills, against its driver and its quarantine, which are loaded after it.
arrow::Status AuditStep(const Workspace& workspace, const std::string& table,
                        const lake::TableAudit& audit, std::vector<lake::Finding>* findings);

// What the catalog says of the table against the log.
arrow::Status AuditCatalog(const Workspace& workspace, const std::string& table,
                           const lake::TableAudit& audit, std::vector<lake::Finding>* findings);

// "landing.flights" -> "quarantine.flights".
std::string QuarantineOf(const std::string& table);

}  // namespace icecore::pipeline
