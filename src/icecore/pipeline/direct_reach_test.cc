#include "icecore/pipeline/direct_reach.h"

#include <gtest/gtest.h>

#include <future>

namespace icecore::pipeline {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kShort(20);
constexpr milliseconds kLong(60'000);  // a test that waits it out has failed

TEST(DirectReachTest, NobodyWaitsForWhatIsNotBrought) {
  DirectReach reach;
  EXPECT_FALSE(reach.Await("v", 5, kLong));
  reach.Tell("s", {{{"v", 5}, {"w", 1}}, true});
  EXPECT_TRUE(reach.Await("v", 5, kLong));
  EXPECT_FALSE(reach.Await("x", 9, kLong));
}

TEST(DirectReachTest, WhoeverWaitsIsWoken) {
  DirectReach reach;
  for (const bool none : {false, true}) {
    reach.Tell("s", {{{"v", 4}}, true});
    auto waiter = std::async(std::launch::async, [&] { reach.Await("v", 5, kLong); });
    EXPECT_EQ(waiter.wait_for(kShort), std::future_status::timeout);
    if (none) {
      reach.TellNone();
    } else {
      reach.Tell("s", {{{"v", 6}}, true});
    }
    EXPECT_EQ(waiter.wait_for(kLong), std::future_status::ready);
  }
}

TEST(DirectReachTest, AWaitEnds) {
  DirectReach reach;
  reach.Tell("s", {{{"v", 4}}, true});
  reach.Await("v", 5, kShort);
}

TEST(DirectReachTest, AllSourcesAreAskedFor) {
  DirectReach reach;
  EXPECT_FALSE(reach.BringsAll({"s"}));
  reach.Tell("s", {{{"v", 4}}, true});
  EXPECT_TRUE(reach.BringsAll({"s"}));
  EXPECT_FALSE(reach.BringsAll({"s", "t"}));
  reach.Tell("t", {{{"w", 4}}, false});
  EXPECT_FALSE(reach.BringsAll({"s", "t"}));
}

}  // namespace
}  // namespace icecore::pipeline
