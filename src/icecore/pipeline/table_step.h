#pragma once
// SQL over the lake into a table of processing or curated: row-wise over what is new (append,
// merge), or computed whole (replace).

#include <arrow/result.h>

#include <optional>
#include <string>
#include <vector>

#include "icecore/pipeline/analysis.h"
#include "icecore/pipeline/step_commit.h"
#include "icecore/pipeline/step_range.h"

namespace icecore::pipeline {

// Every table whose rows the step looks at: those of the SQL and those its checks refer to.
std::vector<std::string> InputsOf(const AnalysedTable& table);

// What the table's step asks for; of tables computed whole the driver is empty. A driver that keeps
// versions is read as its log.
StepRequest RequestOf(const spec::Project& project, const AnalysedTable& table);

// The rows that ComputeTable would take next; nullopt: there is nothing to do. `full`: all of them,
// as a new generation.
arrow::Result<std::optional<StepRange>> NextTableRange(const Workspace& workspace,
                                                       const AnalysedTable& table, bool full);

// Brings the table up to what its inputs hold. Errors of the SQL at run time are kBadInput at its
// place; failed checks kContractViolation; nothing of the failed range is committed.
arrow::Status ComputeTable(const Workspace& workspace, const AnalysedProject& project,
                           const AnalysedTable& table, bool full, const std::string& run_id,
                           StepReport* report);

}  // namespace icecore::pipeline
