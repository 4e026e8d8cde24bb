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

void AddOnce(const std::string& text, json* list) {
  if (std::find(list->begin(), list->end(), text) == list->end()) list->push_back(text);
}

// The log of that name as far as it reaches; null where there is none that can be used.
arrow::Result<std::shared_ptr<const feature::ClusteredLog>> OpenNamed(
    const Workspace& workspace, const feature::RunSchema& schema, const spec::FeatureView& view,
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
  const ViewTimes times = TimesOf(project, view);
  json keys = json::array();
  if (const spec::Entity* entity = project.FindEntity(view.entity)) {
    for (const spec::KeyColumn& key : entity->keys) {
      const auto renamed = view.keys.find(key.name);
      keys.push_back({renamed == view.keys.end() ? key.name : renamed->second, key.type_text});
    }
  }
  // In the order in which the view's layout has them.
  json masks = json::array();
  json values = json::array();
  for (const spec::Feature& feature : view.features) {
    if (feature.where) AddOnce(feature.where->text, &masks);
    if (!feature.of.empty()) AddOnce(feature.of, &values);
  }
  const json text = {
      {"from", view.from},
      {"keys", keys},
      {"where", view.where ? view.where->text : ""},
      {"always", times.event_time && times.event_time->always},
      {"event_time", times.event_time ? times.event_time->column : ""},
      {"known_at",
       {static_cast<int>(times.known_at.kind), times.known_at.column, times.known_at.delay_us}},
      {"masks", masks},
      {"values", values}};
  return base::Sha256Hex(text.dump());
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
  if (read->definition != LogDefinitionOf(*workspace.project, view) ||
      read->table_id != table.table_id || read->generation != generation) {
    return std::optional<ViewLogManifest>();
  }
  ARROW_ASSIGN_OR_RAISE(const bool grew, OnlyGrew(workspace, table, read->version));
  if (!grew) return std::optional<ViewLogManifest>();
  return std::optional<ViewLogManifest>(*std::move(read));
}

arrow::Result<feature::RunSchema> RunSchemaOf(const feature::BoundView& bound) {
  ARROW_ASSIGN_OR_RAISE(const auto encoder, feature::KeyEncoder::Make(bound.key_types()));
  return feature::RunSchema::Make(bound.engine()->layout(), encoder->narrow());
}

arrow::Result<std::shared_ptr<const feature::ClusteredRun>> OpenRun(
    const std::string& folder, const feature::RunSchema& schema, const LoggedRun& run) {
  ARROW_RETURN_NOT_OK(CheckRunFiles(folder, run, FileCheck::kOpening));
  return feature::ClusteredRun::Open(folder + "/" + run.name, schema, run.facts);
}

arrow::Result<OpenRuns> OpenAllRuns(const std::string& folder, const feature::RunSchema& schema,
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
  ARROW_ASSIGN_OR_RAISE(const feature::RunSchema schema, RunSchemaOf(bound));
  for (const char* name : {kLogInUse, kLogInMaking}) {
    ARROW_ASSIGN_OR_RAISE(log, OpenNamed(workspace, schema, view, table, seq_up_to, name));
    if (log != nullptr) break;
  }
  return log;
}

}  // namespace icecore::pipeline
