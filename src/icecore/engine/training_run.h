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

// A set in memory. With a spine it is a service's, and computed block by block as it is read: the
// card has its digests, as all of the report, once the rows have ended; "" where a column's type
// has none. `spine` null: a training set by its definition, computed whole before this returns. The
// paths of the request's files are not looked at, that of its card is: rows that are not the card's
// are kNotFound, of a service from the last read. The workspace must outlive the rows.
arrow::Result<TrainingSetRows> OpenTrainingSetRows(
    const pipeline::Workspace& workspace, std::shared_ptr<const pipeline::AnalysedProject> project,
    int64_t definition_version, const TrainingSetRequest& request,
    std::shared_ptr<arrow::RecordBatchReader> spine);

// Writes the set and its card beside it, as RunTrainingSet does. Its rows may have been read before
// and be given anew, in any batches; the report must be complete when they have ended. Rows that
// are not the report's by their digest are kInvalidArgument, types without digest kUnsupported;
// nothing is written then.
arrow::Status SaveTrainingSet(const TrainingSetRows& set, const std::string& path);

}  // namespace icecore::engine
