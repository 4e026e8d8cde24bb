#pragma once
// Clustered logs of views: their rows sorted by key and time beside the lake, so that training sets
// neither sort nor read what nobody asked for. They are derived from the views' tables and can be
// thrown away at any time; a log that cannot be trusted is not used. docs/formats/feature-log.md.

#include <arrow/result.h>

#include <memory>
#include <string>

#include "icecore/feature/feature_log.h"
#include "icecore/lake/snapshot.h"
#include "icecore/pipeline/analysis.h"
#include "icecore/pipeline/step_commit.h"
#include "icecore/pipeline/workspace.h"

namespace icecore::pipeline {

// Whether the view gets a log: its table only grows, and has the rows that the project asks for.
bool WantsViewLog(const Workspace& workspace, const spec::FeatureView& view,
                  const lake::Snapshot& table);

// Absolute; need not exist.
std::string ViewLogFolder(const Workspace& workspace, const std::string& view);

// Brings the log up to the table: new rows become one more run, runs are merged so that few remain;
// the bytes of what is merged are held against their checksums first. A definition or generation
// that differs and `full` build a new log beside the old one, which answers until the new one takes
// its place; a log that is not what was written is refused, named in a warning, and built anew.
// What a kill leaves behind is taken up by the next call. Does nothing while another process is at
// it. The rows held at once are bounded by the project's `memory`.
arrow::Status KeepViewLog(const Workspace& workspace, const feature::BoundView& bound,
                          const spec::FeatureView& view, bool full, StepReport* report);

// Logs of views that are no more, or that get none, leave the disk; one that another process writes
// stays, and so do those of tables that cannot be read.
void RemoveOldViewLogs(const Workspace& workspace);

// The log, where it is of this definition and of this table, and nothing is wrong with it; else
// null. `table`: as it is read; the log holds no row above `seq_up_to`.
arrow::Result<std::shared_ptr<const feature::ClusteredLog>> OpenViewLog(
    const Workspace& workspace, const feature::BoundView& bound, const spec::FeatureView& view,
    const lake::Snapshot& table, int64_t seq_up_to);

}  // namespace icecore::pipeline
