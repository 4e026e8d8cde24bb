#pragma once
// The present of a table that keeps versions, brought up to its log.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>
#include <string>

#include "icecore/pipeline/step_commit.h"
#include "icecore/pipeline/version_choice.h"
#include "icecore/pipeline/versions.h"
#include "icecore/pipeline/workspace.h"

namespace icecore::pipeline {

// What becomes of a present: rows whose keys go, and rows that come.
struct PresentChange {
  std::shared_ptr<arrow::RecordBatch> rows;  // in the present's columns
  std::shared_ptr<arrow::RecordBatch> keys;  // at least the key columns; those of `rows` too
};

// Shows `choice` what the present has of its keys, and what of them was deleted up to `mark`.
arrow::Status AddOlderVersions(const Workspace& workspace, const VersionedTable& table,
                               const lake::Snapshot& present, const lake::Snapshot& history,
                               int64_t mark, VersionChoice* choice);

// Whether the present holds all of this log, and nothing else.
arrow::Result<bool> IsPresentOf(const lake::Snapshot& present, const lake::Snapshot& history);

// Commits the change that `history` made since `present`, if it is one. kConflict: somebody else
// did.
arrow::Status CommitPresent(const Workspace& workspace, const VersionedTable& table,
                            const lake::Snapshot& present, const lake::Snapshot& history,
                            const PresentChange& change, const std::string& description,
                            StepReport* report);

// As CommitPresent, of the log's version `version`, which a step has just made by this change of
// `present`; `complete`: the change is all that the present shall hold. Where somebody else was
// there, or the change does not fit, the present is brought up from the log.
arrow::Status CommitPresentOf(const Workspace& workspace, const VersionedTable& table,
                              const lake::Snapshot& present, int64_t version, bool complete,
                              const PresentChange& change, const std::string& description,
                              StepReport* report);

// Makes of the log's newest version what the present lacks; nothing where it lacks nothing. Holds
// the keys of the versions that are new to it, and their rows.
arrow::Status BringPresentUp(const Workspace& workspace, const VersionedTable& table,
                             const std::string& description, StepReport* report);

// The present brought up to its log at `history`; kConflict where the log has gone on since, as the
// present may then hold versions that `history` lacks.
arrow::Result<std::shared_ptr<const lake::Snapshot>> PresentAt(const Workspace& workspace,
                                                               const VersionedTable& table,
                                                               const lake::Snapshot& history,
                                                               const std::string& description,
                                                               StepReport* report);

}  // namespace icecore::pipeline
