#include "icecore/server/router.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/base/suggest.h"
#include "icecore/server/counted_features.h"
#include "icecore/server/feast_json.h"
#include "icecore/server/openapi.h"
#include "icecore/server/push_json.h"
#include "icecore/server/response_json.h"

namespace icecore::server {
namespace {

using govern::Right;

constexpr size_t kMinEncodedBytes = 4 << 10;  // less fits a few packets as it is
constexpr std::string_view kGet = "GET, HEAD";
constexpr std::array<Route, 10> kRoutes = {{
    {Endpoint::kFeatures, "/v1/features", "POST", true, false, Right::kRead},
    {Endpoint::kServices, "/v1/services", kGet, true, false, Right::kRead},
    {Endpoint::kMetrics, "/metrics", kGet, false, false, Right::kMetrics},
    {Endpoint::kHealth, "/healthz", kGet, false, true, Right::kRead},
    {Endpoint::kReady, "/readyz", kGet, false, true, Right::kRead},
    {Endpoint::kOpenApi, "/openapi.json", kGet, false, true, Right::kRead},
    {Endpoint::kFeastFeatures, "/get-online-features", "POST", true, false, Right::kRead},
    {Endpoint::kFeastPush, "/push", "POST", true, false, Right::kPush},
    {Endpoint::kFeastWrite, "/write-to-online-store", "POST", true, false, Right::kPush},
    {Endpoint::kFeastHealth, "/health", kGet, false, true, Right::kRead},
}};

std::string_view PathOf(std::string_view target) { return target.substr(0, target.find('?')); }

// `methods`: as in Route.
bool Takes(const Route& route, std::string_view method) {
  return method == "HEAD" || method == "GET" ? route.methods == kGet : route.methods == method;
}

HttpReply UnknownPath(std::string_view path) {
  std::vector<std::string> names;
  names.reserve(std::size(kRoutes));
  for (const Route& route : kRoutes) {
    names.emplace_back(route.path);
  }
  return ErrorReply(404, "not_found",
                    "no such path" + base::DidYouMean(path, names) + " (see /openapi.json)");
}

HttpReply WrongMethod(std::string_view allowed) {
  HttpReply reply = ErrorReply(405, "invalid_argument", "this path takes " + std::string(allowed));
  reply.allow = std::string(allowed);
  return reply;
}

// What the body says in some form, as the log has it.
void SetError(std::string_view code, std::string_view message, HttpReply* reply) {
  reply->error_code = std::string(code);
  reply->error_message = std::string(message);
}

HttpReply ForbiddenReply(const std::string& scope) {
  HttpReply reply;
  reply.status = 403;
  AppendAccessError("denied", "the token lacks the scope " + scope, scope, &reply.body);
  SetError("denied", "", &reply);
  return reply;
}

std::string CallerOf(const HttpRequest& request) {
  return request.caller == nullptr ? std::string() : request.caller->id;
}

HttpReply DamagedReply(const FeatureResponse& response) {
  HttpReply reply;
  reply.status = static_cast<unsigned>(base::HttpStatusOf(base::ErrorCode::kCorrupt));
  AppendFailedResponse(response, &reply.body);
  SetError(base::ErrorCodeName(base::ErrorCode::kCorrupt), ErrorOf(response).message(), &reply);
  return reply;
}

HttpReply FeastErrorReply(const arrow::Status& status, Missing missing) {
  HttpReply reply;
  const base::ErrorCode code = base::CodeOf(status);
  reply.status = FieldOf(status).empty() ? static_cast<unsigned>(base::HttpStatusOf(code)) : 422U;
  AppendFeastError(status, missing, &reply.body);
  SetError(base::ErrorCodeName(code), status.message(), &reply);
  reply.retry_after_s = reply.status == 503 ? 1 : 0;
  return reply;
}

// What cannot be encoded goes as it is.
void EncodeBody(const HttpRequest& request, HttpReply* reply) {
  if (request.accepts == ContentEncoding::kIdentity || reply->body.size() < kMinEncodedBytes) {
    return;
  }
  auto encoded = Encode(request.accepts, reply->body);
  if (encoded.ok() && encoded->size() < reply->body.size()) {
    reply->body = *std::move(encoded);
    reply->encoding = request.accepts;
  }
}

HttpReply FeastHealth(const arrow::Status& ready) {
  HttpReply reply;
  reply.status = ready.ok() ? 200 : 503;
  reply.retry_after_s = ready.ok() ? 0 : 1;
  if (!ready.ok()) {
    SetError(base::ErrorCodeName(base::CodeOf(ready)), ready.message(), &reply);
  }
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
  SetError(code, message, &reply);
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
  SetError(base::ErrorCodeName(code), status.message(), &reply);
  if (reply.status == 503) {
    reply.retry_after_s = 1;
  }
  return reply;
}

const Route* FindRoute(std::string_view target) {
  const std::string_view path = PathOf(target);
  const auto route = std::find_if(kRoutes.begin(), kRoutes.end(),
                                  [&](const Route& known) { return known.path == path; });
  return route == kRoutes.end() ? nullptr : &*route;
}

HttpReply UnauthenticatedReply(const Route* route) {
  const std::string scope =
      govern::Scope{route == nullptr ? Right::kRead : route->right, ""}.ToString();
  HttpReply reply;
  reply.status = 401;
  AppendAccessError(
      "unauthenticated",
      "no valid token: send 'Authorization: Bearer TOKEN' of a token with the scope " + scope +
          " (`icecore token new --scope " + scope + "` makes one)",
      scope, &reply.body);
  SetError("unauthenticated", "", &reply);
  return reply;
}

bool Router::AsksApi(const HttpRequest& request) {
  const Route* route = FindRoute(request.target);
  return route != nullptr && route->asks_api && Takes(*route, request.method);
}

bool Router::AllowsSome(const HttpRequest& request, Right right) const {
  if (access_ == nullptr || !access_->enforced()) {
    return true;
  }
  return request.caller != nullptr && request.caller->AllowsSome(right);
}

bool Router::Allows(const HttpRequest& request, Right right, std::string_view name) const {
  if (access_ == nullptr || !access_->enforced()) {
    return true;
  }
  return request.caller != nullptr && request.caller->Allows(right, name);
}

HttpReply Router::Handle(const HttpRequest& request, FeatureRequestParser* parser,
                         int64_t deadline_ns) const {
  HttpReply reply = Answer(request, parser, deadline_ns);
  EncodeBody(request, &reply);
  return reply;
}

HttpReply Router::Answer(const HttpRequest& request, FeatureRequestParser* parser,
                         int64_t deadline_ns) const {
  const Route* route = FindRoute(request.target);
  if (route == nullptr) {
    return UnknownPath(PathOf(request.target));
  }
  if (!Takes(*route, request.method)) {
    return WrongMethod(route->methods);
  }
  switch (route->endpoint) {
    case Endpoint::kFeatures:
      return *Features(request, parser, deadline_ns);
    case Endpoint::kServices:
      return Services(request);
    case Endpoint::kReady:
      return Ready();
    case Endpoint::kMetrics:
      if (!Allows(request, Right::kMetrics, "")) {
        return ForbiddenReply("metrics");
      }
      return Text("text/plain; version=0.0.4; charset=utf-8", metrics_->Text(api_->State()));
    case Endpoint::kOpenApi:
      return Text("application/json", std::string(OpenApiDocument()));
    case Endpoint::kFeastFeatures:
      return *FeastFeatures(request, *parser, deadline_ns);
    case Endpoint::kFeastPush:
    case Endpoint::kFeastWrite:
      return Push(request, route->endpoint == Endpoint::kFeastWrite, *parser);
    case Endpoint::kFeastHealth:
      return FeastHealth(api_->CheckReady());
    case Endpoint::kHealth:
      return Text("application/json", "{\"status\":\"alive\"}");
  }
  return UnknownPath(PathOf(request.target));
}

std::optional<HttpReply> Router::TryHandle(const HttpRequest& request,
                                           FeatureRequestParser* parser) const {
  const Route* route = FindRoute(request.target);
  if (route == nullptr || !Takes(*route, request.method)) {
    return std::nullopt;
  }
  std::optional<HttpReply> reply;
  if (route->endpoint == Endpoint::kFeatures) {
    reply = Features(request, parser, 0);
  } else if (route->endpoint == Endpoint::kFeastFeatures) {
    reply = FeastFeatures(request, *parser, 0);
  }
  if (reply) {
    EncodeBody(request, &*reply);
  }
  return reply;
}

std::string Router::MissingScope(const HttpRequest& request, const FeatureRequest& features) const {
  if (!features.service.empty()) {
    return Allows(request, Right::kRead, features.service)
               ? ""
               : govern::Scope{Right::kRead, features.service}.ToString();
  }
  for (const std::string& feature : features.features) {
    const std::string view = "view." + feature.substr(0, feature.find(':'));
    if (!Allows(request, Right::kRead, view)) {
      return govern::Scope{Right::kRead, view}.ToString();
    }
  }
  return "";
}

std::optional<HttpReply> Router::Features(const HttpRequest& request, FeatureRequestParser* parser,
                                          int64_t deadline_ns) const {
  arrow::Result<FeatureRequest> parsed = parser->Parse(request.body);
  if (!parsed.ok()) {
    return ErrorReply(parsed.status());
  }
  parsed->caller = CallerOf(request);
  if (const std::string scope = MissingScope(request, *parsed); !scope.empty()) {
    return ForbiddenReply(scope);
  }
  const auto asked = AskCounted(api_, metrics_, *parsed, deadline_ns);
  if (!asked) {
    return std::nullopt;
  }
  const arrow::Result<FeatureResponse>& response = *asked;
  HttpReply reply;
  arrow::Status status = response.status();
  if (status.ok() && !IsAnyRowWhole(*response)) {
    reply = DamagedReply(*response);
  } else if (status.ok()) {
    status = AppendFeatureResponse(parsed->service, *response, &reply.body);
  }
  if (!status.ok()) {
    reply = ErrorReply(status);
  }
  reply.service = parsed->service;
  return reply;
}

std::optional<HttpReply> Router::FeastFeatures(const HttpRequest& request,
                                               const FeatureRequestParser& parser,
                                               int64_t deadline_ns) const {
  arrow::Result<FeastRequest> parsed =
      ParseFeastRequest(request.body, parser.max_body_bytes(), parser.max_rows());
  if (!parsed.ok()) {
    return FeastErrorReply(parsed.status(), Missing::kView);
  }
  parsed->request.caller = CallerOf(request);
  if (const std::string scope = MissingScope(request, parsed->request); !scope.empty()) {
    return ForbiddenReply(scope);
  }
  const auto asked = AskCounted(api_, metrics_, parsed->request, deadline_ns);
  if (!asked) {
    return std::nullopt;
  }
  const arrow::Result<FeatureResponse>& response = *asked;
  HttpReply reply;
  arrow::Status status = response.status();
  if (status.ok() && !IsAnyRowWhole(*response)) {
    status = ErrorOf(*response);
  } else if (status.ok()) {
    status = AppendFeastResponse(*parsed, *response, &reply.body);
  }
  if (!status.ok()) {
    reply = FeastErrorReply(status,
                            parsed->request.service.empty() ? Missing::kView : Missing::kService);
  }
  reply.service = parsed->request.service;
  return reply;
}

HttpReply Router::Push(const HttpRequest& request, bool write,
                       const FeatureRequestParser& parser) const {
  arrow::Result<ParsedPush> parsed =
      ParsePush(request.body, write, parser.max_body_bytes(), parser.max_rows());
  if (!parsed.ok()) {
    // What cannot be read says little of its form.
    const bool feast = write || request.body.find("\"push_source_name\"") != std::string::npos;
    return feast ? FeastErrorReply(parsed.status(), Missing::kPushSource)
                 : ErrorReply(parsed.status());
  }
  const bool ours = parsed->form == PushForm::kOurs;
  const auto refused = [&](const arrow::Status& status) {
    return ours    ? ErrorReply(status)
           : write ? FeastErrorReply(status, Missing::kView)
                   : FeastErrorReply(status, Missing::kPushSource);
  };
  const auto target = api_->PushTarget(parsed->rows);
  // Who may push nothing at all learns nothing of what there is.
  if (!target.ok() && !AllowsSome(request, Right::kPush)) {
    return ForbiddenReply("push");
  }
  if (!target.ok()) {
    return refused(target.status());
  }
  if (!Allows(request, Right::kPush, *target)) {
    return ForbiddenReply(govern::Scope{Right::kPush, *target}.ToString());
  }
  parsed->rows.key = request.idempotency_key;
  const arrow::Result<PushAnswer> answer = api_->Push(parsed->rows);
  if (!answer.ok()) {
    return refused(answer.status());
  }
  metrics_->CountPush(*target, answer->duplicate ? 0 : answer->row_count);
  HttpReply reply;
  if (ours) {
    AppendPushAnswer(*answer, &reply.body);
  } else if (write) {
    reply.body = "null";
  }
  return reply;
}

HttpReply Router::Services(const HttpRequest& request) const {
  arrow::Result<std::vector<ServiceDescription>> services = api_->ListServices();
  if (!services.ok()) {
    return ErrorReply(services.status());
  }
  // A caller sees what it may read.
  std::erase_if(*services, [&](const ServiceDescription& service) {
    return !Allows(request, Right::kRead, service.name);
  });
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
