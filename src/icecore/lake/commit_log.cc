#include "icecore/lake/commit_log.h"

#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/log_entry_internal.h"
#include "icecore/lake/replay_internal.h"

namespace icecore::lake {

int64_t CommitRecord::rows_added() const {
  int64_t rows = 0;
  for (const DataFile& file : adds) {
    rows += file.num_records.value_or(0);
  }
  return rows;
}

int64_t CommitRecord::bytes_added() const {
  int64_t bytes = 0;
  for (const DataFile& file : adds) {
    bytes += file.size;
  }
  return bytes;
}

arrow::Result<CommitRecord> ReadCommit(ObjectStore& store, const std::string& table_path,
                                       int64_t version) {
  const std::string file = CommitPath(table_path, version);
  ARROW_ASSIGN_OR_RAISE(const std::string bytes, store.Get(file));
  ARROW_ASSIGN_OR_RAISE(LogActions actions, ParseLogEntry(bytes, file));
  CommitRecord record;
  record.version = version;
  if (actions.info.has_value()) {
    record.timestamp_us = TimestampOf(*actions.info);
    record.operation = std::move(actions.info->operation);
    record.commit_id = std::move(actions.info->commit_id);
    record.counts = std::move(actions.info->counts);
    record.info = std::move(actions.info->info);
  }
  const auto roots = TableRoots(store, table_path);
  for (DataFile& add : actions.adds) {
    add.path = RelativeTo(roots, std::move(add.path));
  }
  for (RemovedFile& removed : actions.removes) {
    removed.path = RelativeTo(roots, std::move(removed.path));
  }
  record.adds = std::move(actions.adds);
  record.removes = std::move(actions.removes);
  record.transactions.insert(actions.transactions.begin(), actions.transactions.end());
  for (DomainAction& domain : actions.domains) {
    record.domains[domain.domain] =
        domain.removed ? std::nullopt : std::optional(std::move(domain.configuration));
  }
  record.data_change = actions.data_change;
  record.changes_schema = actions.metadata.has_value() || actions.protocol.has_value();
  return record;
}

arrow::Result<bool> RowsChangedBetween(ObjectStore& store, const std::string& table_path,
                                       int64_t from, int64_t to) {
  for (int64_t version = to; version > from; --version) {
    const auto record = ReadCommit(store, table_path, version);
    if (!record.ok()) {
      if (base::CodeOf(record.status()) == base::ErrorCode::kNotFound) {
        return true;
      }
      return record.status();
    }
    // Rows and positions of steps: a commit without either is maintenance.
    if (record->data_change || record->changes_schema || !record->transactions.empty()) {
      return true;
    }
  }
  return false;
}

}  // namespace icecore::lake
