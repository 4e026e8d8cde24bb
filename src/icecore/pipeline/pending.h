#pragma once
// What a run would do now, without doing it.

#include <arrow/result.h>

#include <string>
#include <vector>

#include "icecore/pipeline/analysis.h"
#include "icecore/pipeline/workspace.h"

namespace icecore::pipeline {

struct PendingStep {
  std::string thing;     // full name
  std::string what;      // "2 new files, first data/a.csv", "rebuild: its definition changed", …
  bool rebuild = false;  // a new generation
};

// In the order of a run: new files, tables that get rows, are rebuilt or computed anew, online
// views that have rows to take (where the workspace has a store). What depends on a pending step is
// pending too. That time alone moves the online views on is not listed.
arrow::Result<std::vector<PendingStep>> PendingSteps(const Workspace& workspace,
                                                     const AnalysedProject& project);

}  // namespace icecore::pipeline
