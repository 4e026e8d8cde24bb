// Fresh loads in several passes that are cut off between them.
#include <gtest/gtest.h>

#include "icecore/base/error.h"
#include "icecore/online/lmdb/lmdb_store_testing.h"

namespace icecore::online::testing {
namespace {

constexpr int kPassKeys = 200;
constexpr int64_t kPassMemory = 4096;

const ViewPosition kReached = At(kPassKeys * 2, kStart + 10, kStart + kHour);

class LmdbPassesTest : public LmdbStoreTest {
 protected:
  LmdbPassesTest() : store_(Open()) {}

  // Rows of the first load, and of a second.
  static arrow::Status AddAll(ViewLoad* load) {
    for (int64_t number : {1, 2}) ARROW_RETURN_NOT_OK(load->Add(Rows(RowsOf(number, kPassKeys))));
    return arrow::Status::OK();
  }
  // A load that ends after `passes` of its passes, as by a kill.
  void CutOff(const StoredView& view, int passes, const ViewPosition& position = kReached,
              bool fresh = true) {
    auto load = store_->BeginLoad(view, fresh).ValueOrDie();
    load->Bound(kPassMemory, kPassKeys * 2);
    for (int pass = 0; pass < passes; ++pass) {
      ASSERT_TRUE(AddAll(load.get()).ok());
      ASSERT_TRUE(load->NextPass(position).ValueOrDie());
    }
  }
  // How many passes it took.
  int Finish(ViewLoad* load, const ViewPosition& position = kReached) {
    load->Bound(kPassMemory, kPassKeys * 2);
    int passes = 1;
    for (;; ++passes) {
      EXPECT_TRUE(AddAll(load).ok());
      if (!load->NextPass(position).ValueOrDie()) break;
    }
    EXPECT_TRUE(load->Commit(position).ok());
    return passes;
  }
  void ExpectAll(const StoredView& view) {
    for (int key = 0; key < kPassKeys; ++key) {
      EXPECT_EQ(ReadKey(store_.get(), view, "k" + std::to_string(key), kStart + 10).sum, 3);
    }
  }

  std::unique_ptr<Store> store_;
};

// Neither a fresh load that begins anew nor one that goes on from the old generation leaves cells
// of the one that was cut off.
TEST_F(LmdbPassesTest, WhatIsGivenUpIsSwept) {
  const StoredView view = MakeView("v");
  Finish(store_->BeginLoad(view, true).ValueOrDie().get());
  const int64_t cells = store_->Describe().ValueOrDie().cells;
  const ViewPosition later = At(kPassKeys * 2, kStart + 20, kStart + kHour);
  CutOff(view, 2, later);
  EXPECT_GT(store_->Describe().ValueOrDie().cells, cells);
  ExpectAll(view);  // the old generation answers
  ASSERT_TRUE(Load(store_.get(), view, {}, later).ok());
  EXPECT_FALSE(store_->BeginLoad(view, true).ValueOrDie()->Unfinished().has_value());
  EXPECT_GT(store_->Sweep(1 << 20).ValueOrDie(), 0);
  EXPECT_EQ(store_->Describe().ValueOrDie().cells, cells);

  CutOff(view, 2, later);
  Finish(store_->BeginLoad(view, true).ValueOrDie().get(), later);
  EXPECT_GT(store_->Sweep(1 << 20).ValueOrDie(), 0);
  EXPECT_EQ(store_->Describe().ValueOrDie().cells, cells);
  EXPECT_EQ(store_->Position("v").ValueOrDie()->generation, 4);

  CutOff(view, 2, later);
  ASSERT_TRUE(store_->Drop("v").ok());
  EXPECT_EQ(store_->Sweep(1 << 20).ValueOrDie(), 0);
  EXPECT_EQ(store_->Describe().ValueOrDie().cells, 0);
}

// States that are added to cells that answer.
class LmdbAdditionTest : public LmdbPassesTest {
 protected:
  void SetUp() override { Finish(store_->BeginLoad(view_, true).ValueOrDie().get(), held_); }
  static ViewPosition Position(const std::string& fingerprint, const std::string& cells,
                               int64_t at = kStart + 10) {
    return At(kPassKeys * 2, at, kStart + kHour, fingerprint, cells);
  }
  void ExpectAdded() {
    const StoredView parted = MakePartedView("f2", "c1+c2");
    for (int key = 0; key < kPassKeys; ++key) {
      EXPECT_EQ(SumAndMax(store_.get(), parted, "k" + std::to_string(key), kStart + 20), "3 2");
    }
  }

  const StoredView view_ = MakeView("v", "f1", "thing", "c1");
  const StoredView addition_ = MakeAddition("f2", "c1", "c1+c2");
  const ViewPosition held_ = Position("f1", "c1");
  const ViewPosition added_ = Position("f2", "c1+c2");
};

TEST_F(LmdbAdditionTest, WhatWasCutOffGoesOn) {
  CutOff(addition_, 2, added_, false);
  store_.reset();
  store_ = Open();
  ExpectAll(view_);
  auto load = store_->BeginLoad(addition_, false).ValueOrDie();
  ASSERT_TRUE(load->Unfinished().has_value());
  EXPECT_EQ(load->Unfinished()->cells, "c1+c2");
  load->Resume();
  Finish(load.get(), added_);
  load.reset();
  ExpectAdded();
  EXPECT_EQ(store_->Position("v").ValueOrDie()->generation, 1);
  EXPECT_EQ(store_->Sweep(1 << 20).ValueOrDie(), 0);
}

// The cells that answer are no garbage, whoever comes after a load that was to extend them.
TEST_F(LmdbAdditionTest, WhatIsGivenUpLeavesTheCellsThatAnswer) {
  CutOff(addition_, 2, added_, false);
  ASSERT_TRUE(Load(store_.get(), view_, {}, Position("f1", "c1", kStart + 12)).ok());
  EXPECT_EQ(store_->Sweep(1 << 20).ValueOrDie(), 0);
  EXPECT_FALSE(store_->BeginLoad(view_, true).ValueOrDie()->Unfinished().has_value());
  for (int key = 0; key < kPassKeys; ++key) {
    EXPECT_EQ(ReadKey(store_.get(), view_, "k" + std::to_string(key), kStart + 12).sum, 3);
  }
  CutOff(addition_, 2, Position("f2", "c1+c2", kStart + 12), false);
  Finish(store_->BeginLoad(view_, true).ValueOrDie().get(), Position("f1", "c1", kStart + 20));
  EXPECT_GT(store_->Sweep(1 << 20).ValueOrDie(), 0);
  for (int key = 0; key < kPassKeys; ++key) {
    EXPECT_EQ(ReadKey(store_.get(), view_, "k" + std::to_string(key), kStart + 20).sum, 3);
  }
  CutOff(addition_, 2, Position("f2", "c1+c2", kStart + 20), false);
  ASSERT_TRUE(store_->Drop("v").ok());
  EXPECT_EQ(store_->Sweep(1 << 20).ValueOrDie(), 0);
  EXPECT_EQ(store_->Describe().ValueOrDie().cells, 0);
}

}  // namespace
}  // namespace icecore::online::testing
