#include "icecore/engine/push_follower.h"

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "icecore/base/clock.h"
#include "icecore/pipeline/pipeline_fixture.h"

namespace icecore::engine {
namespace {

using pipeline::Must;
using pipeline::WriteText;

constexpr int64_t kLongNanos = int64_t{60} * 1'000'000'000;
constexpr PushFollower::Pace kPace{.look_us = 1'000, .advance_us = 20'000};
constexpr char kDefinitions[] = R"(source: taps
from: {push: {}}
contract:
  columns: [{name: user, type: int64}, {name: at, type: timestamp}, {name: amount, type: float64}]
---
table: taps
zone: processing
sql: select * from landing.taps
mode: append
---
entity: user
keys: [{name: user, type: int64}]
---
feature_view: spending
entity: user
from: processing.taps
event_time: at
online: true
features: [amount]
---
feature_service: model
features: [spending]
)";

// Passes on the first time that something is servable, on whichever thread.
class Listener : public PushFollower::Listener {
 public:
  void OnServable(const std::string&, int64_t) override {
    const std::lock_guard lock(mutex_);
    if (const auto tell = std::exchange(on_servable, nullptr)) tell();
  }
  void OnLanded(const std::map<std::string, int64_t>& rows) override {
    const std::lock_guard lock(mutex_);
    landed_ = rows;
  }
  void OnRunEnded(bool ok) override { ++(ok ? good_runs : failed_runs); }
  void OnLoadFailed(const std::string& view, base::ErrorCode code) override {
    ADD_FAILURE() << view << " " << base::ErrorCodeName(code);
  }
  std::map<std::string, int64_t> landed() {
    const std::lock_guard lock(mutex_);
    return landed_;
  }

  std::function<void()> on_servable;
  std::atomic<int> good_runs = 0;
  std::atomic<int> failed_runs = 0;

 private:
  std::mutex mutex_;
  std::map<std::string, int64_t> landed_;
};

// A project by the machine's clock, with one pushed row.
class PushFollowerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    pipeline::WriteProject(folder_.path(), kDefinitions);
    engine_ = Must(Engine::Open(Options()));
    Must(engine_->Apply());
    const auto door = Must(engine_->OpenPushDoor());
    const auto rows =
        Must(ingest::CheckedRows::Of(R"({"user": 1, "at": "2024-03-09T10:00:00Z", "amount": 2})"));
    Must(door->Push({"taps", rows, ""}));
  }
  OpenOptions Options() const { return {folder_.path(), std::nullopt, nullptr, nullptr}; }
  void Run(bool materialize) {
    pipeline::RunRequest request;
    request.command = "run";
    request.materialize = materialize;
    ASSERT_FALSE(Must(engine_->Run(request)).failed());
  }
  std::optional<online::ViewPosition> Position() {
    return Must(Must(engine_->OnlineStore())->Position("spending"));
  }
  // False where it does not move within a minute.
  bool MovesBeyond(int64_t applied_until) {
    const int64_t deadline = base::MonotonicNanos() + kLongNanos;
    while (Position()->applied_until <= applied_until) {
      if (base::MonotonicNanos() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  pipeline::TemporaryFolder folder_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(PushFollowerTest, SaysThatRowsHaveLandedWhenTheyAreLoaded) {
  Run(/*materialize=*/false);  // and no further, as one that is killed
  ASSERT_FALSE(Position().has_value());
  online::Store* const store = Must(engine_->OnlineStore());
  std::promise<bool> loaded;
  Listener listener;
  listener.on_servable = [&] { loaded.set_value(Must(store->Position("spending")).has_value()); };
  const auto follower = Must(PushFollower::Start(Options(), kPace, &listener));
  auto answer = loaded.get_future();
  ASSERT_EQ(answer.wait_for(std::chrono::nanoseconds(kLongNanos)), std::future_status::ready);
  EXPECT_TRUE(answer.get());
  EXPECT_EQ(listener.good_runs, 1);
  EXPECT_EQ(listener.failed_runs, 0);
  EXPECT_EQ(listener.landed(), (std::map<std::string, int64_t>{{"taps", 1}}));
}

TEST_F(PushFollowerTest, BringsViewsForwardAgainAndAgain) {
  Run(/*materialize=*/true);
  const int64_t seq = Position()->seq;
  Listener listener;
  const auto follower = Must(PushFollower::Start(Options(), kPace, &listener));
  for (int load = 0; load < 3; ++load) {
    ASSERT_TRUE(MovesBeyond(Position()->applied_until)) << load;
  }
  EXPECT_EQ(Position()->seq, seq);
}

}  // namespace
}  // namespace icecore::engine
