#pragma once
// `icecore serve`: the engine behind the HTTP server and, where it is asked for, Arrow Flight,
// in the foreground.

#include <arrow/status.h>

#include <string>

#include "icecore/engine/engine.h"
#include "icecore/spec/model.h"

namespace icecore::server {

// Opens the project and answers; what `said` leaves empty comes from icecore.yaml. http:
// "127.0.0.1:8080", "[::1]:8080", ":8080" or "8080"; port 0 takes a free one; flight: the same, and
// no Flight where it is empty. Prints the addresses on stdout once it listens; returns when SIGTERM
// or SIGINT has drained it.
arrow::Status Serve(const engine::OpenOptions& options, const spec::ServeSettings& said,
                    const std::string& flight);

}  // namespace icecore::server
