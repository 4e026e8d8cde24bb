#pragma once
// What a process that serves does for rows that were pushed just now: it brings them to the online
// views that need nothing but them, before the lake has them (pipeline/direct_load.h).

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "icecore/engine/engine.h"

namespace icecore::engine {

class DirectFollower {
 public:
  // What was pushed to the source before that moment (base::MonotonicNanos) is in every online view
  // behind it. Is told on the follower's thread, and must not block.
  using Servable = std::function<void(const std::string& source, int64_t begin_ns)>;

  // A thread of its own, which opens the project for itself, and again when other definitions were
  // applied. It begins with the first LakeRan, looks every `look_us` and when it is woken. What
  // fails is left to the lake's steps, logged, and tried again when these have run. Loads are
  // recorded in the catalog, at most one record a second.
  static std::unique_ptr<DirectFollower> Start(const OpenOptions& options, int64_t look_us,
                                               Servable servable);
  // Waits for the load at hand.
  virtual ~DirectFollower() = default;

  // Something was pushed. Any thread.
  virtual void Wake() = 0;
  // The lake's steps have run: what waited for them may go on. Any thread.
  virtual void LakeRan() = 0;
  // No row is brought while it is held.
  virtual std::unique_lock<std::mutex> Hold() = 0;
};

}  // namespace icecore::engine
