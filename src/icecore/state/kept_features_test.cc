// Cells that were written for some features, read and written for others.

#include <arrow/array/array_base.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <random>

#include "icecore/state/naive_view.h"
#include "icecore/state/stored_cells_testing.h"

namespace icecore::state {
namespace {

using testing::AnswersOf;
using testing::StoredCells;
using testing::StoredKey;
using testing::TakeInto;

// Some of the features, in another order and some of them twice, with another ttl.
ViewLayout Edited(const ViewLayout& layout, std::mt19937_64& random) {
  ViewLayout edited = layout;
  edited.kept = static_cast<int>(layout.features.size());
  std::vector<FeatureLayout> picked = layout.features;
  std::shuffle(picked.begin(), picked.end(), random);
  picked.resize(1 + random() % picked.size());
  picked.push_back(layout.features[random() % layout.features.size()]);
  edited.features.insert(edited.features.end(), picked.begin(), picked.end());
  if (!layout.always) edited.ttl_us = static_cast<int64_t>(random() % 100);
  return edited;
}

// The definition of the edited features alone, computed from the rows.
ViewLayout Alone(const ViewLayout& edited) {
  ViewLayout alone = edited;
  alone.features.erase(alone.features.begin(), alone.features.begin() + edited.kept);
  alone.kept = 0;
  return alone;
}

void CompareWithFresh(uint64_t seed) {
  std::mt19937_64 random(seed);
  const ViewLayout layout = naive::RandomLayout(random);
  const ViewLayout edited = Edited(layout, random);
  ASSERT_EQ(FeaturesNotKept(edited).ValueOrDie(), 0) << "seed " << seed;
  const auto before = ViewEngine::Make(layout).ValueOrDie();
  const auto after = ViewEngine::Make(edited).ValueOrDie();
  const auto fresh = ViewEngine::Make(Alone(edited)).ValueOrDie();
  ASSERT_EQ(after->output_types().size(), fresh->output_types().size());
  const PreparedRows rows = naive::Prepare(naive::RandomRows(random, 1));
  StoredCells by_before;
  StoredCells by_after;  // written by turns
  StoredCells by_fresh;
  int64_t row = 0;
  for (int64_t t = -200; t < 300; t += 1 + static_cast<int64_t>(random() % 100)) {
    const int64_t end = std::min<int64_t>(rows.num_rows, row + static_cast<int64_t>(random() % 20));
    const ViewEngine& writer = random() % 2 == 0 ? *before : *after;
    for (const auto& [engine, stored] :
         {std::pair<const ViewEngine*, StoredCells*>(before.get(), &by_before),
          {&writer, &by_after},
          {fresh.get(), &by_fresh}}) {
      const auto key = StoredKey(*engine, *stored);
      ASSERT_TRUE(key->AdvanceTo(t).ok());
      for (int64_t i = row; i < end; ++i) ASSERT_TRUE(key->Add(rows, i).ok());
      TakeInto(key.get(), stored);
    }
    row = end;
    ASSERT_EQ(by_after, by_before) << "seed " << seed;
    const int64_t asked = t + static_cast<int64_t>(random() % 60);
    ASSERT_EQ(AnswersOf(*after, by_after, asked), AnswersOf(*fresh, by_fresh, asked))
        << "seed " << seed << ", t " << asked;
  }
}

TEST(KeptFeatures, AnswerAsIfTheCellsWereTheirOwn) {
  constexpr uint64_t kFirstSeed = 9000;
  std::cout << "seeds from " << kFirstSeed << "\n";
  for (uint64_t seed = kFirstSeed; seed < kFirstSeed + 500; ++seed) {
    CompareWithFresh(seed);
    if (HasFatalFailure()) return;
  }
}

FeatureLayout WindowOf(AggregateKind kind, int64_t length_us, int64_t hop_us, int value = 0) {
  FeatureLayout feature;
  feature.kind = FeatureLayout::Kind::kWindow;
  feature.value = value;
  feature.aggregate.kind = kind;
  feature.length_us = length_us;
  feature.hop_us = hop_us;
  return feature;
}

FeatureLayout Newest(int value, int mask = -1) {
  FeatureLayout feature;
  feature.value = value;
  feature.mask = mask;
  return feature;
}

// Of cells with: the newest of value 0; sum of value 0 over 700 by 10 and 100 by 10; last_n of 3.
int NotKept(FeatureLayout asked) {
  ViewLayout layout;
  layout.value_types = {arrow::float64(), arrow::float64()};
  layout.mask_count = 1;
  FeatureLayout last = WindowOf(AggregateKind::kLastN, 100, 10);
  last.aggregate.n = 3;
  layout.features = {Newest(0), WindowOf(AggregateKind::kSum, 700, 10),
                     WindowOf(AggregateKind::kSum, 100, 10), last};
  layout.kept = static_cast<int>(layout.features.size());
  layout.features.push_back(std::move(asked));
  return FeaturesNotKept(layout).ValueOrDie();
}

TEST(KeptFeatures, AreEnoughForWhatTheirStatesAnswer) {
  EXPECT_EQ(NotKept(Newest(0)), 0);
  EXPECT_EQ(NotKept(WindowOf(AggregateKind::kMean, 300, 10)), 0);
  EXPECT_EQ(NotKept(WindowOf(AggregateKind::kSum, 700, 10)), 0);
  FeatureLayout last = WindowOf(AggregateKind::kLastN, 700, 10);
  last.aggregate.n = 3;
  EXPECT_EQ(NotKept(last), 0);
  last.aggregate.n = 2;
  EXPECT_EQ(NotKept(last), 1);
  EXPECT_EQ(NotKept(Newest(1)), 1);
  EXPECT_EQ(NotKept(Newest(0, 0)), 1);
  EXPECT_EQ(NotKept(WindowOf(AggregateKind::kSum, 701, 10)), 1);
  EXPECT_EQ(NotKept(WindowOf(AggregateKind::kSum, 100, 5)), 1);
  EXPECT_EQ(NotKept(WindowOf(AggregateKind::kSum, 100, 10, 1)), 1);
  EXPECT_EQ(NotKept(WindowOf(AggregateKind::kStddev, 100, 10)), 1);
  EXPECT_EQ(NotKept(WindowOf(AggregateKind::kMax, 100, 10)), 1);
}

}  // namespace
}  // namespace icecore::state
