#pragma once
// What readers, the keeper and the audit of clustered logs share.

#include <arrow/result.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "icecore/feature/clustered_run.h"
#include "icecore/pipeline/analysis.h"
#include "icecore/pipeline/view_log_manifest.h"
#include "icecore/pipeline/workspace.h"

namespace icecore::pipeline {

using OpenRuns = std::vector<std::shared_ptr<const feature::ClusteredRun>>;

// Fingerprint of what decides the rows of the view's log: no feature does.
std::string LogDefinitionOf(const spec::Project& project, const spec::FeatureView& view);

// What a view reads of a run.
struct LogSchema {
  feature::RunSchema run;
  feature::FeatureReads reads;
};
arrow::Result<LogSchema> LogSchemaOf(const feature::BoundView& bound,
                                     const spec::FeatureView& view);

// The manifest of that name, where it is of this definition and table and each run has what the
// view reads; nullopt otherwise. Its files are not looked at.
arrow::Result<std::optional<ViewLogManifest>> FindManifest(const Workspace& workspace,
                                                           const spec::FeatureView& view,
                                                           const lake::Snapshot& table,
                                                           const std::string& name);

// kCorrupt, naming the file, where one is not as it was written.
arrow::Result<std::shared_ptr<const feature::ClusteredRun>> OpenRun(const std::string& folder,
                                                                    const LogSchema& schema,
                                                                    const LoggedRun& run);
arrow::Result<OpenRuns> OpenAllRuns(const std::string& folder, const LogSchema& schema,
                                    const ViewLogManifest& manifest);

// The files that the manifest names, without their folder.
std::vector<std::string> FilesOf(const ViewLogManifest& manifest);

}  // namespace icecore::pipeline
