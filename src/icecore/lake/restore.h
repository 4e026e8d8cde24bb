#pragma once
// The rows of an older version as a new version. Positions of steps are the pipeline's matter
// (pipeline/restore.h).

#include <arrow/result.h>

#include "icecore/lake/table.h"

namespace icecore::lake {

// A commit that makes the live files of `then` those of the table, which is at `now`; the columns
// too. It conflicts with every change of rows and every vacuum that comes between. A file that is
// gone, or that a vacuum is free to take away, is kNotFound with its name. Deletion vectors are
// kUnsupported.
arrow::Result<Commit> PlanRestore(ObjectStore& store, const Snapshot& now, const Snapshot& then);

}  // namespace icecore::lake
