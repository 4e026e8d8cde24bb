#pragma once
// The `icecore` command.

#include <arrow/status.h>

#include <functional>
#include <string>

namespace icecore::engine {
struct OpenOptions;
}  // namespace icecore::engine

namespace icecore::spec {
struct ServeSettings;
}  // namespace icecore::spec

namespace icecore::cli {

// What `icecore serve` runs: answers until it is told to stop. `said`: what the command line says;
// it comes before icecore.yaml. `flight`: where Arrow Flight listens, or "". The shells do not know
// one another; the program plugs them together.
using ServeFunction =
    std::function<arrow::Status(const engine::OpenOptions& options, const spec::ServeSettings& said,
                                const std::string& flight)>;

// Parses and runs one command. Exit codes: 0 done; 1 ran and failed; 2 the command or a definition
// is wrong; 3 only for `plan --exit-code`: there are changes.
int RunCommandLine(int argc, char** argv, ServeFunction serve);

}  // namespace icecore::cli
