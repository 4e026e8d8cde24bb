#pragma once
// Fresh loads in several passes: part of the contract of store_contract.h.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "icecore/base/id.h"
#include "icecore/online/store_contract_fixture.h"

namespace icecore::online::testing {

// Rows that memory does not hold come again for the keys that are left; a hot key is among them,
// and rows without a key.
TYPED_TEST_P(StoreContract, AFreshLoadInPassesGivesWhatTheRowsGive) {
  constexpr int kKeys = 40;
  for (const int64_t memory : {1, 6'000, 25'000}) {
    SCOPED_TRACE(memory);
    base::SeededRandom random(static_cast<uint64_t>(memory));
    const auto below = [&](int64_t n) {
      return static_cast<int64_t>(random.Next() % static_cast<uint64_t>(n));
    };
    const StoredView view = MakeView("v" + std::to_string(memory));
    std::vector<std::vector<TestRow>> batches(8);
    std::vector<TestRow> rows;
    for (std::vector<TestRow>& batch : batches) {
      for (int i = 0; i < 50; ++i) {
        const int64_t key = below(3) == 0 ? 17 : below(kKeys);
        const std::optional<std::string> name =
            below(20) == 0 ? std::nullopt : std::optional("k" + std::to_string(key));
        batch.push_back({name, kStart - below(2 * kDay), kStart - below(kHour),
                         static_cast<int64_t>(rows.size()) + 1, below(1000)});
        rows.push_back(batch.back());
      }
    }
    const ViewPosition position = At(static_cast<int64_t>(rows.size()), kStart, kStart + 3 * kHour);
    auto load = this->store()->BeginLoad(view, true).ValueOrDie();
    load->Bound(memory, static_cast<int64_t>(rows.size()));
    int passes = 0;
    for (bool again = true; again; ++passes) {
      for (const std::vector<TestRow>& batch : batches) ASSERT_TRUE(load->Add(Rows(batch)).ok());
      again = load->NextPass(position).ValueOrDie();
      EXPECT_FALSE(this->store()->Position(view.name).ValueOrDie().has_value());
    }
    EXPECT_GT(passes, 1);
    ASSERT_TRUE(load->Commit(position).ok());
    load.reset();
    this->Reopen();
    for (int key = 0; key < kKeys; ++key) {
      const std::string name = "k" + std::to_string(key);
      EXPECT_EQ(ReadKey(this->store(), view, name, kStart), Expected(view, rows, name, kStart));
    }
    // And goes on as any other.
    const TestRow more = {"k17", kStart + 1, kStart + 1, 401, 5};
    rows.push_back(more);
    ASSERT_TRUE(Load(this->store(), view, {more}, At(401, kStart + 1, kStart + 3 * kHour)).ok());
    EXPECT_EQ(ReadKey(this->store(), view, "k17", kStart + 1),
              Expected(view, rows, "k17", kStart + 1));
  }
}

// A load of two rows of each key, in passes.
class LoadInPasses {
 public:
  static constexpr int kKeys = 200;
  static ViewPosition Reached() { return At(kKeys * 2, kStart + 10, kStart + kHour); }

  LoadInPasses(Store* store, const StoredView& view, bool goes_on = false)
      : load_(store->BeginLoad(view, true).ValueOrDie()) {
    if (goes_on) load_->Resume();
    load_->Bound(4096, kKeys * 2);
  }

  // Whether another one follows.
  arrow::Result<bool> Pass(const ViewPosition& position = Reached()) {
    for (int64_t number : {1, 2}) {
      std::vector<TestRow> rows;
      for (int key = 0; key < kKeys; ++key) {
        rows.push_back({"k" + std::to_string(key), kStart + number, kStart + number,
                        number * kKeys + key, number});
      }
      ARROW_RETURN_NOT_OK(load_->Add(Rows(rows)));
    }
    ++passes_;
    return load_->NextPass(position);
  }
  // How many passes it took.
  int Finish() {
    while (Pass().ValueOrDie()) {
    }
    EXPECT_TRUE(load_->Commit(Reached()).ok());
    return passes_;
  }

 private:
  std::unique_ptr<ViewLoad> load_;
  int passes_ = 0;
};

// As by a kill.
inline void CutOffAfterTwoPasses(Store* store, const StoredView& view) {
  LoadInPasses load(store, view);
  for (int pass = 0; pass < 2; ++pass) ASSERT_TRUE(load.Pass().ValueOrDie());
}

inline std::optional<ViewPosition> UnfinishedOf(Store* store, const StoredView& view) {
  return store->BeginLoad(view, true).ValueOrDie()->Unfinished();
}

inline void ExpectBothRowsOfEachKey(Store* store, const StoredView& view) {
  std::vector<std::optional<std::string>> keys;
  for (int key = 0; key < LoadInPasses::kKeys; ++key) keys.push_back("k" + std::to_string(key));
  for (const auto& key : keys) EXPECT_EQ(ReadKey(store, view, *key, kStart + 10).sum, 3) << *key;
}

TYPED_TEST_P(StoreContract, AFreshLoadThatWasCutOffGoesOn) {
  const StoredView view = MakeView("v");
  const int whole = LoadInPasses(this->store(), MakeView("other")).Finish();
  ASSERT_GT(whole, 3);
  CutOffAfterTwoPasses(this->store(), view);
  this->Reopen();
  EXPECT_FALSE(this->store()->Position("v").ValueOrDie().has_value());
  const auto unfinished = UnfinishedOf(this->store(), view);
  ASSERT_TRUE(unfinished.has_value());
  EXPECT_EQ(unfinished->seq, LoadInPasses::Reached().seq);
  EXPECT_EQ(unfinished->applied_at, LoadInPasses::Reached().applied_at);
  EXPECT_EQ(unfinished->applied_until, LoadInPasses::Reached().applied_until);
  EXPECT_EQ(unfinished->fingerprint, LoadInPasses::Reached().fingerprint);
  // Once more, and then to its end.
  {
    LoadInPasses load(this->store(), view, true);
    ASSERT_TRUE(load.Pass().ValueOrDie());
  }
  this->Reopen();
  EXPECT_LE(LoadInPasses(this->store(), view, true).Finish(), whole - 2);
  this->Reopen();
  ExpectBothRowsOfEachKey(this->store(), view);
  EXPECT_EQ(this->store()->Position("v").ValueOrDie()->generation, 1);
  EXPECT_FALSE(UnfinishedOf(this->store(), view).has_value());
  EXPECT_EQ(this->store()->Sweep(1 << 20).ValueOrDie(), 0);
  const auto cells = [&] { return this->store()->Describe().ValueOrDie().cells; };
  const int64_t both = cells();
  ASSERT_TRUE(this->store()->Drop("other").ok());
  EXPECT_EQ(cells() * 2, both);
}

TYPED_TEST_P(StoreContract, ALoadGoesOnForNoOtherPosition) {
  const StoredView view = MakeView("v");
  CutOffAfterTwoPasses(this->store(), view);
  LoadInPasses load(this->store(), view, true);
  const auto later = At(LoadInPasses::kKeys * 2, kStart + 11, kStart + kHour);
  EXPECT_EQ(CodeOf(load.Pass(later).status()), ErrorCode::kInternal);
}

// By a fresh load that begins anew, by one that goes on from the generation that answers, with the
// view.
TYPED_TEST_P(StoreContract, WhatACutOffLoadLeftIsSwept) {
  const StoredView view = MakeView("v");
  LoadInPasses(this->store(), view).Finish();
  const int64_t cells = this->store()->Describe().ValueOrDie().cells;

  CutOffAfterTwoPasses(this->store(), view);
  ExpectBothRowsOfEachKey(this->store(), view);  // the generation before answers
  ASSERT_TRUE(Load(this->store(), view, {}, LoadInPasses::Reached()).ok());
  EXPECT_FALSE(UnfinishedOf(this->store(), view).has_value());
  EXPECT_GT(this->store()->Sweep(1 << 20).ValueOrDie(), 0);

  CutOffAfterTwoPasses(this->store(), view);
  LoadInPasses(this->store(), view).Finish();
  EXPECT_GT(this->store()->Sweep(1 << 20).ValueOrDie(), 0);
  EXPECT_EQ(this->store()->Sweep(1 << 20).ValueOrDie(), 0);
  EXPECT_EQ(this->store()->Describe().ValueOrDie().cells, cells);
  ExpectBothRowsOfEachKey(this->store(), view);

  CutOffAfterTwoPasses(this->store(), view);
  ASSERT_TRUE(this->store()->Drop("v").ok());
  EXPECT_EQ(this->store()->Sweep(1 << 20).ValueOrDie(), 0);
  EXPECT_EQ(this->store()->Describe().ValueOrDie().cells, 0);
}

}  // namespace icecore::online::testing
