#include "icecore/online/load_rows.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "icecore/base/error.h"
#include "icecore/online/store_test_data.h"

namespace icecore::online::testing {
namespace {

// Passes over random rows: each key comes in one of them, with all its rows, in order; and no pass
// holds much more than it may, but for a key that is larger alone.
TEST(LoadRows, PassesPartTheKeys) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const StoredView view = MakeView("v");
    const uint64_t keys = 1 + random() % 300;
    const bool hot = random() % 2 == 0;
    const bool in_order = random() % 3 == 0;
    std::vector<TestRow> all;
    std::map<std::string, int64_t> counts;
    for (int64_t i = 0; i < 4000; ++i) {
      const uint64_t key = hot && random() % 2 == 0 ? keys / 2
                           : in_order               ? static_cast<uint64_t>(i) * keys / 4000
                                                    : random() % keys;
      const std::string name = std::string(1 + key % 3, 'k') + std::to_string(key);
      all.push_back({name, kStart + i, kStart + i, i + 1, i});
      ++counts[name];
    }
    std::vector<state::PreparedRows> batches;
    for (size_t i = 0; i < all.size(); i += 250) {
      batches.push_back(Rows({all.begin() + static_cast<std::ptrdiff_t>(i),
                              all.begin() + static_cast<std::ptrdiff_t>(i + 250)}));
    }
    LoadRows whole(&view);
    for (const auto& batch : batches) ASSERT_TRUE(whole.Add(batch).ok());
    const int64_t memory = whole.bytes() / static_cast<int64_t>(2 + random() % 10);
    const int64_t of_a_batch = whole.bytes() / static_cast<int64_t>(batches.size());

    LoadRows rows(&view);
    rows.Limit(memory, static_cast<int64_t>(all.size()));
    std::map<std::string, int64_t> seen;
    std::string last;
    int passes = 0;
    for (bool again = true; again; ++passes) {
      for (const auto& batch : batches) {
        ASSERT_TRUE(rows.Add(batch).ok());
        if (!hot) EXPECT_LE(rows.bytes(), 2 * memory + of_a_batch);
      }
      rows.Sort();
      for (size_t i = 0; i < rows.size(); i = rows.EndOfKey(i)) {
        const std::string key(rows.KeyAt(i));
        EXPECT_GT(key, last);
        last = key;
        seen[key] += static_cast<int64_t>(rows.EndOfKey(i) - i);
      }
      again = rows.left_out_from().has_value();
      rows.NextPass();
      ASSERT_LE(passes, static_cast<int>(keys));
    }
    ASSERT_EQ(seen.size(), counts.size());
    for (const auto& [name, count] : counts) {
      const EncodedKeys key = EncodeKeys({Strings({name})}, 1).ValueOrDie();
      EXPECT_EQ(seen[std::string(key.key(0))], count) << name;
    }
    EXPECT_TRUE(passes > 1 || keys == 1);
  }
}

TEST(LoadRows, RowsOfAnotherViewAreRefused) {
  const StoredView view = MakeView("v");
  LoadRows rows(&view);
  state::PreparedRows wrong = Rows({{"a", 1, 1, 1, 1}});
  wrong.keys.push_back(wrong.keys[0]);
  EXPECT_EQ(base::CodeOf(rows.Add(wrong)), base::ErrorCode::kInternal);
}

}  // namespace
}  // namespace icecore::online::testing
