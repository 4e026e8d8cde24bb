// Views in parts answer as views of one piece, however their parts came to be.
#include "icecore/state/parted_engine.h"

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
using testing::TextsOf;

using Answers = std::vector<std::string>;

const std::string kMark = std::string(1, kPartMark) + "12345678";

// From the cells that a store would look for alone.
Answers AnswersOfFew(const ViewEngine& engine, const StoredCells& stored, int64_t t) {
  std::vector<CellView> few;
  const auto ranges = engine.CellsAt(t);
  for (const auto& [suffix, bytes] : stored) {
    const bool wanted =
        suffix.empty() || std::any_of(ranges.begin(), ranges.end(), [&](const CellRange& range) {
          return range.from <= suffix && suffix < range.to;
        });
    if (wanted) few.push_back({suffix, bytes});
  }
  const auto sink = VectorSink::Make(engine.output_types()).ValueOrDie();
  EXPECT_TRUE(
      (few.empty() ? engine.ReadEmpty(sink.get()) : engine.ReadCells(few, t, sink.get())).ok());
  return TextsOf(sink.get());
}

// The features at these places, over only those values and masks that they use, which rows have
// where the whole layout has them.
ViewLayout PartOf(const ViewLayout& whole, const std::vector<int>& features) {
  ViewLayout part = whole;
  part.features.clear();
  part.value_types.clear();
  const auto place = [](int at, std::vector<int>* places) {
    if (at < 0) return at;
    auto found = std::find(places->begin(), places->end(), at);
    if (found == places->end()) found = places->insert(found, at);
    return static_cast<int>(found - places->begin());
  };
  for (const int at : features) {
    FeatureLayout feature = whole.features[static_cast<size_t>(at)];
    feature.value = place(feature.value, &part.value_places);
    feature.mask = place(feature.mask, &part.mask_places);
    part.features.push_back(feature);
  }
  for (const int at : part.value_places) {
    part.value_types.push_back(whole.value_types[static_cast<size_t>(at)]);
  }
  part.mask_count = static_cast<int>(part.mask_places.size());
  return part;
}

std::shared_ptr<const ViewEngine> EngineOf(ViewLayout layout) {
  return ViewEngine::Make(std::move(layout)).ValueOrDie();
}

struct Parted {
  std::vector<int> first;
  std::vector<int> second;
  std::unique_ptr<ViewEngine> engine;
};

Parted Split(const ViewLayout& layout, std::mt19937_64& random) {
  Parted parted;
  for (size_t i = 0; i < layout.features.size(); ++i) {
    (random() % 2 == 0 ? parted.first : parted.second).push_back(static_cast<int>(i));
  }
  parted.engine =
      JoinParts(layout, {{"", EngineOf(PartOf(layout, parted.first)), parted.first},
                         {kMark, EngineOf(PartOf(layout, parted.second)), parted.second}});
  return parted;
}

// At `joined_at` the second part is loaded from all rows, beside the first; before it, the first is
// alone.
void CompareWithOnePiece(uint64_t seed) {
  std::mt19937_64 random(seed);
  const ViewLayout layout = naive::RandomLayout(random);
  const Parted parted = Split(layout, random);
  const auto whole = EngineOf(layout);
  const auto first = EngineOf(PartOf(layout, parted.first));
  const auto second = JoinParts(layout, {{kMark, EngineOf(PartOf(layout, parted.second)), {}}});
  const PreparedRows rows = naive::Prepare(naive::RandomRows(random, 1));
  StoredCells in_one;
  StoredCells in_parts;
  int64_t row = 0;
  bool joined = false;
  for (int64_t t = -200; t < 300; t += 1 + static_cast<int64_t>(random() % 100)) {
    const int64_t end = std::min<int64_t>(rows.num_rows, row + static_cast<int64_t>(random() % 20));
    const ViewEngine& writer = joined ? *parted.engine : *first;
    for (const auto& [engine, stored] :
         {std::pair<const ViewEngine*, StoredCells*>(whole.get(), &in_one), {&writer, &in_parts}}) {
      const auto key = StoredKey(*engine, *stored);
      ASSERT_TRUE(key->AdvanceTo(t).ok());
      for (int64_t i = row; i < end; ++i) ASSERT_TRUE(key->Add(rows, i).ok());
      TakeInto(key.get(), stored);
    }
    row = end;
    if (!joined && random() % 3 == 0) {
      const auto key = StoredKey(*second, in_parts);
      ASSERT_TRUE(key->AdvanceTo(t).ok());
      for (int64_t i = 0; i < row; ++i) ASSERT_TRUE(key->Add(rows, i).ok());
      TakeInto(key.get(), &in_parts);
      joined = true;
    }
    if (!joined) continue;
    const int64_t asked = t + static_cast<int64_t>(random() % 60);
    const Answers expected = AnswersOf(*whole, in_one, asked);
    ASSERT_EQ(AnswersOf(*parted.engine, in_parts, asked), expected) << "seed " << seed;
    ASSERT_EQ(AnswersOfFew(*parted.engine, in_parts, asked), expected) << "seed " << seed;
    ASSERT_EQ(parted.engine->OldestRelevant(asked), whole->OldestRelevant(asked));
    for (const auto& [suffix, bytes] : in_parts) {
      ASSERT_FALSE(parted.engine->CellExpired(suffix, t)) << "seed " << seed;
    }
  }
}

TEST(PartedEngine, AnswersAsOneOfOnePiece) {
  constexpr uint64_t kFirstSeed = 11000;
  std::cout << "seeds from " << kFirstSeed << "\n";
  for (uint64_t seed = kFirstSeed; seed < kFirstSeed + 1000; ++seed) {
    CompareWithOnePiece(seed);
    if (HasFatalFailure()) return;
  }
}

TEST(PartedEngine, AKeyWithoutCellsIsEmpty) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 50; ++i) {
    const ViewLayout layout = naive::RandomLayout(random);
    const Parted parted = Split(layout, random);
    const auto one = VectorSink::Make(parted.engine->output_types()).ValueOrDie();
    const auto other = VectorSink::Make(parted.engine->output_types()).ValueOrDie();
    ASSERT_TRUE(parted.engine->ReadEmpty(one.get()).ok());
    ASSERT_TRUE(EngineOf(layout)->ReadEmpty(other.get()).ok());
    ASSERT_EQ(TextsOf(one.get()), TextsOf(other.get()));
  }
}

// Cells of parts that are not an engine's own are nothing to it; damaged ones of its own are.
TEST(PartedEngine, PassesOverForeignParts) {
  ViewLayout layout;
  layout.value_types = {arrow::float64(), arrow::int64(), arrow::utf8()};
  layout.mask_count = 2;
  FeatureLayout newest;
  newest.value = 0;
  layout.features = {newest};
  const auto engine = EngineOf(layout);
  const auto part = JoinParts(layout, {{kMark, engine, {0}}});
  std::mt19937_64 random(2);
  const PreparedRows rows = naive::Prepare(naive::RandomRows(random, 1));
  StoredCells stored;
  const auto key = part->NewKey();
  for (int64_t i = 0; i < rows.num_rows; ++i) ASSERT_TRUE(key->Add(rows, i).ok());
  ASSERT_TRUE(key->AdvanceTo(1000).ok());
  TakeInto(key.get(), &stored);
  ASSERT_EQ(stored.size(), 1u);
  EXPECT_EQ(AnswersOf(*engine, stored, 1000), AnswersOf(*engine, {}, 1000));
  EXPECT_NE(AnswersOf(*part, stored, 1000), AnswersOf(*engine, {}, 1000));
  EXPECT_FALSE(engine->CellExpired(stored.begin()->first, 1000));
  stored.begin()->second[10] ^= 1;
  EXPECT_FALSE(part->LoadKey({{stored.begin()->first, stored.begin()->second}}).ok());
}

}  // namespace
}  // namespace icecore::state
