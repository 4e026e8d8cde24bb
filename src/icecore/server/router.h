#pragma once
// From one HTTP request to one reply; knows nothing of sockets.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "icecore/govern/access_token.h"
#include "icecore/server/access_control.h"
#include "icecore/server/content_encoding.h"
#include "icecore/server/feature_service_api.h"
#include "icecore/server/metrics.h"
#include "icecore/server/request_json.h"

namespace icecore::server {

struct HttpRequest {
  std::string method;  // upper case
  std::string target;  // path and query
  std::string body;
  std::string idempotency_key;
  ContentEncoding accepts = ContentEncoding::kIdentity;
  // Whose token came with it; nullptr where tokens are not asked for.
  std::shared_ptr<const govern::AccessToken> caller;
};

struct HttpReply {
  unsigned status = 200;
  std::string content_type = "application/json";
  ContentEncoding encoding = ContentEncoding::kIdentity;  // of the body
  std::string body;
  std::string allow;          // with 405
  int64_t retry_after_s = 0;  // with 503
  std::string service;        // that was asked, for the log
  std::string error_code;     // of the body's error, for the log; "" for none
  std::string error_message;  // of that error
};

// {"error":…} with the status that belongs to the code; 503 asks to come again after a second.
HttpReply ErrorReply(const arrow::Status& status);
HttpReply ErrorReply(unsigned status, std::string_view code, std::string_view message);

enum class Endpoint {
  kFeatures,
  kServices,
  kMetrics,
  kHealth,
  kReady,
  kOpenApi,
  kFeastFeatures,
  kFeastPush,
  kFeastWrite,
  kFeastHealth,
};

// One path of the server.
struct Route {
  Endpoint endpoint;
  std::string_view path;
  std::string_view methods;  // "POST" or "GET, HEAD"
  bool asks_api;             // may block; all else can be answered anywhere at once
  bool is_open;              // needs no token
  govern::Right right;       // that a token must have, where it is not open
};
// nullptr: no path of ours. `target`: path and query.
const Route* FindRoute(std::string_view target);

// 401 that names the scope wanted; `route` may be null.
HttpReply UnauthenticatedReply(const Route* route);

// Thread safe.
class Router {
 public:
  // All must outlive the router; `access` may be null: nobody needs a token.
  Router(FeatureApi* api, Metrics* metrics, const AccessControl* access)
      : api_(api), metrics_(metrics), access_(access) {}

  // True when Handle asks the API, which may block.
  static bool AsksApi(const HttpRequest& request);
  // Never fails: errors are replies. `parser` belongs to the calling thread; it may be null when
  // AsksApi is false.
  HttpReply Handle(const HttpRequest& request, FeatureRequestParser* parser,
                   int64_t deadline_ns) const;
  // As Handle, where that needs no waiting; else nullopt, and nothing has been done.
  std::optional<HttpReply> TryHandle(const HttpRequest& request,
                                     FeatureRequestParser* parser) const;

 private:
  HttpReply Answer(const HttpRequest& request, FeatureRequestParser* parser,
                   int64_t deadline_ns) const;
  // deadline_ns 0: only what needs no waiting.
  std::optional<HttpReply> Features(const HttpRequest& request, FeatureRequestParser* parser,
                                    int64_t deadline_ns) const;
  std::optional<HttpReply> FeastFeatures(const HttpRequest& request,
                                         const FeatureRequestParser& parser,
                                         int64_t deadline_ns) const;
  HttpReply Push(const HttpRequest& request, bool write, const FeatureRequestParser& parser) const;
  HttpReply Services(const HttpRequest& request) const;
  HttpReply Ready() const;
  bool Allows(const HttpRequest& request, govern::Right right, std::string_view name) const;
  bool AllowsSome(const HttpRequest& request, govern::Right right) const;
  // The first scope that the caller lacks for these features; "" where it has all.
  std::string MissingScope(const HttpRequest& request, const FeatureRequest& features) const;

  FeatureApi* api_;
  Metrics* metrics_;
  const AccessControl* access_;
};

}  // namespace icecore::server
