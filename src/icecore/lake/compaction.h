#pragma once
// Fewer and better files with the same rows: small files packed into larger ones, and, where a
// table has a cluster key, sorted runs merged as in a log-structured merge tree. Every commit has
// dataChange = false and stands for itself: a compaction that is cut off has done part of its work,
// and the next one goes on. docs/maintenance.md.

#include <arrow/result.h>

#include <cstdint>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "icecore/base/clock.h"
#include "icecore/base/id.h"
#include "icecore/lake/read_context.h"
#include "icecore/lake/table.h"

namespace icecore::lake {

struct CompactionOptions {
  int64_t target_bytes = int64_t{256} << 20;  // of the files made
  // The sort key; `_seq` is put behind it. Empty: the key that the table has, if any. Another key
  // than it has sorts the whole table anew.
  std::vector<std::string> cluster_columns;
  int64_t memory_bytes = int64_t{256} << 20;
  std::string scratch_dir;  // absolute local folder for spills
};

struct CompactionReport {
  int64_t version = -1;  // of the newest commit; -1: there was nothing to do
  int64_t commits = 0;
  int64_t files_removed = 0;
  int64_t files_added = 0;
  int64_t bytes_removed = 0;
  int64_t bytes_added = 0;
  int64_t rows = 0;                          // that were moved
  std::vector<std::string> cluster_columns;  // of the table afterwards
  int64_t sorted_runs = 0;                   // of the table afterwards
};

// What will be packed together: files of one partition that follow one another by _seq. A file that
// is much larger than those it could take in is left alone until they are worth it. So is one that
// is not among `movable` (paths; null: all are), and none before it is packed with one behind it.
std::vector<std::vector<DataFile>> PlanBins(const Snapshot& snapshot, int64_t target_bytes,
                                            const std::set<std::string>* movable = nullptr);

// Rows keep all their values, `_seq` too; packed files keep the order of `_seq`. Appends that come
// between are no conflict; where rows of the same files were deleted or merged meanwhile, or
// another compaction was faster, those files are left to the next one. Between commits `stop` is
// asked. Memory: memory_bytes and a row group.
arrow::Result<CompactionReport> Compact(Table& table, const base::Clock& clock,
                                        base::Random& random, const CompactionOptions& options,
                                        const ReadAccess& access, std::stop_token stop);

}  // namespace icecore::lake
