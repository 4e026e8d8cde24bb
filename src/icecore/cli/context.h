#pragma once
// What every command gets: the global options and ways to open the project and to answer.

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "icecore/cli/command_line.h"
#include "icecore/engine/engine.h"

namespace CLI {
class App;
}  // namespace CLI

namespace icecore::cli {

struct Context {
  std::string directory = ".";
  std::string now_text;  // --now, as written
  bool json = false;
  bool verbose = false;
  int exit_code = 0;
  ServeFunction serve;

  // How commands open the project; progress goes to the terminal unless --json.
  arrow::Result<engine::OpenOptions> EngineOptions() const;
  arrow::Result<std::unique_ptr<engine::Engine>> OpenEngine() const;
  arrow::Result<std::optional<int64_t>> NowMicros() const;

  // Prints the error and sets the exit code that its kind has.
  void Fail(const arrow::Status& status);
};

// Runs the command and reports what it returns.
template <typename Command>
void Guard(Context* context, const Command& command) {
  if (const arrow::Status status = command(); !status.ok()) {
    context->Fail(status);
  }
}

// Each adds its subcommands to the app; the callbacks run the command and set context->exit_code.
void AddProjectCommands(CLI::App* app, Context* context);   // init validate plan apply schema
void AddRunCommands(CLI::App* app, Context* context);       // run ingest materialize
void AddPushCommand(CLI::App* app, Context* context);       // push
void AddTrainingCommands(CLI::App* app, Context* context);  // training-set test
void AddFeatureCommands(CLI::App* app, Context* context);   // get
void AddInspectCommands(CLI::App* app, Context* context);   // sql list show history quarantine

void AddEvidenceCommands(CLI::App* app, Context* context);     // verify explain compare
void AddMaintenanceCommands(CLI::App* app, Context* context);  // check compact vacuum restore
void AddServerCommands(CLI::App* app, Context* context);       // serve token top

}  // namespace icecore::cli
