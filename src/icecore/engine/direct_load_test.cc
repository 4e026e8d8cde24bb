#include "icecore/pipeline/direct_load.h"

#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "icecore/engine/verify.h"
#include "icecore/ingest/push/closed_batches.h"
#include "icecore/pipeline/pipeline_fixture.h"

namespace icecore::engine {
namespace {

using pipeline::DirectLoads;
using pipeline::DirectOutcome;
using pipeline::kTestNow;
using pipeline::Must;

constexpr int64_t kMinute = int64_t{60} * 1'000'000;
constexpr char kChain[] = R"(source: taps
from: {push: {}}
contract:
  columns:
    - {name: user, type: int64, required: true}
    - {name: at, type: timestamp}
    - {name: amount, type: float64, between: [0, 1000]}
---
table: taps
zone: processing
mode: append
sql: select "user", "at", amount * 2 as amount from landing.taps
drop:
  - {name: small, when: amount < 1}
---
entity: user
keys: [{name: user, type: int64}]
---
feature_view: spending
entity: user
from: processing.taps
event_time: at
online: true
features:
  - {name: last, of: amount}
  - {name: total, aggregate: sum, of: amount, windows: [1d]}
---
feature_service: model
features: [spending]
)";

// A project whose first pushed row has gone all the way.
class DirectLoadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    pipeline::WriteProject(folder_.path(), kChain);
    engine_ = Open(kTestNow);
    Must(engine_->Apply());
    Push(1, "10:00", "2");
    Run(*engine_);
    loads_ = LoadsOf(*engine_);
  }

  std::unique_ptr<Engine> Open(int64_t now_us) const {
    OpenOptions options;
    options.directory = folder_.path();
    options.now_us = now_us;
    options.direct = direct_;
    return Must(Engine::Open(options));
  }
  static std::unique_ptr<DirectLoads> LoadsOf(Engine& engine) {
    auto loads = Must(engine.OpenDirectLoads());
    return loads.empty() ? nullptr : std::move(loads.front().second);
  }
  void Push(int user, const std::string& time, const std::string& amount,
            const std::string& more = "") {
    PushRequest request;
    request.source = "taps";
    request.rows = Must(ingest::CheckedRows::Of("{\"user\": " + std::to_string(user) +
                                                ", \"at\": \"2024-03-09T" + time +
                                                ":00Z\", \"amount\": " + amount + more + "}"));
    Must(Must(Open(kTestNow)->OpenPushDoor())->Push(request));
  }
  void Land() {
    pipeline::RunRequest request;
    request.command = "run";
    request.names = {"source.taps"};
    ASSERT_FALSE(Must(engine_->Run(request)).failed());
  }
  static pipeline::RunOutcome Run(Engine& engine, bool compute = true, bool full = false) {
    pipeline::RunRequest request;
    request.command = "run";
    request.land = compute;
    request.compute = compute;
    request.full = full;
    return Must(engine.Run(request));
  }
  DirectOutcome Load() { return Must(loads_->LoadOnce({})); }
  // "last total", as text.
  static std::string Get(Engine& engine, int user) {
    const auto vectors =
        Must(engine.Get("model", {{"user", std::to_string(user)}}, {}, std::nullopt));
    std::string text;
    for (const auto& column : vectors.columns) {
      text += Must(column.values->GetScalar(0))->ToString() + " ";
    }
    return text;
  }
  static std::string Sql(Engine& engine, const std::string& sql) {
    std::string text;
    for (const auto& row : pipeline::TextOf(*Must(engine.Sql(sql)))) {
      for (const std::string& cell : row) text += cell + " ";
    }
    return text;
  }
  VerifyReport Verify(Engine& engine) const {
    pipeline::WriteText(folder_.path() + "/spine.csv", "user\n1\n2\n3\n");
    VerifyRequest request;
    request.service = "model";
    request.spine_path = folder_.path() + "/spine.csv";
    return Must(engine.Verify(request));
  }

  pipeline::TemporaryFolder folder_;
  const std::shared_ptr<pipeline::DirectReach> direct_ = std::make_shared<pipeline::DirectReach>();
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<DirectLoads> loads_;  // of engine_
};

TEST_F(DirectLoadTest, RowsAreServedBeforeTheLakeHasThem) {
  Push(2, "11:00", "4");
  Push(1, "09:00", "7");     // late
  Push(2, "12:00", "2000");  // against the contract
  Push(2, "13:00", "0.25");  // dropped
  const DirectOutcome outcome = Load();
  EXPECT_TRUE(outcome.complete);
  ASSERT_EQ(outcome.views.size(), 1u);
  EXPECT_EQ(outcome.views[0].name, "spending");
  EXPECT_EQ(outcome.views[0].rows, 2);
  EXPECT_EQ(outcome.views[0].delays.since_known.total(), 2);
  EXPECT_EQ(Get(*engine_, 1), "4 18 ");
  EXPECT_EQ(Get(*engine_, 2), "8 8 ");
  EXPECT_EQ(Sql(*engine_, "select count(*) from landing.taps_raw"), "1 ");
  EXPECT_TRUE(Load().views.empty());  // nothing new
}

TEST_F(DirectLoadTest, TheLakeComesToTheSameRows) {
  Push(2, "11:00", "4");
  Push(1, "09:00", "7");
  Load();
  const auto early = Get(*engine_, 1) + Get(*engine_, 2);
  EXPECT_FALSE(Run(*engine_).failed());
  EXPECT_EQ(Get(*engine_, 1) + Get(*engine_, 2), early);
  EXPECT_EQ(Sql(*engine_, "select count(*), min(_seq), max(_seq) from processing.taps"), "3 1 3 ");
  const VerifyReport report = Verify(*engine_);
  EXPECT_TRUE(report.passed());
  EXPECT_EQ(report.equal, 6);
  EXPECT_FALSE(Run(*engine_, /*compute=*/false, /*full=*/true).failed());
  EXPECT_EQ(Get(*engine_, 1) + Get(*engine_, 2), early);
}

TEST_F(DirectLoadTest, RowsThatLandedMeanwhileNeedNotWaitForTheLake) {
  Push(2, "11:00", "4");
  Load();
  Push(3, "11:00", "5");
  Land();
  Push(3, "12:00", "6");
  const DirectOutcome outcome = Load();
  EXPECT_TRUE(outcome.complete);
  ASSERT_EQ(outcome.views.size(), 1u);
  EXPECT_EQ(outcome.views[0].rows, 2);
  EXPECT_EQ(Get(*engine_, 3), "12 22 ");
  EXPECT_FALSE(Run(*engine_).failed());
  EXPECT_TRUE(Verify(*engine_).passed());
}

TEST_F(DirectLoadTest, RowsThatTheJournalHasNoLongerComeWithTheLake) {
  Push(2, "11:00", "4");
  Load();
  Push(3, "11:00", "5");
  Land();
  const std::string journal = folder_.path() + "/.icecore/push/taps";
  const auto closed = Must(ingest::ReadClosedBatches(journal));
  ASSERT_TRUE(ingest::WriteClosedBatches(journal, {closed->last(), {}, 0}).ok());
  const DirectOutcome outcome = Load();
  EXPECT_FALSE(outcome.complete);
  EXPECT_TRUE(outcome.views.empty());
  Push(3, "12:00", "6");
  EXPECT_TRUE(Load().views.empty());  // nor what is behind them
  EXPECT_FALSE(Run(*engine_).failed());
  EXPECT_EQ(Get(*engine_, 3), "12 22 ");
  Push(2, "12:00", "7");
  EXPECT_EQ(Load().views.size(), 1u);
  EXPECT_EQ(Get(*engine_, 2), "14 22 ");
}

TEST_F(DirectLoadTest, TheLakesStepsLeaveViewsToDirectLoads) {
  Load();
  Push(2, "11:00", "4");
  const auto other = Open(kTestNow);
  auto run = std::async(std::launch::async, [&] { return Run(*other); });
  while (Sql(*engine_, "select count(*) from processing.taps") != "2 ") std::this_thread::yield();
  EXPECT_EQ(Load().views.size(), 1u);
  EXPECT_FALSE(run.get().failed());
  EXPECT_EQ(Get(*engine_, 2), "8 8 ");
}

TEST_F(DirectLoadTest, RowsKeepTheArrivalThatTheyWereServedWith) {
  Push(2, "11:00", "4");
  Load();
  const auto later = Open(kTestNow + 30 * kMinute);  // another process, after a kill
  EXPECT_FALSE(Run(*later).failed());
  EXPECT_EQ(Sql(*later,
                "select count(*) from processing.taps where _arrived_at <= "
                "'2024-03-09T16:00:00Z'::timestamptz"),
            "2 ");
  Push(3, "11:00", "4");
  EXPECT_FALSE(Run(*later).failed());
  EXPECT_EQ(Sql(*later,
                "select _arrived_at = '2024-03-09T16:30:00Z'::timestamptz from "
                "processing.taps where \"user\" = 3"),
            "true ");
}

TEST_F(DirectLoadTest, AViewThatWasLoadedAnewGetsItsRowsAgain) {
  Push(2, "11:00", "4");
  Load();
  Push(3, "11:00", "5");
  Load();
  Must(engine_->OnlineStore());
  EXPECT_TRUE(Must(Must(engine_->OnlineStore())->Position("spending"))->seq == 3);
  EXPECT_FALSE(Run(*engine_).failed());
  Push(2, "12:00", "6");
  EXPECT_EQ(Load().views.size(), 1u);
  EXPECT_EQ(Get(*engine_, 2), "12 20 ");
}

TEST_F(DirectLoadTest, VerifyTellsRowsThatTheLakeLacks) {
  Push(2, "11:00", "4");
  Load();
  const VerifyReport report = Verify(*engine_);
  EXPECT_FALSE(report.passed());
  EXPECT_EQ(report.mismatched, 0);
  EXPECT_EQ(report.unverified_by_cause, (std::map<std::string, int64_t>{{"not_landed", 6}}));
}

TEST_F(DirectLoadTest, ALoadFromTheTableWaitsForTheTable) {
  Push(2, "11:00", "4");
  Load();
  const auto outcome = Run(*engine_, /*compute=*/false, /*full=*/true);
  ASSERT_TRUE(outcome.failed());
  EXPECT_NE(outcome.FirstFailure().message().find("run 'icecore run'"), std::string::npos)
      << outcome.FirstFailure();
  EXPECT_EQ(Get(*engine_, 2), "8 8 ");
  EXPECT_FALSE(Run(*engine_).failed());
  EXPECT_FALSE(Run(*engine_, /*compute=*/false, /*full=*/true).failed());
  EXPECT_EQ(Get(*engine_, 2), "8 8 ");
}

TEST_F(DirectLoadTest, RowsOfTheFutureComeInTheirTime) {
  Push(2, "18:30", "4");  // two hours and a half ahead
  EXPECT_EQ(Load().views.size(), 1u);
  Push(2, "15:00", "5");
  Load();
  EXPECT_EQ(Get(*engine_, 2), "10 10 ");
  EXPECT_FALSE(Run(*engine_).failed());
  const auto later = Open(kTestNow + 140 * kMinute);
  EXPECT_FALSE(Run(*later).failed());
  const auto then = Open(kTestNow + 155 * kMinute);
  EXPECT_EQ(Get(*then, 2), "8 18 ");
}

TEST_F(DirectLoadTest, RowsOfNewColumnsGoWithTheLake) {
  Push(2, "11:00", "4", ", \"late\": true");
  EXPECT_EQ(base::CodeOf(loads_->LoadOnce({}).status()), base::ErrorCode::kUnsupported);
  EXPECT_EQ(Get(*engine_, 2), "null null ");
  EXPECT_FALSE(Run(*engine_).failed());
  EXPECT_EQ(Get(*engine_, 2), "8 8 ");
  Push(3, "11:00", "5");
  EXPECT_TRUE(Load().stale);  // they know the table by its old columns
  loads_ = LoadsOf(*engine_);
  EXPECT_EQ(Load().views.size(), 1u);
  EXPECT_EQ(Get(*engine_, 3), "10 10 ");
}

TEST_F(DirectLoadTest, OtherDefinitionsMakeTablesAnewFirst) {
  std::string text = kChain;
  text.replace(text.find("amount * 2"), 10, "amount * 3");
  pipeline::WriteProject(folder_.path(), text);
  const auto edited = Open(kTestNow);
  Must(edited->Apply());
  Push(2, "11:00", "4");
  const auto loads = LoadsOf(*edited);
  const DirectOutcome outcome = Must(loads->LoadOnce({}));
  EXPECT_TRUE(outcome.stale);
  EXPECT_TRUE(outcome.views.empty());
  EXPECT_FALSE(Run(*edited).failed());
  EXPECT_EQ(Get(*edited, 1), "6 6 ");
  EXPECT_EQ(Get(*edited, 2), "12 12 ");
}

TEST_F(DirectLoadTest, WhatNeedsMoreThanItsRowGoesWithTheLake) {
  const std::vector<std::pair<std::string, std::string>> edits = {
      {"mode: append", "mode: append\nkey: [user]"},
      {"mode: append", "mode: merge\nkey: [user]"},
      {"amount * 2 as amount", "amount * 2 as amount, run_time() as ran"},
      {"drop:", "checks:\n  - {unique: [at]}\ndrop:"},
      {"drop:", "checks:\n  - {row_count: [0, 1000]}\ndrop:"},
      {"drop:", "checks:\n  - {not_null: [at], mostly: 0.5}\ndrop:"},
  };
  for (const auto& [from, to] : edits) {
    std::string text = kChain;
    text.replace(text.find(from), from.size(), to);
    pipeline::WriteProject(folder_.path(), text);
    const auto edited = Open(kTestNow);
    Must(edited->Apply());
    EXPECT_EQ(LoadsOf(*edited), nullptr) << to;
  }
}

}  // namespace
}  // namespace icecore::engine
