#pragma once
// What users ask about a project, as one JSON document each. `--json` of the command line and the C
// interface give the same bytes, and the tables of the command line are made from them.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>
#include <string>

#include "icecore/engine/engine.h"

namespace icecore::engine {

// what: all, sources, tables, entities, views or services (definitions), runs, quarantine.
// kInvalidArgument for anything else.
arrow::Result<std::string> ListDocument(Engine* engine, const std::string& what);
// What is held back, by table, origin, rule and column; null where nothing ever was.
arrow::Result<std::shared_ptr<arrow::Table>> OpenQuarantine(Engine* engine);
// A run by its id, or a definition by its full or short name; kNotFound names the nearest.
arrow::Result<std::string> ShowDocument(Engine* engine, const std::string& name);

// "add", "change", "document" or "remove".
const char* ChangeName(catalog::ChangeKind change);

std::string PlanDocument(const PlanReport& plan);
std::string ApplyDocument(const ApplyReport& report);
std::string FindingsDocument(const base::Diagnostics& diagnostics);
std::string RunDocument(const pipeline::RunOutcome& outcome);
std::string PendingDocument(const std::vector<pipeline::PendingStep>& pending);
// `out`: the file that was written, "" for none.
std::string TrainingSetDocument(const TrainingSetReport& report, const std::string& out);

}  // namespace icecore::engine
