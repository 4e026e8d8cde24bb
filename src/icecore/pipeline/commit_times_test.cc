#include "icecore/pipeline/commit_times.h"

#include "icecore/pipeline/orders_fixture.h"

namespace icecore::pipeline {
namespace {

TEST(CommitTimesTest, OfARowIsThatOfTheCommitThatGaveItsNumber) {
  const CommitTimes times({{30, 3000}, {20, 2000}, {10, 1000}}, 5);
  EXPECT_EQ(times.Of(4), std::nullopt);
  EXPECT_EQ(times.Of(5), 1000);
  EXPECT_EQ(times.Of(10), 1000);
  EXPECT_EQ(times.Of(11), 2000);
  EXPECT_EQ(times.Of(30), 3000);
  EXPECT_EQ(times.Of(31), std::nullopt);
  EXPECT_EQ(CommitTimes().Of(1), std::nullopt);
}

// Three runs, each at a time of its own, of a file each.
class CommitTimesOfALakeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteProject(folder_.path(), FirstRules().Definitions());
    for (int64_t run = 0; run < 3; ++run) {
      WriteOrders(folder_.path() + "/data/" + std::to_string(run) + ".csv", FirstOrders());
      OpenProject::Options options;
      options.now_us = kTestNow + run * 1'000'000;
      OpenProject open(folder_.path(), options);
      Must(RunAll(open.workspace()));
      last_.push_back(Must(LoadTable(open.workspace(), kTable))->last_seq());
    }
    open_.emplace(folder_.path(), OpenProject::Options{});
  }

  static constexpr char kTable[] = "landing.orders";
  TemporaryFolder folder_;
  std::vector<int64_t> last_;  // _seq after each run
  std::optional<OpenProject> open_;
};

TEST_F(CommitTimesOfALakeTest, AreReadFromItsLog) {
  const auto snapshot = Must(LoadTable(open_->workspace(), kTable));
  for (const int64_t after : {int64_t{0}, last_[0], last_[1], last_[2]}) {
    const CommitTimes times = CommitTimes::Read(*open_->workspace().store, *snapshot, after);
    for (size_t run = 0; run < last_.size(); ++run) {
      const auto expected = last_[run] > after
                                ? std::optional(kTestNow + static_cast<int64_t>(run) * 1'000'000)
                                : std::nullopt;
      EXPECT_EQ(times.Of(last_[run]), expected) << "run " << run << " after " << after;
    }
    EXPECT_EQ(times.Of(last_[2] + 1), std::nullopt);
  }
}

TEST_F(CommitTimesOfALakeTest, WhatTheLogNoLongerHasIsUnknown) {
  const auto snapshot = Must(LoadTable(open_->workspace(), kTable));
  std::filesystem::remove(folder_.path() + "/lake/landing/orders/_delta_log/" +
                          std::string(19, '0') + std::to_string(snapshot->version - 1) + ".json");
  const CommitTimes times = CommitTimes::Read(*open_->workspace().store, *snapshot, 0);
  EXPECT_EQ(times.Of(last_[2]), kTestNow + 2'000'000);
  EXPECT_EQ(times.Of(last_[0]), std::nullopt);
}

}  // namespace
}  // namespace icecore::pipeline
