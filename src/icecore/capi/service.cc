#include <arrow/c/abi.h>
#include <arrow/c/bridge.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <nlohmann/json.hpp>
#include <shared_mutex>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/base/time.h"
#include "icecore/capi/answer_stream_internal.h"
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
  std::shared_ptr<const AnswerSchemas> schemas;
};

namespace {

arrow::Result<OpenedService> OpenService(Project* project, const std::string& name) {
  const std::lock_guard lock(project->mutex);
  ARROW_ASSIGN_OR_RAISE(auto service, project->engine->OpenService(name));
  auto schemas = std::make_shared<const AnswerSchemas>(AnswerSchemas::Of(service->service()));
  return OpenedService{project->engine, std::move(service), std::move(schemas)};
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

std::string Info(const engine::VectorRows& rows) {
  json views = json::object();
  for (const engine::VectorRows::View& view : rows.views) {
    views[*view.name] = {{"seq", view.position->seq},
                         {"applied_at", base::FormatInstant(view.position->applied_at)},
                         {"stale", view.is_stale}};
  }
  json info{{"service", rows.service->service().name()},
            {"at", base::FormatInstant(rows.t_us)},
            {"views", views}};
  for (const engine::DamagedRows& damage : rows.damages) {
    info["errors"].push_back({{"view", damage.view},
                              {"features", damage.features},
                              {"rows", damage.rows},
                              {"code", base::ErrorCodeName(ErrorCode::kCorrupt)},
                              {"message", engine::DamageText({damage})}});
  }
  return info.dump();
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

  // What answered, and its answer.
  struct Read {
    icecore::capi::OpenedService by;
    std::shared_ptr<const icecore::capi::Answer> answer;
  };
  // The view may have been loaded by another definition or table generation meanwhile: once again
  // by what holds now.
  arrow::Result<Read> ReadVectors(const arrow::Table& entities, const int64_t* at_us) {
    icecore::capi::OpenedService current = Current();
    auto rows = ReadBy(current, entities, at_us);
    if (!rows.ok() && icecore::base::CodeOf(rows.status()) == icecore::base::ErrorCode::kConflict) {
      ARROW_ASSIGN_OR_RAISE(current, icecore::capi::OpenService(project.get(), name));
      {
        const std::unique_lock lock(mutex);
        opened = current;
      }
      rows = ReadBy(current, entities, at_us);
    }
    ARROW_RETURN_NOT_OK(rows.status());
    auto answer = std::make_shared<const icecore::capi::Answer>(
        icecore::capi::Answer{current.engine, *std::move(rows)});
    return Read{std::move(current), std::move(answer)};
  }

 private:
  static arrow::Result<icecore::engine::VectorRows> ReadBy(
      const icecore::capi::OpenedService& service, const arrow::Table& entities,
      const int64_t* at_us) {
    const int64_t t_us = at_us != nullptr ? *at_us : service.engine->clock().NowMicros();
    return icecore::engine::ReadEntities(*service.service, entities, t_us);
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
    ARROW_ASSIGN_OR_RAISE(auto asked, icecore::capi::TakeStream(entities));
    if (service == nullptr || features == nullptr) {
      return Missing(service == nullptr ? "service" : "features");
    }
    ARROW_ASSIGN_OR_RAISE(const auto table, asked->ToTable());
    ARROW_ASSIGN_OR_RAISE(const auto read, service->ReadVectors(*table, at_us));
    // Where the caller takes neither, nothing would tell a damaged value from a null.
    const auto& rows = read.answer->rows;
    if (!rows.damages.empty() && ((statuses == nullptr && info == nullptr) ||
                                  !icecore::engine::IsAnyRowWhole(rows.damages, rows.num_rows))) {
      return icecore::base::MakeError(icecore::base::ErrorCode::kCorrupt,
                                      icecore::engine::DamageText(rows.damages));
    }
    if (info != nullptr) {
      ARROW_RETURN_NOT_OK(
          icecore::capi::NewText(icecore::capi::Info(read.answer->rows)).Value(info));
    }
    const std::pair<icecore::capi::AnswerPart, ArrowArrayStream*> wanted[] = {
        {icecore::capi::AnswerPart::kValues, features},
        {icecore::capi::AnswerPart::kStatuses, statuses},
        {icecore::capi::AnswerPart::kEventTimes, event_times}};
    for (const auto& [part, stream] : wanted) {
      if (stream != nullptr) {
        ARROW_RETURN_NOT_OK(arrow::ExportRecordBatchReader(
            icecore::capi::AnswerStream(read.answer, *read.by.schemas, part), stream));
      }
    }
    return arrow::Status::OK();
  });
}

void icecore_service_free(icecore_service* service) { delete service; }
