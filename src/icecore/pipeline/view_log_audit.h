#pragma once
// Looks whether the clustered logs of views (view_log.h) are what was written, belong to a view,
// and reach no further than their tables. Part of lake_audit.h.

#include <arrow/status.h>

#include <string>
#include <vector>

#include "icecore/lake/finding.h"
#include "icecore/pipeline/lake_audit.h"
#include "icecore/pipeline/workspace.h"

namespace icecore::pipeline {

// Logs of views over `tables` (full names), and those of no view. `deep`: every byte is read, else
// sizes, times of change, and small files. A log whose table cannot be loaded is passed over: that
// is a finding of the table. Safe beside runs: what changes meanwhile is looked at again.
arrow::Status AuditViewLogs(const Workspace& workspace, const std::vector<std::string>& tables,
                            const LakeAuditOptions& options, std::vector<lake::Finding>* findings);

}  // namespace icecore::pipeline
