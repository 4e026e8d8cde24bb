#include "icecore/online/lmdb/pack.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <set>
#include <thread>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/online/lmdb/lmdb_store_testing.h"

namespace icecore::online::testing {
namespace {

using base::CodeOf;
using base::ErrorCode;
using lmdb::PackStep;

constexpr int kKeys = 3000;
// Whatever is free.
constexpr PackRule kAlways = {0, 0};

class PackTest : public LmdbStoreTest {
 protected:
  // A store with a live generation and as much that was swept.
  std::unique_ptr<Store> OpenFilled() {
    auto store = Open();
    for (int64_t load = 1; load <= 3; ++load) {
      EXPECT_TRUE(Load(store.get(), view_, RowsOf(load, kKeys),
                       At(load, kStart + load, kStart + kHour), true)
                      .ok());
    }
    EXPECT_GT(store->Sweep(1'000'000).ValueOrDie(), kKeys);
    return store;
  }

  // Load number `load`, one row a key.
  arrow::Status LoadAll(Store* store, int64_t load, int keys = kKeys) {
    return Load(store, view_, RowsOf(load, keys), At(load, kStart + load, kStart + load + kHour));
  }

  // Every key has the row of the last load, and `count` rows in all.
  void ExpectAnswers(Store* store, int64_t load, int64_t count, int num_keys = kKeys) {
    std::vector<std::optional<std::string>> keys;
    for (int key = 0; key < num_keys; ++key) {
      keys.push_back("k" + std::to_string(key));
    }
    const auto answers = ReadKeys(store, view_, keys, kStart + load);
    ASSERT_TRUE(answers.ok()) << answers.status();
    for (const Answer& answer : *answers) {
      ASSERT_EQ(answer.value, load);
      ASSERT_EQ(answer.count, count);
    }
    EXPECT_EQ(store->Position("v").ValueOrDie()->seq, load);
  }

  std::set<std::string> Names() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory())) {
      names.insert(entry.path().filename().string());
    }
    return names;
  }
  // The pack that `current` names is all that is left of the store's files.
  void ExpectOnly(const std::string& pack) {
    EXPECT_EQ(lmdb::CurrentPack(directory()).ValueOrDie(), pack);
    const std::set<std::string> names = Names();
    EXPECT_EQ(names.count("data.mdb"), 0u);
    EXPECT_EQ(names.count("lock.mdb"), 0u);
    for (const std::string& name : names) {
      EXPECT_TRUE(lmdb::PackNumber(name) == 0 || name == pack) << name;
    }
  }

  arrow::Result<PackReport> PackWith(const std::function<void(PackStep)>& after) {
    ARROW_ASSIGN_OR_RAISE(auto folder, lmdb::StoreFolder::Open({directory(), 1 << 28}));
    return lmdb::Pack(folder.get(), kAlways, after);
  }

  const StoredView view_ = MakeView("v");
};

TEST_F(PackTest, GivesFreePagesBack) {
  const auto store = OpenFilled();
  const PackReport report = store->Pack({30, 0}).ValueOrDie();
  EXPECT_EQ(report.kind, "lmdb");
  EXPECT_TRUE(report.packed);
  EXPECT_GT(report.free_bytes, report.bytes_before / 3);
  // The estimate is near.
  EXPECT_NEAR(static_cast<double>(report.bytes_after),
              static_cast<double>(report.bytes_before - report.free_bytes),
              0.1 * static_cast<double>(report.bytes_after));
  EXPECT_EQ(store->Describe().ValueOrDie().bytes, report.bytes_after);
  ExpectOnly("pack-1");
  ExpectAnswers(store.get(), 3, 1);

  ASSERT_TRUE(LoadAll(store.get(), 4).ok());
  ExpectAnswers(store.get(), 4, 2);
  ExpectAnswers(Open().get(), 4, 2);
  ASSERT_TRUE(store->Pack(kAlways).ValueOrDie().packed);
  ExpectOnly("pack-2");
  ExpectAnswers(store.get(), 4, 2);
}

TEST_F(PackTest, TheRuleDecides) {
  const auto store = OpenFilled();
  const int64_t bytes = store->Describe().ValueOrDie().bytes;
  for (const PackRule& rule : {PackRule{}, PackRule{99, 0}, PackRule{0, bytes}}) {
    const PackReport report = store->Pack(rule).ValueOrDie();
    EXPECT_FALSE(report.packed);
    EXPECT_EQ(report.bytes_before, bytes);
    EXPECT_EQ(report.bytes_after, bytes);
    EXPECT_GT(report.free_bytes, bytes / 3);
  }
  EXPECT_EQ(Names().count("current"), 0u);
  // A file that was packed has nothing to give.
  ASSERT_TRUE(store->Pack(kAlways).ValueOrDie().packed);
  EXPECT_FALSE(store->Pack({20, 0}).ValueOrDie().packed);
  ExpectOnly("pack-1");
}

TEST_F(PackTest, OneAtATime) {
  const auto store = OpenFilled();
  const auto other = Open();
  const PackReport report =
      PackWith([&](PackStep step) {
        if (step == PackStep::kCopied) {
          EXPECT_EQ(CodeOf(other->Pack(kAlways).status()), ErrorCode::kConflict);
          ExpectAnswers(other.get(), 3, 1);  // readers do not wait
          ExpectAnswers(Open().get(), 3, 1);
        }
      }).ValueOrDie();
  EXPECT_TRUE(report.packed);
  ExpectAnswers(other.get(), 3, 1);
}

TEST_F(PackTest, LoadsThatBeganBeforeEndInThePackedStore) {
  const auto store = OpenFilled();
  auto load = store->BeginLoad(view_, false).ValueOrDie();
  ASSERT_TRUE(load->Add(Rows(RowsOf(4, kKeys))).ok());
  ASSERT_TRUE(Open()->Pack(kAlways).ValueOrDie().packed);
  // The right to load the view is the same as before.
  EXPECT_EQ(CodeOf(Open()->BeginLoad(view_, false).status()), ErrorCode::kConflict);
  ASSERT_TRUE(load->Commit(At(4, kStart + 4, kStart + 4 + kHour)).ok());
  ExpectAnswers(Open().get(), 4, 2);
  load.reset();
  ASSERT_TRUE(store->Drop("v").ok());
  EXPECT_FALSE(Open()->Position("v").ValueOrDie().has_value());
}

TEST_F(PackTest, AViewCanBeLoadedFreshAndDroppedAfterwards) {
  const auto store = OpenFilled();
  ASSERT_TRUE(store->Pack(kAlways).ValueOrDie().packed);
  ASSERT_TRUE(
      Load(store.get(), view_, RowsOf(5, 10), At(5, kStart + 5, kStart + kHour), true).ok());
  ExpectAnswers(store.get(), 5, 1, 10);
  EXPECT_EQ(ReadKey(store.get(), view_, "k11", kStart + 5).count, 0);
}

TEST_F(PackTest, WithoutRoomTheStoreIsAsItWas) {
  const auto store = OpenFilled();
  const pid_t child = InChild([&] {
    auto own = Open();
    const rlimit limit = {100'000, 100'000};
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
    return own->Pack(kAlways).ok() ? 2 : 0;
  });
  EXPECT_EQ(WaitFor(child), 0);
  EXPECT_EQ(Names().count("pack-1"), 0u);
  EXPECT_EQ(Names().count("current"), 0u);
  ASSERT_TRUE(LoadAll(store.get(), 4).ok());
  ExpectAnswers(store.get(), 4, 2);
}

TEST_F(PackTest, DamagedLinksAreCorrupt) {
  OpenFilled();
  const auto code = [&](const std::string& target) {
    std::filesystem::remove(directory() + "/current");
    std::filesystem::create_symlink(target, directory() + "/current");
    return CodeOf(OpenStore("lmdb:online", folder_.path()).status());
  };
  EXPECT_EQ(code("pack-7"), ErrorCode::kCorrupt);
  EXPECT_EQ(code("../elsewhere"), ErrorCode::kCorrupt);
  EXPECT_EQ(code("pack-07"), ErrorCode::kCorrupt);
}

// A process that dies behind any step leaves a store that all go on with, and the next packing
// removes what it left.
TEST_F(PackTest, KilledBehindEachStep) {
  const auto store = OpenFilled();
  int64_t load = 3;
  int64_t packs = 0;
  for (const PackStep step :
       {PackStep::kCopied, PackStep::kMarked, PackStep::kLinked, PackStep::kRemoved}) {
    SCOPED_TRACE("step " + std::to_string(static_cast<int>(step)));
    ++load;
    ASSERT_TRUE(LoadAll(store.get(), load).ok());
    const pid_t child = InChild([&] {
      const auto status = PackWith([&](PackStep done) {
        if (done == step) raise(SIGKILL);
      });
      return status.ok() ? 1 : 2;
    });
    ASSERT_EQ(WaitFor(child), -SIGKILL);
    packs += step == PackStep::kCopied ? 0 : 1;
    ExpectAnswers(store.get(), load, load - 2);
    ++load;
    ASSERT_TRUE(LoadAll(store.get(), load).ok());
    ExpectAnswers(Open().get(), load, load - 2);
    ExpectAnswers(store.get(), load, load - 2);
    // In a process of its own too.
    EXPECT_EQ(WaitFor(InChild([&] {
                return ReadKey(Open().get(), view_, "k1", kStart + load).value == load ? 0 : 1;
              })),
              0);
    const PackReport report = store->Pack(kAlways).ValueOrDie();
    EXPECT_TRUE(report.packed);
    ++packs;
    ExpectOnly("pack-" + std::to_string(packs));
    ExpectAnswers(store.get(), load, load - 2);
  }
}

// One process loads, others pack and are killed at random moments, and a thread of this one reads:
// no load is lost, none is seen twice, no read fails.
TEST_F(PackTest, WhileOthersReadAndWriteAndItIsKilled) {
  constexpr int kFewKeys = 200;
  constexpr int64_t kLoads = 300;
  const uint64_t seed = base::SystemRandom().Next();
  SCOPED_TRACE("seed " + std::to_string(seed));
  const auto store = Open();
  ASSERT_TRUE(LoadAll(store.get(), 1, kFewKeys).ok());
  const pid_t others = InChild([&] {
    const pid_t writer = InChild([&] {
      const auto own = Open();
      for (int64_t load = 2; load <= kLoads; ++load) {
        if (!LoadAll(own.get(), load, kFewKeys).ok()) return 1;
      }
      return 0;
    });
    base::SeededRandom random(seed);
    int killed = 0;
    int ended = 0;
    int status = 0;
    while (waitpid(writer, &status, WNOHANG) == 0) {
      const pid_t packer = InChild([&] {
        const auto own = Open();
        for (int i = 0; i < 3; ++i) {
          if (!own->Pack(kAlways).ok()) return 1;
        }
        return 0;
      });
      const int64_t moment =
          base::MonotonicNanos() + static_cast<int64_t>(random.Next() % 200'000'000);
      while (base::MonotonicNanos() < moment) {
      }
      kill(packer, SIGKILL);
      const int code = WaitFor(packer);
      killed += code == -SIGKILL ? 1 : 0;
      ended += code == 0 ? 1 : 0;
      if (code > 0) return 2;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return 3;
    return killed + ended > 0 ? 0 : 4;
  });
  std::atomic<bool> done = false;
  std::thread reader([&] {
    int64_t last = 1;
    while (!done) {
      const auto answers = ReadKeys(store.get(), view_, {"k1", "k150"}, kStart + kLoads);
      ASSERT_TRUE(answers.ok()) << answers.status();
      EXPECT_GE(answers->at(0).value.value_or(0), last);
      EXPECT_EQ(answers->at(0).value, answers->at(1).value);
      EXPECT_EQ(answers->at(0).count, answers->at(0).value);
      last = answers->at(0).value.value_or(0);
    }
  });
  EXPECT_EQ(WaitFor(others), 0);
  done = true;
  reader.join();
  ExpectAnswers(store.get(), kLoads, kLoads, kFewKeys);
  ExpectAnswers(Open().get(), kLoads, kLoads, kFewKeys);
  ASSERT_TRUE(store->Pack(kAlways).ValueOrDie().packed);
  ExpectOnly(lmdb::CurrentPack(directory()).ValueOrDie());
}

}  // namespace
}  // namespace icecore::online::testing
