#pragma once
// Runs the project: sources, tables, online views, inputs first, only what is new. A step that
// fails stops those that need it and no others.

#include <arrow/result.h>

#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/pipeline/analysis.h"
#include "icecore/pipeline/step_commit.h"

namespace icecore::pipeline {

struct RunRequest {
  std::string command;             // for the catalog, e.g. "run"
  std::vector<std::string> names;  // empty: everything. Full or short, +NAME, NAME+, tag:T
  bool full = false;               // new generations of what is selected
  bool land = true;                // sources: take new files
  bool compute = true;             // contracts and tables
  bool materialize = true;         // views
  bool logs = true;                // of materialize: their clustered logs
  bool online = true;              // of materialize: the online store
  int64_t definition_version = 0;  // for the catalog
  std::stop_token stop;
};

struct StepOutcome {
  enum class Status { kDone, kNothing, kFailed, kSkipped };
  Status status = Status::kNothing;
  StepReport report;
  std::string error;
  base::ErrorCode code = base::ErrorCode::kInternal;  // of a step that failed
};

struct RunOutcome {
  std::string run_id;
  std::vector<StepOutcome> steps;  // in the order they ran
  int64_t duration_us = 0;
  bool failed() const;
  // Why the first step that failed did, as kUnavailable. Without one no step was skipped either.
  arrow::Status FirstFailure() const;
  bool balanced() const;  // law 3, over every step
};

// Errors of definitions are kInvalidDefinition and nothing of compute and materialize is run then;
// failures of steps are in the outcome.
arrow::Result<RunOutcome> RunProject(const Workspace& workspace, const RunRequest& request);

// What `names` select, as full names of sources ("source.x"), tables and views.
arrow::Result<std::set<std::string>> SelectNames(const spec::Project& project,
                                                 const std::vector<std::string>& names);

}  // namespace icecore::pipeline
