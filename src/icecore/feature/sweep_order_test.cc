#include "icecore/feature/sweep_order.h"

#include <arrow/array/builder_primitive.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <tuple>

namespace icecore::feature {
namespace {

std::shared_ptr<arrow::Int64Array> Ints(const std::vector<int64_t>& values) {
  arrow::Int64Builder builder;
  EXPECT_TRUE(builder.AppendValues(values).ok());
  return std::static_pointer_cast<arrow::Int64Array>(builder.Finish().ValueOrDie());
}

SweepRows Rows(std::vector<int64_t> keys, const std::vector<int64_t>& times) {
  SweepRows rows;
  rows.rows.event_time = Ints(times);
  rows.rows.known_at = Ints(times);
  std::vector<int64_t> seq(keys.size());
  for (size_t i = 0; i < seq.size(); ++i) seq[i] = static_cast<int64_t>(i);
  rows.rows.seq = Ints(seq);
  rows.keys = std::move(keys);
  return rows;
}

TEST(GroupRows, RowsInOrderAreNotMoved) {
  const ByKey order = GroupRows(Rows({0, 0, 2, 2}, {1, 1, -5, 7}), false, 4).ValueOrDie();
  EXPECT_TRUE(order.as_given());
  EXPECT_EQ(order.starts, (std::vector<int64_t>{0, 2, 2, 4, 4}));
  EXPECT_EQ(order.ItemAt(3), 3);
}

TEST(GroupRows, RowsOutOfOrderAreGroupedAndSorted) {
  const SweepRows rows = Rows({2, 0, -1, 2, 0}, {9, 4, 0, 8, 3});
  ByKey order = GroupRows(rows, false, 3).ValueOrDie();
  EXPECT_FALSE(order.as_given());
  EXPECT_EQ(order.starts, (std::vector<int64_t>{0, 2, 2, 4}));
  SortRows(rows, false, 0, 2, &order);
  SortRows(rows, false, 2, 4, &order);
  EXPECT_EQ(order.items, (std::vector<uint32_t>{4, 1, 3, 0}));
}

// Labels without a key at the end, as spines have them, do not cost the order.
TEST(GroupLabels, LabelsWithoutAKey) {
  EXPECT_TRUE(GroupLabels({{0, 1, -1, -1}, {5, 5, 0, 0}}, 2).ValueOrDie().as_given());
  const ByKey order = GroupLabels({{0, -1, 1}, {5, 0, 5}}, 2).ValueOrDie();
  EXPECT_EQ(order.items, (std::vector<uint32_t>{0, 2}));
  EXPECT_EQ(GroupLabels({{-1, -1}, {5, 0}}, 1).ValueOrDie().starts, (std::vector<int64_t>{0, 0}));
}

// Enough for several threads, which must sort as one does.
TEST(GroupRows, ManyRowsAreSortedStably) {
  std::mt19937_64 random(1);
  std::vector<int64_t> keys(300000);
  std::vector<int64_t> times(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    keys[i] = static_cast<int64_t>(random() % 100);
    times[i] = static_cast<int64_t>(random() % 1000);
  }
  const SweepRows rows = Rows(keys, times);
  ByKey order = GroupRows(rows, false, 100).ValueOrDie();
  for (size_t key = 0; key < 100; ++key) {
    SortRows(rows, false, order.starts[key], order.starts[key + 1], &order);
  }
  ASSERT_EQ(order.items.size(), keys.size());
  for (size_t i = 1; i < keys.size(); ++i) {
    const uint32_t a = order.items[i - 1];
    const uint32_t b = order.items[i];
    ASSERT_LT(std::tuple(keys[a], times[a], a), std::tuple(keys[b], times[b], b));
  }
}

}  // namespace
}  // namespace icecore::feature
