#include "icecore/base/ordered_work.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "icecore/base/error.h"

namespace icecore::base {
namespace {

TEST(MakeAndTake, TakesInOrderWhatSeveralMake) {
  for (const size_t threads : {size_t{1}, size_t{3}}) {
    constexpr size_t kAhead = 4;
    std::vector<size_t> memory(kAhead);
    std::vector<size_t> taken;
    const auto status = MakeAndTake(
        1000, threads, kAhead,
        [&](size_t i) {
          memory[i % kAhead] = i * i;
          return arrow::Status::OK();
        },
        [&](size_t i) {
          EXPECT_EQ(memory[i % kAhead], i * i);
          taken.push_back(i);
          return arrow::Status::OK();
        });
    ASSERT_TRUE(status.ok()) << status;
    ASSERT_EQ(taken.size(), 1000U);
    for (size_t i = 0; i < taken.size(); ++i) EXPECT_EQ(taken[i], i);
  }
}

TEST(MakeAndTake, NothingToDo) {
  const auto never = [](size_t) { return arrow::Status::Invalid("called"); };
  EXPECT_TRUE(MakeAndTake(0, 2, 2, never, never).ok());
}

TEST(MakeAndTake, TheFirstErrorOfEitherSideEndsIt) {
  const auto fine = [](size_t) { return arrow::Status::OK(); };
  const auto fails_at_7 = [](size_t i) {
    return i == 7 ? MakeError(ErrorCode::kCorrupt, "seven") : arrow::Status::OK();
  };
  std::atomic<size_t> taken = 0;
  const auto counts = [&](size_t) {
    ++taken;
    return arrow::Status::OK();
  };
  EXPECT_EQ(CodeOf(MakeAndTake(1000, 2, 3, fails_at_7, counts)), ErrorCode::kCorrupt);
  EXPECT_LE(taken, 7U);
  EXPECT_EQ(CodeOf(MakeAndTake(1000, 2, 3, fine, fails_at_7)), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace icecore::base
