// A key whose rows wait in its buffer as long as they may is, cell by cell and answer by answer,
// the key that they enter one by one.

#include "icecore/state/row_buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/base/random_cases_testing.h"
#include "icecore/state/cell_bytes.h"
#include "icecore/state/naive_view.h"

namespace icecore::state {
namespace {

// A key and what a store holds of it.
struct Stored {
  std::unique_ptr<KeyState> key;
  std::map<std::string, std::string> cells;

  void Take() {
    auto changes = key->TakeChanges();
    ASSERT_TRUE(changes.ok()) << changes.status().ToString();
    for (auto& change : *changes) {
      if (change.bytes) {
        cells[change.suffix] = *change.bytes;
      } else {
        cells.erase(change.suffix);
      }
    }
  }
  void Load(const ViewEngine& engine) {
    std::vector<Cell> all;
    for (const auto& [suffix, bytes] : cells) all.push_back({suffix, bytes});
    auto loaded = engine.LoadKey(all);
    ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
    key = std::move(loaded).ValueUnsafe();
  }
};

// Up to some hundred rows, whose times move on.
std::vector<naive::Row> ManyRows(std::mt19937_64& random) {
  std::vector<naive::Row> rows;
  const uint64_t pieces = random() % 8 + 1;
  const auto step = static_cast<int64_t>(random() % 100);
  for (uint64_t piece = 0; piece < pieces; ++piece) {
    for (naive::Row row : naive::RandomRows(random, 1)) {
      const int64_t later = step * static_cast<int64_t>(piece);
      if (row.e) *row.e += later;
      if (row.a) *row.a += later;
      row.s = static_cast<int64_t>(rows.size());
      rows.push_back(row);
    }
  }
  return rows;
}

class Case {
 public:
  explicit Case(uint64_t seed) : seed_(seed), random_(seed) {}

  void Run() {
    engine_ = ViewEngine::Make(naive::RandomLayout(random_)).ValueOrDie();
    rows_ = ManyRows(random_);
    prepared_ = naive::Prepare(rows_);
    waiting_.key = engine_->NewKey();
    single_.key = engine_->NewKey();
    ASSERT_NO_FATAL_FAILURE(single_.Take());
    todo_.resize(rows_.size());
    for (size_t i = 0; i < todo_.size(); ++i) todo_[i] = static_cast<int64_t>(i);
    for (size_t i = todo_.size(); i > 1; --i) std::swap(todo_[i - 1], todo_[random_() % i]);
    const uint64_t steps = random_() % 25 + 1;
    int64_t t = static_cast<int64_t>(random_() % 300) - 200;
    for (uint64_t step = 0; step < steps; ++step) {
      ASSERT_NO_FATAL_FAILURE(AddDue(t));
      if (random_() % 3 != 0) Advance(t);
      if (random_() % 4 == 0) CompareAnswers(t);
      if (random_() % 5 == 0) CompareCells();
      if (::testing::Test::HasFatalFailure()) return;
      t += static_cast<int64_t>(random_() % 60);
    }
    ASSERT_NO_FATAL_FAILURE(AddDue(t));
    ASSERT_NO_FATAL_FAILURE(Advance(t));
    ASSERT_NO_FATAL_FAILURE(CompareCells());
    ASSERT_NO_FATAL_FAILURE(CompareAnswers(t));
  }
  uint64_t digest() const { return digest_; }

 private:
  // Adds every row that is active at t, and some that are not yet.
  void AddDue(int64_t t) {
    std::vector<int64_t> later;
    for (const int64_t row : todo_) {
      const naive::Row& r = rows_[static_cast<size_t>(row)];
      const bool due = r.e && r.a && engine_->ActivationOf(*r.e, std::max(*r.a, *r.e)) <= t;
      if (!due && random_() % 6 != 0) {
        later.push_back(row);
        continue;
      }
      ASSERT_NO_FATAL_FAILURE(Add(row));
    }
    todo_ = later;
  }
  void Add(int64_t row) {
    ASSERT_TRUE(waiting_.key->Add(prepared_, row).ok());
    ASSERT_TRUE(single_.key->Add(prepared_, row).ok());
    single_.Take();
  }
  void Advance(int64_t t) {
    ASSERT_TRUE(waiting_.key->AdvanceTo(t).ok());
    ASSERT_TRUE(single_.key->AdvanceTo(t).ok());
    single_.Take();
  }
  std::vector<VectorSink::Column> Read(const KeyState& key, int64_t t) {
    const auto sink = VectorSink::Make(engine_->output_types()).ValueOrDie();
    EXPECT_TRUE(key.Read(t, sink.get()).ok());
    return sink->Finish().ValueOrDie();
  }
  void CompareAnswers(int64_t t) {
    const auto waiting = Read(*waiting_.key, t);
    const auto single = Read(*single_.key, t);
    const ViewLayout& layout = engine_->layout();
    for (size_t f = 0; f < layout.features.size(); ++f) {
      const auto [text, status] = naive::Answer(layout, layout.features[f], rows_, 0, t, t);
      ASSERT_EQ(naive::Show(*waiting[f].values, 0), text) << "seed " << seed_ << ", feature " << f;
      ASSERT_EQ(naive::Show(*single[f].values, 0), text) << "seed " << seed_ << ", feature " << f;
      ASSERT_EQ(waiting[f].statuses[0], status) << "seed " << seed_ << ", feature " << f;
    }
  }
  void CompareCells() {
    // Heads say up to when they were advanced when they last changed: now, both of them.
    --applied_;
    for (Stored* stored : {&waiting_, &single_}) {
      stored->key->SetApplied(applied_, 0);
      ASSERT_NO_FATAL_FAILURE(stored->Take());
    }
    ASSERT_EQ(waiting_.cells, single_.cells) << "seed " << seed_;
    for (const auto& [suffix, bytes] : waiting_.cells) {
      digest_ = base::Hash64(std::to_string(digest_) + suffix + bytes);
    }
    if (random_() % 2 == 0) waiting_.Load(*engine_);
    if (random_() % 2 == 0) single_.Load(*engine_);
  }

  uint64_t seed_;
  std::mt19937_64 random_;
  std::unique_ptr<ViewEngine> engine_;
  std::vector<naive::Row> rows_;
  PreparedRows prepared_;
  std::vector<int64_t> todo_;
  Stored waiting_;
  Stored single_;
  int64_t applied_ = -1;
  uint64_t digest_ = 0;
};

TEST(RowBuffer, WaitingChangesNoCellAndNoAnswer) {
  const base::Seeds seeds = base::SeedsFrom(20000, 3000);
  uint64_t digest = 0;
  for (uint64_t seed = seeds.first; seed < seeds.end; ++seed) {
    Case one(seed);
    one.Run();
    if (HasFatalFailure()) return;
    digest = base::Hash64(std::to_string(digest) + std::to_string(one.digest()));
  }
  // Of the cells of all of these streams: what is stored by one build is read by the next.
  EXPECT_EQ(digest, seeds.end - seeds.first == 3000 ? 2661498596847214677u : 4356783989594000377u);
}

ViewLayout TextLayout() {
  ViewLayout layout;
  layout.value_types = {arrow::float64(), arrow::int64(), arrow::utf8()};
  layout.mask_count = 2;
  for (const AggregateKind kind : {AggregateKind::kMin, AggregateKind::kCount}) {
    FeatureLayout& feature = layout.features.emplace_back();
    feature.kind = FeatureLayout::Kind::kWindow;
    feature.value = 2;
    feature.aggregate.kind = kind;
    feature.length_us = 100;
    feature.hop_us = 10;
  }
  return layout;
}

naive::Row TextRow(int64_t e, std::string text) {
  naive::Row row;
  row.e = row.a = row.s = e;
  row.text = std::move(text);
  return row;
}

// Long values fill the buffer before many rows do.
TEST(RowBuffer, LongValuesAreBounded) {
  const auto engine = ViewEngine::Make(TextLayout()).ValueOrDie();
  std::vector<naive::Row> rows;
  for (int64_t e = 0; e < 10; ++e) {
    rows.push_back(TextRow(e, std::string(40000, static_cast<char>('z' - e))));
  }
  const PreparedRows prepared = naive::Prepare(rows);
  const auto key = engine->NewKey();
  ASSERT_TRUE(key->AdvanceTo(50).ok());
  for (int64_t row = 0; row < 10; ++row) ASSERT_TRUE(key->Add(prepared, row).ok());
  const auto sink = VectorSink::Make(engine->output_types()).ValueOrDie();
  ASSERT_TRUE(key->Read(50, sink.get()).ok());
  const auto columns = sink->Finish().ValueOrDie();
  EXPECT_EQ(naive::Show(*columns[0].values, 0), std::string(40000, 'q'));
  EXPECT_EQ(naive::Show(*columns[1].values, 0), "10");
}

// A stored tile that turns out to be damaged is said as often as it is asked for, and the rows that
// were to enter it count neither twice nor elsewhere.
TEST(RowBuffer, DamagedTilesTakeNoRows) {
  const auto engine = ViewEngine::Make(TextLayout()).ValueOrDie();
  const PreparedRows rows = naive::Prepare({TextRow(10, "a"), TextRow(11, "b"), TextRow(31, "c")});
  const auto key = engine->NewKey();
  ASSERT_TRUE(key->AdvanceTo(50).ok());
  ASSERT_TRUE(key->Add(rows, 0).ok());
  std::vector<Cell> cells;
  for (auto& change : key->TakeChanges().ValueOrDie())
    cells.push_back({change.suffix, *change.bytes});
  ASSERT_EQ(cells.size(), 2u);
  std::string& tile = cells[1].bytes;
  tile.resize(tile.size() - 8);
  tile.pop_back();
  SealCell(&tile);
  const auto damaged = engine->LoadKey(cells).ValueOrDie();
  ASSERT_TRUE(damaged->Add(rows, 2).ok());
  ASSERT_TRUE(damaged->Add(rows, 1).ok());
  const auto sink = VectorSink::Make(engine->output_types()).ValueOrDie();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(base::CodeOf(damaged->Read(50, sink.get())), base::ErrorCode::kCorrupt);
    EXPECT_EQ(base::CodeOf(damaged->TakeChanges().status()), base::ErrorCode::kCorrupt);
  }
  // When no window covers it any more, the others answer.
  ASSERT_TRUE(damaged->AdvanceTo(120).ok());
  const auto fresh = VectorSink::Make(engine->output_types()).ValueOrDie();
  ASSERT_TRUE(damaged->Read(120, fresh.get()).ok());
  const auto columns = fresh->Finish().ValueOrDie();
  EXPECT_EQ(naive::Show(*columns[0].values, 0), "c");
  EXPECT_EQ(naive::Show(*columns[1].values, 0), "1");
}

}  // namespace
}  // namespace icecore::state
