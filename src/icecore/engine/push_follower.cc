#include "icecore/engine/push_follower.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/base/log.h"
#include "icecore/engine/direct_follower.h"
#include "icecore/engine/housekeeper.h"

namespace icecore::engine {
namespace {

constexpr std::string_view kView = "view.";
constexpr std::chrono::seconds kLongestWait(60);
// After a failure even what is pushed just now waits so long: one table that always fails must not
// hold up the others for kLongestWait.
constexpr std::chrono::seconds kPause(1);
constexpr int kGaps = 4;
// Between runs that no online view waits for: larger commits take less of everything.
constexpr std::chrono::milliseconds kUnhurried(500);
// Behind what answers, takes pushes and brings them to views; before the housekeeper.
constexpr int kNice = 5;

class Follower final : public PushFollower {
 public:
  Follower(OpenOptions options, Pace pace, Listener* listener)
      : options_(Landing(std::move(options))),
        interval_(pace.look_us),
        advance_interval_(pace.advance_us),
        listener_(listener),
        housekeeper_(Housekeeper::Start(options_)),
        direct_(DirectFollower::Start(options_, pace.look_us,
                                      [listener](const std::string& source, int64_t begin_ns) {
                                        listener->OnServable(source, begin_ns);
                                      })) {}

  void Wake() override {
    {
      const std::lock_guard<std::mutex> guard(mutex_);
      woken_ = true;
    }
    direct_->Wake();
    changed_.notify_one();
  }

  arrow::Status Init() {
    ARROW_RETURN_NOT_OK(Open());
    thread_ = std::jthread([this](const std::stop_token& stop) { Follow(stop); });
    return arrow::Status::OK();
  }

 private:
  static OpenOptions Landing(OpenOptions options) {
    options.direct = std::make_shared<pipeline::DirectReach>();
    return options;
  }

  arrow::Status Open() {
    is_new_ = true;
    door_.reset();
    ARROW_ASSIGN_OR_RAISE(engine_, Engine::Open(options_));
    ARROW_ASSIGN_OR_RAISE(auto door, engine_->OpenPushDoor());
    ARROW_ASSIGN_OR_RAISE(version_, NewestVersion());
    door_ = std::move(door);
    return arrow::Status::OK();
  }

  arrow::Result<int64_t> NewestVersion() {
    ARROW_ASSIGN_OR_RAISE(const auto latest, engine_->catalog().LatestVersion());
    return latest ? latest->version : 0;
  }

  // By the definitions that were applied last: they may have other sources and views.
  arrow::Status OpenNewest() {
    if (door_ != nullptr) {
      ARROW_ASSIGN_OR_RAISE(const int64_t newest, NewestVersion());
      if (newest == version_) return arrow::Status::OK();
    }
    return Open();
  }

  void Follow(const std::stop_token& stop) {
    (void)setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice);
    std::chrono::microseconds wait = interval_;
    while (!stop.stop_requested()) {
      {
        const std::lock_guard<std::mutex> guard(mutex_);
        woken_ = false;
      }
      const int64_t begin_ns = base::MonotonicNanos();
      const arrow::Status status = Try([&] { return TakeOnce(stop); }, stop);
      if (status.ok()) {
        wait = interval_;
        for (const std::string& source : door_->sources()) listener_->OnServable(source, begin_ns);
      } else if (!stop.stop_requested()) {
        base::Log(base::LogLevel::kWarning, "pushes wait: " + status.message());
        wait = std::min<std::chrono::microseconds>(wait * 2, kLongestWait);
      }
      Advance(stop);
      // Runs that follow at once would make many small commits of a stream, and leave nothing of
      // a core to others.
      const std::chrono::microseconds took((base::MonotonicNanos() - begin_ns) / 1000);
      const auto gap = std::clamp(took, interval_ / kGaps, MostGap());
      const auto at_least = status.ok() ? gap : std::min<std::chrono::microseconds>(wait, kPause);
      std::unique_lock<std::mutex> guard(mutex_);
      changed_.wait_for(guard, stop, at_least, [] { return false; });
      changed_.wait_for(guard, stop, status.ok() ? UntilNextLook() : wait,
                        [this] { return woken_; });
    }
  }

  std::chrono::microseconds MostGap() const {
    const bool hurried = door_ == nullptr || !options_.direct->BringsAll(door_->sources());
    return hurried ? interval_ : std::max<std::chrono::microseconds>(interval_, kUnhurried);
  }

  // Where nothing can be pushed, it is for other definitions and the views.
  std::chrono::microseconds UntilNextLook() const {
    const bool has_sources = door_ == nullptr || !door_->sources().empty();
    return has_sources ? interval_ : std::max<std::chrono::microseconds>(interval_, kPause);
  }

  // `once` works with an engine that is open. A run by definitions that others have replaced just
  // now is refused, and closes it: then by those in force.
  template <typename Once>
  arrow::Status Try(const Once& once, const std::stop_token& stop) {
    ARROW_RETURN_NOT_OK(OpenNewest());
    arrow::Status status = once();
    if (!status.ok() && door_ == nullptr && !stop.stop_requested()) {
      ARROW_RETURN_NOT_OK(Open());
      status = once();
    }
    return status;
  }

  arrow::Result<pipeline::RunOutcome> Run(pipeline::RunRequest request) {
    const std::stop_token stop = request.stop;
    request.logs = false;  // the housekeeper's
    auto outcome = engine_->Run(std::move(request));
    if (!outcome.ok()) {
      door_.reset();
      return outcome;
    }
    if (stop.stop_requested()) return outcome;  // what was cut short has not failed
    for (const pipeline::StepOutcome& step : outcome->steps) {
      if (step.report.step == "online" && step.status == pipeline::StepOutcome::Status::kFailed) {
        listener_->OnLoadFailed(step.report.thing.substr(kView.size()), step.code);
      }
    }
    return outcome;
  }

  void TellHousekeeper(const pipeline::RunOutcome& outcome) {
    std::multiset<std::string> written;
    for (const pipeline::StepOutcome& step : outcome.steps) {
      for (const catalog::TableVersion& version : step.report.writes) written.insert(version.table);
    }
    housekeeper_->Wrote(written);
  }

  // Full names. None where the clock stands still: answers are as good as they were.
  std::vector<std::string> ViewsToAdvance() const {
    std::vector<std::string> names;
    if (options_.now_us || engine_->project().now_us) return names;
    for (const spec::FeatureView& view : engine_->project().views) {
      if (view.online && !view.on_request()) names.push_back(std::string(kView) + view.name);
    }
    return names;
  }

  void Advance(const std::stop_token& stop) {
    if (stop.stop_requested() || base::MonotonicNanos() < next_advance_ns_) return;
    // With the store no further than the lake; where that fails, it is told with the next run, and
    // views that are not behind it go on.
    const std::unique_lock<std::mutex> held = direct_->Hold();
    (void)Try([&] { return TakeHeld(stop); }, stop);
    const arrow::Status status = Try([&] { return AdvanceOnce(stop); }, stop);
    if (!status.ok() && !stop.stop_requested()) {
      base::Log(base::LogLevel::kWarning, "views stay where they are: " + status.message());
    }
    const std::chrono::nanoseconds pause = status.ok() ? advance_interval_ : kLongestWait;
    next_advance_ns_ = base::MonotonicNanos() + pause.count();
  }

  arrow::Status AdvanceOnce(const std::stop_token& stop) {
    pipeline::RunRequest request;
    request.command = "materialize";
    request.names = ViewsToAdvance();
    request.land = false;
    request.compute = false;
    request.stop = stop;
    if (request.names.empty()) {
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(const auto outcome, Run(std::move(request)));
    return outcome.FirstFailure();
  }

  // What has to be loaded anew finds all its rows in the lake.
  arrow::Status TakeOnce(const std::stop_token& stop) {
    if (!is_new_ && !unfinished_) return TakeHeld(stop);
    const std::unique_lock<std::mutex> held = direct_->Hold();
    return TakeHeld(stop);
  }

  arrow::Status TakeHeld(const std::stop_token& stop) {
    if (door_->sources().empty()) {
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(const bool has_new, door_->HasNew());
    listener_->OnLanded(door_->RowsLanded());
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
    const auto outcome = Run(std::move(request));
    const arrow::Status ended = outcome.ok() ? outcome->FirstFailure() : outcome.status();
    if (ended.ok() || !stop.stop_requested()) listener_->OnRunEnded(ended.ok());
    if (outcome.ok()) TellHousekeeper(*outcome);
    unfinished_ = !ended.ok();
    is_new_ = is_new_ && unfinished_;
    if (ended.ok()) direct_->LakeRan();
    return ended;
  }

  const OpenOptions options_;
  const std::chrono::microseconds interval_;
  const std::chrono::microseconds advance_interval_;
  Listener* const listener_;
  const std::unique_ptr<Housekeeper> housekeeper_;
  const std::unique_ptr<DirectFollower> direct_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<PushDoor> door_;  // goes before engine_; null: to be opened anew
  int64_t version_ = 0;             // of the definitions of both
  // Rows may have landed that are not in every table and view behind them, which the journal does
  // not tell: a run has failed, or the process before this one was killed in the middle of one.
  bool unfinished_ = true;
  bool is_new_ = true;  // no run was made by these definitions
  int64_t next_advance_ns_ = 0;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool woken_ = false;   // guarded by mutex_
  std::jthread thread_;  // last: it uses all the others
};

}  // namespace

arrow::Result<std::unique_ptr<PushFollower>> PushFollower::Start(const OpenOptions& options,
                                                                 Pace pace, Listener* listener) {
  auto follower = std::make_unique<Follower>(options, pace, listener);
  ARROW_RETURN_NOT_OK(follower->Init());
  return std::unique_ptr<PushFollower>(std::move(follower));
}

}  // namespace icecore::engine
