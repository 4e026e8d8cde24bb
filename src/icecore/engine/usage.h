#pragma once
// Uses of services, views and features: counted in memory while requests are answered, and added to
// the catalog now and then.

#include <arrow/result.h>

#include <array>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "icecore/base/clock.h"
#include "icecore/catalog/catalog.h"
#include "icecore/feature/service.h"

namespace icecore::engine {

// Callers that are no access token.
inline constexpr std::string_view kAnonymousCaller = "anonymous";
inline constexpr std::string_view kTrainingSetCaller = "training-set";
// Stands for callers beyond kMaxCallers.
inline constexpr std::string_view kOtherCallers = "other";

// Days that the catalog keeps, today included.
inline constexpr int64_t kUsageDays = 400;

// Days since 1970-01-01, UTC.
int64_t DayOf(int64_t time_us);

// What a request of `service` uses: "service.S" (of a defined one), "view.V" and "view.V.FEATURE",
// those that feed request-time features included; sorted, each once.
std::vector<std::string> UsedNames(const feature::BoundService& service, bool is_defined);

// Requests and rows by caller, for so many callers and no more. Not thread safe.
class CallerCounts {
 public:
  static constexpr size_t kMaxCallers = 256;
  struct Count {
    int64_t requests = 0;
    int64_t rows = 0;
  };
  using Counts = std::map<std::string, Count, std::less<>>;

  void Add(std::string_view caller, Count count);
  const Counts& counts() const { return counts_; }
  // Leaves none.
  Counts Take() { return std::exchange(counts_, {}); }

 private:
  Counts counts_;
};

// Uses of one set of names. Thread safe; threads that count at once rarely meet.
class UsageCounter {
 public:
  // One request that was answered; caller "": anonymous.
  void Count(std::string_view caller, int64_t rows);
  // Moves what was counted since the last call to `total`.
  void TakeInto(CallerCounts* total);

 private:
  struct alignas(64) Shard {
    std::mutex mutex;
    CallerCounts counts;
  };
  std::array<Shard, 16> shards_;
};

// Collects counters. Thread safe. A process that is killed loses what it counted since the last
// Flush; nothing is ever counted twice. Days and times are those of `clock` at the flush.
class UsageRecorder {
 public:
  // Both are borrowed.
  UsageRecorder(catalog::UsageBook* book, const base::Clock* clock);
  UsageRecorder(const UsageRecorder&) = delete;
  UsageRecorder& operator=(const UsageRecorder&) = delete;

  // The same one for the same names; it may outlive the recorder, which then no longer sees it.
  std::shared_ptr<UsageCounter> CounterOf(const std::vector<std::string>& names);

  // Adds to the book what was counted. After an error all of it waits for the next flush. Once a
  // day it lets the book forget old days.
  arrow::Status Flush();
  // Requests that wait for a flush, as of the last one that failed.
  int64_t waiting_requests();

 private:
  using DayAndName = std::pair<int64_t, std::string>;
  struct Waiting {
    CallerCounts counts;
    int64_t last_used_us = 0;
  };

  void Collect(int64_t now_us);

  catalog::UsageBook* const book_;
  const base::Clock* const clock_;
  std::mutex flush_mutex_;                 // one flush at a time; taken before mutex_
  std::map<DayAndName, Waiting> waiting_;  // guarded by flush_mutex_
  int64_t waiting_requests_ = 0;           // guarded by flush_mutex_
  int64_t forgotten_day_ = 0;              // guarded by flush_mutex_
  std::mutex mutex_;
  std::map<std::vector<std::string>, std::shared_ptr<UsageCounter>> counters_;
};

// Flushes a recorder every few seconds on a thread of its own, and when it goes: the last flush may
// wait for the catalog as long as that does. Errors are logged when they begin and when they end.
class UsageFlusher {
 public:
  // Opens the catalog of the project at `path` once more, so that nobody waits for a flush.
  static arrow::Result<std::unique_ptr<UsageFlusher>> Start(const std::string& catalog_path,
                                                            int64_t interval_us);
  ~UsageFlusher();
  UsageFlusher(const UsageFlusher&) = delete;
  UsageFlusher& operator=(const UsageFlusher&) = delete;

  UsageRecorder& recorder() { return recorder_; }

 private:
  explicit UsageFlusher(std::unique_ptr<catalog::Catalog> catalog);
  void Run(const std::stop_token& stop, int64_t interval_us);
  void FlushOnce();

  const std::unique_ptr<catalog::Catalog> catalog_;
  const std::unique_ptr<base::Clock> clock_;
  UsageRecorder recorder_;
  bool failing_ = false;  // of the thread, and of the end after it
  std::mutex mutex_;
  std::condition_variable_any stopped_;
  std::jthread thread_;
};

// Adds one use by a training set of so many rows. What cannot be counted is logged: it is no reason
// to fail.
void CountTrainingSet(catalog::UsageBook* book, const feature::BoundService& service, int64_t rows);

}  // namespace icecore::engine
