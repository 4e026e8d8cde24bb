#include <arrow/c/abi.h>
#include <arrow/c/bridge.h>

#include <memory>
#include <string>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/capi/call_internal.h"
#include "icecore/capi/project_internal.h"
#include "icecore/engine/documents.h"
#include "icecore/engine/knowledge_cut.h"
#include "icecore/engine/training_run.h"
#include "icecore/pipeline/training_card.h"

using icecore::capi::Call;
using icecore::capi::Missing;

namespace icecore::capi {
namespace {

// Keeps what reading failed with, which the stream interface has no place for but its text.
class WatchedReader final : public arrow::RecordBatchReader {
 public:
  WatchedReader(std::shared_ptr<arrow::RecordBatchReader> rows,
                std::shared_ptr<arrow::Status> failure)
      : rows_(std::move(rows)), failure_(std::move(failure)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return rows_->schema(); }
  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    arrow::Status status = rows_->ReadNext(batch);
    if (!status.ok()) {
      *failure_ = status;
    }
    return status;
  }

 private:
  const std::shared_ptr<arrow::RecordBatchReader> rows_;
  const std::shared_ptr<arrow::Status> failure_;
};

}  // namespace
}  // namespace icecore::capi

struct icecore_training_set {
  std::shared_ptr<icecore::capi::Project> project;
  std::shared_ptr<arrow::RecordBatchReader> rows;  // null once they were given out
  std::shared_ptr<const icecore::engine::TrainingSetReport> report;
  std::shared_ptr<const arrow::Status> failure;  // of reading the rows; guarded by project->mutex
};

namespace icecore::capi {
namespace {

arrow::Status OpenTrainingSet(icecore_project* project, const char* name, const char* known_at,
                              const char* card, ArrowArrayStream* spine,
                              icecore_training_set** training_set) {
  std::shared_ptr<arrow::RecordBatchReader> spine_rows;
  if (spine != nullptr) {
    ARROW_ASSIGN_OR_RAISE(spine_rows, TakeStream(spine));
  }
  if (project == nullptr || name == nullptr || training_set == nullptr) {
    return Missing(project == nullptr ? "project" : name == nullptr ? "name" : "training_set");
  }
  engine::TrainingSetRequest request;
  request.name = name;
  request.card_path = card == nullptr ? "" : card;
  if (known_at != nullptr) {
    ARROW_ASSIGN_OR_RAISE(request.cut, engine::ParseKnowledgeCut(known_at));
  }
  const auto& shared = project->project;
  const std::lock_guard lock(shared->mutex);
  ARROW_ASSIGN_OR_RAISE(auto made, shared->engine->ReadTrainingSet(request, std::move(spine_rows)));
  auto failure = std::make_shared<arrow::Status>();
  auto rows = Hold(shared, std::make_shared<WatchedReader>(std::move(made.rows), failure));
  *training_set =
      new icecore_training_set{shared, std::move(rows), std::move(made.report), std::move(failure)};
  return arrow::Status::OK();
}

// A text about a set as far as it was read, or what reading it failed with.
template <typename Body>
int32_t SetText(icecore_training_set* training_set, char** json, icecore_error** error,
                const Body& body) noexcept {
  return Call(error, [&]() -> arrow::Status {
    if (training_set == nullptr || json == nullptr) {
      return Missing(training_set == nullptr ? "training_set" : "json");
    }
    const std::lock_guard lock(training_set->project->mutex);
    ARROW_RETURN_NOT_OK(*training_set->failure);
    return NewText(body(*training_set->report)).Value(json);
  });
}

}  // namespace
}  // namespace icecore::capi

int32_t icecore_training_set_open(icecore_project* project, const char* name, const char* known_at,
                                  ArrowArrayStream* spine, icecore_training_set** training_set,
                                  icecore_error** error) {
  return Call(error, [&] {
    return icecore::capi::OpenTrainingSet(project, name, known_at, nullptr, spine, training_set);
  });
}

int32_t icecore_training_set_again(icecore_project* project, const char* name, const char* card,
                                   ArrowArrayStream* spine, icecore_training_set** training_set,
                                   icecore_error** error) {
  return Call(error, [&]() -> arrow::Status {
    if (card == nullptr || *card == '\0') {
      if (spine != nullptr) {
        ARROW_RETURN_NOT_OK(icecore::capi::TakeStream(spine).status());  // released in every case
      }
      return Missing("card");
    }
    return icecore::capi::OpenTrainingSet(project, name, nullptr, card, spine, training_set);
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
  return icecore::capi::SetText(training_set, json, error,
                                [](const icecore::engine::TrainingSetReport& report) {
                                  return icecore::engine::TrainingSetDocument(report, "");
                                });
}

int32_t icecore_training_set_card(icecore_training_set* training_set, char** json,
                                  icecore_error** error) {
  return icecore::capi::SetText(training_set, json, error,
                                [](const icecore::engine::TrainingSetReport& report) {
                                  return icecore::pipeline::ToJson(report.card);
                                });
}

int32_t icecore_training_set_save(icecore_training_set* training_set, ArrowArrayStream* rows,
                                  const char* path, icecore_error** error) {
  return Call(error, [&]() -> arrow::Status {
    if (rows == nullptr) {
      return Missing("rows");
    }
    ARROW_ASSIGN_OR_RAISE(auto reader, icecore::capi::TakeStream(rows));
    if (training_set == nullptr || path == nullptr) {
      return Missing(training_set == nullptr ? "training_set" : "path");
    }
    // Rows that are still computed take the project's lock themselves.
    const arrow::Status saved =
        icecore::engine::SaveTrainingSet({std::move(reader), training_set->report}, path);
    const std::lock_guard lock(training_set->project->mutex);
    return training_set->failure->ok() ? saved : *training_set->failure;
  });
}

void icecore_training_set_free(icecore_training_set* training_set) { delete training_set; }
