#include "icecore/engine/direct_follower.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <map>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/base/log.h"
#include "icecore/pipeline/direct_load.h"
#include "icecore/pipeline/direct_reach.h"

namespace icecore::engine {
namespace {

using base::ErrorCode;
using std::chrono::microseconds;

// Between two loads: what leaves others something of the disk's syncs and of the processors.
constexpr microseconds kLeastGap(1'000);
constexpr microseconds kMostGap(20'000);
constexpr int kGaps = 16;  // of the time that a load took, one part
constexpr int64_t kRecordNanos = 1'000'000'000;
constexpr int64_t kReopenNanos = 1'000'000'000;

class Follower final : public DirectFollower {
 public:
  Follower(OpenOptions options, int64_t look_us, Servable servable)
      : options_(std::move(options)),
        look_(look_us),
        servable_(std::move(servable)),
        thread_([this](const std::stop_token& stop) { Follow(stop); }) {}

  void Wake() override {
    {
      const std::lock_guard<std::mutex> guard(mutex_);
      woken_ = true;
    }
    changed_.notify_one();
  }
  void LakeRan() override {
    {
      const std::lock_guard<std::mutex> guard(mutex_);
      lake_ran_ = true;
    }
    changed_.notify_one();
  }
  std::unique_lock<std::mutex> Hold() override {
    std::unique_lock<std::mutex> held(load_mutex_);
    options_.direct->TellNone();
    return held;
  }

 private:
  struct Source {
    std::string name;
    std::unique_ptr<pipeline::DirectLoads> loads;
  };
  struct Loaded {
    int64_t rows = 0;
    int64_t loads = 0;
    pipeline::LoadDelays delays;
  };

  void Follow(const std::stop_token& stop) {
    if (!Wait(stop, std::nullopt, [this] { return lake_ran_; })) return;
    while (!stop.stop_requested()) {
      {
        const std::lock_guard<std::mutex> guard(mutex_);
        woken_ = false;
        if (std::exchange(lake_ran_, false)) waits_ = false;
      }
      const int64_t begin_ns = base::MonotonicNanos();
      if (!waits_) LoadAll(stop, begin_ns);
      RecordNow(begin_ns);
      const microseconds took((base::MonotonicNanos() - begin_ns) / 1000);
      const microseconds gap = std::clamp(took / kGaps, kLeastGap, kMostGap);
      Wait(stop, gap, [] { return false; });
      Wait(stop, look_, [this] { return lake_ran_ || (woken_ && !waits_) || more_; });
    }
    RecordNow(INT64_MAX);
  }

  // False where it was stopped. nullopt: as long as it takes.
  template <typename Done>
  bool Wait(const std::stop_token& stop, std::optional<microseconds> at_most, const Done& done) {
    std::unique_lock<std::mutex> guard(mutex_);
    if (at_most) {
      changed_.wait_for(guard, stop, *at_most, done);
    } else {
      changed_.wait(guard, stop, done);
    }
    return !stop.stop_requested();
  }

  void LoadAll(const std::stop_token& stop, int64_t begin_ns) {
    const std::unique_lock<std::mutex> held = Hold();
    more_ = false;
    const arrow::Status opened = OpenNewest();
    if (!opened.ok()) {
      Close();
      return Leave(opened);
    }
    for (const Source& source : sources_) {
      const auto outcome = source.loads->LoadOnce(stop);
      if (!outcome.ok()) {
        if (base::CodeOf(outcome.status()) == ErrorCode::kUnsupported) Close();
        return stop.stop_requested() ? void() : Leave(outcome.status());
      }
      for (const auto& view : outcome->views) {
        Loaded& loaded = loaded_[view.name];
        ++loaded.loads;
        loaded.rows += view.rows;
        loaded.delays.Add(view.delays);
      }
      if (outcome->complete) servable_(source.name, begin_ns);
      more_ = more_ || outcome->more;
      if (outcome->stale) return Close();
    }
    told_.clear();
  }

  // To the lake's steps. What others load just now is tried again with the next look.
  void Leave(const arrow::Status& status) {
    if (base::CodeOf(status) == ErrorCode::kConflict) return;
    waits_ = true;
    const bool is_expected = base::CodeOf(status) == ErrorCode::kUnsupported ||
                             base::CodeOf(status) == ErrorCode::kInvalidDefinition;
    if (is_expected || status.message() == told_) return;
    told_ = status.message();
    base::Log(base::LogLevel::kWarning, "pushes reach views with the lake: " + status.message());
  }

  void Close() {
    sources_.clear();
    engine_.reset();
    next_open_ns_ = base::MonotonicNanos() + kReopenNanos;
  }

  // By the definitions that were applied last.
  arrow::Status OpenNewest() {
    if (engine_ != nullptr) {
      ARROW_ASSIGN_OR_RAISE(const auto latest, engine_->catalog().LatestVersion());
      if ((latest ? latest->version : 0) == version_) return arrow::Status::OK();
      Close();
      next_open_ns_ = 0;
    }
    if (base::MonotonicNanos() < next_open_ns_) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(engine_, Engine::Open(options_));
    ARROW_ASSIGN_OR_RAISE(const auto latest, engine_->catalog().LatestVersion());
    version_ = latest ? latest->version : 0;
    ARROW_ASSIGN_OR_RAISE(auto loads, engine_->OpenDirectLoads());
    for (auto& [name, source] : loads) sources_.push_back({name, std::move(source)});
    return arrow::Status::OK();
  }

  // The catalog is written after the store; that it fails changes nothing of what is true.
  void RecordNow(int64_t now_ns) {
    if (loaded_.empty() || now_ns < next_record_ns_ || engine_ == nullptr) return;
    next_record_ns_ = base::MonotonicNanos() + kRecordNanos;
    const arrow::Status status = Record();
    if (!status.ok()) base::Log(base::LogLevel::kWarning, "catalog: " + status.message());
    loaded_.clear();
  }

  arrow::Status Record() {
    catalog::Catalog& catalog = engine_->catalog();
    const auto now = [] { return base::MakeSystemClock()->NowMicros(); };
    ARROW_ASSIGN_OR_RAISE(const std::string run,
                          catalog.StartRun("push", version_, engine_->clock().NowMicros(), now()));
    for (const auto& [view, loaded] : loaded_) {
      ARROW_ASSIGN_OR_RAISE(const auto step,
                            catalog.StartStep(run, "view." + view, "online", now()));
      catalog::StepResult result;
      result.status = catalog::RunStatus::kDone;
      result.counts = {{"read", loaded.rows}, {"written", loaded.rows}, {"loads", loaded.loads}};
      result.detail_json = pipeline::ToJson(loaded.delays);
      result.finished_at_us = now();
      ARROW_RETURN_NOT_OK(catalog.FinishStep(step, result));
    }
    return catalog.FinishRun(run, catalog::RunStatus::kDone, "", now());
  }

  const OpenOptions options_;
  const microseconds look_;
  const Servable servable_;
  std::mutex load_mutex_;  // over each load
  // Of the thread:
  std::unique_ptr<Engine> engine_;
  std::vector<Source> sources_;  // go before engine_
  int64_t version_ = 0;          // of the definitions of both
  int64_t next_open_ns_ = 0;
  bool waits_ = false;  // until the lake's steps have run
  bool more_ = false;
  std::string told_;                      // the warning that was logged last
  std::map<std::string, Loaded> loaded_;  // since the last record, by view
  int64_t next_record_ns_ = 0;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool woken_ = false;     // guarded by mutex_
  bool lake_ran_ = false;  // guarded by mutex_
  std::jthread thread_;    // last: it uses all the others
};

}  // namespace

std::unique_ptr<DirectFollower> DirectFollower::Start(const OpenOptions& options, int64_t look_us,
                                                      Servable servable) {
  return std::make_unique<Follower>(options, look_us, std::move(servable));
}

}  // namespace icecore::engine
