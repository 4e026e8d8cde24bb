#include "icecore/server/worker_pool.h"

#include <utility>

namespace icecore::server {

WorkerPool::WorkerPool(int workers, size_t max_queued, int64_t max_body_bytes, int64_t max_rows)
    : max_queued_(max_queued) {
  for (int i = 0; i < workers; ++i) {
    threads_.emplace_back([this, max_body_bytes, max_rows] { Run(max_body_bytes, max_rows); });
  }
}

WorkerPool::~WorkerPool() { CloseAndJoin(); }

bool WorkerPool::TryPush(Work work) {
  {
    std::lock_guard lock(mutex_);
    if (closed_ || queue_.size() >= max_queued_) {
      return false;
    }
    queue_.push_back(std::move(work));
  }
  wake_.notify_one();
  return true;
}

void WorkerPool::CloseAndJoin() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  wake_.notify_all();
  threads_.clear();
}

void WorkerPool::Run(int64_t max_body_bytes, int64_t max_rows) {
  FeatureRequestParser parser(max_body_bytes, max_rows);
  while (true) {
    Work work;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return closed_ || !queue_.empty(); });
      if (queue_.empty()) {
        return;
      }
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    work(&parser);
  }
}

}  // namespace icecore::server
