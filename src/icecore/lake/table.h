#pragma once
// A Delta table: load a version, commit the next. Delta protocol: sections "Delta Log Entries",
// "Action Reconciliation", "In-Commit Timestamps"; docs/formats/delta.md.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "icecore/base/clock.h"
#include "icecore/base/id.h"
#include "icecore/lake/object_store.h"
#include "icecore/lake/snapshot.h"

namespace icecore::lake {

// What a table is, apart from its rows.
struct TableMetadata {
  std::shared_ptr<arrow::Schema> schema;             // declared types; ids may be missing
  std::map<std::string, std::string> configuration;  // added to what the table has
  std::string name;
  std::string description;
  // Of the schema; given with the first commit. Empty: those that the table has.
  std::vector<std::string> partition_columns = {};
};

// Everything that becomes true at once.
struct Commit {
  std::optional<TableMetadata>
      metadata;                      // required for a table's first commit; else a change of it
  std::vector<DataFile> adds;        // from a DataWriter of this table
  std::vector<std::string> removes;  // paths of live files
  bool remove_all = false;           // every live file of the read snapshot
  // The commit depends on all rows of the read snapshot: any data that came between is a conflict.
  // Implied by remove_all.
  bool reads_all = false;
  // Live files whose rows the commit depends on: that others change or remove their rows is a
  // conflict; that others only move the rows to other files is none.
  std::vector<std::string> reads;
  // Which files hold rows that the commit would have had to see: that others add rows in one of
  // them is a conflict. Empty: none.
  std::function<bool(const DataFile&)> reads_rows_of;
  bool data_change = true;  // false: rows move between files, none changes
  std::map<std::string, int64_t> transactions;
  std::map<std::string, std::optional<std::string>> domains;  // nullopt removes the domain
  std::string operation;                                      // e.g. "WRITE", "CREATE TABLE"
  std::map<std::string, std::string> parameters;              // commitInfo.operationParameters
  std::map<std::string, int64_t> counts;                      // commitInfo.operationMetrics
  std::map<std::string, std::string> info;  // name -> JSON text, in commitInfo.icecore
};

// A line of a table's history.
struct CommitSummary {
  int64_t version = 0;
  int64_t timestamp_us = 0;
  std::string operation;
  std::string engine;
  std::string commit_id;  // ours; "" in commits of others
  std::map<std::string, int64_t> counts;
  std::map<std::string, std::string> info;  // name -> JSON text
  int64_t files_added = 0;
  int64_t files_removed = 0;
  int64_t bytes_added = 0;
  int64_t bytes_removed = 0;  // where the log says sizes
};

// Thread safe. Any number of processes may use one table at once.
class Table {
 public:
  // Does no I/O. `store`, `clock` and `random` must outlive the table.
  static arrow::Result<std::unique_ptr<Table>> Open(ObjectStore& store, std::string path,
                                                    const base::Clock& clock, base::Random& random);

  const std::string& path() const { return path_; }
  ObjectStore& store() const { return store_; }

  // Whether the log holds anything.
  arrow::Result<bool> Exists();

  // The version, or the newest one. No table or no such version: kNotFound. A log that is broken
  // (a gap, a line that is no JSON, actions cut off): kCorrupt with the file's name. A table that
  // needs a feature we lack: kUnsupported with its name. What the last Load of the newest read is
  // not read again: the log is listed from there on, and a version that it gave needs no request.
  arrow::Result<std::shared_ptr<const Snapshot>> Load(
      std::optional<int64_t> version = std::nullopt);
  // As Load of the newest, but a missing table is an empty snapshot with version -1.
  arrow::Result<std::shared_ptr<const Snapshot>> LoadOrEmpty();
  // The newest version whose timestamp is at most `at_us`; kNotFound where the table is younger.
  arrow::Result<std::shared_ptr<const Snapshot>> LoadAt(int64_t at_us);

  // Writes `commit` as the version after `read`, or, where others were faster and nothing of theirs
  // conflicts, after theirs. Returns the version. A conflict (metadata or protocol changed, same
  // transaction appId, same domain, a removed file gone, rows that `commit` had to see) is
  // kConflict: load again and redo the work. kOutcomeUnknown: it may have happened; load and look
  // at the transactions. Any other error: it did not happen. Writes a checkpoint when one is due;
  // that this fails does not fail the commit.
  arrow::Result<int64_t> CommitTo(const Snapshot& read, const Commit& commit);

  // Newest first, at most `limit`.
  arrow::Result<std::vector<CommitSummary>> History(int64_t limit);

  // Writes the checkpoint of the snapshot and points _last_checkpoint at it.
  arrow::Status WriteCheckpoint(const Snapshot& snapshot);

 private:
  Table(ObjectStore& store, std::string path, const base::Clock& clock, base::Random& random);
  void NoteWritten(int64_t version, std::string entry);

  ObjectStore& store_;
  const std::string path_;
  const base::Clock& clock_;
  base::Random& random_;
  std::mutex mutex_;
  // Guarded by mutex_: a start for the next Load, entries that it need not read as they were
  // written here, and whether there was no table when it was last looked for.
  std::shared_ptr<const Snapshot> newest_;
  std::map<int64_t, std::shared_ptr<const std::string>> written_;
  bool was_missing_ = false;
};

}  // namespace icecore::lake
