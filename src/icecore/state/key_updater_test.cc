// What a load of many keys changes is what a state of each key changes.
#include "icecore/state/key_updater.h"

#include <arrow/array/array_base.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "icecore/base/error.h"
#include "icecore/state/naive_view.h"
#include "icecore/state/stored_cells_testing.h"

namespace icecore::state {
namespace {

using testing::StoredCells;
using testing::StoredKey;

class Changes final : public CellChanges {
 public:
  arrow::Status Put(std::string_view suffix, std::string_view bytes) override {
    changed[std::string(suffix)] = std::string(bytes);
    return arrow::Status::OK();
  }
  arrow::Status Delete(std::string_view suffix) override {
    changed[std::string(suffix)] = std::nullopt;
    return arrow::Status::OK();
  }
  std::map<std::string, std::optional<std::string>> changed;
};

std::vector<CellView> ViewsOf(const StoredCells& stored) {
  std::vector<CellView> views;
  for (const auto& [suffix, bytes] : stored) views.push_back({suffix, bytes});
  return views;
}

Changes ByState(const ViewEngine& engine, const StoredCells& stored, const PreparedRows& rows,
                int64_t begin, int64_t end, const LoadReach& reach) {
  const auto key = StoredKey(engine, stored);
  EXPECT_TRUE(key->AdvanceTo(reach.applied_at).ok());
  for (int64_t row = begin; row < end; ++row) EXPECT_TRUE(key->Add(rows, row).ok());
  key->SetApplied(reach.seq, reach.applied_until);
  Changes changes;
  for (auto& change : key->TakeChanges().ValueOrDie()) {
    changes.changed[change.suffix] = std::move(change.bytes);
  }
  return changes;
}

void Apply(const Changes& changes, StoredCells* stored) {
  for (const auto& [suffix, bytes] : changes.changed) {
    if (bytes) {
      (*stored)[suffix] = *bytes;
    } else {
      stored->erase(suffix);
    }
  }
}

// Loads of one key, in which rows come that wait, are there already, or may lie behind the horizon.
void CompareLoads(const ViewLayout& layout, std::mt19937_64& random) {
  const auto engine = ViewEngine::Make(layout).ValueOrDie();
  const auto updater = KeyUpdater::Make(*engine).ValueOrDie();
  const PreparedRows rows = naive::Prepare(naive::RandomRows(random, 1));
  StoredCells stored;
  int64_t begin = 0;
  int64_t applied = -1;  // the greatest _seq that has come
  for (int64_t t = -200; t < 300; t += 1 + static_cast<int64_t>(random() % 100)) {
    const auto taken = static_cast<int64_t>(random() % 20);
    const int64_t end = std::min(rows.num_rows, begin + taken);
    const LoadReach reach{t, std::max(applied, end - 1), t + static_cast<int64_t>(random() % 60)};
    applied = reach.seq;
    std::vector<RowAt> places;
    for (int64_t row = begin; row < end; ++row) places.push_back({&rows, row});
    Changes changes;
    ASSERT_TRUE(updater->Update(ViewsOf(stored), places, reach, &changes).ok());
    ASSERT_EQ(changes.changed, ByState(*engine, stored, rows, begin, end, reach).changed);
    Apply(changes, &stored);
    // Rows of before come again now and then.
    begin = random() % 4 == 0 ? std::max<int64_t>(0, end - 5) : end;
  }
}

ViewLayout AsOfOf(ViewLayout layout) {
  std::erase_if(layout.features, [](const FeatureLayout& feature) {
    return feature.kind == FeatureLayout::Kind::kWindow;
  });
  return layout;
}

TEST(KeyUpdater, ChangesWhatAStateChanges) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const ViewLayout layout = naive::RandomLayout(random);
    CompareLoads(layout, random);
    if (const ViewLayout heads = AsOfOf(layout); !heads.features.empty()) {
      CompareLoads(heads, random);
    }
    if (::testing::Test::HasFailure()) return;
  }
}

ViewLayout NewestNumber() {
  ViewLayout layout;
  layout.value_types = {arrow::float64(), arrow::int64(), arrow::utf8()};
  layout.mask_count = 2;
  layout.features.emplace_back();
  layout.features.back().value = 0;
  return layout;
}

PreparedRows OneRow(int64_t e, int64_t seq) {
  naive::Row row;
  row.e = row.a = e;
  row.s = seq;
  row.number = static_cast<double>(seq);
  return naive::Prepare({row});
}

TEST(KeyUpdater, GivesNothingWhereNothingChanges) {
  const auto engine = ViewEngine::Make(NewestNumber()).ValueOrDie();
  const auto updater = KeyUpdater::Make(*engine).ValueOrDie();
  const PreparedRows rows = OneRow(5, 1);
  const std::vector<RowAt> places = {{&rows, 0}};
  StoredCells stored;
  Changes first;
  ASSERT_TRUE(updater->Update({}, places, {10, 1, 20}, &first).ok());
  ASSERT_EQ(first.changed.size(), 1u);
  Apply(first, &stored);
  Changes again;
  ASSERT_TRUE(updater->Update(ViewsOf(stored), places, {11, 1, 20}, &again).ok());
  EXPECT_TRUE(again.changed.empty());
  Changes back;
  EXPECT_FALSE(updater->Update(ViewsOf(stored), places, {9, 1, 20}, &back).ok());
}

// Whatever byte of a cell is changed or cut off.
TEST(KeyUpdater, DamagedCellsAreErrors) {
  const auto engine = ViewEngine::Make(NewestNumber()).ValueOrDie();
  const auto updater = KeyUpdater::Make(*engine).ValueOrDie();
  const PreparedRows rows = OneRow(5, 1);
  const PreparedRows later = OneRow(6, 2);
  const std::vector<RowAt> places = {{&rows, 0}};
  const std::vector<RowAt> more = {{&later, 0}};
  StoredCells stored;
  Changes made;
  ASSERT_TRUE(updater->Update({}, places, {10, 1, 20}, &made).ok());
  Apply(made, &stored);
  const std::string whole = stored.at("");
  const auto fails = [&](const StoredCells& cells) {
    Changes changes;
    const arrow::Status status = updater->Update(ViewsOf(cells), more, {11, 2, 20}, &changes);
    return !status.ok() && changes.changed.empty();
  };
  ASSERT_FALSE(fails(stored));
  for (size_t i = 0; i < whole.size(); ++i) {
    stored[""] = whole;
    stored[""][i] = static_cast<char>(stored[""][i] ^ 0x20);
    EXPECT_TRUE(fails(stored)) << "byte " << i;
    stored[""] = whole.substr(0, i);
    EXPECT_TRUE(fails(stored)) << i << " bytes";
  }
  EXPECT_TRUE(fails({{"0123456789", whole}}));
  EXPECT_TRUE(fails({{"", whole}, {"0123456789", whole}}));
}

}  // namespace
}  // namespace icecore::state
