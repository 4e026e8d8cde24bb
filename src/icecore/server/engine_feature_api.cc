#include "icecore/server/engine_feature_api.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/type.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/base/suggest.h"
#include "icecore/quality/text_conversion.h"
#include "icecore/spec/parse.h"

namespace icecore::server {
namespace {

using base::ErrorCode;
using base::MakeError;

std::string DoubleText(double value) {
  char buffer[40];
  return std::string(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
}

// The scalar as the text that the column's type is read from; nullopt: another kind of JSON value
// than the type takes.
std::optional<std::string> TextFor(const JsonScalar& scalar, const arrow::DataType& type) {
  const arrow::Type::type id = type.id();
  if (id == arrow::Type::BOOL) {
    const bool* value = std::get_if<bool>(&scalar);
    return value == nullptr ? std::nullopt : std::optional<std::string>(*value ? "true" : "false");
  }
  if (arrow::is_integer(id) || arrow::is_floating(id)) {
    if (const auto* whole = std::get_if<int64_t>(&scalar)) {
      return std::to_string(*whole);
    }
    if (const auto* whole = std::get_if<uint64_t>(&scalar)) {
      return std::to_string(*whole);
    }
    if (const auto* number = std::get_if<double>(&scalar);
        number != nullptr && arrow::is_floating(id)) {
      return DoubleText(*number);
    }
    const auto* text = std::get_if<std::string>(&scalar);
    const bool special = text != nullptr && arrow::is_floating(id) &&
                         (*text == "NaN" || *text == "Infinity" || *text == "-Infinity");
    return special ? std::optional<std::string>(*text) : std::nullopt;
  }
  if (const auto* text = std::get_if<std::string>(&scalar)) {
    return *text;
  }
  if (const auto* whole = std::get_if<int64_t>(&scalar);
      whole != nullptr && arrow::is_decimal(id)) {
    return std::to_string(*whole);
  }
  return std::nullopt;
}

// One column of the request, `rows` long, in the type the service wants.
arrow::Result<std::shared_ptr<arrow::Array>> ToArray(const feature::RequestColumn& column,
                                                     const std::string& field,
                                                     const RequestValues& values, int64_t rows) {
  const auto wrong = [&](int64_t row) {
    return FieldError(field,
                      "value " + std::to_string(row) + " is no " + spec::TypeText(*column.type));
  };
  arrow::StringBuilder builder;
  for (int64_t row = 0; row < rows; ++row) {
    const auto at = values.values.size() == 1 ? 0 : static_cast<size_t>(row);
    const JsonScalar& scalar = values.values[at];
    if (std::holds_alternative<std::monostate>(scalar)) {
      ARROW_RETURN_NOT_OK(builder.AppendNull());
      continue;
    }
    const auto text = TextFor(scalar, *column.type);
    if (!text) {
      return wrong(row);
    }
    ARROW_RETURN_NOT_OK(builder.Append(*text));
  }
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Array> texts, builder.Finish());
  if (column.type->id() == arrow::Type::STRING) {
    return texts;
  }
  quality::ColumnTarget target;
  target.type = column.type;
  ARROW_ASSIGN_OR_RAISE(auto converted, quality::ConvertText(*texts, target, {}, /*json=*/true));
  if (!converted.bad.empty()) {
    return wrong(converted.bad.front().row);
  }
  return converted.values;
}

// The columns wanted, from those given; none may be missing, none may be too many.
arrow::Result<std::vector<std::shared_ptr<arrow::Array>>> ToArrays(
    const std::vector<feature::RequestColumn>& wanted, const std::vector<RequestValues>& given,
    const std::string& group, int64_t rows) {
  std::vector<std::string> names;
  for (const feature::RequestColumn& column : wanted) {
    names.push_back(column.name);
  }
  for (const RequestValues& values : given) {
    if (std::find(names.begin(), names.end(), values.name) == names.end()) {
      return FieldError(group + "." + values.name,
                        "the service has no such column" + base::DidYouMean(values.name, names));
    }
  }
  std::vector<std::shared_ptr<arrow::Array>> arrays;
  for (const feature::RequestColumn& column : wanted) {
    const std::string field = group + "." + column.name;
    const auto found = std::find_if(given.begin(), given.end(),
                                    [&](const auto& values) { return values.name == column.name; });
    if (found == given.end()) {
      return FieldError(field,
                        "is missing; the service needs it (" + spec::TypeText(*column.type) + ")");
    }
    ARROW_ASSIGN_OR_RAISE(auto array, ToArray(column, field, *found, rows));
    arrays.push_back(std::move(array));
  }
  return arrays;
}

class EngineFeatureApi : public FeatureApi {
 public:
  explicit EngineFeatureApi(engine::Engine* engine) : engine_(engine) {}

  arrow::Status Init() {
    for (const auto& service : engine_->project().services) {
      auto opened = engine_->OpenService(service.name);
      if (opened.ok()) {
        services_[service.name] = *opened;
      } else if (base::CodeOf(opened.status()) != ErrorCode::kInvalidDefinition) {
        return opened.status();
      } else {
        unserved_[service.name] = opened.status();  // it has a view that is not online
      }
    }
    return arrow::Status::OK();
  }

  arrow::Result<FeatureResponse> GetFeatures(const FeatureRequest& request,
                                             int64_t deadline_ns) override {
    ARROW_ASSIGN_OR_RAISE(auto service, Find(request.service));
    auto answered = Answer(*service, request);
    if (!answered.ok() && base::CodeOf(answered.status()) == ErrorCode::kConflict &&
        base::MonotonicNanos() < deadline_ns) {
      // The view was loaded from another table generation since the service was opened.
      ARROW_ASSIGN_OR_RAISE(service, Reopen(request.service));
      return Answer(*service, request);
    }
    return answered;
  }

  arrow::Result<std::vector<ServiceDescription>> ListServices() override {
    std::vector<ServiceDescription> list;
    std::shared_lock lock(mutex_);
    for (const auto& [name, service] : services_) {
      ServiceDescription one;
      one.name = name;
      if (const auto* defined = engine_->project().FindService(name)) {
        one.description = defined->doc.description;
      }
      for (const auto& column : service->service().key_columns()) {
        one.keys.push_back({column.name, spec::TypeText(*column.type)});
      }
      for (const auto& column : service->service().request_columns()) {
        one.request.push_back({column.name, spec::TypeText(*column.type)});
      }
      for (const auto& output : service->service().outputs()) {
        one.features.push_back({output.name, spec::TypeText(*output.type)});
      }
      list.push_back(std::move(one));
    }
    return list;
  }

  arrow::Status CheckReady() override {
    std::unique_lock lock(mutex_);
    ARROW_ASSIGN_OR_RAISE(online::Store * store, engine_->OnlineStore());
    return store->Describe().status();
  }

 private:
  using Service = std::shared_ptr<const engine::OnlineService>;

  arrow::Result<Service> Find(const std::string& name) {
    std::shared_lock lock(mutex_);
    if (const auto found = services_.find(name); found != services_.end()) {
      return found->second;
    }
    if (const auto found = unserved_.find(name); found != unserved_.end()) {
      return found->second;
    }
    std::vector<std::string> names;
    for (const auto& [known, service] : services_) {
      names.push_back(known);
    }
    return MakeError(ErrorCode::kNotFound,
                     "no feature service '" + name + "'" + base::DidYouMean(name, names));
  }

  arrow::Result<Service> Reopen(const std::string& name) {
    std::unique_lock lock(mutex_);
    ARROW_ASSIGN_OR_RAISE(auto service, engine_->OpenService(name));
    services_[name] = service;
    return service;
  }

  arrow::Result<FeatureResponse> Answer(const engine::OnlineService& service,
                                        const FeatureRequest& request) const {
    const feature::BoundService& bound = service.service();
    const int64_t rows = request.num_rows;
    ARROW_ASSIGN_OR_RAISE(const auto keys,
                          ToArrays(bound.key_columns(), request.entities, "entities", rows));
    ARROW_ASSIGN_OR_RAISE(const auto columns,
                          ToArrays(bound.request_columns(), request.request, "request", rows));
    const int64_t t = request.at_us.value_or(engine_->clock().NowMicros());
    ARROW_ASSIGN_OR_RAISE(auto vectors, service.Read(keys, columns, t));
    FeatureResponse response;
    response.t_us = t;
    response.num_rows = rows;
    for (size_t i = 0; i < vectors.columns.size(); ++i) {
      FeatureValues values;
      values.name = vectors.outputs[i].name;
      values.values = std::move(vectors.columns[i].values);
      values.statuses = std::move(vectors.columns[i].statuses);
      values.event_times = std::move(vectors.columns[i].event_times);
      response.features.push_back(std::move(values));
    }
    for (const auto& [view, position] : vectors.positions) {
      const auto& stale = vectors.stale_views;
      response.views.push_back({view, position.fingerprint, position.seq, position.applied_at,
                                std::find(stale.begin(), stale.end(), view) != stale.end()});
    }
    return response;
  }

  engine::Engine* const engine_;
  std::shared_mutex mutex_;  // guards the maps, and the engine, which takes one thread at a time
  std::map<std::string, Service> services_;
  std::map<std::string, arrow::Status> unserved_;
};

}  // namespace

arrow::Result<std::unique_ptr<FeatureApi>> MakeEngineFeatureApi(engine::Engine* engine) {
  auto api = std::make_unique<EngineFeatureApi>(engine);
  ARROW_RETURN_NOT_OK(api->Init());
  return api;
}

}  // namespace icecore::server
