#pragma once
// The rows of a clustered log that some label can reach: of each key one stretch, found by halving.

#include <arrow/result.h>

#include <cstdint>
#include <vector>

#include "icecore/feature/clustered_run.h"
#include "icecore/feature/reached_rows.h"

namespace icecore::feature {

// Of the keys of a range, how many rows its labels can reach, by their event times alone.
arrow::Result<std::vector<int64_t>> CountInRuns(const RowNeeds& needs, const ClusteredLog& log,
                                                const LabelSet& labels, const LabelRange& range);

// About what a row takes once it is collected.
int64_t RowBytesIn(const RowNeeds& needs, const ClusteredLog& log);

// In the order of the runs, then of their rows. On all cores.
arrow::Result<std::vector<RowChunk>> CollectFromRuns(const RowNeeds& needs, const ClusteredLog& log,
                                                     const LabelSet& labels,
                                                     const LabelRange& range,
                                                     const KnowledgeCut& cut);

}  // namespace icecore::feature
