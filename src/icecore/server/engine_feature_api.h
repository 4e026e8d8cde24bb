#pragma once
// The engine behind the HTTP shell.

#include <memory>
#include <string>

#include "icecore/engine/engine.h"
#include "icecore/server/feature_service_api.h"

namespace icecore::server {

// Opens every service of the project at once, so that a wrong definition shows before the first
// request. A service whose views were loaded anew meanwhile is opened again. `engine` must outlive
// it.
arrow::Result<std::unique_ptr<FeatureApi>> MakeEngineFeatureApi(engine::Engine* engine);

}  // namespace icecore::server
