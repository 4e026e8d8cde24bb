#pragma once
// Independent pieces of work on all cores.

#include <arrow/result.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>

#include "icecore/base/id.h"

namespace icecore::base {

// How many pieces run at once: the size of Arrow's pool for computing.
size_t ParallelPieces();

// Calls work(0) … work(count - 1), each once, on this thread and on Arrow's threads for computing;
// returns when all are done. Pieces after the first that fails need not be begun; the error is that
// of the first piece, in order, that has one. The work must not wait for Arrow's threads.
arrow::Status RunParallel(size_t count, const std::function<arrow::Status(size_t)>& work);

// One source of randomness for several threads.
class SharedRandom : public Random {
 public:
  explicit SharedRandom(Random& random) : random_(random) {}
  uint64_t Next() override {
    const std::lock_guard lock(mutex_);
    return random_.Next();
  }

 private:
  std::mutex mutex_;
  Random& random_;
};

}  // namespace icecore::base
