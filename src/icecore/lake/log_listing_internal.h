#pragma once
// What lies in a table's log folder.

#include <arrow/result.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "icecore/lake/object_store.h"

namespace icecore::lake {

// A version in the name of a log's file.
inline constexpr size_t kVersionDigits = 20;

// One whole checkpoint: a classic or UUID-named file (Parquet or JSON), or all parts of one in
// parts.
struct CheckpointFiles {
  std::vector<std::string> paths;
};

struct LogListing {
  std::set<int64_t> commits;
  std::set<int64_t> checkpoints;  // versions that checkpoint_files has
  // By version; where there are several, the one to try first is first.
  std::map<int64_t, std::vector<CheckpointFiles>> checkpoint_files;
  // Checkpoints that nobody can read (parts are missing), by version: a name for errors.
  std::map<int64_t, std::string> other_checkpoints;

  // The newest version that anything speaks of; -1 in an empty log.
  int64_t newest() const;
  // The first of [from, to] that has no commit; -1 if all are there.
  int64_t FirstMissing(int64_t from, int64_t to) const;
};

// Entries of versions >= from.
arrow::Result<LogListing> ListLog(ObjectStore& store, const std::string& table_path, int64_t from);

// Whether a name, relative to the table's folder, is one that data may have: neither hidden nor of
// the log. A partition's folder may begin with '_'.
bool IsDataName(std::string_view name);

}  // namespace icecore::lake
