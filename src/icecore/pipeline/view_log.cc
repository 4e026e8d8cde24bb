#include "icecore/pipeline/view_log.h"

#include <arrow/record_batch.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

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
#include "icecore/lake/commit_log.h"
#include "icecore/pipeline/definitions.h"
#include "icecore/pipeline/lake_feature_log.h"
#include "icecore/pipeline/step_range.h"
#include "icecore/pipeline/table_pieces.h"
#include "icecore/pipeline/version_rules.h"
#include "icecore/pipeline/versions.h"
#include "icecore/pipeline/view_log_manifest.h"

namespace icecore::pipeline {
namespace {

using base::ErrorCode;
using base::MakeError;

// More are merged; each run is asked for each key.
constexpr size_t kMostRuns = 8;
// A run is merged with the one before where that is at most so many times as long.
constexpr int64_t kMergeFactor = 2;
// Versions of the table that are looked through for rows that went.
constexpr int64_t kMostVersions = 1000;

std::string FolderOf(const Workspace& workspace, const spec::FeatureView& view) {
  return workspace.features_root + "/" + view.name;
}

// What decides the rows of the log.
std::string DefinitionOf(const spec::Project& project, const spec::FeatureView& view) {
  const ViewTimes times = TimesOf(project, view);
  return base::Sha256Hex(spec::Fingerprint(view, project.FindEntity(view.entity)) + "/" +
                         (times.event_time ? times.event_time->column : "") + "/" +
                         std::to_string(static_cast<int>(times.known_at.kind)) + "/" +
                         times.known_at.column + "/" + std::to_string(times.known_at.delay_us));
}

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

arrow::Result<feature::RunSchema> SchemaOf(const feature::BoundView& bound) {
  ARROW_ASSIGN_OR_RAISE(const auto encoder, feature::KeyEncoder::Make(bound.key_types()));
  return feature::RunSchema::Make(bound.engine()->layout(), encoder->narrow());
}

arrow::Result<std::shared_ptr<const feature::ClusteredRun>> OpenRun(
    const std::string& folder, const feature::RunSchema& schema, const LoggedRun& run) {
  const std::string prefix = folder + "/" + run.name;
  ARROW_RETURN_NOT_OK(CheckFile(prefix + ".rows", run.rows));
  ARROW_RETURN_NOT_OK(CheckFile(prefix + ".keys", run.keys));
  return feature::ClusteredRun::Open(prefix, schema, run.facts);
}

// The manifest, where it is of this definition and table and all its files are sound; nullopt
// otherwise.
arrow::Result<std::optional<ViewLogManifest>> FindManifest(const Workspace& workspace,
                                                           const spec::FeatureView& view,
                                                           const lake::Snapshot& table) {
  auto read = ReadManifest(FolderOf(workspace, view));
  if (!read.ok()) {
    if (base::CodeOf(read.status()) != ErrorCode::kNotFound) {
      base::Log(base::LogLevel::kWarning, read.status().message());
    }
    return std::optional<ViewLogManifest>();
  }
  ARROW_ASSIGN_OR_RAISE(const int64_t generation, GenerationOf(table));
  if (read->definition != DefinitionOf(*workspace.project, view) ||
      read->table_id != table.table_id || read->generation != generation) {
    return std::optional<ViewLogManifest>();
  }
  ARROW_ASSIGN_OR_RAISE(const bool grew, OnlyGrew(workspace, table, read->version));
  if (!grew) return std::optional<ViewLogManifest>();
  return std::optional<ViewLogManifest>(*std::move(read));
}

// One process at a time writes a log.
class FolderLock {
 public:
  explicit FolderLock(const std::string& folder)
      : file_(::open((folder + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
    held_ = file_ >= 0 && ::flock(file_, LOCK_EX | LOCK_NB) == 0;
  }
  ~FolderLock() {
    if (file_ >= 0) ::close(file_);
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  bool held() const { return held_; }

 private:
  int file_;
  bool held_ = false;
};

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
        folder_(FolderOf(workspace, view)) {}

  arrow::Status Keep(bool full) {
    ARROW_ASSIGN_OR_RAISE(schema_, SchemaOf(bound_));
    ARROW_ASSIGN_OR_RAISE(const StepState state, StepStateOf(*table_));
    const int64_t seq_up_to = TakenUpTo(*table_, state);
    ARROW_RETURN_NOT_OK(Begin(full));
    if (manifest_.seq_up_to < seq_up_to) {
      report_->did_work = true;
      ARROW_RETURN_NOT_OK(TakeRows(seq_up_to));
    }
    ARROW_RETURN_NOT_OK(MergeSmallRuns());
    if (manifest_.version != table_->version || dirty_) {
      manifest_.version = table_->version;
      ARROW_RETURN_NOT_OK(WriteManifest(folder_, manifest_));
    }
    return RemoveStrangers();
  }

 private:
  // From the log that is there, or from nothing.
  arrow::Status Begin(bool full) {
    if (!full) {
      ARROW_ASSIGN_OR_RAISE(auto found, FindManifest(workspace_, view_, *table_));
      if (found) {
        manifest_ = *std::move(found);
        const arrow::Status sound = OpenRuns();
        if (sound.ok()) return sound;
        base::Log(base::LogLevel::kWarning, sound.message());
      }
    }
    runs_.clear();
    manifest_ = {};
    manifest_.definition = DefinitionOf(*workspace_.project, view_);
    manifest_.table_id = table_->table_id;
    ARROW_ASSIGN_OR_RAISE(manifest_.generation, GenerationOf(*table_));
    manifest_.seq_up_to = INT64_MIN;
    report_->new_generation = ReadManifest(folder_).ok();
    return arrow::Status::OK();
  }

  arrow::Status OpenRuns() {
    for (const LoggedRun& run : manifest_.runs) {
      ARROW_ASSIGN_OR_RAISE(runs_.emplace_back(), OpenRun(folder_, schema_, run));
    }
    return arrow::Status::OK();
  }

  // In steps of about as many rows as memory holds, each complete when it is in the manifest.
  arrow::Status TakeRows(int64_t seq_up_to) {
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
      ARROW_RETURN_NOT_OK(WriteManifest(folder_, manifest_));
    }
    return arrow::Status::OK();
  }

  arrow::Status TakeRange(const lake::SeqRange& range, int64_t memory) {
    ARROW_ASSIGN_OR_RAISE(builder_,
                          feature::RunBuilder::Make(bound_.engine()->layout(), bound_.key_types()));
    lake::ScanOptions options;
    options.columns = bound_.columns();
    options.seq = range;
    const std::vector<lake::Snapshot> pieces = PiecesOf(*table_);
    options.use_threads = pieces.size() == 1;
    ARROW_RETURN_NOT_OK(base::RunParallel(pieces.size(), [&](size_t piece) -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(const auto reader, lake::Scan(*workspace_.store, pieces[piece], options,
                                                          workspace_.access));
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

  // The newest runs, as long as they are not much shorter than the one before.
  arrow::Status MergeSmallRuns() {
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
    if (count < 2 || (runs_.size() <= kMostRuns && count * 2 < kMostRuns)) {
      return arrow::Status::OK();
    }
    report_->did_work = true;
    const std::vector<std::shared_ptr<const feature::ClusteredRun>> merged(
        runs_.begin() + static_cast<std::ptrdiff_t>(first), runs_.end());
    const std::string name = "run-" + base::NewUuid(*workspace_.random);
    ARROW_ASSIGN_OR_RAISE(const auto facts,
                          feature::MergeRuns(merged, schema_, folder_ + "/" + name));
    return AddRun(name, facts, first, count);
  }

  // What no manifest names: runs that were merged, and what a kill left behind.
  arrow::Status RemoveStrangers() {
    std::set<std::string> known = {"manifest.json", "lock"};
    for (const LoggedRun& run : manifest_.runs) {
      known.insert(run.name + ".rows");
      known.insert(run.name + ".keys");
    }
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
  feature::RunSchema schema_;
  ViewLogManifest manifest_;
  std::vector<std::shared_ptr<const feature::ClusteredRun>> runs_;  // as in the manifest
  bool dirty_ = false;  // the manifest on disk lacks runs
  std::mutex mutex_;
  std::unique_ptr<feature::RunBuilder> builder_;  // guarded by mutex_
};

}  // namespace

bool WantsViewLog(const Workspace& workspace, const spec::FeatureView& view,
                  const lake::Snapshot& table) {
  return !workspace.features_root.empty() && !view.on_request() && table.exists() &&
         !FindVersionedTable(*workspace.project, view.from) &&
         !IsComputedWhole(*workspace.project, view.from) &&
         table.row_count().value_or(0) >= workspace.project->feature_log_rows;
}

arrow::Status KeepViewLog(const Workspace& workspace, const feature::BoundView& bound,
                          const spec::FeatureView& view, bool full, StepReport* report) {
  ARROW_ASSIGN_OR_RAISE(auto table, LoadTable(workspace, LogOf(*workspace.project, view)));
  if (!WantsViewLog(workspace, view, *table)) return arrow::Status::OK();
  const std::string folder = FolderOf(workspace, view);
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return MakeError(ErrorCode::kDenied, "cannot make the folder " + folder);
  const FolderLock lock(folder);
  if (!lock.held()) return arrow::Status::OK();
  return LogKeeper(workspace, bound, view, std::move(table), report).Keep(full);
}

arrow::Result<std::shared_ptr<const feature::ClusteredLog>> OpenViewLog(
    const Workspace& workspace, const feature::BoundView& bound, const spec::FeatureView& view,
    const lake::Snapshot& table, int64_t seq_up_to) {
  std::shared_ptr<const feature::ClusteredLog> none;
  if (!WantsViewLog(workspace, view, table)) return none;
  ARROW_ASSIGN_OR_RAISE(const auto manifest, FindManifest(workspace, view, table));
  if (!manifest || manifest->seq_up_to > seq_up_to) return none;
  ARROW_ASSIGN_OR_RAISE(const feature::RunSchema schema, SchemaOf(bound));
  auto log = std::make_shared<feature::ClusteredLog>();
  log->seq_up_to = manifest->seq_up_to;
  for (const LoggedRun& run : manifest->runs) {
    auto opened = OpenRun(FolderOf(workspace, view), schema, run);
    if (!opened.ok()) {
      base::Log(
          base::LogLevel::kWarning,
          opened.status().message() + ": the table is read instead; `icecore run` repairs it");
      return none;
    }
    log->runs.push_back(*std::move(opened));
  }
  return std::shared_ptr<const feature::ClusteredLog>(std::move(log));
}

}  // namespace icecore::pipeline
