#include "icecore/online/lmdb/lmdb_store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "icecore/base/clock.h"
#include "icecore/base/id.h"
#include "icecore/online/key_encoding.h"
#include "icecore/online/lmdb/cell_format.h"
#include "icecore/online/lmdb/lmdb_store_testing.h"
#include "icecore/online/store_contract.h"

namespace icecore::online::testing {
namespace {

class LmdbHarness {
 public:
  arrow::Result<std::unique_ptr<Store>> Open() {
    return OpenStore("lmdb:a/online?map_bytes=1073741824", folder_.path());
  }
  // Every cell of the key.
  arrow::Status Damage(const std::string& view, const std::string& key) {
    ARROW_ASSIGN_OR_RAISE(const auto env, lmdb::Environment::Open({folder_.path() + "/a/online"}));
    ARROW_ASSIGN_OR_RAISE(auto transaction, lmdb::Transaction::BeginWrite(env));
    ARROW_ASSIGN_OR_RAISE(const auto record, lmdb::GetView(*transaction, view));
    ARROW_ASSIGN_OR_RAISE(const EncodedKeys encoded, EncodeKeys({Strings({key})}, 1));
    lmdb::CellPrefix prefix;
    prefix.Assign(record.value().space(), encoded.key(0));
    std::vector<std::pair<std::string, std::string>> cells;
    {
      ARROW_ASSIGN_OR_RAISE(auto cursor,
                            lmdb::Cursor::Open(transaction.get(), lmdb::Table::kCells));
      ARROW_ASSIGN_OR_RAISE(bool found, cursor->Seek(prefix.bytes()));
      while (found && cursor->key().starts_with(prefix.bytes())) {
        cells.emplace_back(cursor->key(), cursor->value());
        ARROW_ASSIGN_OR_RAISE(found, cursor->Next());
      }
    }
    if (cells.empty()) return arrow::Status::KeyError("no cell to damage");
    for (auto& [name, value] : cells) {
      value.back() = static_cast<char>(value.back() ^ 0x10);
      ARROW_RETURN_NOT_OK(transaction->Put(lmdb::Table::kCells, name, value));
    }
    return transaction->Commit();
  }

 private:
  TemporaryFolder folder_;
};

}  // namespace

INSTANTIATE_TYPED_TEST_SUITE_P(Lmdb, StoreContract, LmdbHarness);

namespace {

mode_t ModeOf(const std::string& path) {
  struct stat info{};
  EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 0777;
}

TEST_F(LmdbStoreTest, FilesAreTheOwnersAlone) {
  const auto store = Open();
  ASSERT_TRUE(Load(store.get(), MakeView("v"), {}, At(0, 0, 0)).ok());
  EXPECT_EQ(ModeOf(directory()), 0700u);
  for (const auto& entry : std::filesystem::directory_iterator(directory())) {
    EXPECT_EQ(ModeOf(entry.path().string()), 0600u) << entry.path();
  }
}

TEST_F(LmdbStoreTest, UrisAreChecked) {
  const auto code = [&](const std::string& uri) {
    return CodeOf(OpenStore(uri, folder_.path()).status());
  };
  EXPECT_EQ(code("lmbd:x"), ErrorCode::kInvalidDefinition);
  EXPECT_EQ(code("lmdb:"), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code("lmdb:x?map_bytes=many"), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code("lmdb:x?size=1"), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code("lmdb:x?map_bytes=1&size=1"), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code("lmdb:x?map_bytes"), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code("lmdb:x?map_bytes=1048576&"), ErrorCode::kInvalidArgument);
  std::ofstream(folder_.path() + "/file") << "x";
  EXPECT_EQ(code("lmdb:file"), ErrorCode::kUnavailable);
}

TEST_F(LmdbStoreTest, OnePathIsOneEnvironment) {
  const StoredView view = MakeView("v");
  const auto first = Open();
  auto second = Open("/../online");
  ASSERT_TRUE(Load(first.get(), view, RowsOf(1, 3), At(3, kStart + 1, kStart + kHour)).ok());
  EXPECT_EQ(ReadKey(second.get(), view, "k1", kStart + 1).value, 1);
  second.reset();
  EXPECT_EQ(ReadKey(first.get(), view, "k1", kStart + 1).value, 1);
}

TEST_F(LmdbStoreTest, AnotherFormatIsRefused) {
  Open();
  {
    auto env = lmdb::Environment::Open({directory(), 1 << 28}).ValueOrDie();
    auto transaction = lmdb::Transaction::BeginWrite(env).ValueOrDie();
    ASSERT_TRUE(transaction->Put(lmdb::Table::kMeta, "format", "icecore-online 99").ok());
    ASSERT_TRUE(transaction->Commit().ok());
  }
  EXPECT_EQ(CodeOf(OpenStore("lmdb:online", folder_.path()).status()), ErrorCode::kUnsupported);
}

// Records of stores made before cells had a name end before it.
TEST_F(LmdbStoreTest, ARecordOfAnEarlierVersionIsRead) {
  const StoredView view = MakeView("v");
  {
    auto store = Open();
    ASSERT_TRUE(
        Load(store.get(), view, {{"a", kStart, kStart, 1, 7}}, At(1, kStart, kStart + kHour)).ok());
    auto env = lmdb::Environment::Open({directory(), 268435456}).ValueOrDie();
    auto writer = lmdb::Transaction::BeginWrite(env).ValueOrDie();
    const std::string record(writer->Get(lmdb::Table::kMeta, "v/v").ValueOrDie().value());
    const std::string fields = record.substr(9, record.size() - 9 - 8);  // an empty text's length
    const uint64_t checksum = base::Hash64(fields);
    std::string earlier = record.substr(0, 1);
    earlier.append(reinterpret_cast<const char*>(&checksum), sizeof checksum).append(fields);
    ASSERT_TRUE(writer->Put(lmdb::Table::kMeta, "v/v", earlier).ok());
    ASSERT_TRUE(writer->Commit().ok());
  }
  auto store = Open();
  EXPECT_EQ(store->Position("v").ValueOrDie()->cells, "");
  EXPECT_EQ(ReadKey(store.get(), view, "a", kStart).value, 7);
  const StoredView named = MakeView("v", "f1", "thing", "c1");
  ASSERT_TRUE(Load(store.get(), named, {{"a", kStart + 1, kStart + 1, 2, 8}},
                   At(2, kStart + 1, kStart + kHour, "f1", "c1"))
                  .ok());
  EXPECT_EQ(ReadKey(store.get(), named, "a", kStart + 1).sum, 15);
}

// Changes one byte of the cells one after the other; each is an error for its key and no other's.
TEST_F(LmdbStoreTest, DamagedCellsAreCorruptForTheirKey) {
  const StoredView view = MakeView("v");
  const auto store = Open();
  const std::string long_key(700, 'x');
  ASSERT_TRUE(Load(store.get(), view,
                   {{"a", kStart, kStart, 1, 1},
                    {"b", kStart, kStart, 2, 2},
                    {long_key, kStart, kStart, 3, 3}},
                   At(3, kStart, kStart + kHour))
                  .ok());
  auto env = lmdb::Environment::Open({directory(), 1 << 28}).ValueOrDie();
  std::vector<std::pair<std::string, std::string>> cells;
  {
    auto reader = lmdb::Transaction::BeginRead(env).ValueOrDie();
    auto cursor = lmdb::Cursor::Open(reader.get(), lmdb::Table::kCells).ValueOrDie();
    for (bool found = cursor->Seek("").ValueOrDie(); found; found = cursor->Next().ValueOrDie()) {
      cells.emplace_back(cursor->key(), cursor->value());
    }
  }
  const auto put = [&](const std::string& key, const std::string& value) {
    auto transaction = lmdb::Transaction::BeginWrite(env).ValueOrDie();
    ASSERT_TRUE(transaction->Put(lmdb::Table::kCells, key, value).ok());
    ASSERT_TRUE(transaction->Commit().ok());
  };
  ASSERT_GE(cells.size(), 3u);
  const std::vector<state::CellRange> ranges = view.engine->CellsAt(kStart);
  std::string head;
  int tiles_not_needed = 0;
  for (const auto& [key, value] : cells) {
    const std::optional<std::string> owner = key.find(std::string(100, 'x')) != std::string::npos
                                                 ? long_key
                                             : key.find(
                                                   "\x09"
                                                   "a") != std::string::npos
                                                 ? "a"
                                                 : "b";
    // A tile's name ends in its suffix of ten bytes; heads come first among the cells of a key.
    if (head.empty() || !key.starts_with(head)) {
      head = key;
    }
    const std::string suffix = key.substr(head.size());
    const std::string other = owner == "b" ? "a" : "b";
    const bool needed =
        suffix.empty() || std::any_of(ranges.begin(), ranges.end(), [&](const auto& range) {
          return range.from <= suffix && suffix < range.to;
        });
    tiles_not_needed += needed ? 0 : 1;
    for (size_t position : {size_t{0}, size_t{1}, size_t{5}, value.size() / 2, value.size() - 1}) {
      std::string damaged = value;
      damaged[position] = static_cast<char>(damaged[position] ^ 0x40);
      put(key, damaged);
      // Reads take only the cells that they need, so damage elsewhere is for the load to find.
      const auto read = ReadKeys(store.get(), view, {owner, other}, kStart).ValueOrDie();
      EXPECT_EQ(read[0].status == ValueStatus::kError, needed);
      EXPECT_EQ(read[1].status, ValueStatus::kPresent);
      EXPECT_EQ(CodeOf(Load(store.get(), view, {{owner, kStart, kStart, 4, 4}},
                            At(4, kStart, kStart + kHour))),
                ErrorCode::kCorrupt);
    }
    put(key, value.substr(0, 3));
    EXPECT_EQ(ReadKey(store.get(), view, owner, kStart).status == ValueStatus::kError, needed);
    put(key, value);
    EXPECT_EQ(ReadKey(store.get(), view, owner, kStart).status, ValueStatus::kPresent);
  }
  EXPECT_EQ(tiles_not_needed, 3);  // one tile of each key, whose roll-up answers for it
  EXPECT_EQ(store->Position("v").ValueOrDie()->seq, 3);
}

TEST_F(LmdbStoreTest, FilesThatAreNotOursAreCorrupt) {
  std::filesystem::create_directory(directory());
  std::ofstream(directory() + "/data.mdb") << std::string(100'000, 'z');
  EXPECT_EQ(CodeOf(OpenStore("lmdb:online", folder_.path()).status()), ErrorCode::kCorrupt);
}

TEST_F(LmdbStoreTest, FilesCutShortAreErrorsNotCrashes) {
  const StoredView view = MakeView("v");
  ASSERT_TRUE(Load(Open().get(), view, RowsOf(1, 2000), At(2000 * 2, kStart + 1, kStart + 9)).ok());
  std::filesystem::resize_file(directory() + "/data.mdb",
                               std::filesystem::file_size(directory() + "/data.mdb") / 3);
  auto store = OpenStore("lmdb:online?map_bytes=268435456", folder_.path());
  int errors = 0;
  if (!store.ok()) {
    EXPECT_EQ(CodeOf(store.status()), ErrorCode::kCorrupt) << store.status();
    ++errors;
  } else {
    for (int key = 0; key < 2000; key += 50) {
      errors += !ReadKeys(store->get(), view, {"k" + std::to_string(key)}, kStart + 9).ok();
    }
  }
  EXPECT_GT(errors, 0);
}

TEST_F(LmdbStoreTest, ViewsOfOneEntityKeyAreNeighbours) {
  const auto store = Open();
  for (const char* name : {"v", "w"}) {
    ASSERT_TRUE(
        Load(store.get(), MakeView(name), RowsOf(1, 5), At(10, kStart + 1, kStart + 9)).ok());
  }
  auto env = lmdb::Environment::Open({directory(), 1 << 28}).ValueOrDie();
  auto reader = lmdb::Transaction::BeginRead(env).ValueOrDie();
  auto cursor = lmdb::Cursor::Open(reader.get(), lmdb::Table::kCells).ValueOrDie();
  std::vector<std::string> owners;
  for (bool found = cursor->Seek("").ValueOrDie(); found; found = cursor->Next().ValueOrDie()) {
    const std::string owner(cursor->key().substr(0, lmdb::EntityKeyLength(cursor->key()).value()));
    if (owners.empty() || owners.back() != owner) {
      owners.push_back(owner);
    }
  }
  EXPECT_EQ(owners.size(), 5u);
}

TEST_F(LmdbStoreTest, ExpiredTilesOfSilentKeysGo) {
  const auto store = Open();
  const StoredView view = MakeView("v");
  const StoredView other = MakeView("w");
  constexpr int kKeys = 1500;
  for (const StoredView* each : {&view, &other}) {
    ASSERT_TRUE(Load(store.get(), *each, RowsOf(0, kKeys), At(kKeys, kStart, kStart + kHour)).ok());
  }
  const int64_t before = store->Describe().ValueOrDie().cells;
  EXPECT_GE(before, 2 * kKeys * 3);
  // Each load goes on where the one before ended, and no answer changes.
  const int64_t later = kStart + 2 * kDay;
  int64_t cells = before;
  for (int64_t load = 1; load <= 4; ++load) {
    ASSERT_TRUE(Load(store.get(), view, {{"k7", later, later, kKeys + load, load}},
                     At(kKeys + load, later, later + kHour))
                    .ok());
    const int64_t now = store->Describe().ValueOrDie().cells;
    EXPECT_LE(now, cells + 5);
    cells = now;
  }
  // Of the other keys of this view only the heads are left, and all of the other view.
  EXPECT_LT(cells, before / 2 + kKeys + 10);
  EXPECT_GE(cells, before / 2 + kKeys);
  EXPECT_EQ(ReadKey(store.get(), view, "k7", later).count, 4);
  EXPECT_EQ(ReadKey(store.get(), view, "k8", later).count, 0);
  EXPECT_EQ(ReadKey(store.get(), view, "k8", later).status, ValueStatus::kExpired);
  EXPECT_EQ(ReadKey(store.get(), other, "k8", kStart).count, 1);
}

TEST_F(LmdbStoreTest, AStoreOpenedBeforeForkIsRefusedInTheChild) {
  const StoredView view = MakeView("v");
  const auto store = Open();
  ASSERT_TRUE(Load(store.get(), view, RowsOf(1, 3), At(6, kStart + 1, kStart + kHour)).ok());
  const pid_t child = InChild([&] {
    if (CodeOf(store->Position("v").status()) != ErrorCode::kInternal) return 1;
    // Opened anew, it works.
    auto own = OpenStore("lmdb:online", folder_.path());
    return own.ok() && ReadKey(own->get(), view, "k1", kStart + 1).value == 1 ? 0 : 2;
  });
  EXPECT_EQ(WaitFor(child), 0);
  EXPECT_EQ(ReadKey(store.get(), view, "k1", kStart + 1).value, 1);
}

TEST_F(LmdbStoreTest, LoadsOfAViewExcludeOneAnotherAcrossProcesses) {
  const StoredView view = MakeView("v");
  const auto store = Open();
  auto load = store->BeginLoad(view, false).ValueOrDie();
  const pid_t child = InChild([&] {
    auto own = OpenStore("lmdb:online", folder_.path());
    return own.ok() && CodeOf((*own)->BeginLoad(view, false).status()) == ErrorCode::kConflict ? 0
                                                                                               : 1;
  });
  EXPECT_EQ(WaitFor(child), 0);
}

// Another process gives the map a greater size and fills it beyond ours.
TEST_F(LmdbStoreTest, AMapGrownByAnotherProcessIsTakenOver) {
  const StoredView view = MakeView("v");
  const auto store = Open("?map_bytes=1048576");
  ASSERT_TRUE(Load(store.get(), view, RowsOf(1, 10), At(20, kStart + 1, kStart + kHour)).ok());
  const pid_t child = InChild([&] {
    auto own = OpenStore("lmdb:online?map_bytes=268435456", folder_.path());
    return own.ok() &&
                   Load(own->get(), view, RowsOf(2, 20'000), At(60'000, kStart + 2, kStart + kHour))
                       .ok()
               ? 0
               : 1;
  });
  ASSERT_EQ(WaitFor(child), 0);
  EXPECT_EQ(ReadKey(store.get(), view, "k19999", kStart + 2).value, 2);
  EXPECT_TRUE(
      Load(store.get(), view, RowsOf(4, 20'000), At(100'000, kStart + 4, kStart + kHour)).ok());
}

// kill -9 at any moment of a load leaves the old position with the old answers, or the new with the
// new.
TEST_F(LmdbStoreTest, AKilledLoadLeavesTheOldOrTheNew) {
  const StoredView view = MakeView("v");
  constexpr int kKeys = 300;
  const uint64_t seed = base::SystemRandom().Next();
  SCOPED_TRACE("seed " + std::to_string(seed));
  base::SeededRandom random(seed);
  int64_t last_seen = 0;
  for (int kill_number = 0; kill_number < 25; ++kill_number) {
    int progress[2];
    ASSERT_EQ(pipe(progress), 0);
    const pid_t child = InChild([&] {
      auto own = OpenStore("lmdb:online?map_bytes=268435456", folder_.path());
      if (!own.ok()) return 1;
      for (int64_t load = last_seen + 1;; ++load) {
        const bool fresh = load % 7 == 0;
        if (!Load(own->get(), view, RowsOf(load, kKeys),
                  At(load, kStart + load, kStart + load + kHour), fresh)
                 .ok()) {
          return 2;
        }
        if (fresh && !(*own)->Sweep(100).ok()) return 3;
        if (write(progress[1], "x", 1) != 1) return 4;
      }
    });
    close(progress[1]);
    char byte = 0;
    for (uint64_t loads = 1 + random.Next() % 3; loads > 0; --loads) {
      EXPECT_EQ(read(progress[0], &byte, 1), 1);
    }
    // Somewhere within the next load or two.
    const int64_t moment =
        base::MonotonicNanos() + static_cast<int64_t>(random.Next() % 12'000'000);
    while (base::MonotonicNanos() < moment) {
    }
    kill(child, SIGKILL);
    EXPECT_EQ(WaitFor(child), -SIGKILL);
    int64_t reported = 0;
    while (read(progress[0], &byte, 1) == 1) {
      ++reported;
    }
    close(progress[0]);

    const auto store = Open();
    ASSERT_NE(store, nullptr);
    const ViewPosition position = store->Position("v").ValueOrDie().value();
    EXPECT_GT(position.seq, last_seen);
    EXPECT_GE(position.seq, last_seen + 1 + reported);
    std::vector<std::optional<std::string>> keys;
    for (int key = 0; key < kKeys; ++key) {
      keys.push_back("k" + std::to_string(key));
    }
    const int64_t first = position.seq - position.seq % 7;  // the last fresh load, or none
    for (const Answer& answer :
         ReadKeys(store.get(), view, keys, kStart + position.seq).ValueOrDie()) {
      EXPECT_EQ(answer.value, position.seq);
      EXPECT_EQ(answer.count, first == 0 ? position.seq : position.seq - first + 1);
    }
    last_seen = position.seq;
  }
}

}  // namespace
}  // namespace icecore::online::testing
