#pragma once
// What a process that serves does beside answering: it lands what is pushed (source, contract,
// tables and online views of the sources of pushes, in small batches), and brings the online views
// forward in time.

#include <arrow/result.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "icecore/base/error.h"
#include "icecore/engine/engine.h"

namespace icecore::engine {

class PushFollower {
 public:
  // Is told on the follower's threads, and must not block.
  class Listener {
   public:
    virtual ~Listener() = default;
    // What was pushed to the source before that moment (base::MonotonicNanos) is in the online
    // views behind it, and has landed or will.
    virtual void OnServable(const std::string& source, int64_t begin_ns) = 0;
    // Rows of each source that have landed, ever. With every look.
    virtual void OnLanded(const std::map<std::string, int64_t>& rows) = 0;
    // A run for pushes has ended, with all its steps or without.
    virtual void OnRunEnded(bool ok) = 0;
    // A view could not be loaded, with pushes or in time.
    virtual void OnLoadFailed(const std::string& view, base::ErrorCode code) = 0;
  };

  struct Pace {
    int64_t look_us = 0;     // between two looks for what other processes pushed
    int64_t advance_us = 0;  // between two loads of all online views
  };

  // Opens the project a second time, for itself, and again when other definitions were applied.
  // Pushes: a quarter of look_us lies between two runs at least, and under a stream as much as a
  // run takes, up to the whole of it, or to half a second where no view waits for the lake. The
  // first run comes at once, for what has landed and was not loaded. A run of which a step fails is
  // logged and tried again, ever later up to a minute, or with the next push. The small files that
  // its runs have made are packed together, and feature logs kept, beside (housekeeper.h). Views:
  // loaded at once and then every advance_us, whether or not there are new rows, for rows that were
  // known ahead and for the time that answers are good for; not where the project's clock stands
  // still. What fails is logged and tried again a minute later. The listener outlives it.
  static arrow::Result<std::unique_ptr<PushFollower>> Start(const OpenOptions& options, Pace pace,
                                                            Listener* listener);
  // Waits for the run at hand.
  virtual ~PushFollower() = default;

  // Something was pushed: the next run need not wait for its turn to look. Any thread; never blocks
  // for long.
  virtual void Wake() = 0;
};

}  // namespace icecore::engine
