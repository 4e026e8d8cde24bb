#pragma once
// What the server counts, as Prometheus text. Names and units: docs/http.md.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "icecore/server/feature_service_api.h"

namespace icecore::server {

// Thread safe.
class Metrics {
 public:
  Metrics();
  ~Metrics();

  // One answered request. `route`: one of the server's paths, or "other", so that clients cannot
  // make series.
  void CountRequest(std::string_view route, unsigned status, int64_t duration_ns);
  // One answered call of a service that exists.
  void CountService(const std::string& service, unsigned status, int64_t rows, int64_t duration_ns);
  void SetFreshness(const ViewFreshness& view);

  enum class Refusal { kConnections, kQueue, kMemory, kDeadline };
  void CountRefusal(Refusal refusal);
  void CountTimeout();
  void AddInFlight(int change);
  void AddConnections(int change);

  // Text format 0.0.4.
  std::string Text() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace icecore::server
