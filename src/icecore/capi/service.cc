#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_time.h>
#include <arrow/c/abi.h>
#include <arrow/c/bridge.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <shared_mutex>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/base/time.h"
#include "icecore/capi/call_internal.h"
#include "icecore/capi/project_internal.h"
#include "icecore/engine/entity_rows.h"
#include "icecore/spec/parse.h"

namespace icecore::capi {

using base::ErrorCode;
using nlohmann::json;

// The engine made the service and owns the store that it reads.
struct OpenedService {
  std::shared_ptr<engine::Engine> engine;
  std::shared_ptr<const engine::OnlineService> service;
};

namespace {

arrow::Result<OpenedService> OpenService(Project* project, const std::string& name) {
  const std::lock_guard lock(project->mutex);
  ARROW_ASSIGN_OR_RAISE(auto service, project->engine->OpenService(name));
  return OpenedService{project->engine, std::move(service)};
}

json NamesAndTypes(const std::vector<feature::RequestColumn>& columns) {
  json list = json::array();
  for (const auto& column : columns) {
    list.push_back({{"name", column.name}, {"type", spec::TypeText(*column.type)}});
  }
  return list;
}

std::string Description(const feature::BoundService& service) {
  json features = json::array();
  for (const auto& output : service.outputs()) {
    features.push_back({{"name", output.name}, {"type", spec::TypeText(*output.type)}});
  }
  return json{{"name", service.name()},
              {"keys", NamesAndTypes(service.key_columns())},
              {"request", NamesAndTypes(service.request_columns())},
              {"features", features}}
      .dump();
}

std::string Info(const engine::Vectors& vectors) {
  json views = json::object();
  for (const auto& [view, position] : vectors.positions) {
    const auto& stale = vectors.stale_views;
    views[view] = {{"seq", position.seq},
                   {"applied_at", base::FormatInstant(position.applied_at)},
                   {"stale", std::find(stale.begin(), stale.end(), view) != stale.end()}};
  }
  return json{
      {"service", vectors.service}, {"at", base::FormatInstant(vectors.t_us)}, {"views", views}}
      .dump();
}

arrow::Result<std::shared_ptr<arrow::Array>> StatusColumn(const state::VectorSink::Column& column) {
  arrow::StringBuilder builder;
  for (const state::ValueStatus status : column.statuses) {
    ARROW_RETURN_NOT_OK(builder.Append(state::ValueStatusName(status)));
  }
  return builder.Finish();
}

arrow::Result<std::shared_ptr<arrow::Array>> EventTimeColumn(
    const state::VectorSink::Column& column, bool as_of) {
  arrow::TimestampBuilder builder(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                                  arrow::default_memory_pool());
  for (size_t row = 0; row < column.statuses.size(); ++row) {
    const bool known = as_of && row < column.event_times.size() && column.event_times[row];
    ARROW_RETURN_NOT_OK(known ? builder.Append(*column.event_times[row]) : builder.AppendNull());
  }
  return builder.Finish();
}

// One batch with a column per feature, each made by `make(i)`.
template <typename Make>
arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> OneBatch(const engine::Vectors& vectors,
                                                                  int64_t rows, const Make& make) {
  std::vector<std::shared_ptr<arrow::Field>> fields;
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (size_t i = 0; i < vectors.columns.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(auto column, make(i));
    fields.push_back(arrow::field((*vectors.outputs)[i].name, column->type()));
    columns.push_back(std::move(column));
  }
  const auto schema = arrow::schema(std::move(fields));
  return arrow::RecordBatchReader::Make(
      {arrow::RecordBatch::Make(schema, rows, std::move(columns))}, schema);
}

struct Answers {
  std::shared_ptr<arrow::RecordBatchReader> features;
  std::shared_ptr<arrow::RecordBatchReader> statuses;
  std::shared_ptr<arrow::RecordBatchReader> event_times;
};

arrow::Result<Answers> MakeAnswers(const engine::Vectors& vectors, bool statuses,
                                   bool event_times) {
  const int64_t rows = vectors.columns.empty() ? 0 : vectors.columns.front().values->length();
  Answers answers;
  ARROW_ASSIGN_OR_RAISE(
      answers.features, OneBatch(vectors, rows, [&](size_t i) {
        return arrow::Result<std::shared_ptr<arrow::Array>>(vectors.columns[i].values);
      }));
  if (statuses) {
    ARROW_ASSIGN_OR_RAISE(answers.statuses, OneBatch(vectors, rows, [&](size_t i) {
                            return StatusColumn(vectors.columns[i]);
                          }));
  }
  if (event_times) {
    ARROW_ASSIGN_OR_RAISE(answers.event_times, OneBatch(vectors, rows, [&](size_t i) {
                            return EventTimeColumn(vectors.columns[i], (*vectors.outputs)[i].as_of);
                          }));
  }
  return answers;
}

}  // namespace
}  // namespace icecore::capi

using icecore::capi::Call;
using icecore::capi::Missing;

struct icecore_service {
  std::shared_ptr<icecore::capi::Project> project;
  std::string name;
  std::shared_mutex mutex;  // guards `opened`
  icecore::capi::OpenedService opened;

  icecore::capi::OpenedService Current() {
    const std::shared_lock lock(mutex);
    return opened;
  }

  // The view may have been loaded by another definition or table generation meanwhile: once again
  // by what holds now.
  arrow::Result<icecore::engine::Vectors> Read(const arrow::Table& entities, const int64_t* at_us) {
    icecore::capi::OpenedService current = Current();
    const auto now = [&] {
      return at_us != nullptr ? *at_us : current.engine->clock().NowMicros();
    };
    auto vectors = icecore::engine::ReadEntities(*current.service, entities, now());
    if (vectors.ok() ||
        icecore::base::CodeOf(vectors.status()) != icecore::base::ErrorCode::kConflict) {
      return vectors;
    }
    ARROW_ASSIGN_OR_RAISE(current, icecore::capi::OpenService(project.get(), name));
    {
      const std::unique_lock lock(mutex);
      opened = current;
    }
    return icecore::engine::ReadEntities(*current.service, entities, now());
  }
};

int32_t icecore_service_open(icecore_project* project, const char* name, icecore_service** service,
                             icecore_error** error) {
  return Call(error, [&]() -> arrow::Status {
    if (project == nullptr || name == nullptr || service == nullptr) {
      return Missing(project == nullptr ? "project" : name == nullptr ? "name" : "service");
    }
    auto made = std::make_unique<icecore_service>();
    made->project = project->project;
    made->name = name;
    ARROW_ASSIGN_OR_RAISE(made->opened, icecore::capi::OpenService(made->project.get(), name));
    *service = made.release();
    return arrow::Status::OK();
  });
}

int32_t icecore_service_describe(icecore_service* service, char** json, icecore_error** error) {
  return Call(error, [&]() -> arrow::Status {
    if (service == nullptr || json == nullptr) {
      return Missing(service == nullptr ? "service" : "json");
    }
    return icecore::capi::NewText(icecore::capi::Description(service->Current().service->service()))
        .Value(json);
  });
}

int32_t icecore_service_read(icecore_service* service, ArrowArrayStream* entities,
                             const int64_t* at_us, ArrowArrayStream* features,
                             ArrowArrayStream* statuses, ArrowArrayStream* event_times, char** info,
                             icecore_error** error) {
  return Call(error, [&]() -> arrow::Status {
    if (entities == nullptr) {
      return Missing("entities");
    }
    ARROW_ASSIGN_OR_RAISE(auto rows, icecore::capi::TakeStream(entities));
    if (service == nullptr || features == nullptr) {
      return Missing(service == nullptr ? "service" : "features");
    }
    ARROW_ASSIGN_OR_RAISE(const auto table, rows->ToTable());
    ARROW_ASSIGN_OR_RAISE(const auto vectors, service->Read(*table, at_us));
    ARROW_ASSIGN_OR_RAISE(auto answers, icecore::capi::MakeAnswers(vectors, statuses != nullptr,
                                                                   event_times != nullptr));
    if (info != nullptr) {
      ARROW_RETURN_NOT_OK(icecore::capi::NewText(icecore::capi::Info(vectors)).Value(info));
    }
    ARROW_RETURN_NOT_OK(arrow::ExportRecordBatchReader(answers.features, features));
    if (statuses != nullptr) {
      ARROW_RETURN_NOT_OK(arrow::ExportRecordBatchReader(answers.statuses, statuses));
    }
    if (event_times != nullptr) {
      ARROW_RETURN_NOT_OK(arrow::ExportRecordBatchReader(answers.event_times, event_times));
    }
    return arrow::Status::OK();
  });
}

void icecore_service_free(icecore_service* service) { delete service; }
