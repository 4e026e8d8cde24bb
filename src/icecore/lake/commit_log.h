#pragma once
// The entries of a table's log one by one, for those who look at what happened rather than at what
// is: audits, vacuum, and consumers that ask whether rows changed. docs/formats/delta.md.

#include <arrow/result.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "icecore/lake/snapshot.h"
#include "icecore/lake/table.h"

namespace icecore::lake {

// One log entry.
struct CommitRecord {
  int64_t version = 0;
  int64_t timestamp_us = 0;  // inCommitTimestamp, else timestamp
  std::string operation;
  std::string commit_id;  // ours; "" in commits of others
  std::map<std::string, int64_t> counts;
  std::map<std::string, std::string> info;  // name -> JSON text
  std::vector<DataFile> adds;
  std::vector<RemovedFile> removes;
  std::map<std::string, int64_t> transactions;
  std::map<std::string, std::optional<std::string>> domains;  // nullopt: removed
  bool data_change = false;                                   // rows were added or removed
  bool changes_schema = false;                                // a metaData or protocol action

  int64_t rows_added() const;
  int64_t bytes_added() const;
};

// The entry of a version: kNotFound where it is missing, kCorrupt where it cannot be read.
arrow::Result<CommitRecord> ReadCommit(ObjectStore& store, const std::string& table_path,
                                       int64_t version);

// Whether the rows or the columns of version `to` may differ from those of `from` (from <= to).
// Entries that only move rows between files or set domains leave them as they are. Where an entry
// in between is gone the answer is true.
arrow::Result<bool> RowsChangedBetween(ObjectStore& store, const std::string& table_path,
                                       int64_t from, int64_t to);

}  // namespace icecore::lake
