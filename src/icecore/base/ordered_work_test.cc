#include "icecore/base/ordered_work.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "icecore/base/error.h"

namespace icecore::base {
namespace {

TEST(OrderedMaker, GivesInOrderWhatSeveralMake) {
  for (const size_t threads : {size_t{1}, size_t{3}}) {
    for (const size_t ahead : {size_t{1}, size_t{4}}) {
      constexpr size_t kCount = 1000;
      std::vector<size_t> memory(ahead);
      OrderedMaker maker(kCount, threads, ahead, [&](size_t i) {
        memory[i % ahead] = i * i;
        return arrow::Status::OK();
      });
      for (size_t i = 0; i < kCount; ++i) {
        ASSERT_TRUE(maker.Take(i).ok());
        ASSERT_EQ(memory[i % ahead], i * i);
      }
    }
  }
}

TEST(OrderedMaker, NothingToDo) {
  const OrderedMaker maker(0, 2, 2, [](size_t) { return arrow::Status::Invalid("called"); });
}

TEST(OrderedMaker, MakesNoMoreThanItHasMemoryFor) {
  constexpr size_t kAhead = 3;
  std::atomic<size_t> begun = 0;
  OrderedMaker maker(1000, 2, kAhead, [&](size_t) {
    ++begun;
    return arrow::Status::OK();
  });
  for (size_t i = 0; i < 100; ++i) {
    ASSERT_TRUE(maker.Take(i).ok());
    EXPECT_LE(begun, i + kAhead);
  }
}

// Who takes no more waits for nothing.
TEST(OrderedMaker, MayBeLeft) {
  for (size_t taken = 0; taken < 20; ++taken) {
    OrderedMaker maker(1000, 2, 3, [](size_t) { return arrow::Status::OK(); });
    for (size_t i = 0; i < taken; ++i) ASSERT_TRUE(maker.Take(i).ok());
  }
}

TEST(OrderedMaker, TheFirstErrorEndsIt) {
  OrderedMaker maker(1000, 2, 3, [](size_t i) {
    return i == 7 ? MakeError(ErrorCode::kCorrupt, "seven") : arrow::Status::OK();
  });
  size_t taken = 0;
  arrow::Status status;
  while (status.ok()) status = maker.Take(taken++);
  EXPECT_EQ(CodeOf(status), ErrorCode::kCorrupt);
  EXPECT_LE(taken, 8U);
  EXPECT_EQ(CodeOf(maker.Take(taken)), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace icecore::base
