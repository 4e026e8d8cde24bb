#include "icecore/sql/query_deadline_internal.h"

namespace icecore::sql {

QueryDeadline::~QueryDeadline() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void QueryDeadline::Arm(int64_t timeout_ms) {
  {
    const std::lock_guard lock(mutex_);
    expired_ = false;
    deadline_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    if (!thread_.joinable()) thread_ = std::thread([this] { Watch(); });
  }
  changed_.notify_all();
}

void QueryDeadline::Disarm() {
  {
    const std::lock_guard lock(mutex_);
    deadline_.reset();
  }
  changed_.notify_all();
}

bool QueryDeadline::Expired() const {
  const std::lock_guard lock(mutex_);
  return expired_;
}

void QueryDeadline::Watch() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (!deadline_) {
      changed_.wait(lock);
      continue;
    }
    const auto until = *deadline_;
    changed_.wait_until(lock, until);
    if (stopping_ || !deadline_ || std::chrono::steady_clock::now() < *deadline_) continue;
    expired_ = true;
    // Again and again until the query notices: an interrupt between DuckDB's own steps is lost.
    duckdb_interrupt(connection_);
    deadline_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
  }
}

}  // namespace icecore::sql
