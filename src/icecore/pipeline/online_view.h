#pragma once
// A feature view as the online store keeps it: what of its definition decides the bytes of the
// store's cells, which cells of an older definition answer a newer one, and what an edit adds.
// docs/decisions/edits-of-views.md.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "icecore/online/store.h"
#include "icecore/pipeline/analysis.h"
#include "icecore/pipeline/workspace.h"
#include "icecore/spec/model.h"

namespace icecore::pipeline {

// States that were loaded together, in the order in which their cells hold them.
struct CellPart {
  uint64_t number = 0;                  // what tells it from other parts; 0: the first
  std::vector<std::string> types;       // of the columns that features read
  std::vector<spec::Feature> features;  // one per state, of the longest window, without a name
};
// What the cells of a view hold.
struct CellStates {
  std::string rows;  // fingerprint of what decides which rows, keys and times
  std::vector<CellPart> parts;
};
std::string ToText(const CellStates& states);
std::optional<CellStates> ParseCellStates(const std::string& text);
// One per state that the features need: of those that share one, the first.
std::vector<spec::Feature> StatesOf(const std::vector<spec::Feature>& features);

// As it is loaded or read.
struct OnlineView {
  online::StoredView stored;
  std::shared_ptr<const feature::BoundView> rows;  // prepares rows for its engine
};

struct OnlineViewFound {
  OnlineView view;
  // Where the store holds the same rows by another definition: how many of the view's features ask
  // for states that are not in its cells.
  std::optional<int> new_features;
  // The view as a load of these states alone, beside the cells that are there.
  std::optional<OnlineView> addition;
};

// `held`: of the store. Where cells that it holds answer every feature, the view keeps them.
arrow::Result<OnlineViewFound> FindOnlineView(const Workspace& workspace,
                                              const AnalysedProject& project,
                                              const spec::FeatureView& view,
                                              const std::optional<online::ViewPosition>& held);

// To be read as the store holds it now. Where that does not answer (kUnavailable), *refusal says so
// and the view is as a fresh load would keep it; with a refusal from before the store is not asked.
arrow::Result<online::StoredView> StoredViewOf(const Workspace& workspace,
                                               const AnalysedProject& project,
                                               const spec::FeatureView& view,
                                               arrow::Status* refusal);

}  // namespace icecore::pipeline
