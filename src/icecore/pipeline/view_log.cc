#include "icecore/pipeline/view_log.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/base/log.h"
#include "icecore/lake/commit_log.h"
#include "icecore/pipeline/step_range.h"
#include "icecore/pipeline/version_rules.h"
#include "icecore/pipeline/versions.h"
#include "icecore/pipeline/view_log_internal.h"

namespace icecore::pipeline {
namespace {

using base::ErrorCode;
using nlohmann::json;

// Versions of the table that are looked through for rows that went.
constexpr int64_t kMostVersions = 1000;
// A log that is replaced while it is opened is looked at again.
constexpr int kBuildLooks = 4;

// Whether no row of version `from` is missing in version `to`; false where the log does not say.
arrow::Result<bool> OnlyGrew(const Workspace& workspace, const lake::Snapshot& table,
                             int64_t from) {
  if (from > table.version || table.version - from > kMostVersions) return false;
  for (int64_t version = from + 1; version <= table.version; ++version) {
    const auto record = lake::ReadCommit(*workspace.store, table.table_path, version);
    if (!record.ok()) {
      if (base::CodeOf(record.status()) == ErrorCode::kNotFound) return false;
      return record.status();
    }
    if (record->changes_schema) return false;
    for (const lake::RemovedFile& removed : record->removes) {
      if (removed.data_change) return false;
    }
  }
  return true;
}

json RowsText(const spec::Project& project, const spec::FeatureView& view) {
  const ViewTimes times = TimesOf(project, view);
  json keys = json::array();
  if (const spec::Entity* entity = project.FindEntity(view.entity)) {
    for (const spec::KeyColumn& key : entity->keys) {
      const auto renamed = view.keys.find(key.name);
      keys.push_back({renamed == view.keys.end() ? key.name : renamed->second, key.type_text});
    }
  }
  return {
      {"from", view.from},
      {"keys", keys},
      {"where", view.where ? view.where->text : ""},
      {"always", times.event_time && times.event_time->always},
      {"event_time", times.event_time ? times.event_time->column : ""},
      {"known_at",
       {static_cast<int>(times.known_at.kind), times.known_at.column, times.known_at.delay_us}}};
}

// Of a manifest that does not say the columns of its runs: they were part of the definition.
bool IsOfDefinition(const spec::Project& project, const spec::FeatureView& view,
                    ViewLogManifest* manifest) {
  std::string definition = LogDefinitionOf(project, view);
  if (manifest->says_columns) return manifest->definition == definition;
  const feature::FeatureReads reads = feature::ReadsOf(view.features);
  json text = RowsText(project, view);
  text["masks"] = reads.filters;
  text["values"] = reads.columns;
  if (manifest->definition != base::Sha256Hex(text.dump())) return false;
  manifest->definition = std::move(definition);
  manifest->says_columns = true;
  for (LoggedRun& run : manifest->runs) {
    run.has = reads;
  }
  return true;
}

bool HasAll(const std::vector<std::string>& list, const std::vector<std::string>& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const std::string& text) {
    return std::find(list.begin(), list.end(), text) != list.end();
  });
}

bool HasWhatIsRead(const ViewLogManifest& manifest, const spec::FeatureView& view) {
  const feature::FeatureReads reads = feature::ReadsOf(view.features);
  return std::all_of(manifest.runs.begin(), manifest.runs.end(), [&](const LoggedRun& run) {
    return HasAll(run.has.filters, reads.filters) && HasAll(run.has.columns, reads.columns);
  });
}

// Adds where in `list` the wanted ones are, counted from `first`.
arrow::Status AddPlaces(const std::vector<std::string>& list,
                        const std::vector<std::string>& wanted, size_t first,
                        std::vector<int>* places) {
  for (const std::string& text : wanted) {
    const auto found = std::find(list.begin(), list.end(), text);
    if (found == list.end()) {
      return base::MakeError(ErrorCode::kInternal, "a run without '" + text + "' is read");
    }
    places->push_back(static_cast<int>(first + static_cast<size_t>(found - list.begin())));
  }
  return arrow::Status::OK();
}

// The log of that name as far as it reaches; null where there is none that can be used.
arrow::Result<std::shared_ptr<const feature::ClusteredLog>> OpenNamed(
    const Workspace& workspace, const LogSchema& schema, const spec::FeatureView& view,
    const lake::Snapshot& table, int64_t seq_up_to, const std::string& name) {
  const std::string folder = ViewLogFolder(workspace, view.name);
  std::vector<std::string> files;  // of the last look
  for (int look = 1;; ++look) {
    ARROW_ASSIGN_OR_RAISE(const auto manifest, FindManifest(workspace, view, table, name));
    if (!manifest || manifest->seq_up_to > seq_up_to) return nullptr;
    auto runs = OpenAllRuns(folder, schema, *manifest);
    if (runs.ok()) {
      auto log = std::make_shared<feature::ClusteredLog>();
      log->seq_up_to = manifest->seq_up_to;
      log->runs = *std::move(runs);
      return log;
    }
    // Runs that were merged meanwhile are gone rightly.
    if (look == kBuildLooks || files == FilesOf(*manifest)) {
      base::Log(base::LogLevel::kWarning,
                runs.status().message() + ": the log of view " + view.name +
                    " is not used, the table is read instead; `icecore run` builds it anew");
      return nullptr;
    }
    files = FilesOf(*manifest);
  }
}

}  // namespace

std::string LogDefinitionOf(const spec::Project& project, const spec::FeatureView& view) {
  return base::Sha256Hex(RowsText(project, view).dump());
}

arrow::Result<std::optional<ViewLogManifest>> FindManifest(const Workspace& workspace,
                                                           const spec::FeatureView& view,
                                                           const lake::Snapshot& table,
                                                           const std::string& name) {
  auto read = ReadManifest(ViewLogFolder(workspace, view.name), name);
  if (!read.ok()) {
    if (base::CodeOf(read.status()) != ErrorCode::kNotFound) {
      base::Log(base::LogLevel::kWarning, read.status().message() + ": it is not used");
    }
    return std::optional<ViewLogManifest>();
  }
  ARROW_ASSIGN_OR_RAISE(const int64_t generation, GenerationOf(table));
  if (!IsOfDefinition(*workspace.project, view, &*read) || !HasWhatIsRead(*read, view) ||
      read->table_id != table.table_id || read->generation != generation) {
    return std::optional<ViewLogManifest>();
  }
  ARROW_ASSIGN_OR_RAISE(const bool grew, OnlyGrew(workspace, table, read->version));
  if (!grew) return std::optional<ViewLogManifest>();
  return std::optional<ViewLogManifest>(*std::move(read));
}

arrow::Result<LogSchema> LogSchemaOf(const feature::BoundView& bound,
                                     const spec::FeatureView& view) {
  ARROW_ASSIGN_OR_RAISE(const auto encoder, feature::KeyEncoder::Make(bound.key_types()));
  LogSchema schema;
  schema.run = feature::RunSchema::Make(bound.engine()->layout(), encoder->narrow());
  schema.reads = feature::ReadsOf(view.features);
  return schema;
}

arrow::Result<std::shared_ptr<const feature::ClusteredRun>> OpenRun(const std::string& folder,
                                                                    const LogSchema& schema,
                                                                    const LoggedRun& run) {
  ARROW_RETURN_NOT_OK(CheckRunFiles(folder, run, FileCheck::kOpening));
  std::vector<int> places = {0, 1, 2};  // e, a, s
  const size_t first_value = places.size() + run.has.filters.size();
  ARROW_RETURN_NOT_OK(AddPlaces(run.has.filters, schema.reads.filters, places.size(), &places));
  ARROW_RETURN_NOT_OK(AddPlaces(run.has.columns, schema.reads.columns, first_value, &places));
  return feature::ClusteredRun::Open(folder + "/" + run.name, schema.run, run.facts, places);
}

arrow::Result<OpenRuns> OpenAllRuns(const std::string& folder, const LogSchema& schema,
                                    const ViewLogManifest& manifest) {
  OpenRuns runs;
  for (const LoggedRun& run : manifest.runs) {
    ARROW_ASSIGN_OR_RAISE(runs.emplace_back(), OpenRun(folder, schema, run));
  }
  return runs;
}

std::vector<std::string> FilesOf(const ViewLogManifest& manifest) {
  std::vector<std::string> files;
  for (const LoggedRun& run : manifest.runs) {
    files.push_back(run.name + ".rows");
    files.push_back(run.name + ".keys");
  }
  return files;
}

std::string ViewLogFolder(const Workspace& workspace, const std::string& view) {
  return workspace.features_root + "/" + view;
}

bool WantsViewLog(const Workspace& workspace, const spec::FeatureView& view,
                  const lake::Snapshot& table) {
  return !workspace.features_root.empty() && !view.on_request() && table.exists() &&
         !FindVersionedTable(*workspace.project, view.from) &&
         !IsComputedWhole(*workspace.project, view.from) &&
         table.row_count().value_or(0) >= workspace.project->feature_log_rows;
}

arrow::Result<std::shared_ptr<const feature::ClusteredLog>> OpenViewLog(
    const Workspace& workspace, const feature::BoundView& bound, const spec::FeatureView& view,
    const lake::Snapshot& table, int64_t seq_up_to) {
  std::shared_ptr<const feature::ClusteredLog> log;
  if (!WantsViewLog(workspace, view, table)) return log;
  ARROW_ASSIGN_OR_RAISE(const LogSchema schema, LogSchemaOf(bound, view));
  for (const char* name : {kLogInUse, kLogInMaking}) {
    ARROW_ASSIGN_OR_RAISE(log, OpenNamed(workspace, schema, view, table, seq_up_to, name));
    if (log != nullptr) break;
  }
  return log;
}

}  // namespace icecore::pipeline
