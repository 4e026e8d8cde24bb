#pragma once
// How long to wait before the next attempt, and when to give up.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "icecore/base/id.h"

namespace icecore::net {

struct RetryLimits {
  int attempts = 8;             // in all
  int64_t first_wait_ms = 100;  // the longest first wait; doubles with each
  int64_t longest_wait_ms = 5000;
  int64_t deadline_ms = 120000;  // of all attempts and waits together
};

// The waits of one operation: exponential with full jitter (each is drawn evenly from 0 to its
// bound), so that clients that failed together do not come back together.
class Backoff {
 public:
  // `random` is borrowed. The deadline counts from here.
  Backoff(const RetryLimits& limits, base::Random* random);

  // How long to wait before the next attempt; nullopt: no more attempts. `at_least_ms` is what the
  // server asked for (0 = nothing); an answer beyond the deadline ends the attempts.
  std::optional<int64_t> NextWaitMs(int64_t at_least_ms);
  // The attempt before has done a part of the work: attempts and waits begin anew, the deadline
  // stays.
  void Progress() { attempts_ = 1; }
  // Attempts so far, the first included.
  int attempts() const { return attempts_; }
  // What is left of the deadline, at least 1.
  int64_t LeftMs() const;

 private:
  const RetryLimits limits_;
  base::Random* const random_;
  const int64_t started_ns_;
  int attempts_ = 1;
};

// Milliseconds of a Retry-After header in seconds; 0 for none, a date or nonsense.
int64_t RetryAfterMs(const std::string& header);

}  // namespace icecore::net
