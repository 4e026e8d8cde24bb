#pragma once
// What the server counts, as Prometheus text. Names and units: docs/http.md.

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "icecore/server/feature_service_api.h"

namespace icecore::server {

// Values of an answer by status, in the order of state::ValueStatus.
using StatusCounts = std::array<int64_t, state::kValueStatuses>;

// Thread safe.
class Metrics {
 public:
  Metrics();
  ~Metrics();

  // One answered request. `route`: one of the server's paths, or "other", so that clients cannot
  // make series.
  void CountRequest(std::string_view route, unsigned status, int64_t duration_ns);
  // One answered call of a service that exists.
  void CountService(std::string_view service, unsigned status, int64_t rows,
                    const StatusCounts& values, int64_t duration_ns);
  // Rows that a source took.
  void CountPush(std::string_view source, int64_t rows);
  // The store could not answer; `code`: base::ErrorCodeName.
  void CountStoreError(std::string_view code);

  enum class Refusal { kConnections, kQueue, kMemory, kDeadline, kShed };
  void CountRefusal(Refusal refusal);
  void CountTimeout();
  void CountUnauthenticated();
  void AddInFlight(int change);
  void AddConnections(int change);
  void SetQueued(size_t requests);

  // One ended call of Arrow Flight. `method`: Flight's name of it; `status`: "ok" or one of ours.
  void CountFlightCall(std::string_view method, std::string_view status);
  // One answered batch of rows.
  void CountFlightBatch(std::string_view method, int64_t duration_ns);
  void AddFlightCalls(int change);

  // Text format 0.0.4, with what the API says of itself.
  std::string Text(const ApiState& state) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace icecore::server
