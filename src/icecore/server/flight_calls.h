#pragma once
// What the Arrow Flight transport asks of the server. The transport (flight_transport_module.cc) is
// a library of its own, loaded when it is asked for: it meets the server here, through virtual
// functions alone, and the server knows nothing of gRPC. Batches come aligned, and not looked at
// otherwise. Protocol: docs/flight.md.

#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace icecore::server {

// A Flight descriptor or ticket: a path, or a command.
struct FlightTarget {
  std::vector<std::string> path;  // where there is no command
  std::string command;
};

struct FlightDescription {
  std::string service;
  std::shared_ptr<arrow::Schema> answer;   // of the batches that come back
  std::shared_ptr<arrow::Schema> request;  // of the batches that are sent: keys, request columns
  std::string json;                        // as in GET /v1/services
  std::string ticket;                      // answers by DoGet; "" where the keys are not known
};

// Batches answered by one service. One thread at a time.
class FlightReads {
 public:
  virtual ~FlightReads() = default;
  virtual std::shared_ptr<arrow::Schema> schema() const = 0;
  using Send = std::function<arrow::Status(const arrow::RecordBatch&)>;
  // Sends one row for each of the batch's, in order, in the schema above; a drain waits for it.
  virtual arrow::Status Answer(const std::shared_ptr<arrow::RecordBatch>& batch,
                               const Send& send) = 0;
};

// Batches for one source. One thread at a time.
class FlightPushes {
 public:
  virtual ~FlightPushes() = default;
  using Send = std::function<arrow::Status(const std::string& receipt)>;
  // `key`: the batch's own idempotency key, or "". Once the rows are durable a receipt is sent,
  // the JSON of POST /push.
  virtual arrow::Status Push(const arrow::RecordBatch& batch, const std::string& key,
                             const Send& send) = 0;
};

// One call under way. One thread at a time.
class FlightCall {
 public:
  virtual ~FlightCall() = default;
  // The services that the caller may read.
  virtual arrow::Result<std::vector<FlightDescription>> List() = 0;
  virtual arrow::Result<FlightDescription> Describe(const FlightTarget& target) = 0;
  // Keys come in batches. What is returned must not outlive the call.
  virtual arrow::Result<std::unique_ptr<FlightReads>> OpenReads(const FlightTarget& target) = 0;
  // Keys stand in the ticket.
  virtual arrow::Result<std::shared_ptr<arrow::RecordBatch>> Get(const std::string& ticket) = 0;
  // What is returned must not outlive the call.
  virtual arrow::Result<std::unique_ptr<FlightPushes>> OpenPushes(const FlightTarget& target) = 0;
  // Once, at last.
  virtual void End(const arrow::Status& status) = 0;
};

// The statuses of Flight.
enum class FlightCode {
  kInvalidArgument,
  kNotFound,
  kUnauthenticated,
  kDenied,
  kUnavailable,
  kUnsupported,
  kInternal,
};

// Thread safe.
class FlightCalls {
 public:
  virtual ~FlightCalls() = default;
  // `method`: Flight's name of it. `authorization`: the header, or "". A refused call has ended.
  virtual arrow::Result<std::shared_ptr<FlightCall>> Begin(std::string_view method,
                                                           std::string_view authorization) = 0;
  // Of an error that a function of this file gave.
  virtual FlightCode CodeOf(const arrow::Status& status) const = 0;
};

// A listening Flight server.
class FlightTransport {
 public:
  struct Options {
    std::string address;
    uint16_t port = 0;
    std::string tls_certificate;  // PEM text, or ""
    std::string tls_key;          // PEM text
  };

  virtual ~FlightTransport() = default;
  virtual uint16_t port() const = 0;
  // No further calls; cuts those that are left after `wait_ms`, and returns when all have ended.
  virtual void Shutdown(int64_t wait_ms) = 0;
};

// The transport's library exports this under kFlightTransportEntry. `calls` must outlive what is
// made. It returns a new transport, or nullptr with *error set.
using FlightTransportEntry = FlightTransport* (*)(const FlightTransport::Options& options,
                                                  FlightCalls* calls, arrow::Status* error);
inline constexpr char kFlightTransportEntry[] = "icecore_flight_transport";

}  // namespace icecore::server
