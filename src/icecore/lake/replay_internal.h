#pragma once
// Log entries applied one after another. Delta protocol, "Action Reconciliation".

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "icecore/lake/log_entry_internal.h"
#include "icecore/lake/place_index_internal.h"
#include "icecore/lake/snapshot.h"

namespace icecore::lake {

// Not thread safe.
class Replay {
 public:
  // From nothing, or from a snapshot on. `roots`: see TableRoots.
  Replay(std::string table_path, std::vector<std::string> roots);
  Replay(const Snapshot& start, std::vector<std::string> roots);

  // A checkpoint; only as the first.
  void ApplyCheckpoint(int64_t version, LogActions actions);
  // Versions must follow one another.
  void ApplyCommit(int64_t version, LogActions actions);
  // The version's time where no commitInfo was applied.
  void SetTimestamp(int64_t timestamp_us) { snapshot_.timestamp_us = timestamp_us; }

  // A checkpoint of a version passed already was seen.
  void SetCheckpoint(int64_t version);

  // kCorrupt without protocol, metadata or schema; kUnsupported where a feature is lacking or a
  // live file lies outside the table. Ends the replay.
  arrow::Result<std::shared_ptr<const Snapshot>> Finish();

 private:
  void Apply(LogActions actions);
  void ApplyFiles(LogActions* actions);
  void ApplyRemove(RemovedFile file);
  void PlaceAdd(size_t place);

  std::vector<std::string> roots_;
  Snapshot snapshot_;
  bool has_protocol_ = false;
  bool has_metadata_ = false;
  std::string schema_json_;                          // parsed at the end; "" = as the start has it
  PlaceIndex live_;                                  // path -> place in files
  std::unordered_map<std::string, size_t> removed_;  // RemovedFile::Key -> place in removed
  bool may_be_unordered_ = false;                    // whether files must be looked at for order
};

// The time a commit says it has.
int64_t TimestampOf(const CommitInfo& info);

}  // namespace icecore::lake
