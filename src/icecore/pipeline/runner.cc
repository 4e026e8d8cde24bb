#include "icecore/pipeline/runner.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <thread>
#include <utility>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/base/log.h"
#include "icecore/base/suggest.h"
#include "icecore/pipeline/contract_step.h"
#include "icecore/pipeline/definitions.h"
#include "icecore/pipeline/delta_landing.h"
#include "icecore/pipeline/lake_feature_log.h"
#include "icecore/pipeline/landing.h"
#include "icecore/pipeline/table_inputs.h"
#include "icecore/pipeline/table_step.h"
#include "icecore/pipeline/training.h"
#include "icecore/pipeline/versions.h"
#include "icecore/pipeline/view_log.h"

namespace icecore::pipeline {
namespace {

using Status = StepOutcome::Status;

// How long a run waits for another process's load of an online view.
constexpr int64_t kLoadWaitNanos = int64_t{10} * 1'000'000'000;
constexpr std::chrono::milliseconds kLoadRetry(20);

int64_t MachineMicros() { return base::MakeSystemClock()->NowMicros(); }

// thing -> what it needs directly, by names of SelectNames.
arrow::Result<std::map<std::string, std::set<std::string>>> DirectInputs(
    const spec::Project& project) {
  ARROW_ASSIGN_OR_RAISE(const auto mentioned, TablesOfSql(project));
  std::map<std::string, std::set<std::string>> needs;
  const auto thing_of = [&](std::string table) {
    if (const auto versioned = FindVersionedTable(project, table)) {
      table = versioned->present;
    }
    if (table.rfind("landing.", 0) != 0) {
      return table;
    }
    table = table.substr(8);
    if (project.FindSource(table) == nullptr && table.ends_with(kRawSuffix)) {
      table.resize(table.size() - std::string(kRawSuffix).size());
    }
    return "source." + table;
  };
  for (const spec::Table& table : project.tables) {
    auto& mine = needs[table.FullName()];
    for (const std::string& name : mentioned.at(table.FullName())) {
      mine.insert(thing_of(name));
    }
    for (const std::string& name : TablesOfChecks(table)) {
      mine.insert(thing_of(name));
    }
  }
  for (const spec::FeatureView& view : project.views) {
    auto& mine = needs["view." + view.name];
    if (!view.on_request()) {
      mine.insert(thing_of(view.from));
    }
    for (const spec::ViewInput& input : view.inputs) {
      mine.insert("view." + input.view);
    }
  }
  for (const spec::FeatureService& service : project.services) {
    for (const spec::ServiceEntry& entry : service.entries) {
      needs["service." + service.name].insert("view." + entry.view);
    }
  }
  return needs;
}

// Everything reachable from `start` along `edges`, start included.
void Reach(const std::map<std::string, std::set<std::string>>& edges, const std::string& start,
           std::set<std::string>* reached) {
  if (!reached->insert(start).second) {
    return;
  }
  if (const auto found = edges.find(start); found != edges.end()) {
    for (const std::string& next : found->second) {
      Reach(edges, next, reached);
    }
  }
}

// Adds what has the tag. kNotFound where nothing has it: a misspelt tag must not pass as done.
arrow::Status SelectTag(const spec::Project& project, const std::string& tag,
                        std::set<std::string>* selected) {
  bool found = false;
  std::vector<std::string> known;
  const auto take = [&](const std::string& name, const spec::Documentation& doc) {
    known.insert(known.end(), doc.tags.begin(), doc.tags.end());
    if (std::find(doc.tags.begin(), doc.tags.end(), tag) != doc.tags.end()) {
      selected->insert(name);
      found = true;
    }
  };
  for (const spec::Source& source : project.sources) {
    take("source." + source.name, source.doc);
  }
  for (const spec::Table& table : project.tables) {
    take(table.FullName(), table.doc);
  }
  for (const spec::FeatureView& view : project.views) {
    take("view." + view.name, view.doc);
  }
  if (!found) {
    return base::MakeError(base::ErrorCode::kNotFound,
                           "nothing has the tag '" + tag + "'" + base::DidYouMean(tag, known));
  }
  return arrow::Status::OK();
}

// One run: its outcome, its record in the catalog.
class Runner {
 public:
  Runner(const Workspace& workspace, const RunRequest& request)
      : workspace_(workspace), request_(request), project_(*workspace.project) {}

  arrow::Result<RunOutcome> Run() {
    const int64_t started = base::MonotonicNanos();
    ARROW_ASSIGN_OR_RAISE(selected_, SelectNames(project_, request_.names));
    ARROW_ASSIGN_OR_RAISE(outcome_.run_id, workspace_.catalog->StartRun(
                                               request_.command, request_.definition_version,
                                               workspace_.clock->NowMicros(), MachineMicros()));
    const arrow::Status status = RunSteps();
    outcome_.duration_us = (base::MonotonicNanos() - started) / 1000;
    const bool failed = !status.ok() || outcome_.failed();
    ARROW_RETURN_NOT_OK(workspace_.catalog->FinishRun(
        outcome_.run_id, failed ? catalog::RunStatus::kFailed : catalog::RunStatus::kDone,
        status.ok() ? FirstError() : status.message(), MachineMicros()));
    ARROW_RETURN_NOT_OK(status);
    return std::move(outcome_);
  }

 private:
  arrow::Status RunSteps() {
    if (request_.land) {
      for (const spec::Source& source : project_.sources) {
        if (selected_.count("source." + source.name) > 0) {
          Step(AcceptedTableName(source), "ingest", {}, [&](StepReport* report) {
            return LandSource(workspace_, source, outcome_.run_id, request_.stop, report);
          });
        }
      }
    }
    if (!request_.compute && !request_.materialize) {
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(AnalysedProject analysed,
                          AnalyseProject(workspace_, request_.materialize));
    ARROW_RETURN_NOT_OK(analysed.diagnostics.ToStatus());
    if (request_.compute) {
      Compute(analysed);
    }
    if (request_.materialize && request_.logs) {
      ARROW_RETURN_NOT_OK(KeepLogs(analysed));
    }
    if (request_.materialize && request_.online && workspace_.online != nullptr) {
      Materialize(&analysed);
    }
    return arrow::Status::OK();
  }

  arrow::Status KeepLogs(const AnalysedProject& analysed) {
    for (const spec::FeatureView& view : project_.views) {
      const auto bound = analysed.views.find(view.name);
      if (view.on_request() || selected_.count("view." + view.name) == 0 ||
          bound == analysed.views.end()) {
        continue;
      }
      ARROW_ASSIGN_OR_RAISE(const auto table, LoadTable(workspace_, LogOf(project_, view)));
      if (!WantsViewLog(workspace_, view, *table)) continue;
      Step("view." + view.name, "log", {view.from}, [&](StepReport* report) {
        return KeepViewLog(workspace_, *bound->second, view, request_.full, report);
      });
    }
    RemoveOldViewLogs(workspace_);
    return arrow::Status::OK();
  }

  void Compute(const AnalysedProject& analysed) {
    for (const std::string& name : analysed.order) {
      if (const auto source = analysed.sources.find(name); source != analysed.sources.end()) {
        if (selected_.count("source." + source->second.source->name) > 0 &&
            (source->second.accepted || !source->second.refused.ok())) {
          // Files that landed before a bad one are checked all the same.
          Step(name, "contract", {}, [&](StepReport* report) {
            ARROW_RETURN_NOT_OK(source->second.refused);
            return CheckContract(workspace_, source->second, request_.full, outcome_.run_id,
                                 report);
          });
        }
        continue;
      }
      const AnalysedTable& table = analysed.tables.at(name);
      if (selected_.count(name) > 0 && table.schema) {
        Step(name, "table", NeedsOf(table), [&](StepReport* report) {
          return ComputeTable(workspace_, analysed, table, request_.full, outcome_.run_id, report);
        });
      }
    }
  }

  // The tables whose steps fill what this one reads.
  std::vector<std::string> NeedsOf(const AnalysedTable& table) const {
    std::vector<std::string> needs = InputsOf(table);
    for (std::string& name : needs) {
      if (const auto versioned = FindVersionedTable(project_, name)) {
        name = versioned->present;
      }
    }
    return needs;
  }

  void Materialize(AnalysedProject* analysed) {
    for (const spec::FeatureView& view : project_.views) {
      if (view.online && !view.on_request() && selected_.count("view." + view.name) > 0 &&
          analysed->views.count(view.name) > 0) {
        Step("view." + view.name, "online", {view.from},
             [&](StepReport* report) { return MaterializeWhenFree(*analysed, view, report); });
      }
    }
  }

  // Another process may be loading the view just now; what it has loaded is not loaded again.
  arrow::Status MaterializeWhenFree(const AnalysedProject& analysed, const spec::FeatureView& view,
                                    StepReport* report) {
    const int64_t deadline = base::MonotonicNanos() + kLoadWaitNanos;
    while (true) {
      StepReport attempt = *report;
      const arrow::Status status =
          MaterializeView(workspace_, analysed, view, request_.full, &attempt);
      if (status.ok() || base::CodeOf(status) != base::ErrorCode::kConflict ||
          request_.stop.stop_requested() || base::MonotonicNanos() > deadline) {
        *report = std::move(attempt);
        return status;
      }
      std::this_thread::sleep_for(kLoadRetry);
    }
  }

  void Step(const std::string& thing, const std::string& kind,
            const std::vector<std::string>& inputs,
            const std::function<arrow::Status(StepReport*)>& work) {
    StepOutcome step;
    step.report.thing = thing;
    step.report.step = kind;
    for (const std::string& input : inputs) {
      if (failed_.count(input) > 0) {
        step.status = Status::kSkipped;
        step.error = input + " failed";
        failed_.insert(thing);
        outcome_.steps.push_back(std::move(step));
        return;
      }
    }
    workspace_.Tell({Event::Kind::kStepStarted, thing, kind, "", 0, 0, 0});
    const int64_t started_at = MachineMicros();
    const int64_t started = base::MonotonicNanos();
    const arrow::Status status = request_.stop.stop_requested()
                                     ? base::MakeError(base::ErrorCode::kUnavailable, "stopped")
                                     : work(&step.report);
    step.report.duration_us = (base::MonotonicNanos() - started) / 1000;
    step.status = !status.ok()           ? Status::kFailed
                  : step.report.did_work ? Status::kDone
                                         : Status::kNothing;
    if (!status.ok()) {
      step.error = status.message();
      step.code = base::CodeOf(status);
      failed_.insert(thing);
    }
    Record(step, started_at);
    workspace_.Tell({Event::Kind::kStepFinished, thing, kind, step.error,
                     step.report.counts.written, 0, step.report.duration_us});
    outcome_.steps.push_back(std::move(step));
  }

  // The catalog is written after the lake; that it fails changes nothing of what is true.
  void Record(const StepOutcome& step, int64_t started_at) {
    if (step.status == Status::kNothing) {
      return;
    }
    const auto id = workspace_.catalog->StartStep(outcome_.run_id, step.report.thing,
                                                  step.report.step, started_at);
    catalog::StepResult result;
    result.status =
        step.status == Status::kFailed ? catalog::RunStatus::kFailed : catalog::RunStatus::kDone;
    result.error = step.error;
    result.counts = step.report.counts.Flat();
    result.detail_json = step.report.detail_json;
    result.finished_at_us = MachineMicros();
    result.duration_us = step.report.duration_us;
    result.reads = step.report.reads;
    result.writes = step.report.writes;
    const arrow::Status written =
        id.ok() ? workspace_.catalog->FinishStep(*id, result) : id.status();
    if (!written.ok()) {
      base::Log(base::LogLevel::kWarning, "catalog: " + written.message());
    }
  }

  std::string FirstError() const {
    for (const StepOutcome& step : outcome_.steps) {
      if (step.status == Status::kFailed) {
        return step.report.thing + ": " + step.error;
      }
    }
    return "";
  }

  const Workspace& workspace_;
  const RunRequest& request_;
  const spec::Project& project_;
  std::set<std::string> selected_;
  std::set<std::string> failed_;
  RunOutcome outcome_;
};

}  // namespace

bool RunOutcome::failed() const {
  return std::any_of(steps.begin(), steps.end(), [](const StepOutcome& step) {
    return step.status == Status::kFailed || step.status == Status::kSkipped;
  });
}

arrow::Status RunOutcome::FirstFailure() const {
  for (const StepOutcome& step : steps) {
    if (step.status == Status::kFailed) {
      return base::MakeError(base::ErrorCode::kUnavailable, step.report.thing + ": " + step.error);
    }
  }
  return arrow::Status::OK();
}

bool RunOutcome::balanced() const {
  return std::all_of(steps.begin(), steps.end(), [](const StepOutcome& step) {
    return step.report.step == "online" || step.report.step == "log" ||
           step.report.counts.balanced();
  });
}

arrow::Result<RunOutcome> RunProject(const Workspace& workspace, const RunRequest& request) {
  return Runner(workspace, request).Run();
}

arrow::Result<std::set<std::string>> SelectNames(const spec::Project& project,
                                                 const std::vector<std::string>& names) {
  std::set<std::string> selected;
  if (names.empty()) {
    const std::vector<std::string> all = AllNames(project);
    selected.insert(all.begin(), all.end());
    return selected;
  }
  ARROW_ASSIGN_OR_RAISE(const auto needs, DirectInputs(project));
  std::map<std::string, std::set<std::string>> used_by;
  for (const auto& [thing, inputs] : needs) {
    for (const std::string& input : inputs) {
      used_by[input].insert(thing);
    }
  }
  for (const std::string& written : names) {
    if (written.rfind("tag:", 0) == 0) {
      ARROW_RETURN_NOT_OK(SelectTag(project, written.substr(4), &selected));
      continue;
    }
    const bool upstream = written.starts_with("+");
    const bool downstream = written.ends_with("+") && written.size() > 1;
    const std::string bare = written.substr(
        upstream ? 1 : 0, written.size() - (upstream ? 1 : 0) - (downstream ? 1 : 0));
    ARROW_ASSIGN_OR_RAISE(const std::string name, ResolveName(project, bare));
    selected.insert(name);
    std::set<std::string> reached;
    if (upstream) {
      Reach(needs, name, &reached);
    }
    selected.insert(reached.begin(), reached.end());
    reached.clear();
    if (downstream) {
      Reach(used_by, name, &reached);
    }
    selected.insert(reached.begin(), reached.end());
  }
  return selected;
}

}  // namespace icecore::pipeline
