#pragma once
// From one HTTP request to one reply; knows nothing of sockets.

#include <cstdint>
#include <string>
#include <string_view>

#include "icecore/server/feature_service_api.h"
#include "icecore/server/metrics.h"
#include "icecore/server/request_json.h"

namespace icecore::server {

struct HttpRequest {
  std::string method;  // upper case
  std::string target;  // path and query
  std::string body;
};

struct HttpReply {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::string allow;          // with 405
  int64_t retry_after_s = 0;  // with 503
};

// {"error":…} with the status that belongs to the code; 503 asks to come again after a second.
HttpReply ErrorReply(const arrow::Status& status);
HttpReply ErrorReply(unsigned status, std::string_view code, std::string_view message);

// Thread safe.
class Router {
 public:
  // Both must outlive the router.
  Router(FeatureApi* api, Metrics* metrics) : api_(api), metrics_(metrics) {}

  // True when Handle asks the API, which may block; all else can be answered anywhere at once.
  static bool AsksApi(const HttpRequest& request);
  // The path without its query where it is one of ours, else "other".
  static std::string_view RouteOf(std::string_view target);
  // Never fails: errors are replies. `parser` belongs to the calling thread; it may be null when
  // AsksApi is false.
  HttpReply Handle(const HttpRequest& request, FeatureRequestParser* parser,
                   int64_t deadline_ns) const;

 private:
  HttpReply Features(const HttpRequest& request, FeatureRequestParser* parser,
                     int64_t deadline_ns) const;
  HttpReply Services() const;
  HttpReply Ready() const;

  FeatureApi* api_;
  Metrics* metrics_;
};

}  // namespace icecore::server
