#pragma once
// What lies in a table's log folder.

#include <arrow/result.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "icecore/lake/object_store.h"

namespace icecore::lake {

struct LogListing {
  std::set<int64_t> commits;
  std::set<int64_t> checkpoints;  // classic ones in one file
  // Checkpoints that we cannot read, by version: a name for the error where nothing else helps.
  std::map<int64_t, std::string> other_checkpoints;

  // The newest version that anything speaks of; -1 in an empty log.
  int64_t newest() const;
  // The first of [from, to] that has no commit; -1 if all are there.
  int64_t FirstMissing(int64_t from, int64_t to) const;
};

// Entries of versions >= from.
arrow::Result<LogListing> ListLog(ObjectStore& store, const std::string& table_path, int64_t from);

}  // namespace icecore::lake
