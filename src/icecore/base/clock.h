#pragma once
// Time as an injected interface, so that tests and replays can move it.

#include <cstdint>
#include <memory>

namespace icecore::base {

// Microseconds since 1970-01-01T00:00:00Z, UTC. Thread safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t NowMicros() const = 0;
};

// The machine's clock.
std::unique_ptr<Clock> MakeSystemClock();

// Always the same moment, until it is set to another. Set must not race with NowMicros.
class FixedClock : public Clock {
 public:
  explicit FixedClock(int64_t now_us) : now_us_(now_us) {}
  int64_t NowMicros() const override { return now_us_; }
  void Set(int64_t now_us) { now_us_ = now_us; }

 private:
  int64_t now_us_;
};

// Monotonic nanoseconds, for durations only.
int64_t MonotonicNanos();

}  // namespace icecore::base
