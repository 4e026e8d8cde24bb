#include "icecore/engine/served_service.h"

#include "icecore/base/error.h"
#include "icecore/pipeline/service_binding.h"

namespace icecore::engine {

std::string ServedLogFolder(const spec::Project& project) {
  return project.root + "/.icecore/served";
}

arrow::Result<std::shared_ptr<const online::ServedService>> DescribeServed(
    const spec::Project& project, const feature::BoundService& service, int64_t catalog_version) {
  const spec::FeatureService* defined = project.FindService(service.name());
  if (defined == nullptr) {
    return base::MakeError(base::ErrorCode::kInternal, "no service " + service.name());
  }
  auto served = std::make_shared<online::ServedService>();
  served->name = service.name();
  ARROW_ASSIGN_OR_RAISE(served->definition, pipeline::ServiceDefinition(project, *defined));
  served->catalog_version = catalog_version;
  for (const auto& column : service.key_columns()) {
    served->key_names.push_back(column.name);
  }
  for (const auto& column : service.request_columns()) {
    served->request_names.push_back(column.name);
  }
  for (const auto& output : service.outputs()) {
    served->feature_names.push_back(output.name);
  }
  return served;
}

online::ServedVectors AsServed(std::shared_ptr<const online::ServedService> service,
                               const std::vector<std::shared_ptr<arrow::Array>>& keys,
                               const std::vector<std::shared_ptr<arrow::Array>>& request,
                               int64_t rows, const Vectors& vectors) {
  online::ServedVectors served;
  served.service = std::move(service);
  for (const auto& [view, position] : vectors.positions) {
    served.views.push_back({view, position});
  }
  served.times.assign(static_cast<size_t>(rows), vectors.t_us);
  served.keys = keys;
  served.request = request;
  for (const auto& column : vectors.columns) {
    served.values.push_back(column.values);
    served.statuses.push_back(column.statuses);
  }
  return served;
}

}  // namespace icecore::engine
