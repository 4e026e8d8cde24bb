#pragma once
// The Arrow Flight server: a FlightService behind a socket. Protocol: docs/flight.md.

#include <arrow/result.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "icecore/server/flight_calls.h"
#include "icecore/server/flight_service.h"

namespace icecore::server {

// gRPC's threads move bytes and answer; each call has one. Thread safe.
class FlightServer {
 public:
  struct Options {
    std::string address = "127.0.0.1";  // an IP address or "localhost"
    uint16_t port = 0;                  // 0: any free one
    // PEM files; both or none.
    std::string tls_certificate;
    std::string tls_key;
    // An address outside loopback needs TLS and tokens, unless this is said.
    bool insecure = false;
    int64_t drain_timeout_ms = 15'000;  // from Drain to the cutting of what is left
    FlightService::Options service;
  };

  // Listens when it returns. kDenied for an address outside loopback without TLS and tokens,
  // kUnavailable when the port is taken or the library of the transport is missing. `api` and
  // `metrics` must outlive the server.
  static arrow::Result<std::unique_ptr<FlightServer>> Start(const Options& options, FeatureApi* api,
                                                            Metrics* metrics);
  // Drains and waits.
  ~FlightServer();
  FlightServer(const FlightServer&) = delete;
  FlightServer& operator=(const FlightServer&) = delete;

  // "grpc+tcp://127.0.0.1:8815"
  std::string Url() const;
  uint16_t port() const { return port_; }
  // Listens anew, on the same port, with what the files of TLS hold now; connections that come in
  // the milliseconds between are refused. Calls that had begun go on for a few seconds, then they
  // are cut. A pair that does not fit: the one before goes on. kUnavailable where the port
  // cannot be taken again: nothing listens, and the call may be repeated. One thread at a time.
  arrow::Status ReloadTls();
  // New calls are refused; streams end before their next batch. Returns at once.
  void Drain();
  // Cuts what is left at once.
  void Cut();
  // To be called after Drain: until what is being answered has ended.
  void Wait();

 private:
  FlightServer(const Options& options, std::string host, FeatureApi* api, Metrics* metrics);

  arrow::Result<FlightTransport::Options> ReadOptions() const;
  arrow::Status Listen(const FlightTransport::Options& options, FlightTransportEntry entry);

  const Options options_;
  const std::string host_;  // as in a URL
  FlightService service_;
  uint16_t port_ = 0;
  std::unique_ptr<FlightTransport> transport_;  // null where a new one could not listen
  std::vector<std::jthread> closing_;           // those before it
  std::atomic<int64_t> drain_ns_ = 0;           // when it began
  bool ended_ = false;
};

}  // namespace icecore::server
