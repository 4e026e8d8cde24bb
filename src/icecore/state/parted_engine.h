#pragma once
// A view whose states were loaded at several times: those of a feature that came later rest in
// cells of their own beside the others, as a part. Each part is a view in itself, with its own head
// and its own waiting rows; together they answer as one engine.

#include <memory>
#include <string>
#include <vector>

#include "icecore/state/view_state.h"

namespace icecore::state {

struct EnginePart {
  // What its suffixes begin with: kPartMark and what tells the part from all others that the view
  // ever had, of one length. "" of the first part.
  std::string mark;
  std::shared_ptr<const ViewEngine> engine;
  std::vector<int> features;  // of the whole view, which the engine's answers are
};

// `layout`: of the whole view, whose rows the parts take by their places. Not of versioned views.
std::unique_ptr<ViewEngine> JoinParts(ViewLayout layout, std::vector<EnginePart> parts);

}  // namespace icecore::state
