#include "icecore/feature/label_set.h"

#include <arrow/type.h>
#include <gtest/gtest.h>

#include "icecore/base/id.h"
#include "icecore/feature/label_fixture.h"

namespace icecore::feature {
namespace {

// Places are cut into pieces of a thousand or more: of so many labels the hot keys lie in several,
// one begins and ends within pieces.
TEST(LabelSet, HotKeysAreOrderedByTimeAndEqualOnesAsTheyCame) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    base::SeededRandom random(seed);
    const auto count = static_cast<size_t>(Below(&random, 12'000));
    const int64_t keys = 1 + Below(&random, 4);
    const int64_t span = seed % 3 == 0 ? 10 : 100'000;
    std::vector<int64_t> label_keys;
    std::vector<int64_t> label_times;
    for (size_t i = 0; i < count; ++i) {
      label_keys.push_back(Below(&random, 50) == 0 ? 100 + Below(&random, 50)
                                                   : Below(&random, keys));
      label_times.push_back(Below(&random, span));
    }
    const auto labels =
        *LabelSet::Make({arrow::int64()}, {{Numbers(label_keys)}}, *Numbers(label_times));
    ASSERT_EQ(labels->times().size(), count);
    std::vector<int64_t> at(count, -1);  // by place: the label
    for (size_t label = 0; label < count; ++label) {
      at[labels->places()[label]] = static_cast<int64_t>(label);
    }
    for (size_t place = 0; place < count; ++place) {
      ASSERT_GE(at[place], 0) << "seed " << seed;
      const auto label = static_cast<size_t>(at[place]);
      ASSERT_EQ(labels->times()[place], label_times[label]) << "seed " << seed;
      if (place == 0) continue;
      const auto before = static_cast<size_t>(at[place - 1]);
      const bool same_key = labels->KeyAt(place) == labels->KeyAt(place - 1);
      ASSERT_EQ(same_key, label_keys[label] == label_keys[before]) << "seed " << seed;
      if (!same_key) continue;
      ASSERT_LE(label_times[before], label_times[label]) << "seed " << seed;
      if (label_times[before] == label_times[label]) {
        ASSERT_LT(before, label) << "seed " << seed;
      }
    }
  }
}

}  // namespace
}  // namespace icecore::feature
