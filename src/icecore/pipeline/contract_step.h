#pragma once
// From landing.X_raw to landing.X and quarantine.X: the contract, evaluated once per row.

#include <string>

#include "icecore/pipeline/analysis.h"
#include "icecore/pipeline/step_commit.h"

namespace icecore::pipeline {

// Takes every landed row that the contract has not seen; all of them again where the contract
// changed or `full`. kContractViolation from a rule of severity fail stops before anything is
// committed.
arrow::Status CheckContract(const Workspace& workspace, const AnalysedSource& source, bool full,
                            const std::string& run_id, StepReport* report);

}  // namespace icecore::pipeline
