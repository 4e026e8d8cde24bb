#include "icecore/state/view_state.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/base/random_cases_testing.h"
#include "icecore/state/naive_view.h"
#include "icecore/state/wire.h"

namespace icecore::state {
namespace {

// One key through the stream: rows in random order and pieces, each before its time, the state
// moved forward now and then, and stored and loaded in between.
class Stream {
 public:
  Stream(const ViewEngine& engine, std::mt19937_64& random)
      : engine_(engine), random_(random), key_(engine.NewKey()) {}

  void Add(const PreparedRows& rows, int64_t row) {
    ASSERT_TRUE(key_->Add(rows, row).ok());
    MaybeStore();
  }
  void Advance(int64_t t) {
    ASSERT_TRUE(key_->AdvanceTo(t).ok());
    MaybeStore();
  }
  arrow::Result<std::vector<VectorSink::Column>> Read(int64_t t) {
    ARROW_ASSIGN_OR_RAISE(auto sink, VectorSink::Make(engine_.output_types()));
    ARROW_RETURN_NOT_OK(key_->Read(t, sink.get()));
    return sink->Finish();
  }

 private:
  void MaybeStore() {
    if (random_() % 3 != 0) return;
    auto changes = key_->TakeChanges();
    ASSERT_TRUE(changes.ok()) << changes.status().ToString();
    for (auto& change : *changes) {
      if (change.bytes) {
        cells_[change.suffix] = *change.bytes;
      } else {
        cells_.erase(change.suffix);
      }
    }
    if (random_() % 2 != 0 || cells_.empty()) return;
    std::vector<Cell> cells;
    for (const auto& [suffix, bytes] : cells_) cells.push_back({suffix, bytes});
    auto loaded = engine_.LoadKey(cells);
    ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
    key_ = std::move(loaded).ValueUnsafe();
  }

  const ViewEngine& engine_;
  std::mt19937_64& random_;
  std::unique_ptr<KeyState> key_;
  std::map<std::string, std::string> cells_;
};

void RunViewCase(uint64_t seed) {
  std::mt19937_64 random(seed);
  const ViewLayout layout = naive::RandomLayout(random);
  auto made = ViewEngine::Make(layout);
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  const ViewEngine& engine = **made;
  const ViewLayout& typed = engine.layout();
  std::vector<naive::Row> rows = naive::RandomRows(random, 1);
  const PreparedRows prepared = naive::Prepare(rows);

  std::vector<int64_t> todo(rows.size());
  for (size_t i = 0; i < todo.size(); ++i) todo[i] = static_cast<int64_t>(i);
  std::shuffle(todo.begin(), todo.end(), random);
  std::vector<int64_t> times(random() % 20 + 1);
  for (int64_t& t : times) t = static_cast<int64_t>(random() % 500) - 200;
  std::sort(times.begin(), times.end());

  Stream stream(engine, random);
  for (const int64_t t : times) {
    std::vector<int64_t> later;
    for (const int64_t row : todo) {
      const naive::Row& r = rows[static_cast<size_t>(row)];
      const bool due = r.e && r.a && engine.ActivationOf(*r.e, std::max(*r.a, *r.e)) <= t;
      if (due || random() % 3 == 0) {
        stream.Add(prepared, row);
      } else {
        later.push_back(row);
      }
      if (::testing::Test::HasFatalFailure()) return;
    }
    todo = later;
    if (random() % 2 == 0) stream.Advance(t);
    if (::testing::Test::HasFatalFailure()) return;
    auto answer = stream.Read(t);
    ASSERT_TRUE(answer.ok()) << answer.status().ToString();
    for (size_t f = 0; f < typed.features.size(); ++f) {
      const auto [text, status] = naive::Answer(typed, typed.features[f], rows, 0, t, t);
      ASSERT_EQ(naive::Show(*(*answer)[f].values, 0), text)
          << "seed " << seed << ", feature " << f << ", aggregate "
          << static_cast<int>(typed.features[f].aggregate.kind) << ", t " << t;
      ASSERT_EQ((*answer)[f].statuses[0], status) << "seed " << seed << ", feature " << f;
    }
  }
}

TEST(KeyState, StreamsLikeTheNaiveDefinition) {
  const base::Seeds seeds = base::SeedsFrom(1000, 4000);
  for (uint64_t seed = seeds.first; seed < seeds.end; ++seed) {
    RunViewCase(seed);
    if (HasFatalFailure()) return;
  }
}

ViewLayout SmallViewLayout() {
  ViewLayout layout;
  layout.value_types = {arrow::float64(), arrow::int64(), arrow::utf8()};
  layout.mask_count = 2;
  FeatureLayout latest;
  latest.value = 2;
  FeatureLayout sum;
  sum.kind = FeatureLayout::Kind::kWindow;
  sum.value = 0;
  sum.aggregate.kind = AggregateKind::kSum;
  sum.length_us = 100;
  sum.hop_us = 10;
  layout.features = {latest, sum};
  return layout;
}

naive::Row MakeRow(int64_t e, int64_t a, int64_t s, double number, const std::string& text) {
  naive::Row row;
  row.e = e;
  row.a = a;
  row.s = s;
  row.number = number;
  row.text = text;
  return row;
}

std::vector<Cell> CellsOf(KeyState* key) {
  std::vector<Cell> cells;
  for (auto& change : key->TakeChanges().ValueOrDie()) {
    if (change.bytes) cells.push_back({change.suffix, *change.bytes});
  }
  return cells;
}

TEST(KeyState, TakesEachRowOnce) {
  const auto engine = ViewEngine::Make(SmallViewLayout()).ValueOrDie();
  const PreparedRows rows =
      naive::Prepare({MakeRow(10, 10, 1, 1.5, "a"), MakeRow(20, 30, 2, 2, "b")});
  const auto key = engine->NewKey();
  ASSERT_TRUE(key->AdvanceTo(15).ok());
  for (int64_t row = 0; row < 2; ++row) ASSERT_TRUE(key->Add(rows, row).ok());
  key->SetApplied(2, 40);
  for (int64_t row = 0; row < 2; ++row) ASSERT_TRUE(key->Add(rows, row).ok());
  const auto sink = VectorSink::Make(engine->output_types()).ValueOrDie();
  ASSERT_TRUE(key->Read(35, sink.get()).ok());
  const auto columns = sink->Finish().ValueOrDie();
  EXPECT_EQ(naive::Show(*columns[0].values, 0), "b");
  EXPECT_EQ(columns[0].event_times[0], 20);
  EXPECT_EQ(naive::Show(*columns[1].values, 0), naive::Show(3.5));
  const auto loaded = engine->LoadKey(CellsOf(key.get())).ValueOrDie();
  EXPECT_EQ(loaded->applied_seq(), 2);
  EXPECT_EQ(loaded->applied_until(), 40);
}

TEST(KeyState, OneRowTouchesTheHeadAndItsTile) {
  const auto engine = ViewEngine::Make(SmallViewLayout()).ValueOrDie();
  const PreparedRows rows = naive::Prepare(
      {MakeRow(10, 10, 1, 1, "a"), MakeRow(20, 20, 2, 2, "b"), MakeRow(25, 25, 3, 3, "c")});
  const auto key = engine->NewKey();
  ASSERT_TRUE(key->AdvanceTo(100).ok());
  for (int64_t row = 0; row < 2; ++row) ASSERT_TRUE(key->Add(rows, row).ok());
  EXPECT_EQ(key->TakeChanges().ValueOrDie().size(), 3u);
  ASSERT_TRUE(key->Add(rows, 2).ok());
  const auto changes = key->TakeChanges().ValueOrDie();
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0].suffix, "");
  EXPECT_EQ(changes[1].suffix.size(), 10u);
  EXPECT_TRUE(key->TakeChanges().ValueOrDie().empty());
  ASSERT_TRUE(key->AdvanceTo(115).ok());  // the tile at 0..10 went long ago; that of 10 goes at 120
  EXPECT_TRUE(key->TakeChanges().ValueOrDie().empty());
  ASSERT_TRUE(key->AdvanceTo(120).ok());
  const auto dropped = key->TakeChanges().ValueOrDie();
  ASSERT_EQ(dropped.size(), 2u);
  EXPECT_FALSE(dropped[1].bytes.has_value());
}

TEST(KeyState, TimeDoesNotGoBack) {
  const auto engine = ViewEngine::Make(SmallViewLayout()).ValueOrDie();
  const auto key = engine->NewKey();
  ASSERT_TRUE(key->AdvanceTo(100).ok());
  EXPECT_EQ(base::CodeOf(key->AdvanceTo(99)), base::ErrorCode::kInvalidArgument);
  const auto sink = VectorSink::Make(engine->output_types()).ValueOrDie();
  EXPECT_EQ(base::CodeOf(key->Read(99, sink.get())), base::ErrorCode::kInvalidArgument);
}

TEST(KeyState, DamagedCellsAreRefused) {
  const auto engine = ViewEngine::Make(SmallViewLayout()).ValueOrDie();
  const PreparedRows rows =
      naive::Prepare({MakeRow(10, 10, 1, 1, "a"), MakeRow(20, 500, 2, 2, "b")});
  const auto key = engine->NewKey();
  ASSERT_TRUE(key->AdvanceTo(100).ok());
  for (int64_t row = 0; row < 2; ++row) ASSERT_TRUE(key->Add(rows, row).ok());
  const std::vector<Cell> cells = CellsOf(key.get());
  ASSERT_TRUE(engine->LoadKey(cells).ok());
  EXPECT_FALSE(engine->LoadKey({}).ok());
  for (size_t c = 0; c < cells.size(); ++c) {
    for (size_t i = 0; i < cells[c].bytes.size(); ++i) {
      std::vector<Cell> damaged = cells;
      damaged[c].bytes[i] = static_cast<char>(damaged[c].bytes[i] ^ 0x20);
      EXPECT_FALSE(engine->LoadKey(damaged).ok()) << "cell " << c << " byte " << i;
    }
    std::vector<Cell> shorter = cells;
    shorter[c].bytes.pop_back();
    EXPECT_FALSE(engine->LoadKey(shorter).ok());
  }
}

TEST(ViewEngine, AnEmptyKeyCountsZero) {
  ViewLayout layout = SmallViewLayout();
  FeatureLayout count = layout.features[1];
  count.aggregate.kind = AggregateKind::kCount;
  count.value = -1;
  layout.features.push_back(count);
  const auto engine = ViewEngine::Make(layout).ValueOrDie();
  const auto sink = VectorSink::Make(engine->output_types()).ValueOrDie();
  ASSERT_TRUE(engine->ReadEmpty(sink.get()).ok());
  const auto columns = sink->Finish().ValueOrDie();
  EXPECT_EQ(columns[0].statuses[0], ValueStatus::kNotFound);
  EXPECT_EQ(columns[1].statuses[0], ValueStatus::kNull);
  EXPECT_EQ(naive::Show(*columns[2].values, 0), "0");
  EXPECT_EQ(engine->OldestRelevant(1000), INT64_MIN);
}

TEST(ViewEngine, AggregatesCheckTheirInput) {
  ViewLayout layout = SmallViewLayout();
  layout.features[1].value = 2;
  EXPECT_EQ(base::CodeOf(ViewEngine::Make(layout).status()), base::ErrorCode::kInvalidDefinition);
}

// The two groups of such a view, 7d/1h and 30d/1d, have 169 and 31 tiles.
ViewLayout LongLayout() {
  ViewLayout layout;
  layout.value_types = {arrow::float64(), arrow::int64(), arrow::utf8()};
  layout.mask_count = 2;
  const std::pair<int64_t, int64_t> windows[] = {{24, 1}, {168, 1}, {720, 24}};
  for (const auto& [length, hop] : windows) {
    for (const AggregateKind kind : {AggregateKind::kSum, AggregateKind::kMax,
                                     AggregateKind::kCountDistinct, AggregateKind::kStddev}) {
      FeatureLayout& feature = layout.features.emplace_back();
      feature.kind = FeatureLayout::Kind::kWindow;
      feature.value = kind == AggregateKind::kCountDistinct ? 1 : 0;
      feature.aggregate.kind = kind;
      feature.length_us = length;
      feature.hop_us = hop;
    }
  }
  return layout;
}

std::string HexView(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) {
    const char* digits = "0123456789abcdef";
    text.push_back(digits[static_cast<uint8_t>(byte) >> 4]);
    text.push_back(digits[static_cast<uint8_t>(byte) & 15]);
  }
  return text;
}

// docs/formats/state.md. The last eight bytes are the XXH64 of those before.
TEST(KeyState, Golden) {
  const auto engine = ViewEngine::Make(SmallViewLayout()).ValueOrDie();
  const PreparedRows rows = naive::Prepare({MakeRow(10, 10, 1, 1.5, "a")});
  const auto key = engine->NewKey();
  ASSERT_TRUE(key->AdvanceTo(15).ok());
  ASSERT_TRUE(key->Add(rows, 0).ok());
  key->SetApplied(2, 40);
  const std::vector<Cell> cells = CellsOf(key.get());
  ASSERT_EQ(cells.size(), 2u);
  EXPECT_EQ(cells[0].suffix, "");
  EXPECT_EQ(
      HexView(cells[0].bytes).substr(0, 2 * (cells[0].bytes.size() - 8)),
      "49434b4801"
      "020000000000000028000000000000000f00000000000000"  // applied_seq, applied_until, advanced_to
      "01"                                                // one set
      "010a000000000000000a000000000000000100000000000000"  // its row's order
      "010161"                                              // and value
      "00");                                                // nothing waits
  EXPECT_EQ(HexView(cells[1].suffix), "0000800000000000000a");
  EXPECT_EQ(HexView(cells[1].bytes).substr(0, 2 * (cells[1].bytes.size() - 8)),
            "49434b5402"
            "000a00000000000000"  // level, start
            "01"                  // a state
            "02000200000201"  // moments without squares, count 1, no infinities; 2 limbs from -1
            "00000000000000800100000000000000");
  for (const Cell& cell : cells) {
    const size_t body = cell.bytes.size() - 8;
    std::string checksum;
    wire::PutFixed64(base::Hash64(cell.bytes.substr(0, body)), &checksum);
    EXPECT_EQ(cell.bytes.substr(body), checksum);
  }
}

// Tiles of version 1, without roll-ups, are not taken for levels.
TEST(KeyState, OlderTilesAreRefused) {
  const auto engine = ViewEngine::Make(SmallViewLayout()).ValueOrDie();
  const PreparedRows rows = naive::Prepare({MakeRow(10, 10, 1, 1.5, "a")});
  const auto key = engine->NewKey();
  ASSERT_TRUE(key->AdvanceTo(15).ok());
  ASSERT_TRUE(key->Add(rows, 0).ok());
  std::vector<Cell> cells = CellsOf(key.get());
  std::string& bytes = cells[1].bytes;
  bytes[4] = 1;
  bytes.resize(bytes.size() - 8);
  wire::PutFixed64(base::Hash64(bytes), &bytes);
  EXPECT_EQ(base::CodeOf(engine->LoadKey(cells).status()), base::ErrorCode::kUnsupported);
}

// An answer needs tens of the cells of a key, not all; loaded from these alone it gives the same
// bits as the whole key and as the definition.
TEST(KeyState, ReadsFewCells) {
  const auto engine = ViewEngine::Make(LongLayout()).ValueOrDie();
  std::mt19937_64 random(3);
  std::vector<naive::Row> rows;
  for (int64_t e = 0; e < 3000; ++e) {
    naive::Row row = MakeRow(e, e, e, static_cast<double>(random() % 1000), "x");
    row.integer = static_cast<int64_t>(random() % 9);
    rows.push_back(row);
  }
  const PreparedRows prepared = naive::Prepare(rows);
  const auto key = engine->NewKey();
  std::map<std::string, std::string> stored;
  int64_t next = 0;
  for (int64_t t = 0; t < 3000; t += 37) {
    ASSERT_TRUE(key->AdvanceTo(t).ok());
    for (; next <= t; ++next) ASSERT_TRUE(key->Add(prepared, next).ok());
    for (const auto& change : key->TakeChanges().ValueOrDie()) {
      if (change.bytes) {
        stored[change.suffix] = *change.bytes;
      } else {
        stored.erase(change.suffix);
      }
    }
    std::vector<Cell> few = {{"", stored[""]}};
    for (const CellRange& range : engine->CellsAt(t)) {
      for (auto at = stored.lower_bound(range.from); at != stored.end() && at->first < range.to;
           ++at) {
        few.push_back({at->first, at->second});
      }
    }
    if (t > 1500) {
      EXPECT_GT(stored.size(), 180u);
    }
    EXPECT_LT(few.size(), 60u);
    const auto sink = VectorSink::Make(engine->output_types()).ValueOrDie();
    const auto loaded = engine->LoadKey(few).ValueOrDie();
    ASSERT_TRUE(loaded->Read(t, sink.get()).ok());
    ASSERT_TRUE(key->Read(t, sink.get()).ok());
    const auto columns = sink->Finish().ValueOrDie();
    for (size_t f = 0; f < columns.size(); ++f) {
      const auto [text, status] =
          naive::Answer(engine->layout(), engine->layout().features[f], rows, 0, t, t);
      ASSERT_EQ(naive::Show(*columns[f].values, 0), text) << "t " << t << ", feature " << f;
      ASSERT_EQ(naive::Show(*columns[f].values, 1), text) << "t " << t << ", feature " << f;
    }
  }
}

TEST(KeyState, SaysWhichCellsHaveExpired) {
  const auto engine = ViewEngine::Make(LongLayout()).ValueOrDie();
  const PreparedRows rows = naive::Prepare({MakeRow(100, 100, 1, 1, "a")});
  const auto key = engine->NewKey();
  ASSERT_TRUE(key->AdvanceTo(100).ok());
  ASSERT_TRUE(key->Add(rows, 0).ok());
  const std::vector<Cell> cells = CellsOf(key.get());
  ASSERT_EQ(cells.size(), 5u);
  // Of each hop a tile and a roll-up: of 13 tiles where the longest window has 169, of 6 for 31.
  EXPECT_EQ(HexView(cells[1].suffix), "00008000000000000064");
  EXPECT_EQ(HexView(cells[2].suffix), "0001800000000000005b");
  EXPECT_EQ(HexView(cells[3].suffix), "00028000000000000060");
  EXPECT_EQ(HexView(cells[4].suffix), "00038000000000000000");
  for (const int64_t t : {100, 268, 269, 281, 839, 840, 863, 864, 1000}) {
    ASSERT_TRUE(key->AdvanceTo(t).ok());
    std::vector<std::string> gone;
    for (const auto& change : key->TakeChanges().ValueOrDie()) {
      if (!change.bytes) gone.push_back(change.suffix);
    }
    for (const std::string& suffix : gone) EXPECT_TRUE(engine->CellExpired(suffix, t)) << t;
    for (const Cell& cell : cells) {
      if (t == 100 || cell.suffix.empty()) {
        EXPECT_FALSE(engine->CellExpired(cell.suffix, t));
      }
      if (t == 1000 && !cell.suffix.empty()) {
        EXPECT_TRUE(engine->CellExpired(cell.suffix, t));
      }
    }
  }
}

}  // namespace
}  // namespace icecore::state
