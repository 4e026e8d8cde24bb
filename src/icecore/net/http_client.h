#pragma once
// One HTTP request and its answer, over kept connections, with TLS verified.

#include <arrow/result.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace icecore::net {

struct HttpRequest {
  std::string method;  // "GET", "HEAD", "PUT", "POST", "DELETE"
  std::string url;     // whole and encoded, "http://…" or "https://…"
  std::vector<std::pair<std::string, std::string>> headers;
  std::string_view body;       // borrowed for the call
  int64_t timeout_ms = 60000;  // from the first packet to the last
  int64_t max_response_bytes = int64_t{16} << 20;
};

struct HttpResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case; the last of a name counts
  std::string body;

  // "" where the answer lacks it. `name` in lower case.
  const std::string& Header(const std::string& name) const;
};

// Thread safe. Redirects are answers like any other and are not followed.
class HttpClient {
 public:
  struct Options {
    std::string ca_file;  // PEM; "" = the system's
    int64_t connect_timeout_ms = 5000;
    int64_t stall_timeout_ms = 30000;  // without a byte in either direction
    size_t max_idle = 16;              // connections kept for later
  };

  virtual ~HttpClient() = default;

  static arrow::Result<std::unique_ptr<HttpClient>> Open(const Options& options);

  // Any answer of a server is OK, whatever its status. Without an answer: kUnavailable when the
  // request cannot have reached the server, kOutcomeUnknown when it may have (lost connection,
  // timeout), kDenied when the server's certificate is not trusted, kLimit when the answer is
  // larger than allowed. Messages name the host, never headers or bodies.
  virtual arrow::Result<HttpResponse> Send(const HttpRequest& request) = 0;
};

// The time of an HTTP Date or Last-Modified header in microseconds; -1 where it is none.
int64_t ParseHttpDate(const std::string& text);

}  // namespace icecore::net
