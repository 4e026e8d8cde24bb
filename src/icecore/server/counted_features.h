#pragma once
// Asking the API for vectors, counted by service: the same for every protocol.

#include <arrow/result.h>

#include <cstdint>
#include <optional>

#include "icecore/server/feature_service_api.h"
#include "icecore/server/metrics.h"

namespace icecore::server {

// As the API answers. deadline_ns 0: nullopt where it would have to wait.
std::optional<arrow::Result<FeatureResponse>> AskCounted(FeatureApi* api, Metrics* metrics,
                                                         const FeatureRequest& request,
                                                         int64_t deadline_ns);

}  // namespace icecore::server
