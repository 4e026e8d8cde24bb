#include "icecore/server/router.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/base/log.h"
#include "icecore/base/suggest.h"
#include "icecore/server/openapi.h"
#include "icecore/server/response_json.h"

namespace icecore::server {
namespace {

constexpr std::string_view kFeatures = "/v1/features";
constexpr std::string_view kServices = "/v1/services";
constexpr std::string_view kMetrics = "/metrics";
constexpr std::string_view kHealth = "/healthz";
constexpr std::string_view kReady = "/readyz";
constexpr std::string_view kOpenApi = "/openapi.json";
constexpr std::array<std::string_view, 6> kRoutes = {kFeatures, kServices, kMetrics,
                                                     kHealth,   kReady,    kOpenApi};

std::string_view PathOf(std::string_view target) { return target.substr(0, target.find('?')); }

HttpReply UnknownPath(std::string_view path) {
  const std::vector<std::string> names(kRoutes.begin(), kRoutes.end());
  return ErrorReply(404, "not_found",
                    "no such path" + base::DidYouMean(path, names) + " (see /openapi.json)");
}

HttpReply WrongMethod(std::string_view allowed) {
  HttpReply reply = ErrorReply(405, "invalid_argument", "this path takes " + std::string(allowed));
  reply.allow = std::string(allowed);
  return reply;
}

HttpReply Text(std::string_view content_type, std::string body) {
  HttpReply reply;
  reply.content_type = std::string(content_type);
  reply.body = std::move(body);
  return reply;
}

}  // namespace

HttpReply ErrorReply(unsigned status, std::string_view code, std::string_view message) {
  HttpReply reply;
  reply.status = status;
  AppendError(code, message, "", &reply.body);
  if (status == 503) {
    reply.retry_after_s = 1;
  }
  return reply;
}

HttpReply ErrorReply(const arrow::Status& status) {
  const base::ErrorCode code = base::CodeOf(status);
  HttpReply reply;
  reply.status = static_cast<unsigned>(base::HttpStatusOf(code));
  AppendError(base::ErrorCodeName(code), status.message(), FieldOf(status), &reply.body);
  if (reply.status == 503) {
    reply.retry_after_s = 1;
  }
  return reply;
}

bool Router::AsksApi(const HttpRequest& request) {
  const std::string_view path = PathOf(request.target);
  return (path == kFeatures && request.method == "POST") || path == kServices || path == kReady;
}

std::string_view Router::RouteOf(std::string_view target) {
  const auto route = std::find(kRoutes.begin(), kRoutes.end(), PathOf(target));
  return route == kRoutes.end() ? "other" : *route;
}

HttpReply Router::Handle(const HttpRequest& request, FeatureRequestParser* parser,
                         int64_t deadline_ns) const {
  const std::string_view path = PathOf(request.target);
  if (path == kFeatures) {
    return request.method == "POST" ? Features(request, parser, deadline_ns) : WrongMethod("POST");
  }
  if (RouteOf(request.target) == "other") {
    return UnknownPath(path);
  }
  if (request.method != "GET" && request.method != "HEAD") {
    return WrongMethod("GET, HEAD");
  }
  if (path == kServices) {
    return Services();
  }
  if (path == kReady) {
    return Ready();
  }
  if (path == kMetrics) {
    return Text("text/plain; version=0.0.4; charset=utf-8", metrics_->Text());
  }
  if (path == kOpenApi) {
    return Text("application/json", std::string(OpenApiDocument()));
  }
  return Text("application/json", "{\"status\":\"alive\"}");
}

HttpReply Router::Features(const HttpRequest& request, FeatureRequestParser* parser,
                           int64_t deadline_ns) const {
  const arrow::Result<FeatureRequest> parsed = parser->Parse(request.body);
  if (!parsed.ok()) {
    return ErrorReply(parsed.status());
  }
  const int64_t begin_ns = base::MonotonicNanos();
  arrow::Result<FeatureResponse> response = api_->GetFeatures(*parsed, deadline_ns);
  HttpReply reply;
  int64_t rows = 0;
  arrow::Status status = response.status();
  if (status.ok()) {
    rows = response->num_rows;
    status = AppendFeatureResponse(parsed->service, *response, &reply.body);
    for (const ViewFreshness& view : response->views) {
      metrics_->SetFreshness(view);
    }
  }
  if (!status.ok()) {
    reply = ErrorReply(status);
    if (reply.status == 500) {
      base::Log(base::LogLevel::kError, "feature request failed: " + status.message());
    }
  }
  // A name that no service has makes no series; every other answer comes from one that exists.
  if (reply.status != 404) {
    metrics_->CountService(parsed->service, reply.status, rows, base::MonotonicNanos() - begin_ns);
  }
  return reply;
}

HttpReply Router::Services() const {
  const arrow::Result<std::vector<ServiceDescription>> services = api_->ListServices();
  if (!services.ok()) {
    return ErrorReply(services.status());
  }
  HttpReply reply;
  AppendServices(*services, &reply.body);
  return reply;
}

HttpReply Router::Ready() const {
  const arrow::Status status = api_->CheckReady();
  if (!status.ok()) {
    return ErrorReply(503, base::ErrorCodeName(base::CodeOf(status)), status.message());
  }
  return Text("application/json", "{\"status\":\"ready\"}");
}

}  // namespace icecore::server
