#pragma once
// From files to landing.X_raw: originals kept byte for byte, rows as received, position and rows in
// one commit (laws 1 and 2).

#include <arrow/result.h>

#include <memory>
#include <stop_token>
#include <string>

#include "icecore/ingest/files/manifest.h"
#include "icecore/ingest/files/plan.h"
#include "icecore/pipeline/step_commit.h"
#include "icecore/pipeline/workspace.h"
#include "icecore/quality/contract.h"

namespace icecore::pipeline {

inline constexpr char kRawSuffix[] = "_raw";

std::string RawTableName(const spec::Source& source);       // "landing.flights_raw"
std::string AcceptedTableName(const spec::Source& source);  // "landing.flights"
std::string QuarantineName(const std::string& short_name);  // "quarantine.flights"

// Lands every file that is new. Files before a bad one are committed, the bad one and those behind
// it are not, and the error names it. Other processes may run the same at the same time: each file
// lands once.
arrow::Status LandSource(const Workspace& workspace, const spec::Source& source,
                         const std::string& run_id, const std::stop_token& stop,
                         StepReport* report);

// The files of the source that are new beside `known`, ${…} in its path resolved now.
arrow::Result<ingest::FilePlan> PlanSource(const Workspace& workspace, const spec::Source& source,
                                           const ingest::Manifest& known);

// Columns of the rows as they will rest, from the raw table or, before anything landed, from the
// first file the glob names (nothing is committed). nullptr where there is neither.
struct RawColumns {
  std::shared_ptr<arrow::Schema> schema;  // envelope included
  std::shared_ptr<arrow::Schema>
      inferred;           // user columns of a text source, from all of the first file
  arrow::Status problem;  // why the first file that the glob names could not be read
};
arrow::Result<RawColumns> PeekSource(const Workspace& workspace, const spec::Source& source);

// What the raw table knows of its files; empty where nothing landed.
arrow::Result<ingest::Manifest> ManifestOf(const Workspace& workspace, const lake::Snapshot& raw);

bool IsTextSource(const spec::Source& source);

// The source's contract over landed rows of these columns.
arrow::Result<std::unique_ptr<quality::ContractChecker>> MakeContractChecker(
    const spec::Source& source, const std::shared_ptr<arrow::Schema>& raw,
    const std::shared_ptr<arrow::Schema>& inferred);

}  // namespace icecore::pipeline
