#include "icecore/server/worker_pool.h"

#include <utility>

#include "icecore/base/clock.h"

namespace icecore::server {

WorkerPool::WorkerPool(int workers, size_t max_queued, int64_t max_wait_ms, int64_t max_body_bytes,
                       int64_t max_rows)
    : max_queued_(max_queued), max_wait_ns_(max_wait_ms * 1'000'000) {
  for (int i = 0; i < workers; ++i) {
    threads_.emplace_back([this, max_body_bytes, max_rows] { Run(max_body_bytes, max_rows); });
  }
}

WorkerPool::~WorkerPool() { CloseAndJoin(); }

WorkerPool::Push WorkerPool::TryPush(Work work) {
  const int64_t now_ns = base::MonotonicNanos();
  {
    std::lock_guard lock(mutex_);
    if (closed_ || queue_.size() >= max_queued_) {
      return Push::kFull;
    }
    if (!queue_.empty() && now_ns - queue_.front().since_ns > max_wait_ns_) {
      return Push::kSlow;
    }
    queue_.push_back({std::move(work), now_ns});
  }
  wake_.notify_one();
  return Push::kQueued;
}

size_t WorkerPool::queued() const {
  std::lock_guard lock(mutex_);
  return queue_.size();
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
      work = std::move(queue_.front().work);
      queue_.pop_front();
    }
    work(&parser);
  }
}

}  // namespace icecore::server
