#pragma once
// A push source: what its journal holds and the lake does not yet.
//
// The position, in the landing table's domain icecore.position, is one line of JSON:
// {"push":"<position of the connector>"}. Each row's bytes as received rest in column _raw.

#include <arrow/result.h>

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "icecore/ingest/push/journal.h"
#include "icecore/ingest/push/push_connector.h"
#include "icecore/pipeline/landing.h"
#include "icecore/pipeline/step_commit.h"
#include "icecore/pipeline/workspace.h"

namespace icecore::pipeline {

// The source's journal, below the project's folder; it goes on behind what has landed. The journal
// works with the machine's clock, and must not outlive workspace.journals.
arrow::Result<std::shared_ptr<ingest::PushJournal>> OpenJournal(const Workspace& workspace,
                                                                const spec::Source& source);

// When what is taken from the journal now is closed: by the project's clock, but never before what
// has landed.
int64_t ClosingTime(const Workspace& workspace, const lake::Snapshot& raw);

// Whether the text of icecore.position is that of a source of pushes.
bool IsPushPosition(const std::string& position);

// How far the source's pushes have landed; the position of another connector is kBadInput.
arrow::Result<ingest::PushPosition> LandedPushes(const lake::Snapshot& raw);

// One commit with what is new, up to some bound; *more: there was more.
arrow::Status LandPushOnce(const Workspace& workspace, const spec::Source& source,
                           const std::string& run_id, const std::stop_token& stop,
                           StepReport* report, bool* more);

// As PeekSource: before anything was pushed, the contract's columns.
arrow::Result<RawColumns> PeekPushSource(const Workspace& workspace, const spec::Source& source);

// "3 new pushes", "" for none, or "will fail: …"; for plan.
arrow::Result<std::string> PendingPushes(const Workspace& workspace, const spec::Source& source);

}  // namespace icecore::pipeline
