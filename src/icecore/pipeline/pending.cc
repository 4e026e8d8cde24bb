#include "icecore/pipeline/pending.h"

#include <algorithm>
#include <set>
#include <utility>

#include "icecore/ingest/files/manifest.h"
#include "icecore/ingest/files/plan.h"
#include "icecore/lake/envelope.h"
#include "icecore/pipeline/delta_landing.h"
#include "icecore/pipeline/landing.h"
#include "icecore/pipeline/push_landing.h"
#include "icecore/pipeline/snapshot_step.h"
#include "icecore/pipeline/step_range.h"
#include "icecore/pipeline/table_step.h"
#include "icecore/pipeline/training.h"
#include "icecore/pipeline/version_rules.h"
#include "icecore/pipeline/versions.h"

namespace icecore::pipeline {
namespace {

using Mode = spec::Table::Mode;

arrow::Result<std::string> PendingFiles(const Workspace& workspace, const spec::Source& source) {
  if (source.is_push) {
    return PendingPushes(workspace, source);
  }
  if (source.files.format == spec::FilesConnector::Format::kDelta) {
    return PendingVersions(workspace, source);
  }
  ARROW_ASSIGN_OR_RAISE(auto raw, LoadTable(workspace, RawTableName(source)));
  ingest::Manifest known;
  if (const auto domain = raw->Domain(lake::kPositionDomain)) {
    ARROW_ASSIGN_OR_RAISE(auto ref, ingest::ManifestRef::Parse(*domain));
    ARROW_ASSIGN_OR_RAISE(known, ingest::ReadManifest(*workspace.store, raw->table_path, ref));
  }
  auto plan = PlanSource(workspace, source, known);
  if (!plan.ok()) {
    return "will fail: " + plan.status().message();
  }
  if (plan->files.empty()) {
    return std::string();
  }
  const size_t n = plan->files.size();
  return std::to_string(n) + (n == 1 ? " new file: " : " new files, first ") +
         plan->files.front().path;
}

// Goes through the project in the order of a run.
class Finder {
 public:
  Finder(const Workspace& workspace, const AnalysedProject& project)
      : workspace_(workspace), project_(project) {}

  arrow::Result<std::vector<PendingStep>> Run() {
    for (const std::string& name : project_.order) {
      if (const auto source = project_.sources.find(name); source != project_.sources.end()) {
        ARROW_RETURN_NOT_OK(AddSource(name, *source->second.source));
      } else {
        ARROW_RETURN_NOT_OK(AddTable(name, project_.tables.at(name)));
      }
    }
    for (const spec::FeatureView& view : workspace_.project->views) {
      if (view.online && !view.on_request() && workspace_.online != nullptr &&
          project_.views.contains(view.name)) {
        ARROW_RETURN_NOT_OK(AddView(view));
      }
    }
    return std::move(pending_);
  }

 private:
  void Add(const std::string& name, const std::string& what) {
    pending_.push_back({name, what, false});
    moved_.insert({name, LogOf(name)});
  }
  void AddRebuild(const std::string& name, const std::string& why) {
    pending_.push_back({name, "rebuild: " + why, true});
    moved_.insert({name, LogOf(name)});
    rebuilt_.insert({name, LogOf(name)});
  }
  // Of a table that keeps versions, else the table itself.
  std::string LogOf(const std::string& name) const {
    const auto versioned = FindVersionedTable(*workspace_.project, name);
    return versioned ? versioned->history : name;
  }

  arrow::Status AddSource(const std::string& name, const spec::Source& source) {
    ARROW_ASSIGN_OR_RAISE(const std::string files, PendingFiles(workspace_, source));
    if (!files.empty()) {
      Add(name, files);
    }
    const StepRequest request = ContractRequest(source);
    ARROW_ASSIGN_OR_RAISE(const auto range, NextRange(workspace_, request));
    const bool landed = range && range->InputOf(request.driver).snapshot->exists();
    if (landed && (files.empty() || range->new_generation)) {
      AddRange(name, request.driver, range);
    }
    return arrow::Status::OK();
  }

  void AddRange(const std::string& name, const std::string& driver,
                const std::optional<StepRange>& range) {
    if (range && range->new_generation) {
      AddRebuild(name, range->reason.empty() ? "a rebuild was cut short" : range->reason);
    } else if (range) {
      Add(name, range->before->exists() ? "new rows of " + driver : "first computation");
    }
  }

  arrow::Status AddTable(const std::string& name, const AnalysedTable& table) {
    const bool whole = table.table->mode == Mode::kReplace;
    if (!table.schema || (!whole && !table.analysis.driver)) {
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(const auto range, NextTableRange(workspace_, table, false));
    const std::vector<std::string> inputs = InputsOf(table);
    if (whole) {
      return AddWhole(name, inputs, range);
    }
    const std::string& driver = *table.analysis.driver;
    const auto rebuilt = FirstOf(inputs, rebuilt_);
    if (range && !range->before->exists()) {
      Add(name, "first computation");
    } else if (range && !range->reason.empty()) {
      AddRebuild(name, range->reason);
    } else if (rebuilt) {
      AddRebuild(name, *rebuilt + " is rebuilt");
    } else if (IsComputedWhole(*workspace_.project, driver) && moved_.contains(driver)) {
      AddRebuild(name, driver + " is computed anew");
    } else if (range) {
      AddRange(name, driver, range);
    } else if (moved_.contains(driver)) {
      Add(name, "new rows of " + driver);
    }
    return arrow::Status::OK();
  }

  arrow::Status AddWhole(const std::string& name, const std::vector<std::string>& inputs,
                         const std::optional<StepRange>& range) {
    if (range && !range->before->exists()) {
      Add(name, "first computation");
      return arrow::Status::OK();
    }
    if (range) {
      ARROW_ASSIGN_OR_RAISE(const int64_t generation, GenerationOf(*range->before));
      if (range->next.generation > generation) {
        AddRebuild(name, range->reason);
      } else {
        Add(name, "computed whole: " + range->reason);
      }
    } else if (const auto moved = FirstOf(inputs, moved_)) {
      Add(name, "computed whole: " + *moved + " changes");
    }
    return arrow::Status::OK();
  }

  arrow::Status AddView(const spec::FeatureView& view) {
    const std::string name = "view." + view.name;
    ARROW_ASSIGN_OR_RAISE(const auto plan, PlanOnlineLoad(workspace_, project_, view, false));
    const std::string edit = plan ? NoteOf(*plan, view) : "";
    if (moved_.contains(view.from)) {
      const bool says_edit = !edit.empty() && !rebuilt_.contains(view.from);
      Add(name, "load online: " + view.from + " changes" + (says_edit ? "; " + edit : ""));
      return arrow::Status::OK();
    }
    if (!plan) {
      return arrow::Status::OK();
    }
    if (plan->fresh) {
      Add(name, !plan->known   ? "load online: first load"
                : edit.empty() ? "load online anew: its rows or " + view.from + " changed"
                               : "load online anew: " + edit);
    } else if (plan->adds) {
      Add(name, "load online: " + edit);
    } else if (plan->switches) {
      Add(name, edit + (plan->new_rows ? " but new rows of " + view.from : ""));
    } else if (plan->new_rows) {
      Add(name, "load online: new rows of " + view.from);
    } else if (plan->waiting) {
      Add(name, "load online: rows that waited for their time");
    }
    return arrow::Status::OK();
  }

  static std::optional<std::string> FirstOf(const std::vector<std::string>& inputs,
                                            const std::set<std::string>& wanted) {
    const auto found = std::find_if(inputs.begin(), inputs.end(), [&](const std::string& input) {
      return wanted.contains(input);
    });
    return found == inputs.end() ? std::nullopt : std::optional<std::string>(*found);
  }

  const Workspace& workspace_;
  const AnalysedProject& project_;
  std::vector<PendingStep> pending_;
  std::set<std::string> moved_;    // will hold other rows than now
  std::set<std::string> rebuilt_;  // of these: as a new generation
};

}  // namespace

arrow::Result<std::vector<PendingStep>> PendingSteps(const Workspace& workspace,
                                                     const AnalysedProject& project) {
  return Finder(workspace, project).Run();
}

}  // namespace icecore::pipeline
