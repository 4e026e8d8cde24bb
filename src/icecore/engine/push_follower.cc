#include "icecore/engine/push_follower.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
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
constexpr int kGaps = 4;

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
      } else if (!stop.stop_requested()) {
        base::Log(base::LogLevel::kWarning, "pushes wait: " + status.message());
        wait = std::min<std::chrono::microseconds>(wait * 2, kLongestWait);
      }
      // Runs that follow at once would make many small commits of a stream.
      std::unique_lock<std::mutex> guard(mutex_);
      changed_.wait_for(guard, stop, status.ok() ? interval_ / kGaps : wait, [] { return false; });
      if (status.ok()) changed_.wait_for(guard, stop, interval_, [this] { return woken_; });
    }
  }

  arrow::Status Take(const std::stop_token& stop) {
    // Definitions may have been applied anew since.
    if (door_ == nullptr) {
      ARROW_RETURN_NOT_OK(Open());
    }
    ARROW_ASSIGN_OR_RAISE(const bool has_new, door_->HasNew());
    if (!has_new) {
      return arrow::Status::OK();
    }
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
      if (step.status == pipeline::StepOutcome::Status::kFailed) {
        return base::MakeError(base::ErrorCode::kUnavailable,
                               step.report.thing + ": " + step.error);
      }
    }
    return arrow::Status::OK();
  }

  const OpenOptions options_;
  const std::chrono::microseconds interval_;
  const OnLanded on_landed_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<PushDoor> door_;  // goes before engine_
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
