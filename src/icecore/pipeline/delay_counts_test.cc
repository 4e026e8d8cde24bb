#include "icecore/pipeline/delay_counts.h"

#include <gtest/gtest.h>

#include "icecore/base/error.h"

namespace icecore::pipeline {
namespace {

TEST(DelayCountsTest, ADelayCountsUnderItsBound) {
  DelayCounts delays;
  for (const int64_t delay_us : {-5, 0, 10'000, 10'001, 1'000'000}) {
    delays.Add(delay_us);
  }
  delays.Add(int64_t{605'000} * 1'000'000);
  EXPECT_EQ(delays.counts()[0], 3);
  EXPECT_EQ(delays.counts()[1], 1);
  EXPECT_EQ(delays.counts()[5], 1);
  EXPECT_EQ(delays.counts().back(), 1);
  EXPECT_EQ(delays.total(), 6);
  EXPECT_DOUBLE_EQ(delays.sum_seconds(), 605'001.020001);
}

TEST(DelayCountsTest, TimesMayLieFarApart) {
  DelayCounts delays;
  delays.AddBetween(INT64_MIN, INT64_MAX);
  delays.AddBetween(INT64_MAX, INT64_MIN);
  delays.AddBetween(1'700'000'000'000'000, 1'700'000'000'050'000);
  EXPECT_EQ(delays.counts().back(), 1);
  EXPECT_EQ(delays.counts()[0], 1);
  EXPECT_EQ(delays.counts()[1], 1);
}

TEST(DelayCountsTest, WhatIsWrittenIsReadAgain) {
  LoadDelays delays;
  delays.since_event.Add(2'000'000);
  delays.since_known.Add(20'000);
  delays.since_known.Add(delays.since_event);
  delays.since_commit.Add(300'000);
  const auto read = LoadDelaysFromJson(ToJson(delays));
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->since_event.counts(), delays.since_event.counts());
  EXPECT_EQ(read->since_known.counts(), delays.since_known.counts());
  EXPECT_DOUBLE_EQ(read->since_known.sum_seconds(), 2.02);
  EXPECT_EQ(read->since_commit.counts(), delays.since_commit.counts());
}

TEST(DelayCountsTest, OtherTextIsNone) {
  std::string other = ToJson(LoadDelays{});
  other.replace(other.find("0.05"), 4, "0.06");
  for (const std::string& text : {std::string(), std::string("{}"), std::string("[1]"), other,
                                  std::string(R"({"event_to_servable":1})")}) {
    const auto read = LoadDelaysFromJson(text);
    ASSERT_FALSE(read.ok()) << text;
    EXPECT_EQ(base::CodeOf(read.status()), base::ErrorCode::kCorrupt);
  }
}

}  // namespace
}  // namespace icecore::pipeline
