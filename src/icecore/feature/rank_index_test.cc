#include "icecore/feature/rank_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <random>

namespace icecore::feature {
namespace {

TEST(RankIndex, SelectsAsASortDoes) {
  const uint64_t first_seed = 900;
  std::cout << "seeds from " << first_seed << "\n";
  RankIndex index;
  for (uint64_t seed = first_seed; seed < first_seed + 400; ++seed) {
    std::mt19937_64 random(seed);
    const auto code_count = static_cast<uint32_t>(random() % 300 + 1);
    std::vector<uint32_t> codes(random() % 500 + 1);
    for (uint32_t& code : codes) code = static_cast<uint32_t>(random() % code_count);
    std::vector<uint32_t> working = codes;
    index.Build(&working, code_count);
    for (int i = 0; i < 20; ++i) {
      // One range, or several with gaps.
      std::vector<RowRange> ranges;
      std::vector<uint32_t> chosen;
      auto at = static_cast<int64_t>(random() % codes.size());
      const auto size = static_cast<int64_t>(codes.size());
      for (uint64_t n = random() % 3 + 1; n > 0 && at < size; --n) {
        const int64_t end = std::min(at + static_cast<int64_t>(random() % 90) + 1, size);
        ranges.push_back({at, end});
        chosen.insert(chosen.end(), codes.begin() + at, codes.begin() + end);
        at = end + static_cast<int64_t>(random() % 9) + 1;
      }
      std::sort(chosen.begin(), chosen.end());
      const size_t k = random() % chosen.size();
      ASSERT_EQ(index.Select(&ranges, static_cast<int64_t>(k)), chosen[k]) << "seed " << seed;
    }
  }
}

TEST(RankIndex, OneCode) {
  std::vector<uint32_t> codes(70, 0);
  RankIndex index;
  index.Build(&codes, 1);
  std::vector<RowRange> ranges = {{3, 70}};
  EXPECT_EQ(index.Select(&ranges, 66), 0u);
}

}  // namespace
}  // namespace icecore::feature
