#pragma once
// The journals of a project's sources of pushes.

#include <arrow/result.h>

#include <memory>

#include "icecore/engine/engine.h"
#include "icecore/pipeline/workspace.h"

namespace icecore::engine {

// What the workspace points to must outlive the door.
arrow::Result<std::unique_ptr<PushDoor>> MakePushDoor(const pipeline::Workspace& workspace);

}  // namespace icecore::engine
