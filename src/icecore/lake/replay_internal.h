#pragma once
// Log entries applied one after another. Delta protocol, "Action Reconciliation".

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "icecore/lake/log_entry_internal.h"
#include "icecore/lake/snapshot.h"

namespace icecore::lake {

// Not thread safe.
class Replay {
 public:
  // From nothing, or from a snapshot on.
  explicit Replay(std::string table_path);
  explicit Replay(const Snapshot& start);

  // A checkpoint; only as the first.
  void ApplyCheckpoint(int64_t version, LogActions actions);
  // Versions must follow one another.
  void ApplyCommit(int64_t version, LogActions actions);
  // The version's time where no commitInfo was applied.
  void SetTimestamp(int64_t timestamp_us) { snapshot_.timestamp_us = timestamp_us; }

  // A checkpoint of a version passed already was seen.
  void SetCheckpoint(int64_t version);

  // kCorrupt without protocol or metadata, kUnsupported where a feature is lacking. Ends the
  // replay.
  arrow::Result<std::shared_ptr<const Snapshot>> Finish();

 private:
  void Apply(LogActions actions);

  Snapshot snapshot_;
  std::string schema_json_;                          // parsed at the end; "" = as the start has it
  std::unordered_map<std::string, size_t> live_;     // DataFile::Key -> place in files
  std::unordered_map<std::string, size_t> removed_;  // likewise, in removed
  bool may_be_unordered_ = false;                    // whether files must be looked at for order
};

// The time a commit says it has.
int64_t TimestampOf(const CommitInfo& info);

}  // namespace icecore::lake
