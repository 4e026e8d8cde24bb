#pragma once
// The spine of a training set: its SQL held against the lake's schemas, and its rows.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>

#include "icecore/pipeline/analysis.h"
#include "icecore/pipeline/pinned_tables.h"
#include "icecore/pipeline/workspace.h"
#include "icecore/spec/model.h"

namespace icecore::pipeline {

// Analyses every spine and fills project->training_sets. What is wrong goes to the project's
// diagnostics: the SQL itself; columns that the service, the label, the sample or the split need
// and the SQL does not give; columns with the name of a feature or of what is added.
arrow::Status AnalyseTrainingSets(const spec::Project& definitions, AnalysedProject* project);

// The rows of a spine made by SQL, sandboxed as all SQL of users, from the pinned tables, with
// run_time() at `run_time_us`. SQL has no order that maintenance could not change, so rows are put
// in one: by event_timestamp, then by every other column from left to right (those of nested types
// excepted), nulls last.
arrow::Result<std::shared_ptr<arrow::Table>> RunSpineSql(const Workspace& workspace,
                                                         const AnalysedProject& project,
                                                         const AnalysedTrainingSet& set,
                                                         int64_t run_time_us, PinnedTables* tables);

}  // namespace icecore::pipeline
