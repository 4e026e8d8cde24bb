#include <arrow/c/abi.h>
#include <arrow/c/bridge.h>

#include <utility>

#include "icecore/base/error.h"
#include "icecore/capi/call_internal.h"
#include "icecore/capi/project_internal.h"
#include "icecore/engine/documents.h"
#include "icecore/engine/knowledge_cut.h"

using icecore::capi::Call;
using icecore::capi::Missing;

struct icecore_training_set {
  std::shared_ptr<icecore::capi::Project> project;
  std::shared_ptr<arrow::RecordBatchReader> rows;  // null once they were given out
  std::shared_ptr<const icecore::engine::TrainingSetReport> report;
};

int32_t icecore_training_set_open(icecore_project* project, const char* service,
                                  const char* known_at, ArrowArrayStream* spine,
                                  icecore_training_set** training_set, icecore_error** error) {
  return Call(error, [&]() -> arrow::Status {
    if (spine == nullptr) {
      return Missing("spine");
    }
    ARROW_ASSIGN_OR_RAISE(auto spine_rows, icecore::capi::TakeStream(spine));
    if (project == nullptr || service == nullptr || training_set == nullptr) {
      return Missing(project == nullptr   ? "project"
                     : service == nullptr ? "service"
                                          : "training_set");
    }
    icecore::engine::TrainingSetRequest request;
    request.name = service;
    if (known_at != nullptr) {
      ARROW_ASSIGN_OR_RAISE(request.cut, icecore::engine::ParseKnowledgeCut(known_at));
    }
    const auto& shared = project->project;
    const std::lock_guard lock(shared->mutex);
    ARROW_ASSIGN_OR_RAISE(auto made,
                          shared->engine->ReadTrainingSet(request, std::move(spine_rows)));
    *training_set = new icecore_training_set{
        shared, icecore::capi::Hold(shared, std::move(made.rows)), std::move(made.report)};
    return arrow::Status::OK();
  });
}

int32_t icecore_training_set_rows(icecore_training_set* training_set, ArrowArrayStream* rows,
                                  icecore_error** error) {
  return Call(error, [&]() -> arrow::Status {
    if (training_set == nullptr || rows == nullptr) {
      return Missing(training_set == nullptr ? "training_set" : "rows");
    }
    if (training_set->rows == nullptr) {
      return icecore::base::MakeError(icecore::base::ErrorCode::kInvalidArgument,
                                      "the rows of this training set were given out before");
    }
    return arrow::ExportRecordBatchReader(std::move(training_set->rows), rows);
  });
}

int32_t icecore_training_set_report(icecore_training_set* training_set, char** json,
                                    icecore_error** error) {
  return Call(error, [&]() -> arrow::Status {
    if (training_set == nullptr || json == nullptr) {
      return Missing(training_set == nullptr ? "training_set" : "json");
    }
    const std::lock_guard lock(training_set->project->mutex);
    return icecore::capi::NewText(icecore::engine::TrainingSetDocument(*training_set->report, ""))
        .Value(json);
  });
}

void icecore_training_set_free(icecore_training_set* training_set) { delete training_set; }
