#include <arrow/c/abi.h>
#include <arrow/c/bridge.h>
#include <arrow/table.h>

#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/base/time.h"
#include "icecore/capi/call_internal.h"
#include "icecore/capi/project_internal.h"
#include "icecore/capi/text_call_internal.h"
#include "icecore/engine/documents.h"

namespace icecore::capi {
namespace {

class HeldReader : public arrow::RecordBatchReader {
 public:
  HeldReader(std::shared_ptr<Project> project, std::shared_ptr<arrow::RecordBatchReader> rows)
      : project_(std::move(project)), engine_(project_->engine), rows_(std::move(rows)) {}
  ~HeldReader() override {
    const std::lock_guard lock(project_->mutex);
    rows_.reset();
    engine_.reset();
  }

  std::shared_ptr<arrow::Schema> schema() const override { return rows_->schema(); }
  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    const std::lock_guard lock(project_->mutex);
    return rows_->ReadNext(batch);
  }

 private:
  const std::shared_ptr<Project> project_;
  std::shared_ptr<engine::Engine> engine_;  // the one that computes, whatever a reload brings
  std::shared_ptr<arrow::RecordBatchReader> rows_;
};

}  // namespace

arrow::Status Project::Open() {
  ARROW_ASSIGN_OR_RAISE(engine, engine::Engine::Open(options));
  return arrow::Status::OK();
}

std::shared_ptr<arrow::RecordBatchReader> Hold(std::shared_ptr<Project> project,
                                               std::shared_ptr<arrow::RecordBatchReader> rows) {
  return std::make_shared<HeldReader>(std::move(project), std::move(rows));
}

arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> TakeStream(ArrowArrayStream* stream) {
  auto rows = arrow::ImportRecordBatchReader(stream);
  if (stream->release != nullptr) {
    stream->release(stream);
  }
  return rows;
}

}  // namespace icecore::capi

using icecore::capi::Call;
using icecore::capi::Missing;
using icecore::capi::TextCall;

int32_t icecore_open(const char* directory, const char* now, icecore_project** project,
                     icecore_error** error) {
  return Call(error, [&]() -> arrow::Status {
    if (directory == nullptr || project == nullptr) {
      return Missing(directory == nullptr ? "directory" : "project");
    }
    auto opened = std::make_shared<icecore::capi::Project>();
    opened->options.directory = directory;
    if (now != nullptr) {
      ARROW_ASSIGN_OR_RAISE(opened->options.now_us, icecore::base::ParseInstant(now));
    }
    ARROW_RETURN_NOT_OK(opened->Open());
    *project = new icecore_project{std::move(opened)};
    return arrow::Status::OK();
  });
}

int32_t icecore_reload(icecore_project* project, icecore_error** error) {
  return Call(error, [&]() -> arrow::Status {
    if (project == nullptr) {
      return Missing("project");
    }
    const std::lock_guard lock(project->project->mutex);
    return project->project->Open();
  });
}

void icecore_close(icecore_project* project) { delete project; }

int32_t icecore_sql(icecore_project* project, const char* query, ArrowArrayStream* rows,
                    icecore_error** error) {
  return Call(error, [&]() -> arrow::Status {
    if (project == nullptr || query == nullptr || rows == nullptr) {
      return Missing(project == nullptr ? "project" : query == nullptr ? "query" : "rows");
    }
    const std::lock_guard lock(project->project->mutex);
    ARROW_ASSIGN_OR_RAISE(auto table, project->project->engine->Sql(query));
    return arrow::ExportRecordBatchReader(
        std::make_shared<arrow::TableBatchReader>(std::move(table)), rows);
  });
}

int32_t icecore_list(icecore_project* project, const char* what, char** json,
                     icecore_error** error) {
  return TextCall(project, false, json, error, [&](icecore::engine::Engine* engine) {
    return what == nullptr ? arrow::Result<std::string>(Missing("what"))
                           : icecore::engine::ListDocument(engine, what);
  });
}

int32_t icecore_show(icecore_project* project, const char* name, char** json,
                     icecore_error** error) {
  return TextCall(project, false, json, error, [&](icecore::engine::Engine* engine) {
    return name == nullptr ? arrow::Result<std::string>(Missing("name"))
                           : icecore::engine::ShowDocument(engine, name);
  });
}

int32_t icecore_plan(icecore_project* project, char** json, icecore_error** error) {
  return TextCall(project, true, json, error,
                  [](icecore::engine::Engine* engine) -> arrow::Result<std::string> {
                    ARROW_ASSIGN_OR_RAISE(const auto plan, engine->Plan());
                    return icecore::engine::PlanDocument(plan);
                  });
}

int32_t icecore_apply(icecore_project* project, char** json, icecore_error** error) {
  return TextCall(project, true, json, error,
                  [](icecore::engine::Engine* engine) -> arrow::Result<std::string> {
                    ARROW_ASSIGN_OR_RAISE(const auto report, engine->Apply());
                    return icecore::engine::ApplyDocument(report);
                  });
}

int32_t icecore_run(icecore_project* project, const char* const* names, int64_t count, int32_t full,
                    char** json, icecore_error** error) {
  return TextCall(project, false, json, error,
                  [&](icecore::engine::Engine* engine) -> arrow::Result<std::string> {
                    icecore::pipeline::RunRequest request;
                    request.command = "run";
                    request.full = full != 0;
                    for (int64_t i = 0; i < count; ++i) {
                      if (names == nullptr || names[i] == nullptr) {
                        return Missing("names");
                      }
                      request.names.emplace_back(names[i]);
                    }
                    {
                      const std::lock_guard lock(project->project->stop_mutex);
                      project->project->stop = std::stop_source();
                      request.stop = project->project->stop.get_token();
                    }
                    ARROW_ASSIGN_OR_RAISE(const auto outcome, engine->Run(std::move(request)));
                    return icecore::engine::RunDocument(outcome);
                  });
}

void icecore_stop(icecore_project* project) {
  if (project != nullptr) {
    const std::lock_guard lock(project->project->stop_mutex);
    project->project->stop.request_stop();
  }
}
