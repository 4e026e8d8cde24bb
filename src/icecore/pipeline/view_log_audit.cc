#include "icecore/pipeline/view_log_audit.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <set>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/pipeline/lake_feature_log.h"
#include "icecore/pipeline/step_range.h"
#include "icecore/pipeline/view_log.h"
#include "icecore/pipeline/view_log_internal.h"

namespace icecore::pipeline {
namespace {

using base::ErrorCode;
using lake::Finding;

constexpr int kAuditLooks = 4;
constexpr char kWhere[] = ".icecore/features/";

std::vector<std::string> NamesIn(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

int64_t ModifiedMicros(const std::string& path) {
  std::error_code error;
  const auto written = std::filesystem::last_write_time(path, error);
  if (error) return INT64_MAX;
  const auto instant = std::chrono::file_clock::to_sys(written).time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(instant).count();
}

class LogAudit {
 public:
  LogAudit(const Workspace& workspace, const spec::FeatureView& view,
           const LakeAuditOptions& options)
      : workspace_(workspace),
        view_(view),
        options_(options),
        folder_(ViewLogFolder(workspace, view.name)) {}

  arrow::Result<std::vector<Finding>> Look() {
    findings_.clear();
    known_ = {"lock"};
    std::vector<std::pair<std::string, ViewLogManifest>> manifests;
    for (const std::string name : {kLogInUse, kLogInMaking}) {
      known_.insert(name);
      auto read = ReadManifest(folder_, name);
      if (read.ok()) {
        manifests.emplace_back(name, *std::move(read));
      } else if (base::CodeOf(read.status()) != ErrorCode::kNotFound) {
        Find("feature_log_manifest", name, "other bytes than were written", "a manifest");
      }
    }
    // Behind the manifests: logs that a run brings up to the table meanwhile are not beyond it.
    ARROW_ASSIGN_OR_RAISE(table_, LoadTable(workspace_, LogOf(*workspace_.project, view_)));
    for (const auto& [name, manifest] : manifests) ARROW_RETURN_NOT_OK(LookAt(name, manifest));
    for (const std::string& file : NamesIn(folder_)) {
      const bool is_old =
          ModifiedMicros(folder_ + "/" + file) < options_.machine_now_us - options_.orphan_grace_us;
      if (known_.count(file) > 0 || !is_old) continue;
      Find("feature_log_leftover", file, "a file that no manifest names", "files of the log only")
          .is_note = true;
    }
    return findings_;
  }

  // What the log consists of now.
  std::vector<std::string> Files() const {
    std::vector<std::string> files;
    for (const char* name : {kLogInUse, kLogInMaking}) {
      const auto manifest = ReadManifest(folder_, name);
      if (!manifest.ok()) continue;
      const auto named = FilesOf(*manifest);
      files.insert(files.end(), named.begin(), named.end());
    }
    return files;
  }

 private:
  Finding& Find(const std::string& code, const std::string& file, std::string found,
                std::string expected) {
    Finding finding;
    finding.code = code;
    finding.table = kWhere + view_.name;
    finding.file = finding.table + "/" + file;
    finding.found = std::move(found);
    finding.expected = std::move(expected);
    finding.advice = "the next `icecore run` heals it";
    findings_.push_back(std::move(finding));
    return findings_.back();
  }

  arrow::Status LookAt(const std::string& name, const ViewLogManifest& manifest) {
    for (const std::string& file : FilesOf(manifest)) known_.insert(file);
    ARROW_ASSIGN_OR_RAISE(const int64_t generation, GenerationOf(*table_));
    if (manifest.table_id != table_->table_id || manifest.generation != generation) {
      Find("feature_log_unused", name, "a log of generation " + std::to_string(manifest.generation),
           table_->table_path + " of generation " + std::to_string(generation))
          .is_note = true;
      return arrow::Status::OK();
    }
    ARROW_RETURN_NOT_OK(CompareWithTable(name, manifest));
    for (const LoggedRun& run : manifest.runs) {
      CheckOne(run.name + ".rows", run.rows);
      CheckOne(run.name + ".keys", run.keys);
    }
    return arrow::Status::OK();
  }

  arrow::Status CompareWithTable(const std::string& name, const ViewLogManifest& manifest) {
    ARROW_ASSIGN_OR_RAISE(const StepState state, StepStateOf(*table_));
    const int64_t seq_up_to = TakenUpTo(*table_, state);
    if (manifest.version > table_->version || manifest.seq_up_to > seq_up_to) {
      Find("feature_log_beyond", name,
           "rows up to _seq " + std::to_string(manifest.seq_up_to) + " at version " +
               std::to_string(manifest.version),
           table_->table_path + " has " + std::to_string(seq_up_to) + " at version " +
               std::to_string(table_->version));
    }
    return arrow::Status::OK();
  }

  void CheckOne(const std::string& file, const LoggedFile& logged) {
    const arrow::Status sound = CheckFile(folder_ + "/" + file, logged,
                                          options_.deep ? FileCheck::kBytes : FileCheck::kOpening);
    if (sound.ok()) return;
    Finding& finding = Find("feature_log_file", file, sound.message(),
                            std::to_string(logged.size) + " bytes as they were written");
    if (CheckFile(folder_ + "/" + file, logged, FileCheck::kOpening).ok()) {
      // Nobody else reads the bytes of a large file that looks untouched.
      finding.advice = "delete the folder " + finding.table + ": the next `icecore run` builds it";
    }
  }

  const Workspace& workspace_;
  const spec::FeatureView& view_;
  const LakeAuditOptions& options_;
  const std::string folder_;
  std::shared_ptr<const lake::Snapshot> table_;
  std::set<std::string> known_;
  std::vector<Finding> findings_;
};

arrow::Status AuditOne(LogAudit audit, std::vector<Finding>* findings) {
  for (int look = 1;; ++look) {
    const auto before = audit.Files();
    ARROW_ASSIGN_OR_RAISE(auto found, audit.Look());
    const bool changed = !found.empty() && audit.Files() != before;
    if (changed && look < kAuditLooks) continue;
    for (Finding& finding : found) {
      if (changed) {
        finding.is_note = true;
        finding.advice = "it kept changing while it was looked at: check again";
      }
      findings->push_back(std::move(finding));
    }
    return arrow::Status::OK();
  }
}

Finding NobodysLog(const std::string& name, const std::string& expected) {
  Finding finding;
  finding.is_note = true;
  finding.code = "feature_log_unused";
  finding.table = kWhere + name;
  finding.found = "a log that nobody reads";
  finding.expected = expected;
  finding.advice = "the next `icecore run` removes it";
  return finding;
}

}  // namespace

arrow::Status AuditViewLogs(const Workspace& workspace, const std::vector<std::string>& tables,
                            const LakeAuditOptions& options, std::vector<Finding>* findings) {
  if (workspace.features_root.empty()) return arrow::Status::OK();
  for (const std::string& name : NamesIn(workspace.features_root)) {
    const spec::FeatureView* view = workspace.project->FindView(name);
    if (view == nullptr || view->on_request()) {
      findings->push_back(NobodysLog(name, "a view over a table"));
      continue;
    }
    const std::string log = LogOf(*workspace.project, *view);
    if (std::find(tables.begin(), tables.end(), log) == tables.end()) continue;
    const auto table = LoadTable(workspace, log);
    if (!table.ok()) continue;
    if (!WantsViewLog(workspace, *view, **table)) {
      findings->push_back(NobodysLog(name, "none of this table, or of so few rows"));
      continue;
    }
    ARROW_RETURN_NOT_OK(AuditOne(LogAudit(workspace, *view, options), findings));
  }
  return arrow::Status::OK();
}

}  // namespace icecore::pipeline
