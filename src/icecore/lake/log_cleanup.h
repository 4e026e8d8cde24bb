#pragma once
// The beginning of a table's log that nobody needs any more. Delta protocol, "Metadata Cleanup".

#include <arrow/result.h>

#include <cstdint>
#include <optional>

#include "icecore/base/clock.h"
#include "icecore/base/id.h"
#include "icecore/lake/table.h"

namespace icecore::lake {

struct LogCleanupOptions {
  // The oldest version that somebody names (a training set, a tag): it and all later ones stay.
  std::optional<int64_t> oldest_wanted;
};

struct LogCleanup {
  int64_t first_version = 0;  // the oldest that can still be read
  int64_t entries_deleted = 0;
  int64_t checkpoints_deleted = 0;
};

// Deletes what lies before the newest checkpoint whose version is older than
// delta.logRetentionDuration (30 days, counted from the beginning of the day in UTC) and not
// younger than the oldest wanted version. Without such a checkpoint nothing is deleted. The
// checkpoint is read first: one that is broken is kCorrupt, and nothing is deleted. Safe beside
// readers of newer versions and beside writers; what fails half-way is taken up by the next call.
//
// kDenied where delta.enableExpiredLogCleanup is "false", and where the table has transactions and
// delta.setTransactionRetentionDuration lets other writers' checkpoints forget them: then the
// entries are the only place that keeps positions of sources.
arrow::Result<LogCleanup> CleanUpLog(Table& table, const base::Clock& clock, base::Random& random,
                                     const LogCleanupOptions& options);

}  // namespace icecore::lake
