#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <memory>
#include <stop_token>

#include "icecore/base/error.h"
#include "icecore/cli/context.h"
#include "icecore/cli/text_table.h"
#include "icecore/engine/documents.h"

namespace icecore::cli {
namespace {

using pipeline::RunOutcome;
using pipeline::StepOutcome;

struct RunArguments {
  std::vector<std::string> names;
  bool full = false;
  bool dry_run = false;
};

const char* StatusName(StepOutcome::Status status) {
  switch (status) {
    case StepOutcome::Status::kDone:
      return "done";
    case StepOutcome::Status::kNothing:
      return "nothing";
    case StepOutcome::Status::kFailed:
      return "failed";
    case StepOutcome::Status::kSkipped:
      return "skipped";
  }
  return "";
}

std::string Rules(const std::map<std::string, int64_t>& counts) {
  std::string text;
  for (const auto& [rule, count] : counts) {
    text += (text.empty() ? "" : ", ") + rule + " " + Grouped(count);
  }
  return text;
}

// What happened to the rows, in one line.
std::string RowsText(const StepOutcome& step) {
  const auto& counts = step.report.counts;
  if (step.report.step == "ingest") {
    return Grouped(counts.read) + " rows landed";
  }
  if (step.report.step == "online") {
    return Grouped(counts.written) + " rows applied";
  }
  if (step.report.step == "log") {
    return Grouped(counts.written) + " rows sorted";
  }
  std::string text = Grouped(counts.read) + " in, " + Grouped(counts.written) + " written";
  const auto add = [&text](int64_t count, const std::string& what) {
    if (count > 0) {
      text += ", " + Grouped(count) + " " + what;
    }
  };
  add(counts.quarantined, "quarantined (" + Rules(counts.broken_by_rule) + ")");
  add(counts.dropped(), "dropped (" + Rules(counts.dropped_by_name) + ")");
  add(counts.duplicates, "duplicates");
  add(counts.superseded, "superseded");
  add(counts.filtered, "filtered by SQL");
  add(counts.expanded, "more by `rows: many`");
  std::map<std::string, int64_t> versions = counts.versions_by_op;
  std::erase_if(versions, [](const auto& version) { return version.second == 0; });
  if (!versions.empty()) {
    text += "; versions: " + Rules(versions);
  }
  if (!counts.warned_by_rule.empty()) {
    text += "; warnings: " + Rules(counts.warned_by_rule);
  }
  return text;
}

void PrintBalance(const pipeline::StepCounts& total, bool balanced) {
  std::printf(
      "balance: %s rows in%s = %s written + %s quarantined + %s dropped + %s duplicates + %s "
      "superseded%s: %s\n",
      Grouped(total.read).c_str(),
      total.expanded > 0 ? (" + " + Grouped(total.expanded) + " expanded").c_str() : "",
      Grouped(total.written).c_str(), Grouped(total.quarantined).c_str(),
      Grouped(total.dropped()).c_str(), Grouped(total.duplicates).c_str(),
      Grouped(total.superseded).c_str(),
      total.filtered > 0 ? (" + " + Grouped(total.filtered) + " filtered").c_str() : "",
      balanced ? "balanced" : "NOT BALANCED");
}

void PrintOutcome(const RunOutcome& outcome) {
  TextTable table({"thing", "step", "time", "rows"});
  pipeline::StepCounts total;
  bool has_balance = !outcome.balanced();
  for (const StepOutcome& step : outcome.steps) {
    if (step.status == StepOutcome::Status::kNothing) {
      continue;
    }
    std::string text =
        step.status == StepOutcome::Status::kDone ? RowsText(step) : StatusName(step.status);
    if (step.report.new_generation) {
      text += " (rebuilt)";
    }
    if (!step.report.note.empty()) {
      text += "; " + step.report.note;
    }
    table.Add({step.report.thing, step.report.step, Seconds(step.report.duration_us), text});
    if (step.report.step == "contract" || step.report.step == "table") {
      total.Add(step.report.counts);
      has_balance = true;
    }
  }
  if (table.empty()) {
    std::printf("nothing new (%s)\n", Seconds(outcome.duration_us).c_str());
    return;
  }
  std::fputs(table.ToString().c_str(), stdout);
  for (const StepOutcome& step : outcome.steps) {
    for (const std::string& warning : step.report.warnings) {
      std::printf("warning: %s: %s\n", step.report.thing.c_str(), warning.c_str());
    }
  }
  if (has_balance) {
    PrintBalance(total, outcome.balanced());
  }
  std::printf("run %s %s in %s\n", outcome.run_id.c_str(), outcome.failed() ? "failed" : "done",
              Seconds(outcome.duration_us).c_str());
}

std::stop_source& Interrupts() {
  static std::stop_source source;
  return source;
}

arrow::Status Run(Context* context, pipeline::RunRequest request, bool dry_run) {
  ARROW_ASSIGN_OR_RAISE(auto engine, context->OpenEngine());
  if (dry_run) {
    ARROW_ASSIGN_OR_RAISE(auto pending, engine->DryRun());
    if (context->json) {
      std::fputs(engine::PendingDocument(pending).c_str(), stdout);
      return arrow::Status::OK();
    }
    for (const auto& step : pending) {
      std::printf("%s: %s\n", step.thing.c_str(), step.what.c_str());
    }
    if (pending.empty()) {
      std::puts("nothing new");
    }
    return arrow::Status::OK();
  }
  request.stop = Interrupts().get_token();
  ARROW_ASSIGN_OR_RAISE(auto outcome, engine->Run(std::move(request)));
  if (context->json) {
    std::fputs(engine::RunDocument(outcome).c_str(), stdout);
  } else {
    PrintOutcome(outcome);
  }
  for (const StepOutcome& step : outcome.steps) {
    if (!step.error.empty()) {
      std::fprintf(stderr, "icecore: %s: %s\n", step.report.thing.c_str(), step.error.c_str());
    }
  }
  context->exit_code = outcome.failed() || !outcome.balanced() ? 1 : 0;
  return arrow::Status::OK();
}

void RunOrFail(Context* context, pipeline::RunRequest request, bool dry_run) {
  if (const arrow::Status status = Run(context, std::move(request), dry_run); !status.ok()) {
    context->Fail(status);
  }
}

}  // namespace

void AddRunCommands(CLI::App* app, Context* context) {
  auto* run = app->add_subcommand(
      "run", "Sources, tables, features and the online store, in order, only what is new");
  run->footer(
      "NAME selects: processing.flights, a short name where it is unique, +NAME with what it "
      "needs,\n"
      "NAME+ with what depends on it, tag:daily. A failed step stops those that need it, and no "
      "others.");
  auto arguments = std::make_shared<RunArguments>();
  run->add_option("NAME", arguments->names, "What to run; default: everything");
  run->add_flag("--full", arguments->full, "Build a new generation of what is selected");
  run->add_flag("--dry-run", arguments->dry_run, "Say what would be done");
  run->callback([=] {
    pipeline::RunRequest request;
    request.command = "run";
    request.names = arguments->names;
    request.full = arguments->full;
    RunOrFail(context, request, arguments->dry_run);
  });

  auto* ingest = app->add_subcommand("ingest", "Land new files of one source; check its contract");
  auto source = std::make_shared<std::string>();
  ingest->add_option("SOURCE", *source, "The source's name")->required();
  ingest->callback([=] {
    pipeline::RunRequest request;
    request.command = "ingest " + *source;
    request.names = {source->rfind("source.", 0) == 0 ? *source : "source." + *source};
    request.materialize = false;
    RunOrFail(context, request, false);
  });

  auto* materialize = app->add_subcommand("materialize", "Bring the online store up to the lake");
  auto views = std::make_shared<RunArguments>();
  materialize->add_option("VIEW", views->names, "Views; default: every online view");
  materialize->add_flag("--full", views->full, "Load a new generation beside the old and switch");
  materialize->callback([=] {
    pipeline::RunRequest request;
    request.command = "materialize";
    request.names = views->names;
    request.full = views->full;
    request.land = false;
    request.compute = false;
    RunOrFail(context, request, false);
  });
}

}  // namespace icecore::cli
