#pragma once
// Which files of a table are sorted by a cluster key: sorted runs, merged as in a log-structured
// merge tree. Rests as JSON in the table's domain `icecore.clusters`; docs/formats/delta.md.

#include <arrow/result.h>

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "icecore/lake/snapshot.h"

namespace icecore::lake {

inline constexpr std::string_view kClustersDomain = "icecore.clusters";

// Files that together are sorted: each is, and each begins where the one before ends.
struct SortedRun {
  std::vector<std::string> files;  // paths, in the order of their rows
};

struct Clusters {
  std::vector<std::string> columns;  // the sort key, ascending, nulls first; the last is _seq
  std::vector<SortedRun> runs;       // oldest first
};

std::string ToJson(const Clusters& clusters);
// kCorrupt for anything that ToJson does not write, also for a file that is named twice.
arrow::Result<Clusters> ClustersFromJson(const std::string& json);

// The table's runs. A run of which a file is no longer live (its rows were deleted or rewritten)
// is left out whole: its other files count as unsorted. No columns: the table is not clustered.
arrow::Result<Clusters> ClustersOf(const Snapshot& snapshot);

// Paths of all files of runs, also where ClustersOf leaves the run out: their rows are not in the
// order of _seq. Empty where the domain cannot be read.
std::set<std::string> ClusteredFiles(const Snapshot& snapshot);

}  // namespace icecore::lake
