#pragma once
// Which rows of its driver a step has to take next, and in which generation.

#include <arrow/result.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "icecore/pipeline/step_state.h"
#include "icecore/pipeline/workspace.h"

namespace icecore::pipeline {

// A table that a step reads, at the version it is pinned to.
struct PinnedInput {
  std::string name;  // full name
  std::shared_ptr<const lake::Snapshot> snapshot;
  int64_t generation = 0;
};

struct StepRequest {
  std::string table;                // full name of what is filled; its log where it keeps versions
  std::string origin;               // full name under which it rejects rows
  std::string quarantine;           // full name
  std::string definition;           // fingerprint
  std::string driver;               // full name
  std::vector<std::string> inputs;  // full names, the driver included
  bool driver_is_whole = false;     // the driver is computed whole: each of its versions is new
  bool full = false;                // build a new generation whatever is there
};

struct StepRange {
  std::shared_ptr<const lake::Snapshot> before;
  std::shared_ptr<const lake::Snapshot> quarantine_before;
  StepState next;
  bool new_generation = false;
  bool quarantine_done = false;     // a half-done step is finished
  std::string reason;               // of a new generation, for people: "definition changed"
  std::vector<PinnedInput> inputs;  // as in the request

  const PinnedInput& InputOf(const std::string& name) const;
};

// nullopt: there is nothing to do. kConflict cannot happen here; it comes when the step commits.
arrow::Result<std::optional<StepRange>> NextRange(const Workspace& workspace,
                                                  const StepRequest& request);

// The generation of a table as its own log tells it; landing.X_raw and tables that no step fills
// have 1.
arrow::Result<int64_t> GenerationOf(const lake::Snapshot& snapshot);

// Where the table `input` has a later version than `state` has read, with the same rows (compaction
// and vacuum make such versions), the state's mark is moved to it: there is nothing to do anew.
arrow::Status SkipMaintenance(const Workspace& workspace, const std::string& input,
                              const lake::Snapshot& snapshot, StepState* state);

// Whether the range `a` lies beyond what `b` has: a later generation, or the same one and further.
bool IsAhead(const StepState& a, const StepState& b);

// How far rows of the table are complete: every row that its step will ever bring with a _seq up to
// here is there. The mark of what fills a table, not the greatest _seq it ever gave: a new
// generation may begin lower. `state`: StepStateOf(snapshot).
int64_t TakenUpTo(const lake::Snapshot& snapshot, const StepState& state);

}  // namespace icecore::pipeline
