#pragma once
// A source of snapshots (`load: snapshot`): each file of landing.X_raw is the whole truth, so
// landing.X is the newest one. With a key the differences between one file and the next are
// versions (versions.h); without, landing.X is replaced.

#include <string>

#include "icecore/pipeline/analysis.h"
#include "icecore/pipeline/step_commit.h"
#include "icecore/pipeline/step_range.h"

namespace icecore::pipeline {

bool IsSnapshotSource(const spec::Source& source);

// What the contract's step of any source asks for.
StepRequest ContractRequest(const spec::Source& source);

// As CheckContract. One commit for each file, in the order in which they landed.
arrow::Status CheckSnapshots(const Workspace& workspace, const AnalysedSource& source, bool full,
                             const std::string& run_id, StepReport* report);

}  // namespace icecore::pipeline
