#pragma once
// When versions came to be. Delta protocol, "In-Commit Timestamps", "Recommendations for Readers".

#include <arrow/result.h>

#include <cstdint>

#include "icecore/lake/object_store.h"
#include "icecore/lake/snapshot.h"

namespace icecore::lake {

// The newest version, up to `newest`, whose time is at most at_us. A version's time is its
// inCommitTimestamp where the table has them; else when its log entry was last modified, moved on
// by a millisecond where that would not be later than the version before. kNotFound where all
// versions that the log still has are younger.
arrow::Result<int64_t> VersionAt(ObjectStore& store, const Snapshot& newest, int64_t at_us);

}  // namespace icecore::lake
