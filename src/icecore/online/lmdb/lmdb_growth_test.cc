// A map that grows while loads fill it and others read.
#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/online/lmdb/environment.h"
#include "icecore/online/lmdb/lmdb_store_testing.h"

namespace icecore::online::testing {
namespace {

using base::CodeOf;
using base::ErrorCode;
using state::ValueStatus;

constexpr char kSmallMap[] = "?map_bytes=1048576";
constexpr int kManyKeys = 6'000;  // of which a load takes several times the small map

ViewPosition PositionOf(int64_t load) { return At(load, kStart + load, kStart + load + kHour); }

arrow::Status LoadOf(Store* store, const StoredView& view, int64_t load, int keys = kManyKeys,
                     bool fresh = false) {
  return Load(store, view, RowsOf(load, keys), PositionOf(load), fresh);
}

// Of a view whose loads each gave every key its number: all keys answer by the load that the
// position names, at a time when no later load has ended.
arrow::Status ReadWhole(Store* store, const StoredView& view, int keys = kManyKeys) {
  std::vector<std::optional<std::string>> asked;
  for (int key = 0; key < keys; key += keys / 50) asked.push_back("k" + std::to_string(key));
  ARROW_ASSIGN_OR_RAISE(const auto answers,
                        store->Read({ViewRead{&view, {Strings(asked)}}}, kStart + kHour / 2));
  for (int64_t row = 0; row < static_cast<int64_t>(asked.size()); ++row) {
    if (AnswerAt(answers[0].features, row).value != answers[0].position->seq) {
      return arrow::Status::Invalid("an answer is not of the load that its position names");
    }
  }
  return arrow::Status::OK();
}

class LmdbGrowthTest : public LmdbStoreTest {
 protected:
  int64_t MapBytes() const {
    return lmdb::Environment::Open({directory()}).ValueOrDie()->map_bytes();
  }
  static void Await(int pipe_end) {
    pollfd wait{pipe_end, POLLIN, 0};
    char byte = 0;
    ASSERT_EQ(poll(&wait, 1, 60'000), 1);
    ASSERT_EQ(read(pipe_end, &byte, 1), 1);
  }
};

TEST_F(LmdbGrowthTest, LoadsLargerThanTheMapGoThrough) {
  const StoredView view = MakeView("v");
  const StoredView other = MakeView("other");
  auto store = Open(kSmallMap);
  ASSERT_TRUE(LoadOf(store.get(), view, 1).ok());
  const int64_t grown = MapBytes();
  EXPECT_GE(grown, 4 << 20);
  ASSERT_TRUE(LoadOf(store.get(), view, 2).ok());  // rewrites each key's cells
  ASSERT_TRUE(LoadOf(store.get(), other, 1, kManyKeys, true).ok());
  EXPECT_TRUE(ReadWhole(store.get(), view).ok());
  EXPECT_TRUE(ReadWhole(store.get(), other).ok());
  EXPECT_EQ(ReadKey(store.get(), view, "k17", kStart + 2).count, 2);
  EXPECT_GT(MapBytes(), grown);
  // What is opened with a small map again takes what there is.
  store.reset();
  store = Open(kSmallMap);
  EXPECT_TRUE(ReadWhole(store.get(), view).ok());
  ASSERT_TRUE(LoadOf(store.get(), view, 3).ok());
  EXPECT_EQ(ReadKey(store.get(), view, "k17", kStart + 3).count, 3);
}

TEST_F(LmdbGrowthTest, FreshLoadsInPassesGoThrough) {
  const StoredView view = MakeView("v");
  const auto store = Open(kSmallMap);
  auto load = store->BeginLoad(view, true).ValueOrDie();
  load->Bound(1 << 18, kManyKeys);
  int passes = 1;
  for (;; ++passes) {
    ASSERT_TRUE(load->Add(Rows(RowsOf(1, kManyKeys))).ok());
    if (!load->NextPass(PositionOf(1)).ValueOrDie()) break;
  }
  EXPECT_GT(passes, 1);
  ASSERT_TRUE(load->Commit(PositionOf(1)).ok());
  EXPECT_TRUE(ReadWhole(store.get(), view).ok());
}

TEST_F(LmdbGrowthTest, AMaximumIsALimitAndLosesNothing) {
  const StoredView view = MakeView("v");
  const auto store = Open("?map_bytes=1048576&max_map_bytes=2097152");
  ASSERT_TRUE(LoadOf(store.get(), view, 1, 100).ok());
  const arrow::Status full = LoadOf(store.get(), view, 2, 20'000);
  EXPECT_EQ(CodeOf(full), ErrorCode::kLimit) << full;
  EXPECT_NE(full.message().find("max_map_bytes"), std::string::npos) << full;
  EXPECT_EQ(MapBytes(), 2 << 20);
  EXPECT_TRUE(ReadWhole(store.get(), view, 100).ok());
  ASSERT_TRUE(LoadOf(store.get(), view, 3, 100).ok());
  EXPECT_TRUE(ReadWhole(store.get(), view, 100).ok());
}

// Threads and another process read all the while; each read is of one whole load.
TEST_F(LmdbGrowthTest, ReadersGoOn) {
  const StoredView view = MakeView("v");
  auto store = Open(kSmallMap);
  ASSERT_TRUE(LoadOf(store.get(), view, 1, kManyKeys / 60).ok());
  int stop[2];
  ASSERT_EQ(pipe(stop), 0);
  const pid_t child = InChild([&] {
    auto own = OpenStore(std::string("lmdb:online") + kSmallMap, folder_.path());
    if (!own.ok()) return 1;
    pollfd wait{stop[0], POLLIN, 0};
    while (poll(&wait, 1, 0) == 0) {
      if (!ReadWhole(own->get(), view, kManyKeys / 60).ok()) return 2;
    }
    return 0;
  });
  std::atomic<bool> done = false;
  std::atomic<int> wrong = 0;
  std::atomic<int64_t> reads = 0;
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!done) {
        wrong += ReadWhole(store.get(), view, kManyKeys / 60).ok() ? 0 : 1;
        ++reads;
      }
    });
  }
  const int64_t before = MapBytes();
  for (int64_t load = 2; load <= 5; ++load) {
    EXPECT_TRUE(LoadOf(store.get(), view, load, static_cast<int>(load) * kManyKeys / 2).ok());
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  ASSERT_EQ(write(stop[1], "x", 1), 1);
  EXPECT_EQ(WaitFor(child), 0);
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(reads, 0);
  EXPECT_GE(MapBytes(), 4 * before);
  close(stop[0]);
  close(stop[1]);
}

TEST_F(LmdbGrowthTest, TwoProcessesMakeItGrow) {
  const StoredView view = MakeView("v");
  const StoredView other = MakeView("other");
  auto store = Open(kSmallMap);
  const pid_t child = InChild([&] {
    auto own = OpenStore(std::string("lmdb:online") + kSmallMap, folder_.path());
    if (!own.ok()) return 1;
    for (int64_t load = 1; load <= 4; ++load) {
      if (!LoadOf(own->get(), other, load).ok()) return 2;
      if (!ReadWhole(own->get(), other).ok()) return 3;
    }
    return 0;
  });
  for (int64_t load = 1; load <= 4; ++load) {
    EXPECT_TRUE(LoadOf(store.get(), view, load).ok());
    EXPECT_TRUE(ReadWhole(store.get(), view).ok());
  }
  EXPECT_EQ(WaitFor(child), 0);
  EXPECT_TRUE(ReadWhole(store.get(), view).ok());
  EXPECT_TRUE(ReadWhole(store.get(), other).ok());
}

// A thread that waits for a load of another process does not keep readers from taking over the map
// that this load has made.
TEST_F(LmdbGrowthTest, ReadersDoNotWaitForAWriterThatWaits) {
  const StoredView view = MakeView("v");
  auto store = Open(kSmallMap);
  ASSERT_TRUE(LoadOf(store.get(), view, 1, 100).ok());
  int writing[2];
  int was_read[2];
  ASSERT_EQ(pipe(writing), 0);
  ASSERT_EQ(pipe(was_read), 0);
  const pid_t child = InChild([&] {
    auto own = OpenStore(std::string("lmdb:online") + kSmallMap, folder_.path());
    if (!own.ok() || !LoadOf(own->get(), view, 2).ok()) return 1;
    auto env = lmdb::Environment::Open({directory()});
    if (!env.ok()) return 2;
    const auto writer = lmdb::Transaction::BeginWrite(*env);
    if (!writer.ok() || write(writing[1], "x", 1) != 1) return 3;
    pollfd wait{was_read[0], POLLIN, 0};
    return poll(&wait, 1, 30'000) == 1 ? 0 : 4;
  });
  Await(writing[0]);
  std::thread writer([&] { EXPECT_TRUE(LoadOf(store.get(), view, 3, 100).ok()); });
  const int64_t moment = base::MonotonicNanos() + 100'000'000;  // by then it waits, most likely
  while (base::MonotonicNanos() < moment) {
  }
  EXPECT_EQ(ReadKey(store.get(), view, "k5999", kStart + 2).value, 2);
  ASSERT_EQ(write(was_read[1], "x", 1), 1);
  EXPECT_EQ(WaitFor(child), 0);
  writer.join();
  EXPECT_EQ(ReadKey(store.get(), view, "k5", kStart + 3).value, 3);
  for (const int end : {writing[0], writing[1], was_read[0], was_read[1]}) close(end);
}

// kill -9 anywhere while a load makes the map grow, under a reader of another process.
TEST_F(LmdbGrowthTest, AKillLeavesTheOldOrTheNew) {
  const StoredView view = MakeView("v");
  const uint64_t seed = base::SystemRandom().Next();
  SCOPED_TRACE("seed " + std::to_string(seed));
  base::SeededRandom random(seed);
  constexpr int kKills = 10;
  for (int number = 0; number < kKills; ++number) {
    const std::string uri = "lmdb:online-" + std::to_string(number) + kSmallMap;
    auto store = OpenStore(uri, folder_.path()).ValueOrDie();
    ASSERT_TRUE(LoadOf(store.get(), view, 1, 300).ok());
    int begun[2];
    ASSERT_EQ(pipe(begun), 0);
    const pid_t child = InChild([&] {
      auto own = OpenStore(uri, folder_.path());
      if (!own.ok() || write(begun[1], "x", 1) != 1) return 1;
      for (int64_t load = 2;; ++load) {
        if (!LoadOf(own->get(), view, load, static_cast<int>(load) * 3'000).ok()) return 2;
      }
    });
    Await(begun[0]);
    const int64_t moment =
        base::MonotonicNanos() + static_cast<int64_t>(random.Next() % 600'000'000);
    while (base::MonotonicNanos() < moment) {
      ASSERT_TRUE(ReadWhole(store.get(), view, 300).ok());
    }
    kill(child, SIGKILL);
    EXPECT_EQ(WaitFor(child), -SIGKILL);
    close(begun[0]);
    close(begun[1]);
    ASSERT_TRUE(ReadWhole(store.get(), view, 300).ok());
    const int64_t seen = store->Position("v").ValueOrDie()->seq;
    ASSERT_TRUE(LoadOf(store.get(), view, seen + 1, 300).ok());
    store.reset();
    store = OpenStore(uri, folder_.path()).ValueOrDie();
    EXPECT_EQ(store->Position("v").ValueOrDie()->seq, seen + 1);
    EXPECT_EQ(ReadKey(store.get(), view, "k7", kStart + seen + 1).count, seen + 1);
  }
}

}  // namespace
}  // namespace icecore::online::testing
