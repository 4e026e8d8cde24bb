#include "icecore/cli/command_line.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/json_text.h"
#include "icecore/base/log.h"
#include "icecore/base/suggest.h"
#include "icecore/base/time.h"
#include "icecore/cli/context.h"
#include "icecore/cli/progress.h"

namespace icecore::cli {
namespace {

constexpr char kAbout[] =
    "Icecore: the data layer for AI in one binary.\n"
    "Raw data in at one end; correct, fresh feature vectors and training sets out at the other.\n";

constexpr char kExamples[] =
    "A first tour:\n"
    "  icecore init flights --example flights      a project on real data\n"
    "  cd flights && icecore plan                  what would change, with every finding\n"
    "  icecore apply && icecore run                make it so; again: only what is new\n"
    "  icecore training-set delay_model --spine spine.parquet --out train.parquet\n"
    "  icecore get delay_model carrier=UA …        one vector, from the online store\n"
    "  icecore sql \"select * from processing.flights limit 5\"\n"
    "`icecore COMMAND --help` tells more of each. Exit codes: 0 done, 1 ran and failed, 2 the "
    "command or\n"
    "a definition is wrong.";

// Under each command; those that say more of themselves leave it out.
constexpr char kEveryCommand[] =
    "Every command takes -C DIR, --now TIME, --json and -v: see `icecore --help`.";

// What to say of a word that stands where a command should; "" where none does.
std::string UnknownCommand(const CLI::App& app) {
  if (!app.get_subcommands().empty()) {
    return "";
  }
  std::string word;
  for (const std::string& text : app.remaining()) {
    if (text.rfind('-', 0) != 0) {
      word = text;
      break;
    }
  }
  if (word.empty()) {
    return "";
  }
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  const std::string nearest = base::DidYouMean(word, names);
  return "no command '" + word + "'" + (nearest.empty() ? ";" : nearest) +
         " `icecore --help` lists all";
}

}  // namespace

arrow::Result<std::optional<int64_t>> Context::NowMicros() const {
  if (now_text.empty()) {
    return std::optional<int64_t>();
  }
  ARROW_ASSIGN_OR_RAISE(int64_t now, base::ParseInstant(now_text));
  return std::optional<int64_t>(now);
}

arrow::Result<engine::OpenOptions> Context::EngineOptions() const {
  engine::OpenOptions options;
  ARROW_ASSIGN_OR_RAISE(options.now_us, NowMicros());
  options.listener = MakeProgress(!json);
  return options;
}

arrow::Result<std::unique_ptr<engine::Engine>> Context::OpenEngine() const {
  ARROW_ASSIGN_OR_RAISE(const engine::OpenOptions options, EngineOptions());
  return engine::Engine::Open(options);
}

void Context::Fail(const arrow::Status& status) {
  const base::ErrorCode code = base::CodeOf(status);
  exit_code = base::ExitCodeOf(code);
  if (json) {
    std::string out = "{\"error\":{\"code\":";
    base::AppendJsonString(base::ErrorCodeName(code), &out);
    out += ",\"message\":";
    base::AppendJsonString(status.message(), &out);
    out += "}}\n";
    std::fputs(out.c_str(), stdout);
  }
  std::fprintf(stderr, "icecore: %s\n", status.message().c_str());
}

int RunCommandLine(int argc, char** argv, ServeFunction serve) {
  Context context;
  context.serve = std::move(serve);
  CLI::App app(kAbout, "icecore");
  app.require_subcommand(1);
  app.fallthrough();
  app.set_version_flag("--version", std::string("icecore ") + ICECORE_VERSION);
  app.add_option("-C", context.directory, "Work in this folder, as git and make do")
      ->type_name("DIR");
  app.add_option("--now", context.now_text,
                 "The project's clock, e.g. 2013-12-01T12:00:00Z; default: `now:` of icecore.yaml, "
                 "else the machine's clock")
      ->type_name("TIME");
  app.add_flag("--json", context.json, "Answer with one JSON document");
  app.add_flag("-v,--verbose", context.verbose, "Log what happens to stderr");
  app.parse_complete_callback([&context] {
    if (context.directory != "." && ::chdir(context.directory.c_str()) != 0) {
      throw CLI::ValidationError("-C", "there is no folder '" + context.directory + "'");
    }
    base::SetLogLevel(context.verbose ? base::LogLevel::kDebug : base::LogLevel::kWarning);
  });
  app.footer(kEveryCommand);  // commands take the footer that the app has when they are added
  AddProjectCommands(&app, &context);
  AddRunCommands(&app, &context);
  AddTrainingCommands(&app, &context);
  AddPushCommand(&app, &context);
  AddFeatureCommands(&app, &context);
  AddInspectCommands(&app, &context);
  AddEvidenceCommands(&app, &context);
  AddMaintenanceCommands(&app, &context);
  AddServerCommands(&app, &context);
  app.footer(kExamples);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const std::string unknown = UnknownCommand(app);
    if (!unknown.empty()) {
      std::fprintf(stderr, "icecore: %s\n", unknown.c_str());
      return 2;
    }
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "icecore: %s\n", error.what());
    return 1;
  }
  return context.exit_code;
}

}  // namespace icecore::cli
