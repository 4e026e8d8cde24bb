#include "icecore/state/versioned_state.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "icecore/base/error.h"
#include "icecore/base/random_cases_testing.h"
#include "icecore/state/naive_view.h"
#include "icecore/state/version_chain.h"

namespace icecore::state {
namespace {

std::string OwnerOf(const naive::Row& row) {
  return row.deleted || !row.where.value_or(false) || row.key < 0 ? "" : std::to_string(row.key);
}

// What an online store does with a versioned view, all of its cells stored and loaded again at
// every load.
class SmallStore {
 public:
  SmallStore(const ViewEngine& engine, std::vector<naive::Row> rows)
      : engine_(engine), rows_(std::move(rows)), prepared_(naive::PrepareVersions(rows_)) {}

  void Load(const std::vector<int64_t>& places, int64_t now) {
    std::map<int64_t, std::vector<int64_t>> by_table_key;
    for (const int64_t place : places) {
      by_table_key[rows_[static_cast<size_t>(place)].table_key].push_back(place);
    }
    std::map<std::string, std::vector<VersionChain::Change>> by_owner;
    ids_.clear();
    for (const auto& [table_key, members] : by_table_key) {
      VersionChain chain;
      if (chains_.count(table_key) > 0) {
        chain = VersionChain::Load(chains_[table_key]).ValueOrDie();
      }
      for (const int64_t place : members) {
        const naive::Row& row = rows_[static_cast<size_t>(place)];
        if (!row.e || !row.a) continue;
        chain.Add({std::string(prepared_.version_order->GetView(place)), row.s,
                   engine_.ActivationOf(*row.e, std::max(*row.a, *row.e)), OwnerOf(row)},
                  place);
      }
      for (auto& change : chain.Settle(now)) {
        ids_[change.owner].push_back(
            MakeVersionId(prepared_.table_key->GetView(members[0]), change.order, change.seq));
        by_owner[change.owner].push_back(change);
      }
      chains_[table_key] = chain.Encode();
    }
    for (const auto& [owner, changes] : by_owner) {
      const auto key = KeyOf(owner);
      for (size_t i = 0; i < changes.size(); ++i) {
        const auto& change = changes[i];
        ASSERT_TRUE((change.row >= 0 ? key->AddUntil(prepared_, change.row, change.until)
                                     : key->End(ids_[owner][i], change.until))
                        .ok());
      }
      ASSERT_TRUE(key->AdvanceTo(now).ok());
      for (auto& change : key->TakeChanges().ValueOrDie()) {
        if (change.bytes) {
          cells_[owner][change.suffix] = *change.bytes;
        } else {
          cells_[owner].erase(change.suffix);
        }
      }
      if (cells_[owner].empty()) cells_.erase(owner);
    }
  }

  std::vector<VectorSink::Column> Read(int64_t key, int64_t t) {
    const auto sink = VectorSink::Make(engine_.output_types()).ValueOrDie();
    const std::string owner = std::to_string(key);
    EXPECT_TRUE((cells_.count(owner) > 0 ? KeyOf(owner)->Read(t, sink.get())
                                         : engine_.ReadEmpty(sink.get()))
                    .ok());
    return sink->Finish().ValueOrDie();
  }
  size_t cell_count() const {
    size_t count = 0;
    for (const auto& [owner, cells] : cells_) count += cells.size();
    return count;
  }

 private:
  std::unique_ptr<KeyState> KeyOf(const std::string& owner) {
    if (cells_.count(owner) == 0) return engine_.NewKey();
    std::vector<Cell> cells;
    for (const auto& [suffix, bytes] : cells_[owner]) cells.push_back({suffix, bytes});
    return engine_.LoadKey(cells).ValueOrDie();
  }

  const ViewEngine& engine_;
  std::vector<naive::Row> rows_;
  PreparedRows prepared_;
  std::map<int64_t, std::string> chains_;
  std::map<std::string, std::vector<VersionId>> ids_;  // of the changes at hand, by owner
  std::map<std::string, std::map<std::string, std::string>> cells_;
};

constexpr int64_t kKeys = 3;
constexpr int64_t kHorizon = 40;

// Rows come in the order of seq, those too far ahead wait; every answer is the naive one over the
// rows that have come.
void RunVersionedCase(uint64_t seed) {
  std::mt19937_64 random(seed);
  ViewLayout layout = naive::RandomLayout(random);
  layout.versioned = true;
  auto made = ViewEngine::Make(layout);
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  const ViewEngine& engine = **made;
  const ViewLayout& typed = engine.layout();
  const std::vector<naive::Row> rows = naive::RandomVersions(random, kKeys, layout);
  SmallStore store(engine, rows);
  std::vector<int64_t> waiting;
  std::vector<naive::Row> come;
  size_t next = 0;
  int64_t now = -150;
  for (int load = 0; load < 12; ++load) {
    std::vector<int64_t> todo;
    todo.swap(waiting);
    for (size_t i = random() % 12; i > 0 && next < rows.size(); --i) {
      todo.push_back(static_cast<int64_t>(next));
      come.push_back(rows[next++]);
    }
    std::vector<int64_t> due;
    for (const int64_t place : todo) {
      const naive::Row& row = rows[static_cast<size_t>(place)];
      const bool near =
          row.e && row.a && engine.ActivationOf(*row.e, std::max(*row.a, *row.e)) <= now + kHorizon;
      (near ? due : waiting).push_back(place);
    }
    std::shuffle(due.begin(), due.end(), random);
    store.Load(due, now);
    if (::testing::Test::HasFatalFailure()) return;
    for (const int64_t t : {now, now + static_cast<int64_t>(random() % (kHorizon + 1))}) {
      for (int64_t key = 0; key < kKeys; ++key) {
        const auto answer = store.Read(key, t);
        for (size_t f = 0; f < typed.features.size(); ++f) {
          const auto [text, status] = naive::Answer(typed, typed.features[f], come, key, t, t);
          ASSERT_EQ(naive::Show(*answer[f].values, 0), text)
              << "seed " << seed << ", feature " << f << ", key " << key << ", t " << t;
          ASSERT_EQ(answer[f].statuses[0], status) << "seed " << seed << ", feature " << f;
        }
      }
    }
    now += static_cast<int64_t>(random() % 60);
  }
}

TEST(VersionedKeyState, AnswersLikeTheNaiveDefinition) {
  const base::Seeds seeds = base::SeedsFrom(70000, 4000);
  for (uint64_t seed = seeds.first; seed < seeds.end; ++seed) {
    RunVersionedCase(seed);
    if (HasFatalFailure()) return;
  }
}

ViewLayout SmallVersionedLayout() {
  ViewLayout layout;
  layout.versioned = true;
  layout.value_types = {arrow::float64(), arrow::int64(), arrow::utf8()};
  layout.mask_count = 2;
  FeatureLayout sum;
  sum.kind = FeatureLayout::Kind::kWindow;
  sum.value = 0;
  sum.aggregate.kind = AggregateKind::kSum;
  sum.length_us = 100;
  sum.hop_us = 10;
  layout.features = {sum};
  return layout;
}

naive::Row MakeRow(int64_t table_key, int64_t key, int64_t e, int64_t a, int64_t s, double number) {
  naive::Row row;
  row.table_key = table_key;
  row.key = key;
  row.e = e;
  row.a = a;
  row.s = s;
  row.number = number;
  row.text = "x";
  row.masks[0] = true;
  return row;
}

TEST(VersionedKeyState, RowsThatNoWindowReachesGo) {
  const auto engine = ViewEngine::Make(SmallVersionedLayout()).ValueOrDie();
  SmallStore store(*engine, {MakeRow(1, 1, 10, 10, 1, 1), MakeRow(2, 1, 15, 15, 2, 2),
                             MakeRow(1, 2, 10, 30, 3, 4), MakeRow(3, 1, 150, 150, 4, 8)});
  store.Load({0, 1}, 20);
  EXPECT_EQ(store.cell_count(), 3u);  // a head, two rows
  EXPECT_EQ(naive::Show(*store.Read(1, 20)[0].values, 0), naive::Show(3.0));
  store.Load({2}, 25);  // moves to another key at 30
  EXPECT_EQ(naive::Show(*store.Read(1, 29)[0].values, 0), naive::Show(3.0));
  EXPECT_EQ(naive::Show(*store.Read(2, 29)[0].values, 0), "null");
  EXPECT_EQ(naive::Show(*store.Read(1, 30)[0].values, 0), naive::Show(2.0));
  EXPECT_EQ(naive::Show(*store.Read(2, 30)[0].values, 0), naive::Show(4.0));
  store.Load({3}, 150);
  EXPECT_EQ(naive::Show(*store.Read(1, 150)[0].values, 0), naive::Show(8.0));
  EXPECT_EQ(store.cell_count(), 4u);  // that of the other key is not touched
}

TEST(VersionedKeyState, RowsOfOneSeqStayApart) {
  const auto engine = ViewEngine::Make(SmallVersionedLayout()).ValueOrDie();
  SmallStore store(*engine, {MakeRow(1, 1, 10, 10, 1, 1), MakeRow(2, 1, 10, 10, 1, 2),
                             MakeRow(2, 2, 10, 30, 3, 4)});
  store.Load({0, 1}, 20);
  EXPECT_EQ(naive::Show(*store.Read(1, 20)[0].values, 0), naive::Show(3.0));
  store.Load({2}, 30);
  EXPECT_EQ(naive::Show(*store.Read(1, 30)[0].values, 0), naive::Show(1.0));
}

std::string HexOf(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    text += kDigits[static_cast<unsigned char>(byte) >> 4];
    text += kDigits[static_cast<unsigned char>(byte) & 15];
  }
  return text;
}

std::vector<Cell> SmallCells(const ViewEngine& engine) {
  const PreparedRows rows = naive::PrepareVersions({MakeRow(1, 1, 10, 12, 3, 1.5)});
  const auto key = engine.NewKey();
  EXPECT_TRUE(key->AddUntil(rows, 0, 40).ok());
  EXPECT_TRUE(key->AdvanceTo(20).ok());
  key->SetApplied(5, 60);
  std::vector<Cell> cells;
  for (auto& change : key->TakeChanges().ValueOrDie()) {
    cells.push_back({change.suffix, change.bytes.value()});
  }
  return cells;
}

TEST(VersionedKeyState, Golden) {
  const auto engine = ViewEngine::Make(SmallVersionedLayout()).ValueOrDie();
  const auto cells = SmallCells(*engine);
  ASSERT_EQ(cells.size(), 2u);
  EXPECT_EQ(cells[0].suffix, "");
  EXPECT_EQ(HexOf(cells[0].bytes),
            "49434b560105000000000000003c000000000000001400000000000000444310e812fe3e75");
  EXPECT_EQ(HexOf(cells[1].suffix),
            "800000000000000a8000000000000003a752e2ebbd681171fb7b201689666f");
  EXPECT_EQ(HexOf(cells[1].bytes),
            "49434b52010a000000000000000c0000000000000003000000000000002800000000000000010001000000"
            "000000f8bf00010178b9bb4fcb73bc3170");
  VersionChain chain;
  chain.Add({"\x01\x02", 3, 12, "owner"}, 0);
  chain.Add({"\x01\x03", 2, 40, ""}, 1);
  (void)chain.Settle(20);
  EXPECT_EQ(HexOf(chain.Encode()),
            "49434b43010202010203000000000000000c00000000000000056f776e6572020103020000000000000028"
            "0000000000000000a12b3bfbf2f34b63");
}

TEST(VersionedKeyState, DamagedCellsAreRefused) {
  const auto engine = ViewEngine::Make(SmallVersionedLayout()).ValueOrDie();
  const auto cells = SmallCells(*engine);
  ASSERT_TRUE(engine->LoadKey(cells).ok());
  EXPECT_FALSE(engine->LoadKey({}).ok());
  EXPECT_FALSE(engine->LoadKey({cells[1]}).ok());
  EXPECT_FALSE(engine->LoadKey({cells[0], cells[1], cells[1]}).ok());
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

TEST(VersionedKeyState, PlainRowsAreRefused) {
  const auto versioned = ViewEngine::Make(SmallVersionedLayout()).ValueOrDie();
  const PreparedRows rows = naive::PrepareVersions({MakeRow(1, 1, 10, 12, 3, 1.5)});
  EXPECT_EQ(base::CodeOf(versioned->NewKey()->Add(rows, 0)), base::ErrorCode::kInternal);
  ViewLayout plain = SmallVersionedLayout();
  plain.versioned = false;
  const auto engine = ViewEngine::Make(plain).ValueOrDie();
  EXPECT_EQ(base::CodeOf(engine->NewKey()->AddUntil(rows, 0, kForever)),
            base::ErrorCode::kInternal);
}

TEST(VersionChain, KeepsTheGreatestAndThoseAhead) {
  VersionChain chain;
  chain.Add({"b", 1, 10, "k"}, 0);
  chain.Add({"a", 2, 5, "k"}, 1);   // below: counts for nothing from 10 on
  chain.Add({"c", 3, 50, "l"}, 2);  // ahead
  chain.Add({"d", 4, 70, "m"}, 3);
  chain.Add({"c", 5, 80, "m"}, 4);  // ended by d before it begins
  const auto changes = chain.Settle(20);
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(changes[0].seq, 4);
  EXPECT_EQ(changes[0].until, kForever);
  EXPECT_EQ(changes[1].seq, 3);
  EXPECT_EQ(changes[1].until, 70);
  EXPECT_EQ(changes[2].seq, 1);
  EXPECT_EQ(changes[2].until, 50);
  EXPECT_EQ(chain.size(), 3u);
  VersionChain loaded = VersionChain::Load(chain.Encode()).ValueOrDie();
  loaded.Add({"b", 1, 10, "k"}, 0);   // known
  loaded.Add({"aa", 6, 15, "k"}, 1);  // late and older: changes nothing
  EXPECT_TRUE(loaded.Settle(20).empty());
  EXPECT_EQ(loaded.Encode(), chain.Encode());
  loaded.Add({"e", 7, 60, ""}, 0);  // a delete
  const auto ended = loaded.Settle(55);
  ASSERT_EQ(ended.size(), 2u);
  EXPECT_EQ(ended[0].seq, 4);  // never begins now
  EXPECT_EQ(ended[0].until, 60);
  EXPECT_EQ(ended[0].row, -1);
  EXPECT_EQ(ended[1].seq, 3);
  EXPECT_EQ(ended[1].until, 60);
  EXPECT_EQ(loaded.size(), 2u);
}

TEST(VersionChain, DamageIsRefused) {
  VersionChain chain;
  chain.Add({"a", 1, 10, "k"}, 0);
  chain.Add({"b", 2, 50, "l"}, 1);
  (void)chain.Settle(20);
  const std::string bytes = chain.Encode();
  ASSERT_TRUE(VersionChain::Load(bytes).ok());
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x20);
    EXPECT_FALSE(VersionChain::Load(damaged).ok()) << i;
    EXPECT_FALSE(VersionChain::Load(bytes.substr(0, i)).ok()) << i;
  }
}

TEST(VersionChain, FindsEnds) {
  std::vector<VersionMark> marks = {{"k", "a", 1, 10, 0, kForever},
                                    {"k", "c", 2, 30, 1, kForever},
                                    {"k", "b", 3, 40, 2, kForever},
                                    {"l", "", 4, 5, 3, kForever},
                                    {"l", "", 5, 4, 4, kForever}};
  FindEnds(&marks);
  std::map<int64_t, int64_t> until;
  for (const VersionMark& mark : marks) until[mark.place] = mark.until;
  EXPECT_EQ(until,
            (std::map<int64_t, int64_t>{{0, 30}, {1, kForever}, {2, 30}, {3, 4}, {4, kForever}}));
}

}  // namespace
}  // namespace icecore::state
