#pragma once
// Flight's calls, answered by a FeatureApi: who may ask for what, limits, counts and the log.

#include <arrow/result.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "icecore/server/access_control.h"
#include "icecore/server/feature_service_api.h"
#include "icecore/server/flight_calls.h"
#include "icecore/server/metrics.h"
#include "icecore/server/request_json.h"
#include "icecore/server/request_log.h"

namespace icecore::server {

class FlightService : public FlightCalls {
 public:
  struct Options {
    const AccessControl* access = nullptr;      // nullptr: everybody may ask for everything
    int64_t max_body_bytes = int64_t{4} << 20;  // of a batch, and of a descriptor or ticket
    int64_t max_rows = 10'000;                  // of a batch
    int64_t max_calls = 256;                    // at the same time: each has a thread
    int64_t answer_timeout_ms = 10'000;         // of a batch
    RequestLog* request_log = nullptr;          // nullptr: calls are not logged
    bool log_every_request = false;             // else those that failed by our fault
  };

  // All pointers must outlive the service.
  FlightService(const Options& options, FeatureApi* api, Metrics* metrics);

  arrow::Result<std::shared_ptr<FlightCall>> Begin(std::string_view method,
                                                   std::string_view authorization) override;
  FlightCode CodeOf(const arrow::Status& status) const override;

  // New calls, and new batches of calls under way, are refused from now on.
  void Drain();
  // Until nothing is being answered, or `deadline_ns` (base::MonotonicNanos), or Cut.
  void AwaitIdle(int64_t deadline_ns);
  void Cut();

 private:
  class Call;
  class Reads;
  class Pushes;
  class Working;

  arrow::Result<std::shared_ptr<const govern::AccessToken>> Authenticate(
      std::string_view authorization) const;
  void AddWork(int change);

  const Options options_;
  FeatureApi* const api_;
  Metrics* const metrics_;
  const FeatureRequestParser parser_;
  const std::string id_prefix_;  // of this process
  std::atomic<uint64_t> last_call_ = 0;
  std::atomic<int64_t> calls_ = 0;
  std::atomic<bool> draining_ = false;

  std::mutex mutex_;
  std::condition_variable idle_;
  int64_t working_ = 0;  // calls and batches being answered
  bool cut_ = false;
};

}  // namespace icecore::server
