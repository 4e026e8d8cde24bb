#pragma once
// The HTTP server: sockets, limits and threads around a FeatureApi. Protocol: docs/http.md.

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>

#include "icecore/server/feature_service_api.h"

namespace icecore::server {

// One thread moves bytes, `workers` threads ask the API. Every queue and buffer has a bound; what
// goes beyond is refused with 503 and Retry-After. Thread safe.
class HttpServer {
 public:
  struct Options {
    std::string address = "127.0.0.1";  // an IP address or "localhost"
    uint16_t port = 8080;               // 0: any free one
    // Without it, addresses outside loopback and Host headers that name another machine are
    // refused.
    bool allow_remote = false;
    int workers = 2;

    int64_t max_body_bytes = int64_t{4} << 20;
    int64_t max_header_bytes = int64_t{16} << 10;
    int64_t max_rows = 10'000;  // entities per call
    int64_t max_connections = 1024;
    int64_t max_queued_requests = 256;               // waiting for a worker
    int64_t max_pending_bytes = int64_t{128} << 20;  // of bodies received and not yet answered

    int64_t request_timeout_ms = 10'000;  // first byte of a request to its last
    int64_t answer_timeout_ms = 10'000;   // last byte of a request to its answer
    int64_t write_timeout_ms = 30'000;    // answer to its last byte sent
    int64_t idle_timeout_ms = 60'000;     // between requests of a connection
    int64_t drain_timeout_ms = 15'000;    // from Drain to the cutting of what is left

    std::stop_token stop;           // a stop request drains
    bool drain_on_signals = false;  // SIGTERM and SIGINT drain, too
  };

  // Listens when it returns. kDenied for an address outside loopback without allow_remote,
  // kUnavailable when the port is taken. `api` must outlive the server.
  static arrow::Result<std::unique_ptr<HttpServer>> Start(const Options& options, FeatureApi* api);
  // Drains and waits.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  uint16_t port() const;
  // No new connections; idle ones are closed, requests under way are answered. Returns at once.
  void Drain();
  // Until a drain has ended.
  void Wait();

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace icecore::server
