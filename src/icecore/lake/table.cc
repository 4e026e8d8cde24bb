#include "icecore/lake/table.h"

#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/log.h"
#include "icecore/lake/checkpoint_internal.h"
#include "icecore/lake/log_entry_internal.h"
#include "icecore/lake/log_listing_internal.h"
#include "icecore/lake/log_loader_internal.h"
#include "icecore/lake/replay_internal.h"
#include "icecore/lake/version_times_internal.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;
using SnapshotPtr = std::shared_ptr<const Snapshot>;

bool IsNotFound(const arrow::Status& status) {
  return !status.ok() && base::CodeOf(status) == ErrorCode::kNotFound;
}

arrow::Status NoTable(const std::string& path) {
  return MakeError(ErrorCode::kNotFound, "no table at " + path);
}

CommitSummary Summarize(int64_t version, LogActions actions) {
  CommitSummary summary;
  summary.version = version;
  summary.files_added = static_cast<int64_t>(actions.adds.size());
  summary.files_removed = static_cast<int64_t>(actions.removes.size());
  for (const DataFile& file : actions.adds) {
    summary.bytes_added += file.size;
  }
  for (const RemovedFile& file : actions.removes) {
    summary.bytes_removed += file.size;
  }
  if (actions.info.has_value()) {
    CommitInfo& info = *actions.info;
    summary.timestamp_us = TimestampOf(info);
    summary.operation = std::move(info.operation);
    summary.engine = std::move(info.engine);
    summary.commit_id = std::move(info.commit_id);
    summary.counts = std::move(info.counts);
    summary.info = std::move(info.info);
  }
  return summary;
}

}  // namespace

Table::Table(ObjectStore& store, std::string path, const base::Clock& clock, base::Random& random)
    : store_(store), path_(std::move(path)), clock_(clock), random_(random) {}

arrow::Result<std::unique_ptr<Table>> Table::Open(ObjectStore& store, std::string path,
                                                  const base::Clock& clock, base::Random& random) {
  ARROW_RETURN_NOT_OK(CheckObjectPath(path));
  return std::unique_ptr<Table>(new Table(store, std::move(path), clock, random));
}

arrow::Result<bool> Table::Exists() {
  ARROW_ASSIGN_OR_RAISE(const LogListing listing, ListLog(store_, path_, 0));
  return listing.newest() >= 0 || !listing.other_checkpoints.empty();
}

arrow::Result<SnapshotPtr> Table::Load(std::optional<int64_t> version) {
  SnapshotPtr start;
  KnownEntries known;
  bool was_missing = false;
  {
    const std::lock_guard lock(mutex_);
    start = newest_;
    known = written_;
    was_missing = was_missing_;
  }
  if (start != nullptr && version == start->version) {
    return start;
  }
  LogLoader loader(store_, path_, std::move(known));
  SnapshotPtr loaded;
  if (start != nullptr && version.value_or(start->version) >= start->version) {
    ARROW_ASSIGN_OR_RAISE(loaded, loader.LoadSince(start, version));
  }
  if (loaded == nullptr) {
    // A table that has just come to be has no checkpoint to be found by a hint.
    auto whole = loader.Load(version, /*use_hint=*/!was_missing);
    const std::lock_guard lock(mutex_);
    was_missing_ = !version.has_value() && IsNotFound(whole.status());
    ARROW_ASSIGN_OR_RAISE(loaded, std::move(whole));
  }
  const std::lock_guard lock(mutex_);
  if (newest_ == start && (start == nullptr || loaded->version > start->version)) {
    newest_ = loaded;
    written_.erase(written_.begin(), written_.upper_bound(loaded->version));
  }
  return loaded;
}

void Table::NoteWritten(int64_t version, std::string entry) {
  constexpr size_t kMostEntries = 16;
  constexpr size_t kMostBytes = size_t{1} << 20;
  const std::lock_guard lock(mutex_);
  const bool is_next = newest_ != nullptr && version > newest_->version;
  if (is_next && !entry.empty() && entry.size() <= kMostBytes && written_.size() < kMostEntries) {
    written_[version] = std::make_shared<const std::string>(std::move(entry));
  }
}

arrow::Result<SnapshotPtr> Table::LoadOrEmpty() {
  auto snapshot = Load();
  if (!IsNotFound(snapshot.status())) {
    return snapshot;
  }
  auto empty = std::make_shared<Snapshot>();
  empty->table_path = path_;
  return empty;
}

arrow::Result<SnapshotPtr> Table::LoadAt(int64_t at_us) {
  ARROW_ASSIGN_OR_RAISE(const SnapshotPtr newest, Load());
  ARROW_ASSIGN_OR_RAISE(const int64_t version, VersionAt(store_, *newest, at_us));
  return version == newest->version ? newest : Load(version);
}

arrow::Result<std::vector<CommitSummary>> Table::History(int64_t limit) {
  ARROW_ASSIGN_OR_RAISE(const LogListing listing, ListLog(store_, path_, 0));
  if (listing.newest() < 0) {
    return NoTable(path_);
  }
  std::vector<CommitSummary> history;
  for (auto it = listing.commits.rbegin();
       it != listing.commits.rend() && static_cast<int64_t>(history.size()) < limit; ++it) {
    const std::string file = CommitPath(path_, *it);
    ARROW_ASSIGN_OR_RAISE(const std::string bytes, store_.Get(file));
    ARROW_ASSIGN_OR_RAISE(auto actions, ParseLogEntry(bytes, file));
    history.push_back(Summarize(*it, std::move(actions)));
  }
  return history;
}

arrow::Status Table::WriteCheckpoint(const Snapshot& snapshot) {
  ARROW_ASSIGN_OR_RAISE(const CheckpointBytes checkpoint,
                        FormatCheckpoint(snapshot, clock_.NowMicros()));
  ARROW_RETURN_NOT_OK(store_.Put(CheckpointPath(path_, snapshot.version), checkpoint.bytes));
  {
    const std::lock_guard lock(mutex_);
    if (newest_ != nullptr && newest_->version == snapshot.version) {
      auto known = std::make_shared<Snapshot>(*newest_);
      known->checkpoint_version = snapshot.version;
      known->actions_since_checkpoint = 0;
      newest_ = std::move(known);
    }
  }
  // The hint must not go back behind the checkpoint of a faster writer.
  ARROW_ASSIGN_OR_RAISE(const int64_t hint, ReadLastCheckpoint(store_, path_));
  if (hint >= snapshot.version) {
    return arrow::Status::OK();
  }
  return store_.Put(LastCheckpointPath(path_), FormatLastCheckpoint(snapshot, checkpoint));
}

}  // namespace icecore::lake
