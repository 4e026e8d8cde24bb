#include "icecore/engine/usage.h"

#include <chrono>
#include <functional>
#include <iterator>
#include <set>

#include "icecore/base/id.h"
#include "icecore/base/log.h"
#include "icecore/base/time.h"

namespace icecore::engine {

int64_t DayOf(int64_t time_us) { return base::FloorDiv(time_us, base::kMicrosPerDay); }

std::vector<std::string> UsedNames(const feature::BoundService& service, bool is_defined) {
  std::set<std::string> names;
  const auto add = [&](const std::string& view, const std::string& feature) {
    names.insert("view." + view);
    names.insert("view." + view + "." + feature);
  };
  if (is_defined) {
    names.insert("service." + service.name());
  }
  for (size_t i = 0; i < service.outputs().size(); ++i) {
    add(service.outputs()[i].view, service.outputs()[i].feature);
    for (const feature::OutputOrigin::Input& input : service.OriginOf(i).inputs) {
      if (input.use >= 0) {
        const feature::BoundView& view = *service.uses()[static_cast<size_t>(input.use)].view;
        add(view.name(), view.feature_names()[static_cast<size_t>(input.feature)]);
      }
    }
  }
  return {names.begin(), names.end()};
}

void CallerCounts::Add(std::string_view caller, Count count) {
  auto found = counts_.find(caller);
  if (found == counts_.end()) {
    const bool is_full = counts_.size() >= kMaxCallers;
    found = counts_.try_emplace(std::string(is_full ? kOtherCallers : caller)).first;
  }
  found->second.requests += count.requests;
  found->second.rows += count.rows;
}

void UsageCounter::Count(std::string_view caller, int64_t rows) {
  const size_t thread = std::hash<std::thread::id>()(std::this_thread::get_id());
  Shard& shard = shards_[thread % shards_.size()];
  const std::lock_guard<std::mutex> lock(shard.mutex);
  shard.counts.Add(caller.empty() ? kAnonymousCaller : caller, {1, rows});
}

void UsageCounter::TakeInto(CallerCounts* total) {
  for (Shard& shard : shards_) {
    CallerCounts::Counts taken;
    {
      const std::lock_guard<std::mutex> lock(shard.mutex);
      taken = shard.counts.Take();
    }
    for (const auto& [caller, count] : taken) {
      total->Add(caller, count);
    }
  }
}

UsageRecorder::UsageRecorder(catalog::UsageBook* book, const base::Clock* clock)
    : book_(book), clock_(clock) {}

std::shared_ptr<UsageCounter> UsageRecorder::CounterOf(const std::vector<std::string>& names) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::shared_ptr<UsageCounter>& counter = counters_[names];
  if (counter == nullptr) {
    counter = std::make_shared<UsageCounter>();
  }
  return counter;
}

void UsageRecorder::Collect(int64_t now_us) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (auto next = counters_.begin(); next != counters_.end();) {
    // Looked at first: who gave it back has counted before.
    const bool is_idle = next->second.use_count() == 1;
    CallerCounts taken;
    next->second->TakeInto(&taken);
    for (const auto& [caller, count] : taken.counts()) {
      waiting_requests_ += count.requests;
      for (const std::string& name : next->first) {
        Waiting& waiting = waiting_[{DayOf(now_us), name}];
        waiting.counts.Add(caller, count);
        waiting.last_used_us = now_us;
      }
    }
    next = is_idle ? counters_.erase(next) : std::next(next);
  }
}

arrow::Status UsageRecorder::Flush() {
  const std::lock_guard<std::mutex> lock(flush_mutex_);
  const int64_t now_us = clock_->NowMicros();
  Collect(now_us);
  while (!waiting_.empty()) {
    // One day a transaction: there are two only around midnight, or after a failure.
    const int64_t day = waiting_.begin()->first.first;
    std::vector<catalog::Usage> usage;
    auto end = waiting_.begin();
    for (; end != waiting_.end() && end->first.first == day; ++end) {
      for (const auto& [caller, count] : end->second.counts.counts()) {
        usage.push_back(
            {end->first.second, caller, count.requests, count.rows, end->second.last_used_us});
      }
    }
    ARROW_RETURN_NOT_OK(book_->AddUsage(day, usage));
    waiting_.erase(waiting_.begin(), end);
  }
  waiting_requests_ = 0;
  if (const int64_t today = DayOf(now_us); forgotten_day_ != today) {
    ARROW_RETURN_NOT_OK(book_->ForgetUsageBefore(today - kUsageDays + 1).status());
    forgotten_day_ = today;
  }
  return arrow::Status::OK();
}

int64_t UsageRecorder::waiting_requests() {
  const std::lock_guard<std::mutex> lock(flush_mutex_);
  return waiting_requests_;
}

UsageFlusher::UsageFlusher(std::unique_ptr<catalog::Catalog> catalog)
    : catalog_(std::move(catalog)),
      clock_(base::MakeSystemClock()),
      recorder_(catalog_.get(), clock_.get()) {}

arrow::Result<std::unique_ptr<UsageFlusher>> UsageFlusher::Start(const std::string& catalog_path,
                                                                 int64_t interval_us) {
  ARROW_ASSIGN_OR_RAISE(auto catalog, catalog::OpenSqlite(catalog_path, &base::SystemRandom()));
  std::unique_ptr<UsageFlusher> flusher(new UsageFlusher(std::move(catalog)));
  flusher->thread_ = std::jthread([raw = flusher.get(), interval_us](const std::stop_token& stop) {
    raw->Run(stop, interval_us);
  });
  return flusher;
}

UsageFlusher::~UsageFlusher() {
  thread_.request_stop();
  thread_.join();
  FlushOnce();
  if (failing_) {
    base::Log(base::LogLevel::kError,
              "the uses of " + std::to_string(recorder_.waiting_requests()) + " requests are lost");
  }
}

void UsageFlusher::Run(const std::stop_token& stop, int64_t interval_us) {
  while (!stop.stop_requested()) {
    std::unique_lock<std::mutex> lock(mutex_);
    stopped_.wait_for(lock, stop, std::chrono::microseconds(interval_us), [] { return false; });
    if (!stop.stop_requested()) {
      FlushOnce();
    }
  }
}

void UsageFlusher::FlushOnce() {
  const arrow::Status status = recorder_.Flush();
  if (!status.ok() && !failing_) {
    base::Log(base::LogLevel::kWarning,
              "usage is kept in memory, and tried again: " + status.message());
  } else if (status.ok() && failing_) {
    base::Log(base::LogLevel::kWarning, "usage is in the catalog again");
  }
  failing_ = !status.ok();
}

void CountTrainingSet(catalog::UsageBook* book, const feature::BoundService& service,
                      int64_t rows) {
  const std::unique_ptr<base::Clock> clock = base::MakeSystemClock();
  UsageRecorder recorder(book, clock.get());
  recorder.CounterOf(UsedNames(service, true))->Count(kTrainingSetCaller, rows);
  if (const arrow::Status status = recorder.Flush(); !status.ok()) {
    base::Log(base::LogLevel::kWarning, "the use is not counted: " + status.message());
  }
}

}  // namespace icecore::engine
