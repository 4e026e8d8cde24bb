#pragma once
// Checkpoints: ours are classic ones; those of others are read in every form. Delta protocol,
// "Checkpoints".

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "icecore/lake/log_entry_internal.h"
#include "icecore/lake/log_listing_internal.h"
#include "icecore/lake/object_store.h"
#include "icecore/lake/snapshot.h"

namespace icecore::lake {

// The checkpoint's Parquet bytes and its number of actions. Removed files that expired before
// now_us are left out; files keep their order.
struct CheckpointBytes {
  std::string bytes;
  int64_t actions = 0;
};
arrow::Result<CheckpointBytes> FormatCheckpoint(const Snapshot& snapshot, int64_t now_us);

// All parts and sidecars of one checkpoint. Errors of the store as they are, but a sidecar that is
// not there is kCorrupt, like bytes that are no checkpoint; with the name.
arrow::Result<LogActions> ReadCheckpoint(ObjectStore& store, const std::string& table_path,
                                         const CheckpointFiles& files);
// One file of a checkpoint; what it says of sidecars is in the actions.
arrow::Result<LogActions> ReadCheckpoint(ObjectStore& store, const std::string& path);
// The same, of Parquet bytes; `name` is for errors.
arrow::Result<LogActions> ParseCheckpoint(std::string_view bytes, const std::string& name);

// The statistics of a row of stats_parsed as a log entry would have them.
std::string StatsJsonOf(const arrow::StructArray& stats, int64_t row);

// Whether a commit that made `version` should be followed by a checkpoint: delta.checkpointInterval
// commits where the table says so; else at least 10, and either so many actions that replaying them
// costs a quarter of reading all files, or 100 commits.
bool IsCheckpointDue(const Snapshot& read, int64_t version, int64_t new_actions);

// The version that _last_checkpoint names; -1 where it is missing or unreadable, which is no error:
// it is a hint. So is one whose checksum is wrong.
arrow::Result<int64_t> ReadLastCheckpoint(ObjectStore& store, const std::string& table_path);
// The MD5 of a hint's canonical form, which its "checksum" has.
std::string LastCheckpointChecksum(std::string_view document);
std::string FormatLastCheckpoint(const Snapshot& snapshot, const CheckpointBytes& checkpoint);

}  // namespace icecore::lake
