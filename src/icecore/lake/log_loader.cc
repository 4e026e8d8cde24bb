#include <arrow/io/interfaces.h>
#include <arrow/util/future.h>
#include <arrow/util/thread_pool.h>

#include <deque>
#include <iterator>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/log.h"
#include "icecore/lake/checkpoint_internal.h"
#include "icecore/lake/log_entry_internal.h"
#include "icecore/lake/log_loader_internal.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;
using SnapshotPtr = std::shared_ptr<const Snapshot>;

// Entries that are read at once; few need no threads.
constexpr size_t kReadAhead = 32;
constexpr int64_t kFewEntries = 2;

bool IsCorrupt(const arrow::Status& status) {
  return !status.ok() && base::CodeOf(status) == ErrorCode::kCorrupt;
}

}  // namespace

arrow::Result<LogActions> ReadLogActions(ObjectStore& store, const std::string& table_path,
                                         int64_t version) {
  const std::string file = CommitPath(table_path, version);
  ARROW_ASSIGN_OR_RAISE(const std::string bytes, store.Get(file));
  return ParseLogEntry(bytes, file);
}

LogLoader::LogLoader(ObjectStore& store, const std::string& table_path, KnownEntries known)
    : store_(store),
      path_(table_path),
      known_(std::move(known)),
      roots_(TableRoots(store, table_path)) {}

arrow::Result<SnapshotPtr> LogLoader::Load(std::optional<int64_t> version, bool use_hint) {
  int64_t hint = -1;
  if (use_hint) {
    ARROW_ASSIGN_OR_RAISE(hint, ReadLastCheckpoint(store_, path_));
  }
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

arrow::Result<SnapshotPtr> LogLoader::LoadSince(const SnapshotPtr& start,
                                                std::optional<int64_t> version) {
  ARROW_ASSIGN_OR_RAISE(const LogListing tail, ListLog(store_, path_, start->version));
  const int64_t target = version.value_or(tail.newest());
  if (!tail.commits.contains(start->version) || target > tail.newest()) {
    return nullptr;
  }
  if (target == start->version) {
    return start;
  }
  ARROW_RETURN_NOT_OK(CheckNoGap(tail, start->version + 1, target));
  Replay replay(*start, roots_);
  ARROW_RETURN_NOT_OK(ApplyCommits(start->version + 1, target, &replay));
  if (const auto after = tail.checkpoints.upper_bound(target); after != tail.checkpoints.begin()) {
    replay.SetCheckpoint(*std::prev(after));
  }
  return replay.Finish();
}

arrow::Status LogLoader::CheckNoGap(const LogListing& listing, int64_t from, int64_t to) const {
  const int64_t missing = listing.FirstMissing(from, to);
  if (missing < 0) {
    return arrow::Status::OK();
  }
  if (const auto other = listing.other_checkpoints.lower_bound(missing);
      other != listing.other_checkpoints.end() && other->first <= to) {
    return MakeError(ErrorCode::kCorrupt, "log entry " + CommitPath(path_, missing) +
                                              " is missing, and parts of the checkpoint of " +
                                              other->second);
  }
  return MakeError(ErrorCode::kCorrupt,
                   "log entry " + CommitPath(path_, missing) + " is missing, later ones are there");
}

// kNotFound where the version never was, or is no longer there since the log's beginning was
// cleaned up.
arrow::Status LogLoader::CheckThere(const LogListing& listing, int64_t version) const {
  if (listing.newest() < 0) {
    if (!listing.other_checkpoints.empty()) {
      return CheckNoGap(listing, 0, listing.other_checkpoints.rbegin()->first);
    }
    return MakeError(ErrorCode::kNotFound, "no table at " + path_);
  }
  const std::string name = "version " + std::to_string(version) + " of table " + path_;
  if (version < 0 || version > listing.newest()) {
    return MakeError(ErrorCode::kNotFound,
                     name + " (newest is " + std::to_string(listing.newest()) + ")");
  }
  const bool begins_later = listing.FirstMissing(0, 0) == 0 && !listing.checkpoints.empty();
  if (begins_later && version < *listing.checkpoints.begin()) {
    return MakeError(ErrorCode::kNotFound, name + " is no longer there (oldest is " +
                                               std::to_string(*listing.checkpoints.begin()) +
                                               ": the log before it was cleaned up)");
  }
  return arrow::Status::OK();
}

arrow::Result<SnapshotPtr> LogLoader::LoadFrom(const LogListing& listing,
                                               std::optional<int64_t> version, bool is_whole) {
  const int64_t target = version.value_or(listing.newest());
  if (is_whole || target > listing.newest()) {
    ARROW_RETURN_NOT_OK(CheckThere(listing, target));
  }
  arrow::Status first_error;
  for (auto it = std::make_reverse_iterator(listing.checkpoint_files.upper_bound(target));
       it != listing.checkpoint_files.rend(); ++it) {
    for (const CheckpointFiles& files : it->second) {
      auto actions = ReadCheckpoint(store_, path_, files);
      if (actions.ok()) {
        Replay replay(path_, roots_);
        replay.ApplyCheckpoint(it->first, *std::move(actions));
        return ReplayTo(listing, it->first, std::move(replay), target);
      }
      if (!IsCorrupt(actions.status())) {
        return actions.status();
      }
      base::Log(base::LogLevel::kWarning, "checkpoint passed over: " + actions.status().message());
      first_error = first_error.ok() ? actions.status() : first_error;
    }
  }
  if (!is_whole) {
    return first_error;
  }
  auto snapshot = ReplayTo(listing, -1, Replay(path_, roots_), target);
  return snapshot.ok() || first_error.ok() ? snapshot : first_error;
}

// checkpoint -1: from the first entry on.
arrow::Result<SnapshotPtr> LogLoader::ReplayTo(const LogListing& listing, int64_t checkpoint,
                                               Replay replay, int64_t target) {
  ARROW_RETURN_NOT_OK(CheckNoGap(listing, checkpoint + 1, target));
  if (checkpoint == target && listing.commits.contains(target)) {
    ARROW_ASSIGN_OR_RAISE(const auto entry, ReadEntry(target));
    replay.SetTimestamp(entry.info.has_value() ? TimestampOf(*entry.info) : 0);
  }
  ARROW_RETURN_NOT_OK(ApplyCommits(checkpoint + 1, target, &replay));
  return replay.Finish();
}

arrow::Result<LogActions> LogLoader::ReadEntry(int64_t version) const {
  if (const auto known = known_.find(version); known != known_.end()) {
    return ParseLogEntry(*known->second, CommitPath(path_, version));
  }
  return ReadLogActions(store_, path_, version);
}

arrow::Future<LogActions> LogLoader::StartReading(int64_t version) const {
  auto started = arrow::io::default_io_context().executor()->Submit(
      [this, version] { return ReadEntry(version); });
  return started.ok() ? *std::move(started)
                      : arrow::Future<LogActions>::MakeFinished(ReadEntry(version));
}

// Entries are read and parsed ahead and applied in order: a store elsewhere answers several
// requests in the time of one, and parsing takes every core.
arrow::Status LogLoader::ApplyCommits(int64_t from, int64_t to, Replay* replay) {
  std::deque<arrow::Future<LogActions>> ahead;
  arrow::Status status;
  for (int64_t version = from, next = from; version <= to && status.ok(); ++version) {
    const bool is_few = to - from < kFewEntries;
    for (; !is_few && next <= to && ahead.size() < kReadAhead; ++next) {
      ahead.push_back(StartReading(next));
    }
    arrow::Result<LogActions> actions =
        is_few ? ReadEntry(version) : std::move(ahead.front()).MoveResult();
    if (!is_few) {
      ahead.pop_front();
    }
    status = actions.status();
    if (status.ok()) {
      replay->ApplyCommit(version, *std::move(actions));
    }
  }
  // They look at this loader.
  for (const auto& reading : ahead) {
    reading.Wait();
  }
  return status;
}

}  // namespace icecore::lake
