#pragma once
// Online materialisation over the lake.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "icecore/pipeline/analysis.h"
#include "icecore/pipeline/step_commit.h"

namespace icecore::pipeline {

// As the online store keeps the view: engine, key types, and a fingerprint of everything that
// decides its values (the definition and its table's generation).
arrow::Result<online::StoredView> StoredViewOf(const Workspace& workspace,
                                               const AnalysedProject& project,
                                               const spec::FeatureView& view);

// Rows that become active within this time are loaded ahead of it; later ones wait in the log.
inline constexpr int64_t kOnlineHorizonUs = int64_t{3600} * 1'000'000;

// What a load of the view would bring, at the project's clock.
struct OnlineLoadPlan {
  std::shared_ptr<const lake::Snapshot> snapshot;  // of the view's table
  int64_t generation = 0;                          // of the table
  online::StoredView stored;
  std::optional<online::ViewPosition> known;  // of the store; nullopt: never loaded
  online::ViewPosition next;                  // of the store afterwards
  bool fresh = false;                         // a new generation beside the one that answers
  bool new_rows = false;                      // the table holds rows that the store never took
  bool waiting = false;                       // rows that were too far ahead wait in the table
};
// nullopt: the view's table does not exist yet. `full`: a new generation.
arrow::Result<std::optional<OnlineLoadPlan>> PlanOnlineLoad(const Workspace& workspace,
                                                            const AnalysedProject& project,
                                                            const spec::FeatureView& view,
                                                            bool full);

// Brings the store's view up to the lake at the project's clock. `full` loads a new generation.
// kConflict while another process loads the view, or when it has done so meanwhile: try again.
arrow::Status MaterializeView(const Workspace& workspace, const AnalysedProject& project,
                              const spec::FeatureView& view, bool full, StepReport* report);

}  // namespace icecore::pipeline
