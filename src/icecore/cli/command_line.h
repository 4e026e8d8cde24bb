#pragma once
// The `icecore` command.

#include <arrow/status.h>

#include <functional>
#include <string>

namespace icecore::engine {
class Engine;
}  // namespace icecore::engine

namespace icecore::cli {

// What `icecore serve` runs: answers over HTTP on "ADDRESS:PORT" until it is told to stop. The
// shells do not know one another; the program plugs them together.
using ServeFunction =
    std::function<arrow::Status(engine::Engine* engine, const std::string& http_address)>;

// Parses and runs one command. Exit codes: 0 done; 1 ran and failed; 2 the command or a definition
// is wrong; 3 only for `plan --exit-code`: there are changes.
int RunCommandLine(int argc, char** argv, ServeFunction serve);

}  // namespace icecore::cli
