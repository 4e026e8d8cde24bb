#pragma once
// The behaviours of store_contract.h that views over tables with versions have.

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/online/store_contract_fixture.h"
#include "icecore/online/store_test_data.h"
#include "icecore/state/naive_view.h"

namespace icecore::online::testing {

TYPED_TEST_P(StoreContract, VersionsTakeTheirPredecessorsPlace) {
  const StoredView view = MakeVersionedView("v");
  const int64_t t = kStart + kHour;
  ASSERT_TRUE(LoadVersions(this->store(), view,
                           {{"o1", "a", kStart, kStart, 1, 1, 10},
                            {"o2", "a", kStart + 1, kStart + 1, 2, 1, 20},
                            {"o1", "a", kStart, kStart + 2, 3, 2, 11}},
                           At(3, kStart + 10, kStart + kHour))
                  .ok());
  EXPECT_EQ(ReadKey(this->store(), view, "a", kStart + 10),
            (Answer{20, ValueStatus::kPresent, kStart + 1, 2, 31}));
  // o2 moves to another key; an older version of o1 comes late and changes nothing.
  this->Reopen();
  ASSERT_TRUE(LoadVersions(this->store(), view,
                           {{"o2", "b", kStart + 1, kStart + 20, 4, 2, 21},
                            {"o1", "a", kStart + 5, kStart + 20, 5, 1, 99}},
                           At(5, kStart + 20, t))
                  .ok());
  EXPECT_EQ(ReadKey(this->store(), view, "a", kStart + 20),
            (Answer{11, ValueStatus::kPresent, kStart, 1, 11}));
  EXPECT_EQ(ReadKey(this->store(), view, "b", kStart + 20),
            (Answer{21, ValueStatus::kPresent, kStart + 1, 1, 21}));
  // A delete, known in half an hour, and a version behind it that is known before.
  this->Reopen();
  ASSERT_TRUE(LoadVersions(this->store(), view,
                           {{"o2", "b", kStart + 1, kStart + kHour / 2, 7, 4, 0, false},
                            {"o2", "a", kStart + 1, kStart + kHour / 4, 6, 3, 22}},
                           At(7, kStart + 30, t))
                  .ok());
  EXPECT_EQ(ReadKey(this->store(), view, "b", kStart + kHour / 4 - 1).sum, 21);
  EXPECT_EQ(ReadKey(this->store(), view, "b", kStart + kHour / 4), Answer{});
  EXPECT_EQ(ReadKey(this->store(), view, "a", kStart + kHour / 4).sum, 33);
  EXPECT_EQ(ReadKey(this->store(), view, "a", kStart + kHour / 2),
            (Answer{11, ValueStatus::kPresent, kStart, 1, 11}));
  // Nothing brings a deleted row back but a greater version.
  ASSERT_TRUE(LoadVersions(this->store(), view, {{"o2", "b", kStart + 1, kStart + 9, 8, 2, 77}},
                           At(8, t, t + kHour))
                  .ok());
  EXPECT_EQ(ReadKey(this->store(), view, "b", t), Answer{});
  ASSERT_TRUE(
      LoadVersions(this->store(), view, {{"o2", "b", kStart + 1, t, 9, 4, 78}}, At(9, t, t + kHour))
          .ok());
  EXPECT_EQ(ReadKey(this->store(), view, "b", t).value, 78);
}

TYPED_TEST_P(StoreContract, ReloadingVersionsChangesNothing) {
  const StoredView view = MakeVersionedView("v");
  const std::vector<TestVersion> versions = {{"o1", "a", kStart, kStart, 1, 1, 10},
                                             {"o1", "b", kStart, kStart + 2, 2, 2, 5},
                                             {"o1", "a", kStart, kStart + 60, 3, 3, 7}};
  const ViewPosition position = At(3, kStart + 5, kStart + kHour);
  for (int load = 0; load < 3; ++load) {
    ASSERT_TRUE(LoadVersions(this->store(), view, versions, position).ok());
    EXPECT_EQ(ReadKey(this->store(), view, "a", kStart + 5), Answer{});
    EXPECT_EQ(ReadKey(this->store(), view, "b", kStart + 5).sum, 5);
    EXPECT_EQ(ReadKey(this->store(), view, "b", kStart + 60), Answer{});
    EXPECT_EQ(ReadKey(this->store(), view, "a", kStart + 60).sum, 7);
  }
}

TYPED_TEST_P(StoreContract, VersionsGoWithTheirView) {
  const StoredView view = MakeVersionedView("v");
  const std::string long_key(3000, 'k');
  const std::vector<TestVersion> versions = {{"o1", "a", kStart, kStart, 1, 1, 10},
                                             {long_key, long_key, kStart, kStart, 2, 1, 20},
                                             {"", std::nullopt, kStart, kStart, 3, 1, 30, false}};
  ASSERT_TRUE(LoadVersions(this->store(), view, versions, At(3, kStart, kStart + kHour)).ok());
  EXPECT_EQ(ReadKey(this->store(), view, long_key, kStart).value, 20);
  // A fresh generation knows nothing of the versions of the old one.
  const StoredView other = MakeVersionedView("v", "f2");
  ASSERT_TRUE(LoadVersions(this->store(), other, {{"o1", "a", kStart, kStart, 1, 0, 1}},
                           At(1, kStart, kStart + kHour, "f2"), true)
                  .ok());
  EXPECT_EQ(ReadKey(this->store(), other, "a", kStart).value, 1);
  EXPECT_EQ(ReadKey(this->store(), other, long_key, kStart), Answer{});
  ASSERT_TRUE(this->store()->Drop("v").ok());
  while (this->store()->Sweep(1).ValueOrDie() > 0) {
  }
  EXPECT_EQ(this->store()->Describe().ValueOrDie().cells, 0);
}

// Random views over random versions that come in batches, fresh loads and reopened stores among
// them, against the definition computed the slow way.
TYPED_TEST_P(StoreContract, RandomVersionsGiveWhatTheDefinitionSays) {
  namespace naive = state::naive;
  constexpr int64_t kKeys = 3;
  constexpr int64_t kHorizon = 40;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    state::ViewLayout layout = naive::RandomLayout(random);
    layout.versioned = true;
    StoredView view = MakeView("v" + std::to_string(seed));
    view.engine = state::ViewEngine::Make(layout).ValueOrDie();
    view.key_types = {arrow::int64()};
    const std::vector<naive::Row> all = naive::RandomVersions(random, kKeys, layout);
    const auto activation = [&](const naive::Row& row) {
      return view.engine->ActivationOf(*row.e, std::max(*row.a, *row.e));
    };
    std::vector<naive::Row> come;
    size_t next = 0;
    int64_t now = -150;
    int64_t before = INT64_MIN;  // applied_until of the load before
    for (int batch = 0; batch < 10; ++batch) {
      const size_t old = next;
      next = std::min(all.size(), next + random() % 15);
      come.assign(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(next));
      const bool fresh = batch > 0 && random() % 6 == 0;
      std::vector<naive::Row> due;
      for (size_t i = 0; i < next; ++i) {
        if (!all[i].e || !all[i].a) continue;
        const bool taken = !fresh && i < old && activation(all[i]) <= before;
        if (!taken && activation(all[i]) <= now + kHorizon) due.push_back(all[i]);
      }
      std::shuffle(due.begin(), due.end(), random);
      const ViewPosition position = At(static_cast<int64_t>(next), now, now + kHorizon);
      auto load = this->store()->BeginLoad(view, fresh).ValueOrDie();
      const size_t half = due.size() / 2;
      ASSERT_TRUE(load->Add(naive::PrepareVersions(
                                {due.begin(), due.begin() + static_cast<std::ptrdiff_t>(half)}))
                      .ok());
      ASSERT_TRUE(load->Add(naive::PrepareVersions(
                                {due.begin() + static_cast<std::ptrdiff_t>(half), due.end()}))
                      .ok());
      ASSERT_TRUE(load->Commit(position).ok());
      load.reset();
      before = now + kHorizon;
      if (random() % 4 == 0) this->Reopen();
      for (const int64_t t : {now, now + static_cast<int64_t>(random() % (kHorizon + 1))}) {
        const ViewRead read{&view, {Ints({0, 1, 2})}};
        const auto answers = this->store()->Read({read}, t).ValueOrDie();
        for (size_t f = 0; f < view.engine->layout().features.size(); ++f) {
          for (int64_t key = 0; key < kKeys; ++key) {
            const auto column = answers[0].features.feature(f).ToColumn();
            const auto [text, status] = naive::Answer(
                view.engine->layout(), view.engine->layout().features[f], come, key, t, t);
            ASSERT_EQ(naive::Show(*column.values, key), text)
                << "batch " << batch << ", feature " << f << ", key " << key << ", t " << t;
            ASSERT_EQ(column.statuses[static_cast<size_t>(key)], status);
          }
        }
      }
      now += static_cast<int64_t>(random() % 60);
    }
  }
}

}  // namespace icecore::online::testing
