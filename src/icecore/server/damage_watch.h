#pragma once
// Keys that answered with an error because what the store holds of them is damaged: counted by
// view, and told in the log, a line per view now and then however many requests meet them.

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace icecore::server {

// Thread safe.
class DamageWatch {
 public:
  // `now_ns`: base::MonotonicNanos().
  void Count(const std::string& view, int64_t keys, const std::string& why, int64_t now_ns);
  // Of a view, since the server started.
  int64_t CountOf(const std::string& view) const;

 private:
  struct Damage {
    int64_t keys = 0;
    int64_t told_keys = 0;  // of them, in the last line or before it
    int64_t told_at_ns = 0;
  };
  mutable std::mutex mutex_;
  std::map<std::string, Damage> by_view_;
};

}  // namespace icecore::server
