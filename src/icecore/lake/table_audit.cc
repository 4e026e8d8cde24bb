#include "icecore/lake/table_audit.h"

#include <arrow/type.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/time.h"
#include "icecore/lake/checkpoint_internal.h"
#include "icecore/lake/clusters.h"
#include "icecore/lake/deletion_vector.h"
#include "icecore/lake/envelope.h"
#include "icecore/lake/file_audit_internal.h"
#include "icecore/lake/log_entry_internal.h"
#include "icecore/lake/log_listing_internal.h"
#include "icecore/lake/replay_internal.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using SnapshotPtr = std::shared_ptr<const Snapshot>;

constexpr char kRestoreCopy[] = "bring the file back from a copy of the lake";
constexpr char kVacuum[] = "`icecore vacuum` removes it";

// The store did not answer; everything else an audit tells as a finding.
bool IsOfTheStore(const arrow::Status& status) {
  const ErrorCode code = base::CodeOf(status);
  return code == ErrorCode::kUnavailable || code == ErrorCode::kDenied;
}

// Folders of partitions ("_day=3/…") hold data, other names with these fronts do not.

// What two ways to the same version must agree on; "" where they do, else the first difference.
std::string DifferenceOf(const Snapshot& a, const Snapshot& b) {
  if (a.table_id != b.table_id) return "table id " + a.table_id;
  if (a.configuration != b.configuration) return "other configuration";
  if (!a.schema->Equals(*b.schema, /*check_metadata=*/true)) return "another schema";
  if (a.partition_columns != b.partition_columns) return "other partition columns";
  if (a.transactions != b.transactions) return "other transactions";
  if (a.domains != b.domains) return "other domains";
  std::unordered_map<std::string_view, const DataFile*> files;
  for (const DataFile& file : b.files) {
    files.emplace(file.path, &file);
  }
  for (const DataFile& file : a.files) {
    const auto same = files.find(file.path);
    if (same == files.end()) return "file " + file.path + " more";
    if (same->second->size != file.size || same->second->num_records != file.num_records ||
        same->second->stats_json != file.stats_json) {
      return "another entry of file " + file.path;
    }
    files.erase(same);
  }
  return files.empty() ? "" : "file " + std::string(files.begin()->first) + " less";
}

class TableAuditor {
 public:
  TableAuditor(Table& table, const AuditOptions& options)
      : table_(table),
        store_(table.store()),
        path_(table.path()),
        roots_(TableRoots(store_, path_)),
        options_(options) {}

  arrow::Result<TableAudit> Run() {
    // What is listed before the log is read can be named by it; what comes later is looked up.
    ARROW_ASSIGN_OR_RAISE(const auto entries, store_.ListEntries(path_ + "/"));
    for (const ObjectEntry& entry : entries) {
      if (!entry.path.starts_with(LogFolder(path_))) {
        listed_.emplace(entry.path.substr(path_.size() + 1), entry);
      }
    }
    ARROW_RETURN_NOT_OK(AuditLog());
    auto snapshot = table_.Load();
    if (!snapshot.ok()) {
      if (IsOfTheStore(snapshot.status())) {
        return snapshot.status();
      }
      if (audit_.findings.empty()) {
        Add("log_unreadable", LogFolder(path_), snapshot.status().message(), "a log that replays",
            kRestoreCopy);
      }
      return std::move(audit_);
    }
    audit_.snapshot = *snapshot;
    ARROW_RETURN_NOT_OK(AuditFiles());
    AuditOrphans();
    AuditSeqRanges();
    return std::move(audit_);
  }

 private:
  void Add(std::string code, std::string file, std::string found, std::string expected,
           std::string advice, bool is_note = false) {
    audit_.findings.push_back({.is_note = is_note,
                               .code = std::move(code),
                               .table = path_,
                               .file = std::move(file),
                               .found = std::move(found),
                               .expected = std::move(expected),
                               .advice = std::move(advice)});
  }

  arrow::Status AuditLog() {
    ARROW_ASSIGN_OR_RAISE(const LogListing listing, ListLog(store_, path_, 0));
    if (listing.newest() < 0) {
      return arrow::Status::OK();
    }
    const int64_t first = listing.commits.empty() ? 0 : *listing.commits.begin();
    audit_.has_all_commits = first == 0;
    const bool starts_well =
        first == 0 || (!listing.checkpoints.empty() && *listing.checkpoints.begin() + 1 >= first);
    if (!starts_well && listing.other_checkpoints.empty()) {
      Add("log_gap", CommitPath(path_, 0), "missing, and no checkpoint stands for it",
          "every entry from 0, or a checkpoint before the first", kRestoreCopy);
    }
    for (int64_t version = first; version <= listing.newest(); ++version) {
      if (!listing.commits.contains(version)) {
        audit_.has_all_commits = false;
        // Entries behind a checkpoint may be cleaned up; those after the first one may not.
        Add("log_gap", CommitPath(path_, version), "missing, later ones are there",
            "one entry per version", kRestoreCopy);
        continue;
      }
      auto record = ReadCommit(store_, path_, version);
      if (record.ok()) {
        audit_.commits.push_back(*std::move(record));
        continue;
      }
      if (IsOfTheStore(record.status())) {
        return record.status();
      }
      if (base::CodeOf(record.status()) == ErrorCode::kUnsupported) {
        continue;  // loading the table says it
      }
      audit_.has_all_commits = false;
      Add("log_entry", CommitPath(path_, version), record.status().message(), "a whole log entry",
          kRestoreCopy);
    }
    AuditOrder();
    return AuditCheckpoints(listing, first);
  }

  // Times and _seq never go back.
  void AuditOrder() {
    int64_t time_us = INT64_MIN;
    int64_t seq = 0;
    for (const CommitRecord& commit : audit_.commits) {
      if (!commit.commit_id.empty() && commit.timestamp_us <= time_us) {
        Add("log_time", CommitPath(path_, commit.version),
            base::FormatInstant(commit.timestamp_us) + " is not behind the version before",
            "inCommitTimestamp ascending", "time travel by time is not to be trusted here");
      }
      time_us = commit.timestamp_us;
      const auto raised = commit.transactions.find(std::string(kSeqTransaction));
      if (raised != commit.transactions.end()) {
        if (raised->second < seq) {
          Add("seq_back", CommitPath(path_, commit.version),
              "icecore.seq " + std::to_string(raised->second) + " after " + std::to_string(seq),
              "icecore.seq never lowered", "consumers may have missed rows: run them with --full");
        }
        seq = raised->second;
      }
    }
  }

  // Each checkpoint against the replay of the entries since the one before.
  arrow::Status AuditCheckpoints(const LogListing& listing, int64_t first) {
    ARROW_ASSIGN_OR_RAISE(const int64_t hint, ReadLastCheckpoint(store_, path_));
    if (hint >= 0 && !listing.checkpoints.contains(hint) &&
        !listing.other_checkpoints.contains(hint)) {
      Add("checkpoint_hint", LastCheckpointPath(path_), "names version " + std::to_string(hint),
          "a checkpoint that is there",
          "harmless: the log is listed instead; the next checkpoint mends it");
    }
    SnapshotPtr before;
    int64_t next = first;
    for (const auto& [version, candidates] : listing.checkpoint_files) {
      const std::string file = candidates.front().paths.front();
      auto loaded = FromCheckpoint(version, candidates.front());
      if (!loaded.ok()) {
        if (IsOfTheStore(loaded.status())) {
          return loaded.status();
        }
        const bool unsupported = base::CodeOf(loaded.status()) == ErrorCode::kUnsupported;
        if (!unsupported) {
          Add("checkpoint", file, loaded.status().message(), "a checkpoint that can be read",
              "delete it while all log entries are there; it is passed over");
        }
        continue;
      }
      if (before != nullptr || first == 0) {
        ARROW_ASSIGN_OR_RAISE(before, ReplayTo(before, next, version));
        const std::string difference = before == nullptr ? "" : DifferenceOf(**loaded, *before);
        if (!difference.empty()) {
          Add("checkpoint", file, difference + " than the log entries give",
              "what the log entries give", "delete it while all log entries are there");
        }
      }
      before = before != nullptr ? before : *loaded;
      next = version + 1;
    }
    return arrow::Status::OK();
  }

  arrow::Result<SnapshotPtr> FromCheckpoint(int64_t version, const CheckpointFiles& files) {
    ARROW_ASSIGN_OR_RAISE(auto actions, ReadCheckpoint(store_, path_, files));
    Replay replay(path_, roots_);
    replay.ApplyCheckpoint(version, std::move(actions));
    return replay.Finish();
  }

  // `before` and the entries from `next` to `version`; nullptr where one of them cannot be read,
  // which was told already.
  arrow::Result<SnapshotPtr> ReplayTo(const SnapshotPtr& before, int64_t next, int64_t version) {
    Replay replay = before == nullptr ? Replay(path_, roots_) : Replay(*before, roots_);
    for (; next <= version; ++next) {
      const std::string file = CommitPath(path_, next);
      const auto bytes = store_.Get(file);
      if (!bytes.ok() && IsOfTheStore(bytes.status())) {
        return bytes.status();
      }
      auto actions = bytes.ok() ? ParseLogEntry(*bytes, file) : bytes.status();
      if (!actions.ok()) {
        return nullptr;
      }
      replay.ApplyCommit(next, *std::move(actions));
    }
    auto snapshot = replay.Finish();
    return snapshot.ok() ? *snapshot : nullptr;
  }

  // Steps give each _seq once and in order; `rows: many`, quarantines and merges need not.
  bool SeqIsUnique() const {
    const Snapshot& snapshot = *audit_.snapshot;
    if (snapshot.schema->GetFieldIndex(std::string(kSeq)) < 0 || !audit_.has_all_commits) {
      return false;
    }
    return std::all_of(audit_.commits.begin(), audit_.commits.end(), [](const auto& commit) {
      static const std::set<std::string> kNumbering = {"CREATE TABLE", "LAND",        "CONTRACT",
                                                       "APPEND",       "REPLACE",     "OPTIMIZE",
                                                       "RESTORE",      "VACUUM START"};
      const auto expanded = commit.counts.find("expanded");
      return kNumbering.contains(commit.operation) &&
             (expanded == commit.counts.end() || expanded->second == 0);
    });
  }

  arrow::Status AuditFiles() {
    const Snapshot& snapshot = *audit_.snapshot;
    seq_is_unique_ = SeqIsUnique();
    const std::set<std::string> clustered = ClusteredFiles(snapshot);
    SeqSet seqs;
    for (const DataFile& file : snapshot.files) {
      const std::string path = path_ + "/" + file.path;
      ++audit_.files;
      audit_.bytes += file.size;
      audit_.rows += file.num_records.value_or(0);
      ARROW_ASSIGN_OR_RAISE(const std::optional<int64_t> size, SizeOf(file.path));
      if (!size.has_value()) {
        // A writer may have removed it in a later version, and a vacuum from the disk.
        Add("missing_file", path, "missing", std::to_string(file.size) + " bytes", kRestoreCopy);
        continue;
      }
      if (*size != file.size) {
        Add("file_size", path, std::to_string(*size) + " bytes",
            std::to_string(file.size) + " bytes, as the log says", kRestoreCopy);
        continue;
      }
      FileAuditOptions options;
      options.deep = options_.deep;
      options.our_statistics = snapshot.configuration.contains("icecore.last_column_id");
      options.seq_ascends = seq_is_unique_ && !clustered.contains(file.path);
      options.seqs = seq_is_unique_ ? &seqs : nullptr;
      ARROW_ASSIGN_OR_RAISE(const auto problems, AuditFile(store_, path, file, options));
      for (const FileProblem& problem : problems) {
        Add(problem.code, path, problem.found, problem.expected, kRestoreCopy);
      }
    }
    return arrow::Status::OK();
  }

  // nullopt: not there.
  arrow::Result<std::optional<int64_t>> SizeOf(const std::string& name) {
    if (const auto found = listed_.find(name); found != listed_.end()) {
      return std::optional(found->second.size);
    }
    const auto info = store_.Stat(path_ + "/" + name);
    if (info.ok()) {
      return std::optional(info->size);
    }
    if (base::CodeOf(info.status()) == ErrorCode::kNotFound) {
      return std::optional<int64_t>();
    }
    return info.status();
  }

  // Files of the table's folder that no entry of the log ever named.
  void AuditOrphans() {
    std::unordered_set<std::string> named;
    const auto name_all = [&](const auto& files) {
      for (const auto& file : files) {
        named.insert(file.path);
        if (file.deletion_vector.has_value() && file.deletion_vector->storage_type != "i") {
          const auto vector = DeletionVectorPath(store_, path_, *file.deletion_vector);
          if (vector.ok() && vector->size() > path_.size()) {
            named.insert(vector->substr(path_.size() + 1));
          }
        }
      }
    };
    name_all(audit_.snapshot->files);
    name_all(audit_.snapshot->removed);
    for (const CommitRecord& commit : audit_.commits) {
      name_all(commit.adds);
      name_all(commit.removes);
    }
    int64_t young = 0;
    for (const auto& [name, entry] : listed_) {
      if (!IsDataName(name) || named.contains(name)) {
        continue;
      }
      if (entry.modified_us + options_.orphan_grace_us > options_.machine_now_us) {
        ++young;
        continue;
      }
      Add("orphan_file", entry.path, std::to_string(entry.size) + " bytes that no version names",
          "only files of the table", kVacuum);
    }
    if (young > 0) {
      Add("young_file", "", std::to_string(young) + " files that no version names yet",
          "a write under way, or one that was cut off", kVacuum, /*is_note=*/true);
    }
  }

  // By the statistics: no file reaches beyond the marks, and no two hold the same _seq.
  void AuditSeqRanges() {
    const Snapshot& snapshot = *audit_.snapshot;
    if (!snapshot.Transaction(kSeqTransaction).has_value()) {
      return;
    }
    const std::set<std::string> clustered = ClusteredFiles(snapshot);
    std::vector<std::pair<DataFile::Range, const DataFile*>> ranges;
    for (const DataFile& file : snapshot.files) {
      const auto range = file.IntRange(kSeq);
      if (!range.has_value()) {
        continue;
      }
      if (range->max > snapshot.last_seq()) {
        Add("seq_beyond", path_ + "/" + file.path, "_seq up to " + std::to_string(range->max),
            "at most " + std::to_string(snapshot.last_seq()) + " (icecore.seq)",
            "consumers would miss these rows: run them with --full");
      }
      if (!clustered.contains(file.path)) {
        ranges.emplace_back(*range, &file);
      }
    }
    if (!seq_is_unique_) {
      return;
    }
    std::sort(ranges.begin(), ranges.end(),
              [](const auto& a, const auto& b) { return a.first.min < b.first.min; });
    for (size_t i = 1; i < ranges.size(); ++i) {
      if (ranges[i].first.min <= ranges[i - 1].first.max) {
        Add("seq_overlap", path_ + "/" + ranges[i].second->path,
            "_seq from " + std::to_string(ranges[i].first.min) + ", which " +
                ranges[i - 1].second->path + " reaches too",
            "each _seq in one file",
            "rows are there twice: `icecore restore` to the version before");
      }
    }
  }

  Table& table_;
  ObjectStore& store_;
  const std::string& path_;
  const std::vector<std::string> roots_;
  const AuditOptions& options_;
  TableAudit audit_;
  std::map<std::string, ObjectEntry> listed_;  // by name below the table, the log left out
  bool seq_is_unique_ = false;
};

// Whether a finding may come from a version that went while it was looked at.
bool IsOfFiles(const Finding& finding) {
  return finding.code == "missing_file" || finding.code == "corrupt_file";
}

}  // namespace

arrow::Result<TableAudit> AuditTable(Table& table, const AuditOptions& options) {
  constexpr int kLooks = 3;
  for (int look = 1;; ++look) {
    ARROW_ASSIGN_OR_RAISE(TableAudit audit, TableAuditor(table, options).Run());
    const bool suspicious = std::any_of(audit.findings.begin(), audit.findings.end(), IsOfFiles);
    if (!suspicious || audit.snapshot == nullptr || look == kLooks) {
      return audit;
    }
    const auto newest = table.Load();
    if (!newest.ok() || (*newest)->version == audit.snapshot->version) {
      return audit;
    }
  }
}

}  // namespace icecore::lake
