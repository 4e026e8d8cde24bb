#pragma once
// The HTTP server: sockets, limits and threads around a FeatureApi. Protocol: docs/http.md.

#include <arrow/result.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "icecore/server/access_control.h"
#include "icecore/server/feature_service_api.h"
#include "icecore/server/metrics.h"
#include "icecore/server/request_log.h"

namespace icecore::server {

// `io_threads` threads move bytes, and give the small answers that need no waiting; `workers`
// threads ask the API for all else. Every queue and buffer has a bound; what goes beyond is refused
// with 503 and Retry-After. Thread safe.
class HttpServer {
 public:
  struct Options {
    std::string address = "127.0.0.1";  // an IP address or "localhost"
    uint16_t port = 8080;               // 0: any free one
    // PEM files; both or none. With them the server speaks TLS only.
    std::string tls_certificate;
    std::string tls_key;
    // Who may ask for what; nullptr: everybody. Must outlive the server.
    const AccessControl* access = nullptr;
    // An address outside loopback needs TLS and tokens, unless this is said.
    bool insecure = false;
    int io_threads = 1;
    int workers = 2;

    int64_t max_body_bytes = int64_t{4} << 20;
    int64_t max_header_bytes = int64_t{16} << 10;
    int64_t max_rows = 10'000;  // entities per call
    int64_t max_connections = 1024;
    int64_t max_queued_requests = 256;  // waiting for a worker
    int64_t max_queue_wait_ms = 500;    // while one has waited this long, others are refused
    int64_t inline_body_bytes = int64_t{8} << 10;    // bodies up to this need no worker
    int64_t max_pending_bytes = int64_t{128} << 20;  // of bodies received and not yet answered

    int64_t request_timeout_ms = 10'000;  // first byte of a request to its last
    int64_t answer_timeout_ms = 10'000;   // last byte of a request to its answer
    int64_t write_timeout_ms = 30'000;    // answer to its last byte sent
    int64_t idle_timeout_ms = 60'000;     // between requests of a connection
    int64_t drain_timeout_ms = 15'000;    // from Drain to the cutting of what is left

    // Where requests are logged; nullptr: nowhere. Must outlive the server.
    RequestLog* request_log = nullptr;
    bool log_every_request = false;  // else those that failed by our fault (500 and above)

    std::stop_token stop;             // a stop request drains
    bool drain_on_signals = false;    // SIGTERM and SIGINT drain, too
    std::function<void()> on_hangup;  // SIGHUP, where it is set; on the I/O thread, must not block
    // A drain begins, or a second signal ends it at once; on the I/O thread, must not block.
    std::function<void(bool at_once)> on_drain;
  };

  // Listens when it returns. kDenied for an address outside loopback without TLS and tokens,
  // kUnavailable when the port is taken. `api` must outlive the server.
  static arrow::Result<std::unique_ptr<HttpServer>> Start(const Options& options, FeatureApi* api);
  // Drains and waits.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  uint16_t port() const;
  // What the server counts; other protocols may count there, too.
  Metrics* metrics();
  // No new connections; idle ones are closed, requests under way are answered. Returns at once.
  void Drain();
  // Reads certificate and key anew, for connections to come. After an error the old ones stay.
  arrow::Status ReloadTls();
  // Until a drain has ended.
  void Wait();

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace icecore::server
