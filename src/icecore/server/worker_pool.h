#pragma once
// Threads that take work from one bounded queue.

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "icecore/server/request_json.h"

namespace icecore::server {

class WorkerPool {
 public:
  // Work must not throw. It is given the worker's own parser.
  using Work = std::function<void(FeatureRequestParser*)>;

  WorkerPool(int workers, size_t max_queued, int64_t max_wait_ms, int64_t max_body_bytes,
             int64_t max_rows);
  // Finishes what is queued.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  enum class Push {
    kQueued,
    kFull,  // or closed
    kSlow,  // the oldest that waits has waited for max_wait_ms: what joins would wait longer still
  };
  // Never waits.
  Push TryPush(Work work);
  // Waiting now.
  size_t queued() const;
  // No further work; returns when all that was queued is done.
  void CloseAndJoin();

 private:
  struct Queued {
    Work work;
    int64_t since_ns;
  };

  void Run(int64_t max_body_bytes, int64_t max_rows);

  const size_t max_queued_;
  const int64_t max_wait_ns_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Queued> queue_;
  bool closed_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace icecore::server
