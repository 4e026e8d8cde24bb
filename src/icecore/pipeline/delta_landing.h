#pragma once
// A Delta table as a source: rows added since the version that was taken last, or with
// load: snapshot all rows of the newest version where rows have changed since then.
//
// The position, in the landing table's domain icecore.position, is one line of JSON
// (docs/formats/manifest.md). Rows land in commit order; _file is the data file's path in the
// source table, _row the row's number among those that the file gave.

#include <arrow/result.h>

#include <stop_token>
#include <string>

#include "icecore/pipeline/landing.h"
#include "icecore/pipeline/step_commit.h"
#include "icecore/pipeline/workspace.h"

namespace icecore::pipeline {

// Takes everything new in one commit. Without load: snapshot a version that changed or removed rows
// is kBadInput and proposes what to do; so is, always, another table at the same place, or one that
// went back. *more: false.
arrow::Status LandDeltaOnce(const Workspace& workspace, const spec::Source& source,
                            const std::string& run_id, const std::stop_token& stop,
                            StepReport* report, bool* more);

// Whether the position of a landing table is that of a Delta table, not of files.
bool IsDeltaPosition(const std::string& position);

// Of load: snapshot: the last _seq of the first snapshot whose rows begin behind `after`.
arrow::Result<int64_t> EndOfNextDeltaSnapshot(const lake::Snapshot& raw, int64_t after);

// As PeekSource.
arrow::Result<RawColumns> PeekDeltaSource(const Workspace& workspace, const spec::Source& source);

// "3 new versions, up to 7", "" for none, or "will fail: …"; for plan.
arrow::Result<std::string> PendingVersions(const Workspace& workspace, const spec::Source& source);

}  // namespace icecore::pipeline
