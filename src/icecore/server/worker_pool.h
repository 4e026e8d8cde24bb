#pragma once
// Threads that take work from one bounded queue.

#include <condition_variable>
#include <cstddef>
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

  WorkerPool(int workers, size_t max_queued, int64_t max_body_bytes, int64_t max_rows);
  // Finishes what is queued.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // False when the queue is full or closed; never waits.
  bool TryPush(Work work);
  // No further work; returns when all that was queued is done.
  void CloseAndJoin();

 private:
  void Run(int64_t max_body_bytes, int64_t max_rows);

  const size_t max_queued_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Work> queue_;
  bool closed_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace icecore::server
