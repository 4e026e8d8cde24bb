#include "icecore/server/damage_watch.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace icecore::server::testing {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

TEST(DamageWatchTest, CountsAllAndTellsAViewOnceAMinute) {
  DamageWatch watch;
  ::testing::internal::CaptureStderr();
  for (int64_t i = 0; i < 100; ++i) watch.Count("v", 2, "wrong checksum", i * kSecond / 10);
  watch.Count("w", 1, "short key", kSecond);
  watch.Count("v", 1, "wrong checksum", 61 * kSecond);
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 3) << said;
  EXPECT_NE(said.find("icecore materialize --full v"), std::string::npos) << said;
  EXPECT_NE(said.find("199 answers"), std::string::npos)
      << said;  // 200 less the two of the first line, and one
  EXPECT_EQ(watch.CountOf("v"), 201);
  EXPECT_EQ(watch.CountOf("w"), 1);
  EXPECT_EQ(watch.CountOf("x"), 0);
}

}  // namespace
}  // namespace icecore::server::testing
