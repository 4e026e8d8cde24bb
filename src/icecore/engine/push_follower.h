#pragma once
// Lands what is pushed while a process serves: source, contract, tables and online views of the
// sources of pushes, in small batches.

#include <arrow/result.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "icecore/engine/engine.h"

namespace icecore::engine {

class PushFollower {
 public:
  // Given a moment (base::MonotonicNanos): what was pushed before it has landed, and is in the
  // views.
  using OnLanded = std::function<void(int64_t begin_ns)>;

  // Opens the project a second time, for itself. interval_us: how often it looks for what
  // other processes pushed. A quarter of it lies between two runs at least, and under a stream as
  // much as a run takes, up to the whole of it. The first run comes at once, for what has landed
  // and was not loaded. A run of which a step fails is logged and tried again, ever later up to a
  // minute, or with the next push. The small files that its runs have made are packed together
  // now and then. Without a source of pushes it does nothing. on_landed: called on the
  // follower's thread, must not block.
  static arrow::Result<std::unique_ptr<PushFollower>> Start(const OpenOptions& options,
                                                            int64_t interval_us,
                                                            OnLanded on_landed);
  // Waits for the run at hand.
  virtual ~PushFollower() = default;

  // Something was pushed: the next run need not wait for its turn to look. Any thread; never blocks
  // for long.
  virtual void Wake() = 0;
};

}  // namespace icecore::engine
