#pragma once
// Rows of a source of pushes on their way to the online views behind it before the lake has them:
// what the contract, the row-wise tables and the views between will make of them, in memory, from
// the same closed batches of the journal, so with the same `_seq` and `_arrived_at`. The lake's
// steps come to the same rows after it; docs/decisions/direct-loads.md.

#include <arrow/result.h>

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "icecore/pipeline/analysis.h"
#include "icecore/pipeline/delay_counts.h"
#include "icecore/pipeline/workspace.h"

namespace icecore::pipeline {

struct DirectOutcome {
  struct View {
    std::string name;
    int64_t rows = 0;
    LoadDelays delays;  // none since_commit: the rows were servable before
  };
  std::vector<View> views;  // that were loaded
  // Every online view behind the source holds what was pushed before the call.
  bool complete = false;
  bool more = false;   // there is more, beyond the bound of one call
  bool stale = false;  // tables or definitions are others than those that these loads know
};

// Not thread safe. The lake's steps may run beside it, in any process.
class DirectLoads {
 public:
  // nullptr: no view behind the source can be loaded so. All but `project` is borrowed.
  static arrow::Result<std::unique_ptr<DirectLoads>> Make(
      const Workspace& workspace, std::shared_ptr<const AnalysedProject> project,
      const spec::Source& source);
  virtual ~DirectLoads() = default;

  // Brings what was pushed since, up to a bound, to the views that hold all before it; the others
  // wait. kConflict while others load a view; kUnsupported for rows of new columns. Any other error
  // of the rows (the lake's steps will fail with it) or of the store loads nothing more; what views
  // were loaded before it stays.
  virtual arrow::Result<DirectOutcome> LoadOnce(const std::stop_token& stop) = 0;
};

}  // namespace icecore::pipeline
