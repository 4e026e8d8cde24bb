#include <arrow/record_batch.h>

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <set>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/base/log.h"
#include "icecore/base/parallel.h"
#include "icecore/feature/run_writer.h"
#include "icecore/pipeline/lake_feature_log.h"
#include "icecore/pipeline/step_range.h"
#include "icecore/pipeline/table_pieces.h"
#include "icecore/pipeline/view_log.h"
#include "icecore/pipeline/view_log_internal.h"

namespace icecore::pipeline {
namespace {

using base::ErrorCode;
using base::MakeError;

// More are merged; each run is asked for each key.
constexpr size_t kMostRuns = 8;
// A run is merged with the one before where that is at most so many times as long.
constexpr int64_t kMergeFactor = 2;

class LogKeeper {
 public:
  LogKeeper(const Workspace& workspace, const feature::BoundView& bound,
            const spec::FeatureView& view, std::shared_ptr<const lake::Snapshot> table,
            StepReport* report)
      : workspace_(workspace),
        bound_(bound),
        view_(view),
        table_(std::move(table)),
        report_(report),
        folder_(ViewLogFolder(workspace, view.name)) {}

  arrow::Status Keep(bool full) {
    ARROW_ASSIGN_OR_RAISE(schema_, LogSchemaOf(bound_, view_));
    ARROW_ASSIGN_OR_RAISE(const StepState state, StepStateOf(*table_));
    const int64_t seq_up_to = TakenUpTo(*table_, state);
    ARROW_RETURN_NOT_OK(Begin(full, seq_up_to));
    ARROW_RETURN_NOT_OK(TakeRows(seq_up_to));
    ARROW_ASSIGN_OR_RAISE(const bool sound, MergeSmallRuns());
    if (!sound) {
      ARROW_RETURN_NOT_OK(BeginAnew());
      ARROW_RETURN_NOT_OK(TakeRows(seq_up_to));
    }
    ARROW_RETURN_NOT_OK(PutInUse());
    return RemoveStrangers();
  }

 private:
  // From a log that is there, or from nothing.
  arrow::Status Begin(bool full, int64_t seq_up_to) {
    for (const char* name : {kLogInUse, kLogInMaking}) {
      if (full) break;
      ARROW_ASSIGN_OR_RAISE(auto found, FindManifest(workspace_, view_, *table_, name));
      if (!found) continue;
      if (found->seq_up_to > seq_up_to) {  // rows to come would be taken for known
        ARROW_RETURN_NOT_OK(Refuse(
            name,
            MakeError(ErrorCode::kCorrupt, folder_ + "/" + name + " reaches beyond its table")));
        continue;
      }
      auto runs = OpenAllRuns(folder_, schema_, *found);
      if (runs.ok()) {
        name_ = name;
        manifest_ = *std::move(found);
        runs_ = *std::move(runs);
        return arrow::Status::OK();
      }
      ARROW_RETURN_NOT_OK(Refuse(name, runs.status()));
    }
    return BeginAnew();
  }

  // A log that is not what was written: nobody shall believe it from here on.
  arrow::Status Refuse(const char* name, const arrow::Status& why) {
    const std::string text = why.message() + ": the log of view " + view_.name +
                             " is built anew from " + table_->table_path;
    base::Log(base::LogLevel::kWarning, text);
    workspace_.Tell({Event::Kind::kWarning, report_->thing, report_->step, text, 0, 0, 0});
    return RemoveManifest(folder_, name);
  }

  // Beside a log of another definition or generation, which answers until this one is whole.
  arrow::Status BeginAnew() {
    runs_.clear();
    manifest_ = {};
    manifest_.definition = LogDefinitionOf(*workspace_.project, view_);
    manifest_.table_id = table_->table_id;
    ARROW_ASSIGN_OR_RAISE(manifest_.generation, GenerationOf(*table_));
    manifest_.seq_up_to = INT64_MIN;
    report_->new_generation = ReadManifest(folder_, kLogInUse).ok();
    name_ = report_->new_generation ? kLogInMaking : kLogInUse;
    dirty_ = true;
    return arrow::Status::OK();
  }

  // In steps of about as many rows as memory holds, each complete when it is in the manifest.
  arrow::Status TakeRows(int64_t seq_up_to) {
    if (manifest_.seq_up_to < seq_up_to) report_->did_work = true;
    const int64_t memory = workspace_.project->memory_bytes / 3;
    const int64_t from = std::max<int64_t>(manifest_.seq_up_to, 0);
    const int64_t rows = std::max<int64_t>(table_->row_count().value_or(0), 1);
    // 64 bytes: the least that a row takes.
    const int64_t pieces = std::clamp<int64_t>(rows / std::max<int64_t>(memory / 64, 1), 1, 1000);
    const int64_t step = std::max<int64_t>((seq_up_to - from) / pieces + 1, 1);
    while (manifest_.seq_up_to < seq_up_to) {
      const int64_t after = manifest_.seq_up_to;
      const int64_t end = std::min(seq_up_to, std::max<int64_t>(after, 0) + step);
      ARROW_RETURN_NOT_OK(TakeRange({after, end}, memory));
      manifest_.seq_up_to = end;
      manifest_.version = table_->version;
      ARROW_RETURN_NOT_OK(Write());
    }
    return arrow::Status::OK();
  }

  arrow::Status Write() {
    dirty_ = false;
    return WriteManifest(folder_, name_, manifest_);
  }

  arrow::Status TakeRange(const lake::SeqRange& range, int64_t memory) {
    ARROW_ASSIGN_OR_RAISE(builder_,
                          feature::RunBuilder::Make(bound_.engine()->layout(), bound_.key_types()));
    lake::ScanOptions options;
    options.columns = bound_.columns();
    options.seq = range;
    const std::vector<TablePiece> pieces = PiecesOf(*table_);
    options.use_threads = pieces.size() == 1;
    ARROW_RETURN_NOT_OK(base::RunParallel(pieces.size(), [&](size_t piece) -> arrow::Status {
      lake::ScanOptions own = options;
      own.share = pieces[piece].share;
      ARROW_ASSIGN_OR_RAISE(const auto reader, lake::Scan(*workspace_.store, pieces[piece].files,
                                                          own, workspace_.access));
      return TakeFrom(reader.get(), memory);
    }));
    return WriteRun();
  }

  arrow::Status TakeFrom(arrow::RecordBatchReader* reader, int64_t memory) {
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const auto batch, reader->Next());
      if (batch == nullptr) return arrow::Status::OK();
      ARROW_ASSIGN_OR_RAISE(const auto rows, bound_.Prepare(*batch));
      const std::lock_guard lock(mutex_);
      ARROW_RETURN_NOT_OK(builder_->Add(rows));
      report_->counts.read += batch->num_rows();
      report_->counts.written += rows.num_rows;
      workspace_.Tell(
          {Event::Kind::kProgress, report_->thing, report_->step, "", report_->counts.read, 0, 0});
      if (builder_->byte_count() > memory) ARROW_RETURN_NOT_OK(WriteRun());
    }
  }

  arrow::Status WriteRun() {
    if (builder_->row_count() == 0) return arrow::Status::OK();
    const std::string name = "run-" + base::NewUuid(*workspace_.random);
    ARROW_ASSIGN_OR_RAISE(const auto facts, builder_->Write(folder_ + "/" + name));
    return AddRun(name, facts, manifest_.runs.size(), 0);
  }

  // In the place of `replaced` runs from `place` on.
  arrow::Status AddRun(const std::string& name, const feature::RunFacts& facts, size_t place,
                       size_t replaced) {
    LoggedRun run;
    run.name = name;
    run.has = schema_.reads;
    run.facts = facts;
    const std::string prefix = folder_ + "/" + name;
    ARROW_ASSIGN_OR_RAISE(run.rows, DescribeFile(prefix + ".rows"));
    ARROW_ASSIGN_OR_RAISE(run.keys, DescribeFile(prefix + ".keys"));
    ARROW_ASSIGN_OR_RAISE(auto opened, OpenRun(folder_, schema_, run));
    const auto at = static_cast<std::ptrdiff_t>(place);
    const auto end = static_cast<std::ptrdiff_t>(place + replaced);
    manifest_.runs.erase(manifest_.runs.begin() + at, manifest_.runs.begin() + end);
    runs_.erase(runs_.begin() + at, runs_.begin() + end);
    manifest_.runs.insert(manifest_.runs.begin() + at, std::move(run));
    runs_.insert(runs_.begin() + at, std::move(opened));
    dirty_ = true;
    return arrow::Status::OK();
  }

  // The newest runs, as long as they are not much shorter than the one before. False: one of them
  // is not what was written; the log is refused and its manifest gone.
  arrow::Result<bool> MergeSmallRuns() {
    size_t first = runs_.size();
    int64_t rows = 0;
    while (first > 0) {
      const int64_t before = runs_[first - 1]->facts().rows;
      const bool too_many = first > kMostRuns;
      if (rows > 0 && before > kMergeFactor * rows && !too_many) break;
      rows += before;
      --first;
    }
    const size_t count = runs_.size() - first;
    if (count < 2 || (runs_.size() <= kMostRuns && count * 2 < kMostRuns)) return true;
    report_->did_work = true;
    // The merged run gets checksums of its own, which would vouch for what went wrong before.
    for (size_t place = first; place < runs_.size(); ++place) {
      const arrow::Status sound = CheckRunFiles(folder_, manifest_.runs[place], FileCheck::kBytes);
      if (sound.ok()) continue;
      ARROW_RETURN_NOT_OK(Refuse(name_, sound));
      return false;
    }
    const OpenRuns merged(runs_.begin() + static_cast<std::ptrdiff_t>(first), runs_.end());
    const std::string name = "run-" + base::NewUuid(*workspace_.random);
    ARROW_ASSIGN_OR_RAISE(const auto facts,
                          feature::MergeRuns(merged, schema_.run, folder_ + "/" + name));
    ARROW_RETURN_NOT_OK(AddRun(name, facts, first, count));
    return true;
  }

  // The switch: who opens the log from here on gets this one.
  arrow::Status PutInUse() {
    const bool is_in_use = name_ == kLogInUse;
    if (is_in_use && !dirty_ && manifest_.version == table_->version) return arrow::Status::OK();
    name_ = kLogInUse;
    manifest_.version = table_->version;
    return Write();
  }

  // What the log in use does not name: runs that were merged, logs that were replaced, and what a
  // kill left behind.
  arrow::Status RemoveStrangers() {
    const std::vector<std::string> files = FilesOf(manifest_);
    std::set<std::string> known(files.begin(), files.end());
    known.insert({kLogInUse, "lock"});
    std::error_code error;
    std::vector<std::filesystem::path> strangers;
    for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
      if (known.count(entry.path().filename().string()) == 0) strangers.push_back(entry.path());
    }
    for (const auto& path : strangers) std::filesystem::remove(path, error);
    return arrow::Status::OK();
  }

  const Workspace& workspace_;
  const feature::BoundView& bound_;
  const spec::FeatureView& view_;
  const std::shared_ptr<const lake::Snapshot> table_;
  StepReport* report_;
  const std::string folder_;
  LogSchema schema_;
  const char* name_ = kLogInUse;  // of the manifest that is being written
  ViewLogManifest manifest_;
  OpenRuns runs_;       // as in the manifest
  bool dirty_ = false;  // the manifest on disk says other than this one
  std::mutex mutex_;
  std::unique_ptr<feature::RunBuilder> builder_;  // guarded by mutex_
};

bool IsOurs(const std::string& file) {
  return file == "lock" || file.starts_with("manifest.") || file.starts_with("run-");
}

// The folder stays where another process writes the log, or where files are not ours.
void RemoveLog(const std::filesystem::path& folder) {
  const LogLock lock(folder.string());
  if (!lock.held()) return;
  // The manifest first: a log without one is none, whatever else a kill leaves.
  if (!RemoveManifest(folder.string(), kLogInUse).ok()) return;
  std::error_code error;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (IsOurs(entry.path().filename().string())) files.push_back(entry.path());
  }
  for (const auto& path : files) std::filesystem::remove(path, error);
  std::filesystem::remove(folder, error);
}

}  // namespace

arrow::Status KeepViewLog(const Workspace& workspace, const feature::BoundView& bound,
                          const spec::FeatureView& view, bool full, StepReport* report) {
  ARROW_ASSIGN_OR_RAISE(auto table, LoadTable(workspace, LogOf(*workspace.project, view)));
  if (!WantsViewLog(workspace, view, *table)) return arrow::Status::OK();
  const std::string folder = ViewLogFolder(workspace, view.name);
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return MakeError(ErrorCode::kDenied, "cannot make the folder " + folder);
  const LogLock lock(folder);
  if (!lock.held()) return arrow::Status::OK();
  return LogKeeper(workspace, bound, view, std::move(table), report).Keep(full);
}

void RemoveOldViewLogs(const Workspace& workspace) {
  if (workspace.features_root.empty()) return;
  std::error_code error;
  std::vector<std::filesystem::path> folders;
  for (const auto& entry : std::filesystem::directory_iterator(workspace.features_root, error)) {
    if (entry.is_directory(error)) folders.push_back(entry.path());
  }
  for (const auto& folder : folders) {
    const spec::FeatureView* view = workspace.project->FindView(folder.filename().string());
    if (view != nullptr && !view->on_request()) {
      const auto table = LoadTable(workspace, LogOf(*workspace.project, *view));
      if (!table.ok() || WantsViewLog(workspace, *view, **table)) continue;
    }
    RemoveLog(folder);
  }
}

}  // namespace icecore::pipeline
