#pragma once
// `icecore serve`: the engine behind the HTTP server, in the foreground.

#include <arrow/status.h>

#include <string>

#include "icecore/engine/engine.h"

namespace icecore::server {

// address: "127.0.0.1:8080", ":8080" or "8080"; port 0 takes a free one. Prints the address on
// stdout once it listens; returns when SIGTERM or SIGINT has drained it.
arrow::Status Serve(engine::Engine* engine, const std::string& address);

}  // namespace icecore::server
