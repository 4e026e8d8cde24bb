#pragma once
// Bodies of POST /v1/features as clients write them nearly always, read in one pass.

#include <cstdint>
#include <optional>
#include <string_view>

#include "icecore/server/feature_service_api.h"

namespace icecore::server {

// {"service": TEXT, "entities": {NAME: VALUE or list of values, …}, "request": {…}}, in any order,
// "request" or not; texts are printable ASCII without escapes, values such texts or numbers, lists
// no longer than `max_rows`. The request is what FeatureRequestParser makes of it, with num_rows to
// be counted. nullopt: anything else, be it right or wrong, which is for that parser to say.
std::optional<FeatureRequest> ReadPlainRequest(std::string_view body, int64_t max_rows);

}  // namespace icecore::server
