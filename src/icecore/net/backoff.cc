#include "icecore/net/backoff.h"

#include <algorithm>
#include <charconv>

#include "icecore/base/clock.h"

namespace icecore::net {

Backoff::Backoff(const RetryLimits& limits, base::Random* random)
    : limits_(limits), random_(random), started_ns_(base::MonotonicNanos()) {}

int64_t Backoff::LeftMs() const {
  const int64_t spent_ms = (base::MonotonicNanos() - started_ns_) / 1'000'000;
  return std::max<int64_t>(limits_.deadline_ms - spent_ms, 1);
}

std::optional<int64_t> Backoff::NextWaitMs(int64_t at_least_ms) {
  if (attempts_ >= limits_.attempts) {
    return std::nullopt;
  }
  const int64_t bound =
      std::min(limits_.longest_wait_ms, limits_.first_wait_ms << std::min(attempts_ - 1, 20));
  const auto drawn = static_cast<int64_t>(random_->Next() %
                                          (static_cast<uint64_t>(std::max<int64_t>(bound, 0)) + 1));
  const int64_t wait = std::max(drawn, at_least_ms);
  if (wait >= LeftMs()) {
    return std::nullopt;
  }
  ++attempts_;
  return wait;
}

int64_t RetryAfterMs(const std::string& header) {
  constexpr int64_t kMostSeconds = 86400;
  int64_t seconds = 0;
  const auto [end, error] = std::from_chars(header.data(), header.data() + header.size(), seconds);
  if (error != std::errc() || end != header.data() + header.size() || seconds < 0) {
    return 0;
  }
  return std::min(seconds, kMostSeconds) * 1000;
}

}  // namespace icecore::net
