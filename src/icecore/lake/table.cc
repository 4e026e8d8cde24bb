#include "icecore/lake/table.h"

#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/log.h"
#include "icecore/lake/checkpoint_internal.h"
#include "icecore/lake/log_entry_internal.h"
#include "icecore/lake/log_listing_internal.h"
#include "icecore/lake/replay_internal.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;
using SnapshotPtr = std::shared_ptr<const Snapshot>;

bool IsNotFound(const arrow::Status& status) {
  return !status.ok() && base::CodeOf(status) == ErrorCode::kNotFound;
}

bool IsCorrupt(const arrow::Status& status) {
  return !status.ok() && base::CodeOf(status) == ErrorCode::kCorrupt;
}

arrow::Status NoTable(const std::string& path) {
  return MakeError(ErrorCode::kNotFound, "no table at " + path);
}

// Loads versions of one table from its log.
class Loader {
 public:
  Loader(ObjectStore& store, const std::string& path) : store_(store), path_(path) {}

  arrow::Result<SnapshotPtr> Load(std::optional<int64_t> version) {
    ARROW_ASSIGN_OR_RAISE(const int64_t hint, ReadLastCheckpoint(store_, path_));
    const bool hint_helps = hint > 0 && (!version.has_value() || hint <= *version);
    if (hint_helps) {
      ARROW_ASSIGN_OR_RAISE(const LogListing tail, ListLog(store_, path_, hint));
      if (tail.checkpoints.contains(hint)) {
        auto snapshot = LoadFrom(tail, version, /*is_whole=*/false);
        if (snapshot.ok() || !IsCorrupt(snapshot.status())) {
          return snapshot;
        }
      }
    }
    ARROW_ASSIGN_OR_RAISE(const LogListing all, ListLog(store_, path_, 0));
    return LoadFrom(all, version, /*is_whole=*/true);
  }

  // The version (nullopt: the newest), replayed from `start` on; nullptr where the log no longer
  // goes with it.
  arrow::Result<SnapshotPtr> LoadSince(const SnapshotPtr& start, std::optional<int64_t> version) {
    ARROW_ASSIGN_OR_RAISE(const LogListing tail, ListLog(store_, path_, start->version));
    const int64_t target = version.value_or(tail.newest());
    if (!tail.commits.contains(start->version) || target > tail.newest()) {
      return nullptr;
    }
    if (target == start->version) {
      return start;
    }
    ARROW_RETURN_NOT_OK(CheckNoGap(tail, start->version + 1, target));
    Replay replay(*start);
    ARROW_RETURN_NOT_OK(ApplyCommits(start->version + 1, target, &replay));
    if (const auto after = tail.checkpoints.upper_bound(target);
        after != tail.checkpoints.begin()) {
      replay.SetCheckpoint(*std::prev(after));
    }
    return replay.Finish();
  }

 private:
  arrow::Status CheckNoGap(const LogListing& listing, int64_t from, int64_t to) {
    const int64_t missing = listing.FirstMissing(from, to);
    if (missing < 0) {
      return arrow::Status::OK();
    }
    if (const auto other = listing.other_checkpoints.lower_bound(missing);
        other != listing.other_checkpoints.end() && other->first <= to) {
      return MakeError(ErrorCode::kUnsupported,
                       "multi-part or V2 checkpoint " + other->second + " (feature v2Checkpoint)");
    }
    return MakeError(ErrorCode::kCorrupt, "log entry " + CommitPath(path_, missing) +
                                              " is missing, later ones are there");
  }

  // Tries the newest checkpoint first; a broken one is passed over while older entries suffice.
  arrow::Result<SnapshotPtr> LoadFrom(const LogListing& listing, std::optional<int64_t> version,
                                      bool is_whole) {
    if (listing.newest() < 0) {
      if (!listing.other_checkpoints.empty()) {
        return CheckNoGap(listing, 0, listing.other_checkpoints.rbegin()->first);
      }
      return NoTable(path_);
    }
    const int64_t target = version.value_or(listing.newest());
    if (target < 0 || target > listing.newest()) {
      return MakeError(ErrorCode::kNotFound, "version " + std::to_string(target) + " of table " +
                                                 path_ + " (newest is " +
                                                 std::to_string(listing.newest()) + ")");
    }
    arrow::Status first_error;
    for (auto it = std::make_reverse_iterator(listing.checkpoints.upper_bound(target));
         it != listing.checkpoints.rend(); ++it) {
      auto snapshot = LoadWith(listing, *it, target);
      if (snapshot.ok() || !IsCorrupt(snapshot.status())) {
        return snapshot;
      }
      base::Log(base::LogLevel::kWarning, "checkpoint passed over: " + snapshot.status().message());
      first_error = first_error.ok() ? snapshot.status() : first_error;
    }
    if (!is_whole) {
      return first_error;
    }
    auto snapshot = LoadWith(listing, -1, target);
    return snapshot.ok() || first_error.ok() ? snapshot : first_error;
  }

  // checkpoint -1: from the first entry on.
  arrow::Result<SnapshotPtr> LoadWith(const LogListing& listing, int64_t checkpoint,
                                      int64_t target) {
    ARROW_RETURN_NOT_OK(CheckNoGap(listing, checkpoint + 1, target));
    Replay replay(path_);
    if (checkpoint >= 0) {
      ARROW_ASSIGN_OR_RAISE(auto actions,
                            ReadCheckpoint(store_, CheckpointPath(path_, checkpoint)));
      replay.ApplyCheckpoint(checkpoint, std::move(actions));
    }
    if (checkpoint == target && listing.commits.contains(target)) {
      ARROW_ASSIGN_OR_RAISE(const auto entry, ReadEntry(target));
      replay.SetTimestamp(entry.info.has_value() ? TimestampOf(*entry.info) : 0);
    }
    ARROW_RETURN_NOT_OK(ApplyCommits(checkpoint + 1, target, &replay));
    return replay.Finish();
  }

  arrow::Result<LogActions> ReadEntry(int64_t version) {
    const std::string file = CommitPath(path_, version);
    ARROW_ASSIGN_OR_RAISE(const std::string bytes, store_.Get(file));
    return ParseLogEntry(bytes, file);
  }

  arrow::Status ApplyCommits(int64_t from, int64_t to, Replay* replay) {
    for (int64_t version = from; version <= to; ++version) {
      ARROW_ASSIGN_OR_RAISE(auto actions, ReadEntry(version));
      replay->ApplyCommit(version, std::move(actions));
    }
    return arrow::Status::OK();
  }

  ObjectStore& store_;
  const std::string& path_;
};

CommitSummary Summarize(int64_t version, LogActions actions) {
  CommitSummary summary;
  summary.version = version;
  summary.files_added = static_cast<int64_t>(actions.adds.size());
  summary.files_removed = static_cast<int64_t>(actions.removes.size());
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
  {
    const std::lock_guard lock(mutex_);
    start = newest_;
  }
  Loader loader(store_, path_);
  SnapshotPtr loaded;
  if (start != nullptr && version.value_or(start->version) >= start->version) {
    ARROW_ASSIGN_OR_RAISE(loaded, loader.LoadSince(start, version));
  }
  if (loaded == nullptr) {
    ARROW_ASSIGN_OR_RAISE(loaded, loader.Load(version));
  }
  const std::lock_guard lock(mutex_);
  if (newest_ == start && (start == nullptr || loaded->version > start->version)) {
    newest_ = loaded;
  }
  return loaded;
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
  for (int64_t version = newest->version; version >= 0; --version) {
    const std::string file = CommitPath(path_, version);
    auto bytes = store_.Get(file);
    if (IsNotFound(bytes.status())) {
      break;
    }
    ARROW_RETURN_NOT_OK(bytes.status());
    ARROW_ASSIGN_OR_RAISE(const auto actions, ParseLogEntry(*bytes, file));
    if (actions.info.has_value() && TimestampOf(*actions.info) <= at_us) {
      return Load(version);
    }
  }
  return MakeError(ErrorCode::kNotFound, "table " + path_ + " has no version of that time");
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
