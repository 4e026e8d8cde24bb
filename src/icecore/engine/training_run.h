#pragma once
// Makes training sets: rows, features as they were known, labels, and the card beside the file.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>

#include "icecore/engine/engine.h"
#include "icecore/pipeline/analysis.h"
#include "icecore/pipeline/training_card.h"
#include "icecore/pipeline/workspace.h"

namespace icecore::engine {

// `definition_version`: of the catalog, as applied. A name that is neither a training set nor a
// service is kNotFound and proposes the nearest. Nothing is written unless everything went well;
// the card comes last.
arrow::Result<TrainingSetReport> RunTrainingSet(const pipeline::Workspace& workspace,
                                                const pipeline::AnalysedProject& project,
                                                int64_t definition_version,
                                                const TrainingSetRequest& request);

// A service's set over a spine in memory, block by block, without a file. The card has its digests,
// as all of the report, once the rows have ended; "" where a column's type has none. The workspace
// must outlive the rows.
arrow::Result<TrainingSetRows> OpenTrainingSetRows(
    const pipeline::Workspace& workspace, std::shared_ptr<const pipeline::AnalysedProject> project,
    int64_t definition_version, const TrainingSetRequest& request,
    std::shared_ptr<arrow::RecordBatchReader> spine);

}  // namespace icecore::engine
