#include "icecore/pipeline/maintenance.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/base/text.h"
#include "icecore/ingest/files/manifest.h"
#include "icecore/lake/clusters.h"
#include "icecore/lake/commit_log.h"
#include "icecore/lake/envelope.h"
#include "icecore/pipeline/analysis.h"
#include "icecore/pipeline/step_range.h"
#include "icecore/pipeline/step_state.h"

namespace icecore::pipeline {
namespace {

using base::ErrorCode;
using base::MakeError;

// Versions of `table` that a half-done step of another table will read once more.
arrow::Result<std::vector<int64_t>> PinnedVersions(const Workspace& workspace,
                                                   const std::vector<std::string>& lake_tables,
                                                   const std::string& table) {
  constexpr std::string_view kRange = "icecore.range/";
  std::vector<int64_t> versions;
  for (const std::string& name : lake_tables) {
    if (name.rfind("quarantine.", 0) != 0) {
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(const auto quarantine, LoadTable(workspace, name));
    for (const auto& [domain, text] : quarantine->domains) {
      if (domain.rfind(kRange, 0) != 0) {
        continue;
      }
      ARROW_ASSIGN_OR_RAISE(const StepState range, StepStateFromJson(text));
      const auto mark = range.inputs.find(table);
      if (mark == range.inputs.end() || mark->second.version < 0) {
        continue;
      }
      ARROW_ASSIGN_OR_RAISE(const auto target, LoadTable(workspace, domain.substr(kRange.size())));
      ARROW_ASSIGN_OR_RAISE(const StepState state, StepStateOf(*target));
      if (IsAhead(range, state)) {
        versions.push_back(mark->second.version);
      }
    }
  }
  return versions;
}

// Manifests of a landing table that no version within the retention names.
class ManifestSweep {
 public:
  ManifestSweep(const Workspace& workspace, lake::Table& table, const VacuumRequest& request,
                int64_t machine_now_us)
      : table_(table),
        request_(request),
        cut_us_(workspace.clock->NowMicros() - request.retention_us),
        machine_cut_us_(machine_now_us - request.retention_us) {}

  arrow::Status Run(lake::VacuumReport* report) {
    const std::string folder = table_.path() + "/_files/manifests/";
    ARROW_ASSIGN_OR_RAISE(const auto entries, table_.store().ListEntries(folder));
    ARROW_RETURN_NOT_OK(ReadNamed());
    for (const lake::ObjectEntry& entry : entries) {
      if (named_.contains(entry.path) || entry.modified_us >= machine_cut_us_) {
        continue;
      }
      if (!request_.dry_run) {
        ARROW_RETURN_NOT_OK(table_.store().Delete(entry.path));
      }
      report->deleted.push_back(entry);
      report->bytes += entry.size;
    }
    return arrow::Status::OK();
  }

 private:
  arrow::Status Name(const std::string& position) {
    ARROW_ASSIGN_OR_RAISE(const auto ref, ingest::ManifestRef::Parse(position));
    named_.insert(table_.path() + "/" + ref.path);
    return arrow::Status::OK();
  }

  // Positions of the newest version, of those younger than the cut, and of the one in force at it.
  arrow::Status ReadNamed() {
    ARROW_ASSIGN_OR_RAISE(const auto newest, table_.Load());
    if (const auto position = newest->Domain(lake::kPositionDomain)) {
      ARROW_RETURN_NOT_OK(Name(*position));
    }
    for (int64_t version = newest->version; version >= 0; --version) {
      const auto commit = lake::ReadCommit(table_.store(), table_.path(), version);
      if (!commit.ok() && base::CodeOf(commit.status()) == ErrorCode::kNotFound) {
        return arrow::Status::OK();  // cleaned up
      }
      ARROW_RETURN_NOT_OK(commit.status());
      const auto position = commit->domains.find(std::string(lake::kPositionDomain));
      if (position == commit->domains.end() || !position->second) {
        continue;
      }
      ARROW_RETURN_NOT_OK(Name(*position->second));
      if (commit->timestamp_us < cut_us_) {
        return arrow::Status::OK();
      }
    }
    return arrow::Status::OK();
  }

  lake::Table& table_;
  const VacuumRequest& request_;
  const int64_t cut_us_;
  const int64_t machine_cut_us_;
  std::set<std::string> named_;
};

}  // namespace

arrow::Result<std::vector<std::string>> ClusterColumnsOf(const Workspace& workspace,
                                                         const std::string& table) {
  std::vector<std::string> chosen;
  std::string of_view;
  for (const spec::FeatureView& view : workspace.project->views) {
    const spec::Entity* entity =
        view.from == table ? workspace.project->FindEntity(view.entity) : nullptr;
    if (entity == nullptr) {
      continue;
    }
    std::vector<std::string> columns;
    for (const auto& key : entity->keys) {
      const auto renamed = view.keys.find(key.name);
      columns.push_back(renamed == view.keys.end() ? key.name : renamed->second);
    }
    const ViewTimes times = TimesOf(*workspace.project, view);
    const auto add = [&columns](const std::string& column) {
      if (!column.empty() && std::find(columns.begin(), columns.end(), column) == columns.end()) {
        columns.push_back(column);
      }
    };
    if (times.event_time && !times.event_time->always) {
      add(times.event_time->column);
    }
    using Kind = spec::KnownAt::Kind;
    if (times.known_at.kind == Kind::kColumn || times.known_at.kind == Kind::kSnapshot) {
      add(times.known_at.column);
    } else if (times.known_at.kind == Kind::kArrival) {
      add(std::string(lake::kArrivedAt));
    }
    if (!chosen.empty() && chosen != columns) {
      return MakeError(ErrorCode::kInvalidArgument,
                       table + ": views " + of_view + " (" + base::CommaList(chosen) + ") and " +
                           view.name + " (" + base::CommaList(columns) +
                           ") want different orders: say one with --cluster-by");
    }
    chosen = std::move(columns);
    of_view = view.name;
  }
  return chosen;
}

arrow::Result<lake::CompactionReport> CompactTable(const Workspace& workspace,
                                                   const CompactRequest& request) {
  lake::CompactionOptions options;
  options.target_bytes = request.target_bytes;
  options.scratch_dir = workspace.scratch_root;
  options.cluster_columns = request.columns;
  if (request.cluster && options.cluster_columns.empty()) {
    ARROW_ASSIGN_OR_RAISE(options.cluster_columns, ClusterColumnsOf(workspace, request.table));
    if (options.cluster_columns.empty()) {
      return MakeError(ErrorCode::kInvalidArgument,
                       "no view reads " + request.table + ": say its order with --cluster-by");
    }
  }
  ARROW_ASSIGN_OR_RAISE(auto table, OpenTable(workspace, request.table));
  auto report = lake::Compact(*table, *workspace.clock, *workspace.random, options,
                              workspace.access, request.stop);
  return report.ok() ? std::move(report) : base::WithContext(report.status(), request.table);
}

arrow::Result<lake::VacuumReport> VacuumTable(const Workspace& workspace,
                                              const std::vector<std::string>& lake_tables,
                                              const VacuumRequest& request) {
  ARROW_ASSIGN_OR_RAISE(auto table, OpenTable(workspace, request.table));
  lake::VacuumOptions options;
  options.retention_us = request.retention_us;
  options.force = request.force;
  options.dry_run = request.dry_run;
  options.machine_now_us = base::MakeSystemClock()->NowMicros();
  ARROW_ASSIGN_OR_RAISE(options.keep_versions,
                        PinnedVersions(workspace, lake_tables, request.table));
  auto vacuumed = lake::Vacuum(*table, *workspace.clock, options);
  if (!vacuumed.ok()) {
    return base::WithContext(vacuumed.status(), request.table);
  }
  ManifestSweep sweep(workspace, *table, request, options.machine_now_us);
  ARROW_RETURN_NOT_OK(sweep.Run(&*vacuumed));
  return std::move(*vacuumed);
}

}  // namespace icecore::pipeline
