#include "icecore/base/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

namespace icecore::base {
namespace {

TEST(RunParallel, EveryPieceOnce) {
  for (const size_t count : {0U, 1U, 2U, 3U, 1000U}) {
    std::vector<std::atomic<int>> calls(count);
    EXPECT_TRUE(RunParallel(count, [&](size_t piece) {
                  ++calls[piece];
                  return arrow::Status::OK();
                }).ok());
    for (const auto& called : calls) {
      EXPECT_EQ(called, 1);
    }
  }
}

TEST(RunParallel, TheFirstErrorInOrder) {
  for (int round = 0; round < 50; ++round) {
    const arrow::Status status = RunParallel(64, [&](size_t piece) {
      return piece >= 5 ? arrow::Status::Invalid(std::to_string(piece)) : arrow::Status::OK();
    });
    EXPECT_EQ(status.message(), "5");
  }
}

// A piece may itself run pieces, however busy the pool is.
TEST(RunParallel, Nested) {
  std::atomic<int> calls = 0;
  EXPECT_TRUE(RunParallel(8, [&](size_t) {
                return RunParallel(8, [&](size_t) {
                  ++calls;
                  return arrow::Status::OK();
                });
              }).ok());
  EXPECT_EQ(calls, 64);
}

}  // namespace
}  // namespace icecore::base
