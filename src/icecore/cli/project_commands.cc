#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string_view>

#include "icecore/base/error.h"
#include "icecore/cli/context.h"
#include "icecore/cli/text_table.h"
#include "icecore/engine/documents.h"
#include "icecore/engine/example_project.h"
#include "icecore/spec/parse.h"

namespace icecore::cli {
namespace {

using nlohmann::json;

constexpr std::string_view kRebuild = "rebuild: ";  // how such a pending step begins

void PrintFindings(const base::Diagnostics& diagnostics) {
  for (const auto& entry : diagnostics.entries()) {
    std::fprintf(stderr, "%s\n", entry.ToString().c_str());
  }
}

void PrintChanges(const std::vector<catalog::DefinitionChange>& changes) {
  for (const auto& change : changes) {
    std::printf("%-9s %s  (%s)\n", engine::ChangeName(change.change), change.name.c_str(),
                change.location.c_str());
  }
}

arrow::Status Validate(Context* context) {
  ARROW_ASSIGN_OR_RAISE(auto engine, context->OpenEngine());
  ARROW_ASSIGN_OR_RAISE(auto found, engine->Validate());
  if (context->json) {
    std::fputs(engine::FindingsDocument(found).c_str(), stdout);
  } else {
    PrintFindings(found);
  }
  if (found.has_errors()) {
    context->exit_code = 2;
  } else if (!context->json) {
    const auto& project = engine->project();
    std::printf("valid: %zu sources, %zu tables, %zu views, %zu services\n", project.sources.size(),
                project.tables.size(), project.views.size(), project.services.size());
  }
  return arrow::Status::OK();
}

arrow::Status Plan(Context* context, bool exit_code) {
  ARROW_ASSIGN_OR_RAISE(auto engine, context->OpenEngine());
  ARROW_ASSIGN_OR_RAISE(auto plan, engine->Plan());
  const bool changes = !plan.changes.empty();
  if (context->json) {
    std::fputs(engine::PlanDocument(plan).c_str(), stdout);
  } else {
    PrintFindings(plan.diagnostics);
    PrintChanges(plan.changes);
    for (const auto& step : plan.pending) {
      const size_t said = step.rebuild && step.what.rfind(kRebuild, 0) == 0 ? kRebuild.size() : 0;
      std::printf("%-9s %s: %s\n", step.rebuild ? "rebuild" : "run", step.thing.c_str(),
                  step.what.c_str() + said);
    }
    std::puts(plan.diagnostics.has_errors() ? "Nothing can be applied before the errors are gone."
              : changes                     ? "Next: icecore apply"
                                            : "No definition changes.");
  }
  if (plan.diagnostics.has_errors()) {
    context->exit_code = 2;
  } else if (exit_code && changes) {
    context->exit_code = 3;
  }
  return arrow::Status::OK();
}

arrow::Status Apply(Context* context) {
  ARROW_ASSIGN_OR_RAISE(auto engine, context->OpenEngine());
  ARROW_ASSIGN_OR_RAISE(auto applied, engine->Apply());
  if (context->json) {
    std::fputs(engine::ApplyDocument(applied).c_str(), stdout);
    return arrow::Status::OK();
  }
  PrintFindings(applied.diagnostics);
  PrintChanges(applied.changes);
  for (const auto& load : applied.loads) {
    std::printf("%-9s %s: %s\n", "run", load.thing.c_str(), load.what.c_str());
  }
  std::printf("%s version %lld\n", applied.changes.empty() ? "unchanged:" : "applied:",
              static_cast<long long>(applied.version));
  return arrow::Status::OK();
}

arrow::Status Init(Context* context, const engine::InitRequest& request) {
  const std::string& directory = request.directory;
  ARROW_ASSIGN_OR_RAISE(auto report, engine::InitProject(request));
  if (context->json) {
    std::printf("%s\n", json{{"directory", directory}, {"files", report.files}}.dump(1).c_str());
    return arrow::Status::OK();
  }
  std::printf("%s: %zu files\n", directory.c_str(), report.files.size());
  for (const std::string& line : report.next) {
    std::printf("%s\n", line.c_str());
  }
  return arrow::Status::OK();
}

}  // namespace

void AddProjectCommands(CLI::App* app, Context* context) {
  auto* init = app->add_subcommand("init", "Make a new project");
  auto request = std::make_shared<engine::InitRequest>();
  init->add_option("DIR", request->directory, "A folder that does not exist yet, or is empty")
      ->required();
  auto* example =
      init->add_option("--example", request->example,
                       "flights: a project on real data; default: a small start to fill in")
          ->type_name("NAME");
  init->add_option("--from", request->from,
                   "Files, or globs in quotes: definitions are drafted from their columns")
      ->type_name("FILE")
      ->excludes(example);
  init->callback([=] { Guard(context, [&] { return Init(context, *request); }); });

  auto* validate = app->add_subcommand(
      "validate", "Check definitions and their SQL; nothing is written (for editors, CI)");
  validate->callback([=] { Guard(context, [&] { return Validate(context); }); });

  auto* plan = app->add_subcommand("plan", "Show what apply and run would change");
  auto exit_code = std::make_shared<bool>(false);
  plan->add_flag("--exit-code", *exit_code, "Exit with 3 when there are changes");
  plan->callback([=] { Guard(context, [&] { return Plan(context, *exit_code); }); });

  auto* apply = app->add_subcommand("apply", "Commit the definitions as one catalog version");
  apply->callback([=] { Guard(context, [&] { return Apply(context); }); });

  auto* schema = app->add_subcommand("schema", "Print the JSON Schema of the definition language");
  schema->callback([] { std::printf("%s\n", spec::JsonSchema().c_str()); });
}

}  // namespace icecore::cli
