// The optimistic commit. Delta protocol, "Delta Log Entries"; conflict rules in table.h.
#include <arrow/type.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <set>
#include <thread>
#include <unordered_map>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/log.h"
#include "icecore/lake/checkpoint_internal.h"
#include "icecore/lake/log_entry_internal.h"
#include "icecore/lake/log_listing_internal.h"
#include "icecore/lake/partition_values_internal.h"
#include "icecore/lake/replay_internal.h"
#include "icecore/lake/schema.h"
#include "icecore/lake/table.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;

constexpr char kEngine[] = "icecore/0.1.0";
constexpr char kLastColumnId[] = "icecore.last_column_id";
constexpr char kInCommitTimestamps[] = "delta.enableInCommitTimestamps";
constexpr int kAttempts = 200;

Protocol NewProtocol(const arrow::Schema& schema) {
  Protocol protocol{
      .min_reader = 1,
      .min_writer = 7,
      .reader_features = {},
      .writer_features = {"appendOnly", "invariants", "domainMetadata", "inCommitTimestamp"}};
  if (NeedsTimestampNtz(schema)) {
    protocol.min_reader = 3;
    protocol.reader_features = {"timestampNtz"};
    protocol.writer_features.push_back("timestampNtz");
  }
  return protocol;
}

arrow::Result<MetadataAction> NewMetadata(const Snapshot& read, const TableMetadata& metadata,
                                          int64_t now_us, base::Random* random) {
  MetadataAction action;
  action.id = read.exists() ? read.table_id : base::NewUuid(*random);
  action.name = metadata.name.empty() ? read.name : metadata.name;
  action.description = metadata.description.empty() ? read.description : metadata.description;
  action.partition_columns = read.partition_columns;
  if (!metadata.partition_columns.empty() && metadata.partition_columns != read.partition_columns) {
    if (read.exists()) {
      return MakeError(ErrorCode::kInvalidArgument,
                       "partition columns of a table that is there cannot change");
    }
    action.partition_columns = metadata.partition_columns;
  }
  ARROW_RETURN_NOT_OK(CheckPartitionColumns(*metadata.schema, action.partition_columns));
  action.created_ms = (read.exists() ? read.created_us : now_us) / 1000;
  action.configuration = read.configuration;
  if (!read.exists()) {
    action.configuration[kInCommitTimestamps] = "true";
  }
  for (const auto& [key, value] : metadata.configuration) {
    action.configuration[key] = value;
  }
  int64_t last_id = 0;
  if (const auto found = read.configuration.find(kLastColumnId);
      found != read.configuration.end()) {
    const std::string& text = found->second;
    std::from_chars(text.data(), text.data() + text.size(), last_id);
  }
  const auto before = read.schema == nullptr ? arrow::schema({}) : read.schema;
  ARROW_ASSIGN_OR_RAISE(const auto schema, EvolveIds(*before, *metadata.schema, &last_id));
  action.configuration[kLastColumnId] = std::to_string(last_id);
  ARROW_ASSIGN_OR_RAISE(action.schema_json, SchemaToDelta(*schema));
  return action;
}

RemovedFile Removed(const DataFile& file, int64_t now_us) {
  return {.path = file.path,
          .removed_us = now_us,
          .size = file.size,
          .deletion_vector = file.deletion_vector,
          .partition_values = file.partition_values,
          .data_change = true};
}

arrow::Status AddRemoves(const Snapshot& read, const Commit& commit, int64_t now_us,
                         LogActions* actions) {
  if (commit.remove_all) {
    for (const DataFile& file : read.files) {
      actions->removes.push_back(Removed(file, now_us));
    }
    return arrow::Status::OK();
  }
  if (commit.removes.empty()) {
    return arrow::Status::OK();
  }
  std::unordered_map<std::string_view, const DataFile*> live;
  for (const DataFile& file : read.files) {
    live.emplace(file.path, &file);
  }
  for (const std::string& path : commit.removes) {
    const auto found = live.find(path);
    if (found == live.end()) {
      return MakeError(ErrorCode::kInvalidArgument,
                       "file " + path + " is not in version " + std::to_string(read.version));
    }
    actions->removes.push_back(Removed(*found->second, now_us));
  }
  return arrow::Status::OK();
}

// Every file has a value of every partition column, and none besides.
arrow::Status CheckPartitionValues(const std::vector<DataFile>& files,
                                   const std::vector<std::string>& columns) {
  for (const DataFile& file : files) {
    const bool has_all = std::all_of(columns.begin(), columns.end(), [&](const auto& column) {
      return file.partition_values.contains(column);
    });
    if (!has_all || file.partition_values.size() != columns.size()) {
      return MakeError(ErrorCode::kInvalidArgument,
                       "file " + file.path + " has not the table's partition columns");
    }
  }
  return arrow::Status::OK();
}

arrow::Status AddProtocol(const Snapshot& read, const TableMetadata& metadata,
                          LogActions* actions) {
  Protocol wanted = NewProtocol(*metadata.schema);
  if (!read.exists()) {
    actions->protocol = std::move(wanted);
    return arrow::Status::OK();
  }
  const auto& have = read.protocol.writer_features;
  if (wanted.min_reader >= 3 && std::find(have.begin(), have.end(), "timestampNtz") == have.end()) {
    if (read.protocol.min_writer != 7) {
      return MakeError(ErrorCode::kUnsupported, "the table lacks feature timestampNtz");
    }
    Protocol grown = read.protocol;
    grown.min_reader = 3;
    grown.reader_features.push_back("timestampNtz");
    grown.writer_features.push_back("timestampNtz");
    actions->protocol = std::move(grown);
  }
  return arrow::Status::OK();
}

// Everything but the times, which depend on the version that is won.
arrow::Result<LogActions> ToActions(const Snapshot& read, const Commit& commit, int64_t now_us,
                                    base::Random* random) {
  LogActions actions;
  actions.info = CommitInfo{};
  actions.info->operation = commit.operation;
  actions.info->engine = kEngine;
  actions.info->commit_id = base::NewUuid(*random);
  actions.data_change = commit.data_change;
  if (commit.metadata.has_value()) {
    ARROW_RETURN_NOT_OK(AddProtocol(read, *commit.metadata, &actions));
    ARROW_ASSIGN_OR_RAISE(actions.metadata, NewMetadata(read, *commit.metadata, now_us, random));
  }
  actions.transactions.assign(commit.transactions.begin(), commit.transactions.end());
  for (const auto& [domain, configuration] : commit.domains) {
    actions.domains.push_back({.domain = domain,
                               .configuration = configuration.value_or(""),
                               .removed = !configuration.has_value()});
  }
  ARROW_RETURN_NOT_OK(AddRemoves(read, commit, now_us, &actions));
  const auto& partition_columns =
      actions.metadata.has_value() ? actions.metadata->partition_columns : read.partition_columns;
  ARROW_RETURN_NOT_OK(CheckPartitionValues(commit.adds, partition_columns));
  actions.adds = commit.adds;
  actions.count = 1 + (actions.protocol.has_value() ? 1 : 0) +
                  (actions.metadata.has_value() ? 1 : 0) +
                  static_cast<int64_t>(actions.transactions.size() + actions.domains.size() +
                                       actions.removes.size() + actions.adds.size());
  return actions;
}

arrow::Status Conflict(int64_t version, const std::string& what) {
  return MakeError(ErrorCode::kConflict,
                   "version " + std::to_string(version) + " by another writer " + what);
}

// Whether the rows that `winner` added, changed or removed are rows that our commit depends on.
arrow::Status CheckReads(const Commit& commit, const LogActions& winner, int64_t version) {
  if (commit.reads_all || commit.remove_all) {
    return Conflict(version, "changed rows that this commit depends on");
  }
  if (commit.reads_rows_of) {
    for (const DataFile& file : winner.adds) {
      if (commit.reads_rows_of(file)) {
        return Conflict(version, "added rows that this commit had to see, in " + file.path);
      }
    }
  }
  if (!commit.reads.empty()) {
    const std::set<std::string_view> read(commit.reads.begin(), commit.reads.end());
    for (const RemovedFile& file : winner.removes) {
      if (read.contains(file.path)) {
        return Conflict(version, "changed rows that this commit read, in " + file.path);
      }
    }
  }
  return arrow::Status::OK();
}

// Whether what `winner` did lets our commit stand after it.
arrow::Status CheckConflict(const LogActions& ours, const Commit& commit, bool creates,
                            const LogActions& winner, int64_t version) {
  if (creates) {
    return Conflict(version, "made the table first");
  }
  if (winner.metadata.has_value() || winner.protocol.has_value()) {
    return Conflict(version, "changed the table's metadata");
  }
  for (const auto& [app_id, number] : winner.transactions) {
    if (commit.transactions.contains(app_id)) {
      return Conflict(version, "committed transaction '" + app_id + "'");
    }
  }
  for (const DomainAction& domain : winner.domains) {
    if (commit.domains.contains(domain.domain)) {
      return Conflict(version, "set domain '" + domain.domain + "'");
    }
  }
  if (winner.data_change) {
    ARROW_RETURN_NOT_OK(CheckReads(commit, winner, version));
  }
  std::set<std::string_view> gone;
  for (const RemovedFile& file : winner.removes) {
    gone.insert(file.path);
  }
  for (const RemovedFile& file : ours.removes) {
    if (gone.contains(file.path)) {
      return Conflict(version, "removed file " + file.path);
    }
  }
  return arrow::Status::OK();
}

// One commit on its way: tries versions until one is won.
class Attempt {
 public:
  Attempt(ObjectStore& store, const std::string& path, const base::Clock& clock,
          const Snapshot& read, const Commit& commit, LogActions actions)
      : store_(store),
        path_(path),
        clock_(clock),
        read_(read),
        commit_(commit),
        actions_(std::move(actions)),
        version_(read.version + 1),
        previous_us_(read.timestamp_us) {}

  int64_t version() const { return version_; }
  int64_t actions() const { return actions_.count; }
  // The bytes of the version that was won; "" where that was seen only by reading back.
  std::string TakeEntry() { return std::move(entry_); }

  // true: the version is ours.
  arrow::Result<bool> Try() {
    const int64_t now_ms = clock_.NowMicros() / 1000;
    actions_.info->timestamp_ms = std::max(now_ms, previous_us_ / 1000 + 1);
    if (HasInCommitTimestamps()) {
      actions_.info->in_commit_timestamp_ms = actions_.info->timestamp_ms;
    }
    ARROW_ASSIGN_OR_RAISE(entry_, FormatLogEntry(actions_, commit_, read_.version));
    const auto put = store_.PutIfAbsent(CommitPath(path_, version_), entry_);
    if (put.ok() && *put) {
      return true;
    }
    entry_.clear();
    return put.ok() ? put : Resolve(put.status());
  }

  // Reads what others committed at and after our version, checks it, and moves behind it. true: one
  // of them is ours after all.
  arrow::Result<bool> MoveOn() {
    ARROW_ASSIGN_OR_RAISE(const LogListing listing, ListLog(store_, path_, version_));
    while (listing.commits.contains(version_)) {
      const std::string file = CommitPath(path_, version_);
      ARROW_ASSIGN_OR_RAISE(const std::string bytes, store_.Get(file));
      ARROW_ASSIGN_OR_RAISE(const LogActions winner, ParseLogEntry(bytes, file));
      if (IsOurs(winner)) {
        return true;
      }
      ARROW_RETURN_NOT_OK(CheckConflict(actions_, commit_, !read_.exists(), winner, version_));
      if (winner.info.has_value()) {
        previous_us_ = std::max(previous_us_, TimestampOf(*winner.info));
      }
      ++version_;
    }
    return false;
  }

 private:
  bool IsOurs(const LogActions& actions) const {
    return actions.info.has_value() && actions.info->commit_id == actions_.info->commit_id;
  }

  bool HasInCommitTimestamps() const {
    const auto& configuration =
        actions_.metadata.has_value() ? actions_.metadata->configuration : read_.configuration;
    const auto found = configuration.find(kInCommitTimestamps);
    return found != configuration.end() && found->second == "true";
  }

  // The write failed, but the entry may be there: only reading it back can tell.
  arrow::Result<bool> Resolve(const arrow::Status& failure) {
    const std::string file = CommitPath(path_, version_);
    const auto bytes = store_.Get(file);
    if (bytes.ok()) {
      const auto there = ParseLogEntry(*bytes, file);
      return there.ok() && IsOurs(*there);
    }
    if (base::CodeOf(bytes.status()) == ErrorCode::kNotFound) {
      return base::WithContext(failure, "commit to " + path_);
    }
    return MakeError(ErrorCode::kOutcomeUnknown,
                     "commit of version " + std::to_string(version_) + " to " + path_ + ": " +
                         failure.message() + "; reading it back: " + bytes.status().message());
  }

  ObjectStore& store_;
  const std::string& path_;
  const base::Clock& clock_;
  const Snapshot& read_;
  const Commit& commit_;
  LogActions actions_;
  std::string entry_;
  int64_t version_;
  int64_t previous_us_;
};

// Waits longer the more often others won, at random so that two writers part.
void BackOff(int attempt, base::Random* random) {
  const uint64_t most_us = uint64_t{500} << std::min(attempt, 7);
  std::this_thread::sleep_for(std::chrono::microseconds(random->Next() % most_us));
}

arrow::Result<int64_t> Win(Attempt* attempt, const std::string& path, base::Random* random) {
  for (int i = 0; i < kAttempts; ++i) {
    ARROW_ASSIGN_OR_RAISE(const bool won, attempt->Try());
    if (won) {
      return attempt->version();
    }
    ARROW_ASSIGN_OR_RAISE(const bool was_ours, attempt->MoveOn());
    if (was_ours) {
      return attempt->version();
    }
    BackOff(i, random);
  }
  return MakeError(ErrorCode::kConflict, "commit to " + path + ": others were faster " +
                                             std::to_string(kAttempts) + " times");
}

}  // namespace

arrow::Result<int64_t> Table::CommitTo(const Snapshot& read, const Commit& commit) {
  if (!read.exists() && !commit.metadata.has_value()) {
    return MakeError(ErrorCode::kNotFound, "no table at " + path_ + " to commit to");
  }
  if (read.exists()) {
    const arrow::Status writable = CheckWritable(read, commit);
    if (!writable.ok()) {
      return base::WithContext(writable, "table " + path_);
    }
  }
  ARROW_ASSIGN_OR_RAISE(LogActions actions, ToActions(read, commit, clock_.NowMicros(), &random_));
  Attempt attempt(store_, path_, clock_, read, commit, std::move(actions));
  ARROW_ASSIGN_OR_RAISE(const int64_t version, Win(&attempt, path_, &random_));
  NoteWritten(version, attempt.TakeEntry());
  if (IsCheckpointDue(read, version, attempt.actions())) {
    const auto written = [&]() -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(const auto snapshot, Load(version));
      return WriteCheckpoint(*snapshot);
    }();
    if (!written.ok()) {
      base::Log(base::LogLevel::kWarning,
                "table " + path_ + ": checkpoint not written: " + written.message());
    }
  }
  return version;
}

}  // namespace icecore::lake
