#pragma once
// What a table gained since a version, for readers that take rows once.

#include <arrow/result.h>

#include <cstdint>
#include <vector>

#include "icecore/lake/object_store.h"
#include "icecore/lake/snapshot.h"

namespace icecore::lake {

// The files whose rows came after version `after`, up to `newest`, in the order of their commits;
// after -1: all files of `newest`. Files that were only rewritten (dataChange false) are left out.
// A commit that changed or removed rows is kBadInput with its version; log entries that were
// cleaned up since are kNotFound.
arrow::Result<std::vector<DataFile>> AppendsSince(ObjectStore& store, const Snapshot& newest,
                                                  int64_t after);

}  // namespace icecore::lake
