#pragma once
// Services bound one at a time, of definitions that need not be those of the project's files: parts
// of a service, and services as an older version of the catalog had them.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "icecore/feature/service.h"
#include "icecore/pipeline/analysis.h"
#include "icecore/pipeline/workspace.h"
#include "icecore/spec/model.h"
#include "icecore/spec/service_plan.h"

namespace icecore::pipeline {

// The view over its table as it is; null where a definition that it needs is missing, which is
// reported. `kept`: as of BoundView::Bind.
arrow::Result<std::shared_ptr<const feature::BoundView>> BindView(
    const spec::Project& definitions, const AnalysedProject& tables, const spec::FeatureView& view,
    base::Diagnostics* diagnostics, const std::vector<spec::Feature>& kept = {});

// The service over the tables as they are. kInvalidDefinition with every reason where it cannot be
// bound, e.g. a table or column of an old definition is gone.
arrow::Result<std::shared_ptr<const feature::BoundService>> BindService(
    const spec::Project& definitions, const AnalysedProject& tables,
    const spec::FeatureService& service);

// The features of the service that `keep` wants, under their final names. kNotFound: none is left.
arrow::Result<spec::FeatureService> NarrowService(
    const spec::Project& definitions, const spec::FeatureService& service,
    const std::function<bool(const spec::ServiceFeature&)>& keep);

// Names of the views over tables that a feature of a service comes from: its own, or those of its
// inputs.
std::vector<std::string> ViewsBehind(const spec::ServiceFeature& feature);

// Fingerprint of everything that decides a service's values but its tables' rows: the service, its
// views, the views of their inputs, their entities and times.
arrow::Result<std::string> ServiceDefinition(const spec::Project& definitions,
                                             const spec::FeatureService& service);

// Entities, views and services as that version of the catalog had them, in today's project; what
// the version lacked is left out. Each is what it was then, by its fingerprint: one that today's
// variables change is kInvalidDefinition, as is one that can no longer be read. A version that
// there is not is kNotFound.
arrow::Result<spec::Project> DefinitionsAt(const Workspace& workspace, int64_t version);

}  // namespace icecore::pipeline
