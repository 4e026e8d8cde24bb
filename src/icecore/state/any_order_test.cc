// Cells and answers of windows do not depend on the order in which rows came, nor on when they were
// read, saved and loaded in between.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "icecore/base/id.h"
#include "icecore/state/naive_view.h"
#include "icecore/state/view_state.h"

namespace icecore::state {
namespace {

// Every aggregate over numbers, and a count of texts, in tiles, in roll-ups and exact.
ViewLayout NumbersLayout() {
  ViewLayout layout;
  layout.value_types = {arrow::float64(), arrow::int64(), arrow::utf8()};
  layout.mask_count = 2;
  const std::pair<int64_t, int64_t> windows[] = {{300, 10}, {100, 10}, {30, 0}, {50, 25}};
  for (const auto& [length, hop] : windows) {
    for (const AggregateKind kind :
         {AggregateKind::kCount, AggregateKind::kCountDistinct, AggregateKind::kSum,
          AggregateKind::kMean, AggregateKind::kMin, AggregateKind::kMax, AggregateKind::kStddev,
          AggregateKind::kFirst, AggregateKind::kLast, AggregateKind::kLastN,
          AggregateKind::kQuantile, AggregateKind::kTopN}) {
      FeatureLayout& feature = layout.features.emplace_back();
      const auto number = static_cast<int>(layout.features.size());
      feature.kind = FeatureLayout::Kind::kWindow;
      feature.aggregate.kind = kind;
      feature.aggregate.n = 3;
      feature.aggregate.q = 0.5;
      feature.value = kind == AggregateKind::kCount ? number % 4 - 1 : number % 2;
      feature.mask = number % 3 - 1;
      feature.length_us = length;
      feature.hop_us = hop;
    }
  }
  return layout;
}

std::vector<naive::Row> SomeRows(std::mt19937_64& random, int64_t count, int64_t span) {
  std::vector<naive::Row> rows;
  for (int64_t i = 0; i < count; ++i) {
    naive::Row& row = rows.emplace_back();
    row.e = static_cast<int64_t>(random() % static_cast<uint64_t>(span));
    row.a = row.e;
    row.s = i;
    if (random() % 5 != 0) row.number = static_cast<double>(random() % 2000) / 4 - 250;
    if (random() % 5 != 0) row.integer = static_cast<int64_t>(random() % 100) - 50;
    if (random() % 2 != 0) row.text = "x";
    for (auto& mask : row.masks) mask = random() % 3 != 0;
  }
  return rows;
}

using Cells = std::map<std::string, std::string>;

void Take(KeyState* key, Cells* cells) {
  auto changes = key->TakeChanges();
  ASSERT_TRUE(changes.ok()) << changes.status().ToString();
  for (auto& change : *changes) {
    if (change.suffix.empty()) continue;
    if (change.bytes) {
      (*cells)[change.suffix] = *change.bytes;
    } else {
      cells->erase(change.suffix);
    }
  }
}

void ExpectNaiveAnswers(const ViewEngine& engine, const KeyState& key,
                        const std::vector<naive::Row>& rows, int64_t t) {
  const auto sink = VectorSink::Make(engine.output_types()).ValueOrDie();
  ASSERT_TRUE(key.Read(t, sink.get()).ok());
  const auto columns = sink->Finish().ValueOrDie();
  for (size_t f = 0; f < columns.size(); ++f) {
    const auto [text, status] =
        naive::Answer(engine.layout(), engine.layout().features[f], rows, 0, t, t);
    ASSERT_EQ(naive::Show(*columns[f].values, 0), text) << "t " << t << ", feature " << f;
    ASSERT_EQ(columns[f].statuses[0], status) << "t " << t << ", feature " << f;
  }
}

// What was read has entered, and tiles keep such rows where they can.
void Enter(const ViewEngine& engine, const KeyState& key, int64_t t) {
  const auto sink = VectorSink::Make(engine.output_types()).ValueOrDie();
  ASSERT_TRUE(key.Read(t, sink.get()).ok());
}

// One tile takes its rows one by one, from none to more than it keeps; another all at once; a third
// is stored and loaded in between.
TEST(AnyOrder, GrowthChangesNoCell) {
  std::mt19937_64 random(11);
  const auto engine = ViewEngine::Make(NumbersLayout()).ValueOrDie();
  const auto rows = SomeRows(random, 60, 9);
  const PreparedRows prepared = naive::Prepare(rows);
  const auto single = engine->NewKey();
  ASSERT_TRUE(single->AdvanceTo(9).ok());
  auto loaded = engine->NewKey();
  ASSERT_TRUE(loaded->AdvanceTo(9).ok());
  Cells cells;
  Cells loaded_cells;
  for (int64_t count = 1; count <= prepared.num_rows; ++count) {
    ASSERT_TRUE(single->Add(prepared, count - 1).ok());
    ASSERT_NO_FATAL_FAILURE(Enter(*engine, *single, 9));
    ASSERT_NO_FATAL_FAILURE(Take(single.get(), &cells));
    ASSERT_TRUE(loaded->Add(prepared, count - 1).ok());
    if (count % 2 == 0) ASSERT_NO_FATAL_FAILURE(Enter(*engine, *loaded, 9));
    const auto together = engine->NewKey();
    ASSERT_TRUE(together->AdvanceTo(9).ok());
    for (int64_t row = 0; row < count; ++row) ASSERT_TRUE(together->Add(prepared, row).ok());
    Cells all;
    ASSERT_NO_FATAL_FAILURE(Take(together.get(), &all));
    ASSERT_EQ(cells, all) << count << " rows";
    if (count % 5 != 0) continue;
    std::vector<Cell> stored;
    for (auto& change : loaded->TakeChanges().ValueOrDie()) {
      if (!change.suffix.empty()) loaded_cells[change.suffix] = *change.bytes;
      if (change.suffix.empty()) stored.push_back({"", *change.bytes});
    }
    ASSERT_EQ(loaded_cells, all) << count << " rows";
    for (const auto& [suffix, bytes] : loaded_cells) stored.push_back({suffix, bytes});
    loaded = engine->LoadKey(stored).ValueOrDie();
  }
  const std::vector<naive::Row> all_rows = rows;
  ASSERT_NO_FATAL_FAILURE(ExpectNaiveAnswers(*engine, *single, all_rows, 9));
  ASSERT_NO_FATAL_FAILURE(ExpectNaiveAnswers(*engine, *loaded, all_rows, 9));
}

// Rows of many tiles come in no order, so that tiles' rows move about in memory, and tiles go.
TEST(AnyOrder, LateRowsAndTilesThatGo) {
  const auto engine = ViewEngine::Make(NumbersLayout()).ValueOrDie();
  for (uint64_t seed = 0; seed < 20; ++seed) {
    std::mt19937_64 random(seed);
    auto rows = SomeRows(random, 900, 1000);
    std::sort(rows.begin(), rows.end(),
              [](const naive::Row& a, const naive::Row& b) { return *a.e < *b.e; });
    for (size_t i = 0; i < rows.size(); ++i) rows[i].s = static_cast<int64_t>(i);
    for (naive::Row& row : rows) *row.a += static_cast<int64_t>(random() % 200);
    const PreparedRows prepared = naive::Prepare(rows);
    std::vector<int64_t> order(rows.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
    std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      return *rows[static_cast<size_t>(a)].a < *rows[static_cast<size_t>(b)].a;
    });
    const auto key = engine->NewKey();
    size_t next = 0;
    for (int64_t t = 0; t < 1250; t += 1 + static_cast<int64_t>(random() % 90)) {
      ASSERT_TRUE(key->AdvanceTo(t).ok());
      for (; next < order.size() && *rows[static_cast<size_t>(order[next])].a <= t; ++next) {
        ASSERT_TRUE(key->Add(prepared, order[next]).ok());
      }
      if (random() % 3 == 0) {
        ASSERT_NO_FATAL_FAILURE(ExpectNaiveAnswers(*engine, *key, rows, t));
      }
    }
  }
}

// A key as a store has it, with its head.
class SavedKey {
 public:
  explicit SavedKey(const ViewEngine& engine) : engine_(engine), state_(engine.NewKey()) {}

  KeyState* state() { return state_.get(); }
  const Cells& cells() const { return cells_; }
  // As a load that reaches up to t.
  void SaveAt(int64_t t) {
    state_->SetApplied(/*seq=*/-1, t);
    Save();
  }
  void Save() {
    for (auto& change : state_->TakeChanges().ValueOrDie()) {
      if (change.bytes) {
        cells_[change.suffix] = *change.bytes;
      } else {
        cells_.erase(change.suffix);
      }
    }
  }
  void SaveAndLoad() {
    Save();
    std::vector<Cell> stored;
    for (const auto& [suffix, bytes] : cells_) stored.push_back({suffix, bytes});
    state_ = engine_.LoadKey(stored).ValueOrDie();
  }

 private:
  const ViewEngine& engine_;
  std::unique_ptr<KeyState> state_;
  Cells cells_;
};

// Rows of a batch, late ones and such as have to wait among them, come in any order, and between
// any two of them the key may be read, saved, or saved and loaded.
void AddInAnyWay(const ViewEngine& engine, const PreparedRows& prepared, int64_t t,
                 std::vector<int64_t> batch, std::mt19937_64& random, SavedKey* key) {
  std::shuffle(batch.begin(), batch.end(), random);
  for (const int64_t row : batch) {
    ASSERT_TRUE(key->state()->Add(prepared, row).ok());
    switch (random() % 24) {
      case 0:
      case 1:
        ASSERT_NO_FATAL_FAILURE(Enter(engine, *key->state(), t));
        break;
      case 2:
        key->Save();
        break;
      case 3:
        key->SaveAndLoad();
        break;
      default:
        break;
    }
  }
}

uint64_t HashOf(const Cells& cells, uint64_t before) {
  std::string all = std::to_string(before);
  for (const auto& [suffix, bytes] : cells) all.append(suffix).append(bytes);
  return base::Hash64(all);
}

// The hashes are of the cells that the first version of tiles wrote; whoever changes them changes
// what stores hold.
TEST(AnyOrder, ChangesNoCell) {
  const auto engine = ViewEngine::Make(NumbersLayout()).ValueOrDie();
  const std::pair<int64_t, uint64_t> counts[] = {
      {20, 3484689095271543736u}, {200, 13593757430882678406u}, {4000, 17727299693791473600u}};
  for (const auto& [count, expected] : counts) {
    uint64_t hash = 0;
    std::mt19937_64 random(static_cast<uint64_t>(count));
    auto rows = SomeRows(random, count, 1000);
    for (naive::Row& row : rows) *row.a += static_cast<int64_t>(random() % 250);
    const PreparedRows prepared = naive::Prepare(rows);
    SavedKey plain(*engine);
    std::vector<SavedKey> others;
    for (int i = 0; i < 6; ++i) others.emplace_back(*engine);
    constexpr int64_t kStep = 125;
    for (int64_t t = 0; t <= 1500; t += kStep) {
      std::vector<int64_t> batch;
      for (int64_t row = 0; row < count; ++row) {
        // Some come before they count.
        const int64_t comes = *rows[static_cast<size_t>(row)].a - 30;
        if (comes < t && comes >= t - kStep) batch.push_back(row);
      }
      ASSERT_TRUE(plain.state()->AdvanceTo(t).ok());
      for (const int64_t row : batch) ASSERT_TRUE(plain.state()->Add(prepared, row).ok());
      plain.SaveAt(t);
      hash = HashOf(plain.cells(), hash);
      for (SavedKey& other : others) {
        ASSERT_TRUE(other.state()->AdvanceTo(t).ok());
        ASSERT_NO_FATAL_FAILURE(AddInAnyWay(*engine, prepared, t, batch, random, &other));
        if (random() % 3 == 0) continue;
        other.SaveAt(t);
        ASSERT_EQ(other.cells(), plain.cells()) << count << " rows, t " << t;
      }
    }
    EXPECT_EQ(hash, expected) << count << " rows";
  }
}

}  // namespace
}  // namespace icecore::state
