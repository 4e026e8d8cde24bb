#pragma once
// Online materialisation over the lake.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "icecore/pipeline/analysis.h"
#include "icecore/pipeline/online_view.h"
#include "icecore/pipeline/step_commit.h"

namespace icecore::pipeline {

// Rows that become active within this time are loaded ahead of it; later ones wait in the log.
inline constexpr int64_t kOnlineHorizonUs = int64_t{3600} * 1'000'000;

// What a load of the view would bring, at the project's clock.
struct OnlineLoadPlan {
  std::shared_ptr<const lake::Snapshot> snapshot;  // of the view's table
  int64_t generation = 0;                          // of the table
  OnlineView view;
  std::optional<online::ViewPosition> known;  // of the store; nullopt: never loaded
  online::ViewPosition next;                  // of the store afterwards
  bool fresh = false;                         // a new generation beside the one that answers
  bool adds = false;                          // states of new features beside the cells there are
  bool switches = false;                      // the cells stay, another definition reads them
  std::optional<int> new_features;            // OnlineViewFound's
  bool new_rows = false;                      // the table holds rows that the store never took
  bool waiting = false;                       // rows that were too far ahead wait in the table
  bool lake_behind = false;                   // the store took pushed rows that the table lacks yet
  bool in_passes() const { return fresh || adds; }
};
// nullopt: the view's table does not exist yet. `full`: a new generation.
arrow::Result<std::optional<OnlineLoadPlan>> PlanOnlineLoad(const Workspace& workspace,
                                                            const AnalysedProject& project,
                                                            const spec::FeatureView& view,
                                                            bool full);

// What an edit of the definition makes the load do; "" where there was none.
std::string NoteOf(const OnlineLoadPlan& plan, const spec::FeatureView& view);

// Brings the store's view up to the lake at the project's clock. `full` loads a new generation.
// kConflict while another process loads the view, or when it has done so meanwhile: try again.
// Where the store took pushed rows before the table (direct_load.h), whoever did brings it forward
// in time too; a load that needs them from the table waits for them, kUnavailable at last.
arrow::Status MaterializeView(const Workspace& workspace, const AnalysedProject& project,
                              const spec::FeatureView& view, bool full, StepReport* report);

}  // namespace icecore::pipeline
