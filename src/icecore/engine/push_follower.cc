#include "icecore/engine/push_follower.h"

#include <arrow/memory_pool.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/base/log.h"

namespace icecore::engine {
namespace {

constexpr std::chrono::seconds kLongestWait(60);
// After a failure even what is pushed just now waits so long: one table that always fails must not
// hold up the others for kLongestWait.
constexpr std::chrono::seconds kPause(1);
constexpr int kGaps = 4;
// A table that so many runs have written is packed. Its readers look at each of its files, and
// packing few of them is not worth its commits.
constexpr int kRunsPerPacking = 64;
// Larger ones are left to `icecore compact`: packing them would hold up what is pushed.
constexpr int64_t kPackedBytes = int64_t{8} << 20;

class Follower final : public PushFollower {
 public:
  Follower(OpenOptions options, int64_t interval_us, OnLanded on_landed)
      : options_(std::move(options)), interval_(interval_us), on_landed_(std::move(on_landed)) {}

  void Wake() override {
    {
      const std::lock_guard<std::mutex> guard(mutex_);
      woken_ = true;
    }
    changed_.notify_one();
  }

  arrow::Status Init() {
    ARROW_RETURN_NOT_OK(Open());
    if (!door_->sources().empty()) {
      thread_ = std::jthread([this](const std::stop_token& stop) { Follow(stop); });
    }
    return arrow::Status::OK();
  }

 private:
  arrow::Status Open() {
    door_.reset();
    ARROW_ASSIGN_OR_RAISE(engine_, Engine::Open(options_));
    ARROW_ASSIGN_OR_RAISE(door_, engine_->OpenPushDoor());
    return arrow::Status::OK();
  }

  void Follow(const std::stop_token& stop) {
    std::chrono::microseconds wait = interval_;
    while (!stop.stop_requested()) {
      {
        const std::lock_guard<std::mutex> guard(mutex_);
        woken_ = false;
      }
      const int64_t begin_ns = base::MonotonicNanos();
      const arrow::Status status = Take(stop);
      if (status.ok()) {
        wait = interval_;
        on_landed_(begin_ns);
        Pack(stop);
      } else if (!stop.stop_requested()) {
        base::Log(base::LogLevel::kWarning, "pushes wait: " + status.message());
        wait = std::min<std::chrono::microseconds>(wait * 2, kLongestWait);
      }
      // Runs that follow at once would make many small commits of a stream, and leave nothing of
      // a core to others.
      const std::chrono::microseconds took((base::MonotonicNanos() - begin_ns) / 1000);
      const auto gap = std::clamp(took, interval_ / kGaps, interval_);
      const auto at_least = status.ok() ? gap : std::min<std::chrono::microseconds>(wait, kPause);
      std::unique_lock<std::mutex> guard(mutex_);
      changed_.wait_for(guard, stop, at_least, [] { return false; });
      changed_.wait_for(guard, stop, status.ok() ? interval_ : wait, [this] { return woken_; });
    }
  }

  // A run by definitions that others have replaced is refused: then by those in force now.
  arrow::Status Take(const std::stop_token& stop) {
    const bool was_open = door_ != nullptr;
    arrow::Status status = TakeOnce(stop);
    if (!status.ok() && was_open && door_ == nullptr && !stop.stop_requested()) {
      status = TakeOnce(stop);
    }
    return status;
  }

  arrow::Status TakeOnce(const std::stop_token& stop) {
    if (door_ == nullptr) {
      ARROW_RETURN_NOT_OK(Open());
    }
    ARROW_ASSIGN_OR_RAISE(const bool has_new, door_->HasNew());
    if (!has_new && !unfinished_) {
      return arrow::Status::OK();
    }
    unfinished_ = true;
    pipeline::RunRequest request;
    request.command = "push";
    request.stop = stop;
    for (const std::string& source : door_->sources()) {
      request.names.push_back("source." + source + "+");
    }
    auto outcome = engine_->Run(std::move(request));
    if (!outcome.ok()) {
      door_.reset();
      return outcome.status();
    }
    for (const pipeline::StepOutcome& step : outcome->steps) {
      for (const catalog::TableVersion& written : step.report.writes) ++writes_[written.table];
    }
    ARROW_RETURN_NOT_OK(FirstFailure(*outcome));
    unfinished_ = false;
    return arrow::Status::OK();
  }

  // Without one no step was skipped either.
  static arrow::Status FirstFailure(const pipeline::RunOutcome& outcome) {
    for (const pipeline::StepOutcome& step : outcome.steps) {
      if (step.status == pipeline::StepOutcome::Status::kFailed) {
        return base::MakeError(base::ErrorCode::kUnavailable,
                               step.report.thing + ": " + step.error);
      }
    }
    return arrow::Status::OK();
  }

  // What was pushed has landed, whatever becomes of this.
  void Pack(const std::stop_token& stop) {
    bool packed_some = false;
    for (auto& [table, writes] : writes_) {
      if (writes < kRunsPerPacking) continue;
      writes = 0;
      packed_some = true;
      pipeline::CompactRequest request;
      request.target_bytes = kPackedBytes;
      request.stop = stop;
      const arrow::Status packed = engine_->Compact({table}, request).status();
      if (!packed.ok() && !stop.stop_requested()) {
        base::Log(base::LogLevel::kWarning, "small files stay: " + packed.message());
      }
    }
    if (packed_some) {
      // Freed memory stays with the process otherwise: as much as the largest of these ever took.
      arrow::default_memory_pool()->ReleaseUnused();
      arrow::system_memory_pool()->ReleaseUnused();
    }
  }

  const OpenOptions options_;
  const std::chrono::microseconds interval_;
  const OnLanded on_landed_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<PushDoor> door_;     // goes before engine_
  std::map<std::string, int> writes_;  // runs that wrote the table since it was packed
  // Rows may have landed that are not in every table and view behind them, which the journal does
  // not tell: a run has failed, or the process before this one was killed in the middle of one.
  bool unfinished_ = true;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool woken_ = false;   // guarded by mutex_
  std::jthread thread_;  // last: it uses all the others
};

}  // namespace

arrow::Result<std::unique_ptr<PushFollower>> PushFollower::Start(const OpenOptions& options,
                                                                 int64_t interval_us,
                                                                 OnLanded on_landed) {
  auto follower = std::make_unique<Follower>(options, interval_us, std::move(on_landed));
  ARROW_RETURN_NOT_OK(follower->Init());
  return std::unique_ptr<PushFollower>(std::move(follower));
}

}  // namespace icecore::engine
