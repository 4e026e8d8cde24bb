#include "icecore/server/freshness_watch.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "icecore/base/id.h"

namespace icecore::server {
namespace {

class FreshnessWatchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::remove_all(folder_);
    catalog_ = *catalog::OpenSqlite((folder_ / "catalog.db").string(), &base::SystemRandom());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // A load of one row that was two seconds old.
  void Load(const std::string& view, const std::string& kind = "online", bool with_rows = true) {
    pipeline::LoadDelays delays;
    delays.since_event.Add(2'000'000);
    delays.since_commit.Add(40'000);
    const std::string run = *catalog_->StartRun("run", 1, 0, 0);
    const std::string step = *catalog_->StartStep(run, "view." + view, kind, 0);
    catalog::StepResult result;
    result.detail_json = with_rows ? pipeline::ToJson(delays) : "";
    ASSERT_TRUE(catalog_->FinishStep(step, result).ok());
  }

  // Rows counted of each view.
  std::map<std::string, int64_t> Look() {
    const arrow::Status status = watch_.LookAtLoads(catalog_.get(), {"v", "w"});
    EXPECT_TRUE(status.ok()) << status.ToString();
    std::map<std::string, int64_t> rows;
    for (const ViewDelays& view : watch_.view_delays()) {
      rows[view.view] = view.delays.since_event.total();
      EXPECT_EQ(view.delays.since_commit.total(), rows[view.view]);
    }
    return rows;
  }

  using Rows = std::map<std::string, int64_t>;
  const std::filesystem::path folder_ = std::filesystem::path(::testing::TempDir()) /
                                        ("icecore_freshness_" + std::to_string(::getpid()));
  std::unique_ptr<catalog::Catalog> catalog_;
  FreshnessWatch watch_;
};

TEST_F(FreshnessWatchTest, LoadsSinceTheFirstLookCountOnce) {
  Load("v");
  EXPECT_EQ(Look(), (Rows{{"v", 0}, {"w", 0}}));
  EXPECT_EQ(Look(), (Rows{{"v", 0}, {"w", 0}}));
  Load("v");
  Load("v", "log");
  Load("v", "online", false);
  Load("v");
  Load("w");
  EXPECT_EQ(Look(), (Rows{{"v", 2}, {"w", 1}}));
  EXPECT_EQ(Look(), (Rows{{"v", 2}, {"w", 1}}));
}

TEST_F(FreshnessWatchTest, AStepThatIsBeingWrittenIsLookedAtAgain) {
  Look();
  const std::string run = *catalog_->StartRun("run", 1, 0, 0);
  Load("v");
  const std::string step = *catalog_->StartStep(run, "view.v", "online", 0);
  EXPECT_EQ(Look().at("v"), 0);
  pipeline::LoadDelays delays;
  delays.since_event.Add(1);
  delays.since_commit.Add(1);
  catalog::StepResult result;
  result.detail_json = pipeline::ToJson(delays);
  ASSERT_TRUE(catalog_->FinishStep(step, result).ok());
  EXPECT_EQ(Look().at("v"), 2);
}

TEST_F(FreshnessWatchTest, LoadsBetweenTwoLooksAreBounded) {
  Look();
  for (int64_t i = 0; i < FreshnessWatch::kMaxLoads + 5; ++i) {
    Load("v");
  }
  EXPECT_EQ(Look().at("v"), FreshnessWatch::kMaxLoads);
}

TEST_F(FreshnessWatchTest, PushesCountWhenARunThatBeganLaterHasEnded) {
  watch_.Accepted("events", 100);
  watch_.Accepted("clicks", 200);
  watch_.Accepted("events", 300);
  watch_.Servable("clicks", 300, 1'000'000'300);
  watch_.Servable("events", 300, 1'000'000'300);
  watch_.Servable("of nobody", 300, 1'000'000'300);
  const auto pushes = watch_.push_delays();
  ASSERT_EQ(pushes.size(), 2u);
  EXPECT_EQ(pushes[0].source, "clicks");
  EXPECT_EQ(pushes[0].delays.total(), 1);
  EXPECT_EQ(pushes[1].delays.total(), 1);
  EXPECT_DOUBLE_EQ(pushes[1].delays.sum_seconds(), 1);
  watch_.Servable("events", 301, 1'000'000'300);
  EXPECT_EQ(watch_.push_delays()[1].delays.total(), 2);
}

TEST_F(FreshnessWatchTest, PushesThatWaitAreBounded) {
  for (size_t i = 0; i < FreshnessWatch::kMaxWaiting + 7; ++i) {
    watch_.Accepted("events", 1);
  }
  watch_.Servable("events", 2, 2);
  EXPECT_EQ(watch_.push_delays()[0].delays.total(), int64_t{FreshnessWatch::kMaxWaiting});
}

}  // namespace
}  // namespace icecore::server
