#pragma once
// A watch over one running query: interrupts DuckDB when its time is up.

#include <duckdb.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>

namespace icecore::sql {

// Owned by a session; its thread starts with the first deadline and ends with the object. All
// methods are thread-safe.
class QueryDeadline {
 public:
  explicit QueryDeadline(duckdb_connection connection) : connection_(connection) {}
  ~QueryDeadline();
  QueryDeadline(const QueryDeadline&) = delete;
  QueryDeadline& operator=(const QueryDeadline&) = delete;

  // Interrupts the connection timeout_ms from now unless Disarm comes first.
  void Arm(int64_t timeout_ms);
  void Disarm();
  // The deadline passed since the last Arm.
  bool Expired() const;

 private:
  void Watch();

  const duckdb_connection connection_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<std::chrono::steady_clock::time_point> deadline_;
  bool expired_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace icecore::sql
