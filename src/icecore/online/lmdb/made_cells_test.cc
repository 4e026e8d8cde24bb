// Loads of many rows, whose cells threads make: they are those that a state of each key gives.
#include "icecore/online/lmdb/made_cells.h"

#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/online/lmdb/key_cells.h"
#include "icecore/online/lmdb/lmdb_store_testing.h"
#include "icecore/online/lmdb/view_record.h"

namespace icecore::online::testing {
namespace {

constexpr int kManyRows = 5'000;

// The cells of one key as one state after the other would have left them.
using Cells = std::map<std::string, std::string>;

class MadeCellsTest : public LmdbStoreTest {
 protected:
  // A load of `rows`, in the store and in expected_.
  void LoadBoth(Store* store, const StoredView& view, const std::vector<TestRow>& rows,
                const ViewPosition& position) {
    ASSERT_TRUE(Load(store, view, rows, position).ok());
    const state::PreparedRows prepared = Rows(rows);
    std::map<std::string, std::vector<int64_t>> by_key;
    for (size_t i = 0; i < rows.size(); ++i) by_key[*rows[i].key].push_back(int64_t(i));
    for (const auto& [key, places] : by_key) {
      std::vector<state::Cell> before;
      for (const auto& [suffix, bytes] : expected_[key]) before.push_back({suffix, bytes});
      const auto state =
          before.empty() ? view.engine->NewKey() : view.engine->LoadKey(before).ValueOrDie();
      ASSERT_TRUE(state->AdvanceTo(position.applied_at).ok());
      for (const int64_t row : places) ASSERT_TRUE(state->Add(prepared, row).ok());
      state->SetApplied(position.seq, position.applied_until);
      for (const auto& change : state->TakeChanges().ValueOrDie()) {
        if (change.bytes) {
          expected_[key][change.suffix] = *change.bytes;
        } else {
          expected_[key].erase(change.suffix);
        }
      }
    }
  }
  void ExpectCells(const StoredView& view) {
    const auto env = lmdb::Environment::Open({directory()}).ValueOrDie();
    const auto reader = lmdb::Transaction::BeginRead(env).ValueOrDie();
    const auto record = lmdb::GetView(*reader, view.name).ValueOrDie();
    const auto cursor = lmdb::Cursor::Open(reader.get(), lmdb::Table::kCells).ValueOrDie();
    lmdb::CellPrefix prefix;
    std::vector<state::Cell> found;
    int64_t count = 0;
    for (const auto& [key, expected] : expected_) {
      const EncodedKeys encoded = EncodeKeys({Strings({key})}, 1).ValueOrDie();
      ASSERT_TRUE(
          lmdb::ReadCells(cursor.get(), record->space(), encoded.key(0), &prefix, &found).ok());
      // Those of keys that get no more rows are swept, some at a time.
      const auto expired = [&](const std::string& suffix) {
        return view.engine->CellExpired(suffix, record->position.applied_at);
      };
      Cells cells;
      for (const auto& cell : found) {
        if (!expired(cell.suffix)) cells[cell.suffix] = cell.bytes;
      }
      Cells wanted = expected;
      std::erase_if(wanted, [&](const auto& cell) { return expired(cell.first); });
      ASSERT_EQ(cells, wanted) << key;
      count += static_cast<int64_t>(found.size());
    }
    EXPECT_EQ(reader->Count(lmdb::Table::kCells).ValueOrDie(), count);
  }
  // Three loads, whose rows are of several hours: of all keys, of every third, and of keys that are
  // there and new ones, some of them twice.
  void LoadThrice(Store* store, const StoredView& view) {
    LoadBoth(store, view, RowsOf(1, kManyRows),
             At(kManyRows * 2, kStart + kHour, kStart + 2 * kHour));
    std::vector<TestRow> some;
    for (int key = 0; key < kManyRows; key += 3) {
      some.push_back({"k" + std::to_string(key), kStart + 3 * kHour, kStart + 3 * kHour,
                      kManyRows * 2 + key + 1, key});
    }
    LoadBoth(store, view, some, At(kManyRows * 3 + 1, kStart + 4 * kHour, kStart + 5 * kHour));
    std::vector<TestRow> more;
    for (int key = kManyRows; key > kManyRows / 2; --key) {
      for (int64_t row = 0; row < 1 + key % 2; ++row) {
        // Some are due after the load, and wait.
        const int64_t at = kStart + (26 + key % 6) * kHour + row;
        more.push_back({"k" + std::to_string(key + key % 7), at, at, kManyRows * 4 + 2 * key + row,
                        key + row});
      }
    }
    LoadBoth(store, view, more, At(kManyRows * 7, kStart + 30 * kHour, kStart + 32 * kHour));
  }

  std::map<std::string, Cells> expected_;
};

StoredView MakeHeadView() {
  StoredView view = MakeView("v");
  state::ViewLayout layout = view.engine->layout();
  layout.features.resize(1);
  view.engine = state::ViewEngine::Make(std::move(layout)).ValueOrDie();
  return view;
}

TEST_F(MadeCellsTest, WindowsAreAsStatesGiveThem) {
  const auto store = Open();
  const StoredView view = MakeView("v");
  LoadThrice(store.get(), view);
  ExpectCells(view);
}

TEST_F(MadeCellsTest, HeadsAreAsStatesGiveThem) {
  const auto store = Open();
  const StoredView view = MakeHeadView();
  LoadThrice(store.get(), view);
  ExpectCells(view);
}

// The map becomes full in the middle: all is done again.
TEST_F(MadeCellsTest, AMapThatGrowsChangesNothing) {
  const auto store = Open("?map_bytes=1048576");
  const StoredView view = MakeHeadView();
  LoadThrice(store.get(), view);
  ExpectCells(view);
}

// Then the writer reads by itself.
TEST_F(MadeCellsTest, NeedsNoReadersSlots) {
  const auto store = Open();
  const StoredView view = MakeView("v");
  const auto env = lmdb::Environment::Open({directory()}).ValueOrDie();
  std::vector<std::unique_ptr<lmdb::Transaction>> readers;
  for (auto reader = lmdb::Transaction::BeginRead(env); reader.ok();
       reader = lmdb::Transaction::BeginRead(env)) {
    readers.push_back(*std::move(reader));
    ASSERT_LT(readers.size(), 5'000u);
  }
  ASSERT_GT(readers.size(), 100u);
  // Two that a load itself needs.
  readers.resize(readers.size() - 2);
  LoadThrice(store.get(), view);
  readers.clear();
  ExpectCells(view);
}

TEST_F(MadeCellsTest, ADamagedCellFailsTheLoadAndChangesNothing) {
  const auto store = Open();
  const StoredView view = MakeHeadView();
  LoadBoth(store.get(), view, RowsOf(1, kManyRows),
           At(kManyRows * 2, kStart + kHour, kStart + 2 * kHour));
  const auto env = lmdb::Environment::Open({directory()}).ValueOrDie();
  std::string whole;
  std::string at;
  {
    const auto writer = lmdb::Transaction::BeginWrite(env).ValueOrDie();
    const auto record = lmdb::GetView(*writer, view.name).ValueOrDie();
    lmdb::CellPrefix prefix;
    const EncodedKeys encoded = EncodeKeys({Strings({"k4321"})}, 1).ValueOrDie();
    prefix.Assign(record->space(), encoded.key(0));
    at = prefix.bytes();
    whole = *writer->Get(lmdb::Table::kCells, at).ValueOrDie();
    std::string damaged = whole;
    damaged.back() = static_cast<char>(damaged.back() ^ 1);
    ASSERT_TRUE(writer->Put(lmdb::Table::kCells, at, damaged).ok());
    ASSERT_TRUE(writer->Commit().ok());
  }
  const ViewPosition next = At(kManyRows * 4, kStart + 2 * kHour, kStart + 3 * kHour);
  const arrow::Status failed = Load(store.get(), view, RowsOf(2, kManyRows), next);
  EXPECT_EQ(base::CodeOf(failed), base::ErrorCode::kCorrupt);
  EXPECT_EQ(store->Position("v").ValueOrDie()->seq, kManyRows * 2);
  {
    const auto writer = lmdb::Transaction::BeginWrite(env).ValueOrDie();
    ASSERT_TRUE(writer->Put(lmdb::Table::kCells, at, whole).ok());
    ASSERT_TRUE(writer->Commit().ok());
  }
  ExpectCells(view);
  LoadBoth(store.get(), view, RowsOf(2, kManyRows), next);
  ExpectCells(view);
}

// Who waits to change the map holds up neither a load nor who reads for it.
TEST_F(MadeCellsTest, SnapshotsBesideAWriterWaitForNobody) {
  const auto store = Open("?map_bytes=16777216");
  const StoredView view = MakeHeadView();
  ASSERT_TRUE(Load(store.get(), view, RowsOf(1, 10), At(20, kStart + 1, kStart + kHour)).ok());
  const auto env = lmdb::Environment::Open({directory()}).ValueOrDie();
  auto writer = lmdb::Transaction::BeginWrite(env).ValueOrDie();
  ASSERT_TRUE(writer->Put(lmdb::Table::kMeta, "probe", "new").ok());
  std::thread grows([&] { EXPECT_TRUE(env->Grow(env->map_bytes()).ok()); });
  const int64_t moment = base::MonotonicNanos() + 100'000'000;  // by then it waits, most likely
  while (base::MonotonicNanos() < moment) {
  }
  {
    const auto beside = lmdb::Transaction::BeginBeside(*writer).ValueOrDie();
    EXPECT_FALSE(beside->Get(lmdb::Table::kMeta, "probe").ValueOrDie().has_value());
    EXPECT_EQ(beside->Count(lmdb::Table::kCells).ValueOrDie(), 10);
  }
  ASSERT_TRUE(writer->Commit().ok());
  writer.reset();
  grows.join();
  EXPECT_GT(env->map_bytes(), 16777216);
}

}  // namespace
}  // namespace icecore::online::testing
