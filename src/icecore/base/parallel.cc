#include <arrow/util/thread_pool.h>

#include <algorithm>
#include <condition_variable>
#include <memory>

#include "icecore/base/parallel.h"

namespace icecore::base {
namespace {

// What the threads of one call share. A thread that comes when all is taken touches nothing else,
// so that nobody waits for threads of a pool that is busy.
class Pieces {
 public:
  Pieces(size_t count, const std::function<arrow::Status(size_t)>* work)
      : count_(count), first_failed_(count), work_(work) {}

  void RunAll() {
    size_t piece = 0;
    while (Take(&piece)) {
      Note(piece, (*work_)(piece));
    }
  }

  // When no piece is at work and none will be begun.
  arrow::Status Wait() {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [&] { return running_ == 0; });
    return error_;
  }

 private:
  bool Take(size_t* piece) {
    const std::lock_guard lock(mutex_);
    if (next_ >= std::min(count_, first_failed_)) {
      return false;
    }
    *piece = next_++;
    ++running_;
    return true;
  }

  void Note(size_t piece, arrow::Status status) {
    const std::lock_guard lock(mutex_);
    --running_;
    if (!status.ok() && piece < first_failed_) {
      first_failed_ = piece;
      error_ = std::move(status);
    }
    done_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable done_;
  const size_t count_;
  size_t next_ = 0;
  size_t running_ = 0;
  size_t first_failed_;  // count_: none
  arrow::Status error_;
  const std::function<arrow::Status(size_t)>* const work_;  // while pieces are left
};

}  // namespace

size_t ParallelPieces() {
  return static_cast<size_t>(std::max(arrow::GetCpuThreadPoolCapacity(), 1));
}

arrow::Status RunParallel(size_t count, const std::function<arrow::Status(size_t)>& work) {
  const auto pieces = std::make_shared<Pieces>(count, &work);
  const size_t helpers = std::min(ParallelPieces(), count) - std::min<size_t>(count, 1);
  for (size_t i = 0; i < helpers; ++i) {
    // A pool that is shut down takes no more work: then it is done here.
    static_cast<void>(
        arrow::internal::GetCpuThreadPool()->Spawn([pieces] { pieces->RunAll(); }).ok());
  }
  pieces->RunAll();
  return pieces->Wait();
}

}  // namespace icecore::base
