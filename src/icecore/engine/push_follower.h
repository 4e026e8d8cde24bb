#pragma once
// Lands what is pushed while a process serves: source, contract, tables and online views of the
// sources of pushes, in small batches.

#include <arrow/result.h>

#include <cstdint>
#include <memory>

#include "icecore/engine/engine.h"

namespace icecore::engine {

class PushFollower {
 public:
  // Opens the project a second time, for itself. interval_us: between the ends of two runs. A run
  // that fails is logged and tried again, ever later up to a minute. Without a source of pushes it
  // does nothing.
  static arrow::Result<std::unique_ptr<PushFollower>> Start(const OpenOptions& options,
                                                            int64_t interval_us);
  // Waits for the run at hand.
  virtual ~PushFollower() = default;
};

}  // namespace icecore::engine
