#pragma once
// Takes away files that no version within the retention needs. Delta protocol: removed files must
// stay until readers of older versions are gone. docs/maintenance.md.

#include <arrow/result.h>

#include <cstdint>
#include <string>
#include <vector>

#include "icecore/base/clock.h"
#include "icecore/lake/object_store.h"
#include "icecore/lake/table.h"

namespace icecore::lake {

// Domain that a vacuum sets before it deletes anything: {"format": 1, "removed_before_ms": …}.
// Files that left the table before that time may be gone; who wants to bring an old version back
// asks it (RemovedFilesKeptSince), and conflicts with a vacuum that begins meanwhile.
inline constexpr std::string_view kVacuumDomain = "icecore.vacuum";

// Below a day running readers and writers are not safe.
inline constexpr int64_t kSafeRetentionUs = int64_t{24} * 3600 * 1'000'000;

struct VacuumOptions {
  int64_t retention_us = int64_t{7} * 24 * 3600 * 1'000'000;
  bool force = false;                  // a retention below kSafeRetentionUs
  bool dry_run = false;                // say what would go
  std::vector<int64_t> keep_versions;  // versions that somebody will still read, however old
  int64_t machine_now_us = 0;  // against file times; the table's clock is against commit times
};

struct VacuumReport {
  std::vector<ObjectEntry> deleted;  // or what would be; paths below the store's root
  int64_t bytes = 0;
  int64_t kept_for_retention = 0;  // removed files that are still too young
  int64_t version = -1;            // of the commit that announced it; -1: none was needed
};

// Deletes data files and deletion vectors that left the table before now - retention, files that no
// version ever named and unfinished writes that are as old by the store's clock. Never the log,
// nor names that begin with '_' or '.'. A retention that is too short is kInvalidArgument unless
// forced; a log that cannot be read is an error, and nothing is deleted. What cannot be deleted
// ends it with that error; the next one goes on.
arrow::Result<VacuumReport> Vacuum(Table& table, const base::Clock& clock,
                                   const VacuumOptions& options);

// Files that left the table at this time or later are still there; INT64_MIN where nothing was
// vacuumed.
arrow::Result<int64_t> RemovedFilesKeptSince(const Snapshot& snapshot);

}  // namespace icecore::lake
