#pragma once
// The behaviours that every online store must have, as a typed test suite. A store's test names a
// harness with `arrow::Result<std::unique_ptr<Store>> Open()` (the same store each time, empty at
// first), `arrow::Status Damage(view, key)`, which spoils what is stored of a key of text, and
// where it needs a server a static `std::string Skip()` (why not now; "" = go), and instantiates
// the suite:
//   INSTANTIATE_TYPED_TEST_SUITE_P(Lmdb, StoreContract, LmdbHarness);

#include <algorithm>
#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/online/store_contract_fixture.h"
#include "icecore/online/store_passes_contract.h"
#include "icecore/online/store_test_data.h"
#include "icecore/online/store_versions_contract.h"

namespace icecore::online::testing {

TYPED_TEST_P(StoreContract, ViewNeverLoaded) {
  const StoredView view = MakeView("v");
  EXPECT_EQ(this->store()->Position("v").ValueOrDie(), std::nullopt);
  EXPECT_EQ(CodeOf(ReadKeys(this->store(), view, {"a"}, kStart).status()), ErrorCode::kNotFound);
  EXPECT_TRUE(this->store()->Drop("v").ok());
  // A load that was begun and given up changes nothing.
  ASSERT_TRUE(this->store()->BeginLoad(view, false).ok());
  EXPECT_EQ(this->store()->Position("v").ValueOrDie(), std::nullopt);
}

TYPED_TEST_P(StoreContract, WrittenRowsAreRead) {
  const StoredView view = MakeView("v");
  ASSERT_TRUE(Load(this->store(), view,
                   {{"a", kStart + 1, kStart + 1, 1, 10},
                    {"b", kStart + 2, kStart + 2, 2, 20},
                    {"a", kStart + 3, kStart + 3, 3, 30},
                    {"c", kStart + 4, kStart + 4, 4, std::nullopt}},
                   At(4, kStart + 10, kStart + kHour))
                  .ok());
  const auto answers =
      ReadKeys(this->store(), view, {"b", "a", "c", "a"}, kStart + 20).ValueOrDie();
  EXPECT_EQ(answers[0], (Answer{20, ValueStatus::kPresent, kStart + 2, 1, 20}));
  EXPECT_EQ(answers[1], (Answer{30, ValueStatus::kPresent, kStart + 3, 2, 40}));
  EXPECT_EQ(answers[2], (Answer{std::nullopt, ValueStatus::kNull, kStart + 4, 1, std::nullopt}));
  EXPECT_EQ(answers[3], answers[1]);
  const ViewPosition position = this->store()->Position("v").ValueOrDie().value();
  EXPECT_EQ(position.generation, 1);
  EXPECT_EQ(position.seq, 4);
  EXPECT_EQ(position.applied_at, kStart + 10);
  EXPECT_EQ(position.applied_until, kStart + kHour);
  EXPECT_EQ(position.fingerprint, "f1");
  EXPECT_EQ(position.table_generation, "t1");
}

TYPED_TEST_P(StoreContract, StateSurvivesReopening) {
  const StoredView view = MakeView("v");
  ASSERT_TRUE(
      Load(this->store(), view, {{"a", kStart, kStart, 1, 10}}, At(1, kStart, kStart + kHour))
          .ok());
  this->Reopen();
  EXPECT_EQ(ReadKey(this->store(), view, "a", kStart).value, 10);
  ASSERT_TRUE(Load(this->store(), view, {{"a", kStart + 1, kStart + 1, 2, 11}},
                   At(2, kStart + 1, kStart + kHour))
                  .ok());
  this->Reopen();
  EXPECT_EQ(ReadKey(this->store(), view, "a", kStart + 1),
            (Answer{11, ValueStatus::kPresent, kStart + 1, 2, 21}));
}

TYPED_TEST_P(StoreContract, ReloadingTheSameRowsChangesNothing) {
  const StoredView view = MakeView("v");
  const std::vector<TestRow> rows = {{"a", kStart, kStart, 1, 10}, {"a", kStart, kStart, 2, 5}};
  const ViewPosition position = At(2, kStart + 5, kStart + kHour);
  ASSERT_TRUE(Load(this->store(), view, rows, position).ok());
  const Answer before = ReadKey(this->store(), view, "a", kStart + 5);
  ASSERT_TRUE(Load(this->store(), view, rows, position).ok());
  EXPECT_EQ(ReadKey(this->store(), view, "a", kStart + 5), before);
  EXPECT_EQ(before.count, 2);
}

TYPED_TEST_P(StoreContract, NullAndMissingKeysMatchNothing) {
  const StoredView view = MakeView("v");
  ASSERT_TRUE(Load(this->store(), view,
                   {{std::nullopt, kStart, kStart, 1, 10}, {"", kStart, kStart, 2, 20}},
                   At(2, kStart, kStart + kHour))
                  .ok());
  const auto answers = ReadKeys(this->store(), view, {std::nullopt, "a", ""}, kStart).ValueOrDie();
  EXPECT_EQ(answers[0], Answer{});
  EXPECT_EQ(answers[1], Answer{});
  EXPECT_EQ(answers[2].value, 20);
  EXPECT_TRUE(ReadKeys(this->store(), view, {}, kStart).ValueOrDie().empty());
}

TYPED_TEST_P(StoreContract, TtlCountsFromTheEvent) {
  const StoredView view = MakeView("v");
  ASSERT_TRUE(
      Load(this->store(), view, {{"a", kStart, kStart, 1, 10}}, At(1, kStart, kStart + kHour))
          .ok());
  EXPECT_EQ(ReadKey(this->store(), view, "a", kStart + 6 * kHour).status, ValueStatus::kPresent);
  const Answer late = ReadKey(this->store(), view, "a", kStart + 6 * kHour + 1);
  EXPECT_EQ(late.status, ValueStatus::kExpired);
  EXPECT_EQ(late.value, std::nullopt);
}

TYPED_TEST_P(StoreContract, PendingRowsBecomeActive) {
  const StoredView view = MakeView("v");
  // Known in half an hour; happens in 40 minutes.
  const std::vector<TestRow> rows = {{"a", kStart, kStart, 1, 1},
                                     {"a", kStart + 1, kStart + kHour / 2, 2, 2},
                                     {"a", kStart + 2 * kHour / 3, kStart + 2 * kHour / 3, 3, 4}};
  ASSERT_TRUE(Load(this->store(), view, rows, At(3, kStart + 10, kStart + kHour)).ok());
  for (const int64_t t : {kStart + 10, kStart + kHour / 2 - 1, kStart + kHour / 2,
                          kStart + 2 * kHour / 3 - 1, kStart + 2 * kHour / 3, kStart + kHour}) {
    EXPECT_EQ(ReadKey(this->store(), view, "a", t), Expected(view, rows, "a", t)) << t;
  }
  // The next writer lets them enter for good; the answers stay.
  ASSERT_TRUE(Load(this->store(), view, {{"a", kStart + kHour, kStart + kHour, 4, 8}},
                   At(4, kStart + kHour, kStart + 2 * kHour))
                  .ok());
  EXPECT_EQ(ReadKey(this->store(), view, "a", kStart + kHour).sum, 15);
}

TYPED_TEST_P(StoreContract, LateRowsReachTheirWindow) {
  const StoredView view = MakeView("v");
  std::vector<TestRow> rows = {{"a", kStart + kHour, kStart + kHour, 1, 1}};
  ASSERT_TRUE(Load(this->store(), view, rows, At(1, kStart + kHour, kStart + 2 * kHour)).ok());
  const TestRow late = {"a", kStart, kStart + kHour + 5, 2, 2};
  ASSERT_TRUE(
      Load(this->store(), view, {late}, At(2, kStart + kHour + 9, kStart + 3 * kHour)).ok());
  const Answer answer = ReadKey(this->store(), view, "a", kStart + kHour + 9);
  EXPECT_EQ(answer.value, 1);
  EXPECT_EQ(answer.sum, 3);
}

TYPED_TEST_P(StoreContract, FreshGenerationIsLoadedBesideTheOld) {
  const StoredView old_view = MakeView("v", "f1");
  const StoredView new_view = MakeView("v", "f2");
  ASSERT_TRUE(Load(this->store(), old_view,
                   {{"a", kStart, kStart, 1, 1}, {"b", kStart, kStart, 2, 2}},
                   At(2, kStart, kStart + kHour))
                  .ok());
  auto load = this->store()->BeginLoad(new_view, true).ValueOrDie();
  ASSERT_TRUE(load->Add(Rows({{"a", kStart, kStart, 1, 100}})).ok());
  EXPECT_EQ(ReadKey(this->store(), old_view, "a", kStart).value, 1);
  ASSERT_TRUE(load->Commit(At(1, kStart, kStart + kHour, "f2")).ok());
  load.reset();
  EXPECT_EQ(ReadKey(this->store(), new_view, "a", kStart).value, 100);
  EXPECT_EQ(ReadKey(this->store(), new_view, "b", kStart), Answer{});
  EXPECT_EQ(CodeOf(ReadKeys(this->store(), old_view, {"a"}, kStart).status()),
            ErrorCode::kConflict);
  EXPECT_EQ(this->store()->Position("v").ValueOrDie()->generation, 2);
  // Swept in steps of one cell until nothing is left of the old one.
  int64_t swept = 0;
  while (true) {
    const int64_t step = this->store()->Sweep(1).ValueOrDie();
    ASSERT_LE(step, 1);
    if (step == 0) break;
    ++swept;
  }
  EXPECT_GE(swept, 2);
  EXPECT_EQ(ReadKey(this->store(), new_view, "a", kStart).value, 100);
}

TYPED_TEST_P(StoreContract, WrongFingerprintIsRefused) {
  const StoredView view = MakeView("v", "f1");
  const StoredView other = MakeView("v", "f2");
  ASSERT_TRUE(
      Load(this->store(), view, {{"a", kStart, kStart, 1, 1}}, At(1, kStart, kStart + kHour)).ok());
  EXPECT_EQ(CodeOf(ReadKeys(this->store(), other, {"a"}, kStart).status()), ErrorCode::kConflict);
  EXPECT_EQ(CodeOf(this->store()->BeginLoad(other, false).status()), ErrorCode::kConflict);
}

// An edit that needs no other state: the cells stay, and the record names the new definition.
TYPED_TEST_P(StoreContract, AnotherDefinitionOfTheSameCellsTakesThePlace) {
  const StoredView old_view = MakeView("v", "f1", "thing", "c1");
  const StoredView new_view = MakeEditedView("v", "f2", "c1");
  ASSERT_TRUE(Load(this->store(), old_view,
                   {{"a", kStart, kStart, 1, 1}, {"a", kStart + 1, kStart + 1, 2, 5}},
                   At(2, kStart + 2, kStart + kHour, "f1", "c1"))
                  .ok());
  const int64_t cells = this->store()->Describe().ValueOrDie().cells;
  // Until the load has committed, the old definition answers and the new one does not.
  auto load = this->store()->BeginLoad(new_view, false).ValueOrDie();
  EXPECT_EQ(ReadKey(this->store(), old_view, "a", kStart + 2).sum, 6);
  EXPECT_EQ(CodeOf(SumOfEdited(this->store(), new_view, "a", kStart + 2).status()),
            ErrorCode::kConflict);
  load.reset();
  ASSERT_TRUE(
      Load(this->store(), new_view, {}, At(2, kStart + 2, kStart + kHour, "f2", "c1")).ok());
  EXPECT_EQ(SumOfEdited(this->store(), new_view, "a", kStart + 2).ValueOrDie(), 6);
  EXPECT_EQ(CodeOf(ReadKeys(this->store(), old_view, {"a"}, kStart + 2).status()),
            ErrorCode::kConflict);
  const ViewPosition position = this->store()->Position("v").ValueOrDie().value();
  EXPECT_EQ(position.fingerprint + position.cells, "f2c1");
  EXPECT_EQ(position.generation, 1);
  EXPECT_EQ(this->store()->Describe().ValueOrDie().cells, cells);
  // Rows that come by the new definition reach what the old one keeps; it may come back with some.
  this->Reopen();
  ASSERT_TRUE(Load(this->store(), new_view, {{"a", kStart + 3, kStart + 3, 3, 10}},
                   At(3, kStart + 3, kStart + kHour, "f2", "c1"))
                  .ok());
  EXPECT_EQ(SumOfEdited(this->store(), new_view, "a", kStart + 3).ValueOrDie(), 16);
  ASSERT_TRUE(Load(this->store(), old_view, {{"a", kStart + 4, kStart + 4, 4, 20}},
                   At(4, kStart + 4, kStart + kHour, "f1", "c1"))
                  .ok());
  EXPECT_EQ(ReadKey(this->store(), old_view, "a", kStart + 4),
            (Answer{20, ValueStatus::kPresent, kStart + 4, 4, 36}));
}

TYPED_TEST_P(StoreContract, OtherCellsNeedAFreshLoad) {
  const StoredView view = MakeView("v", "f1", "thing", "c1");
  const StoredView other = MakeView("v", "f1", "thing", "c2");
  ASSERT_TRUE(Load(this->store(), view, {{"a", kStart, kStart, 1, 1}},
                   At(1, kStart, kStart + kHour, "f1", "c1"))
                  .ok());
  // Of the same definition, too: the cells may be those of an older one.
  EXPECT_EQ(CodeOf(ReadKeys(this->store(), other, {"a"}, kStart).status()), ErrorCode::kConflict);
  EXPECT_EQ(CodeOf(this->store()->BeginLoad(other, false).status()), ErrorCode::kConflict);
  ASSERT_TRUE(Load(this->store(), other, {{"a", kStart, kStart, 1, 2}},
                   At(1, kStart, kStart + kHour, "f1", "c2"), true)
                  .ok());
  EXPECT_EQ(ReadKey(this->store(), other, "a", kStart).value, 2);
}

// Records of earlier versions say nothing of cells: they are those of their definition.
TYPED_TEST_P(StoreContract, CellsThatAreNotNamedAreTheirDefinitionsOwn) {
  const StoredView unnamed = MakeView("v");
  StoredView view = MakeView("v", "f1", "thing", "c1");
  ASSERT_TRUE(
      Load(this->store(), unnamed, {{"a", kStart, kStart, 1, 1}}, At(1, kStart, kStart + kHour))
          .ok());
  EXPECT_EQ(ReadKey(this->store(), view, "a", kStart).value, 1);
  view.own_cells = false;
  EXPECT_EQ(CodeOf(ReadKeys(this->store(), view, {"a"}, kStart).status()), ErrorCode::kConflict);
  EXPECT_EQ(CodeOf(this->store()->BeginLoad(view, false).status()), ErrorCode::kConflict);
  EXPECT_EQ(CodeOf(this->store()->BeginLoad(MakeEditedView("v", "f2", "c1"), false).status()),
            ErrorCode::kConflict);
  view.own_cells = true;
  ASSERT_TRUE(Load(this->store(), view, {}, At(1, kStart, kStart + kHour, "f1", "c1")).ok());
  EXPECT_EQ(this->store()->Position("v").ValueOrDie()->cells, "c1");
  EXPECT_EQ(ReadKey(this->store(), view, "a", kStart).value, 1);
}

// A feature of other states: they alone are loaded, beside the cells that answer meanwhile.
TYPED_TEST_P(StoreContract, StatesAreAddedBesideTheCells) {
  const StoredView old_view = MakeView("v", "f1", "thing", "c1");
  const StoredView addition = MakeAddition("f2", "c1", "c1+c2");
  const StoredView new_view = MakePartedView("f2", "c1+c2");
  const std::vector<TestRow> rows = {{"a", kStart - 2 * kDay, kStart - 2 * kDay, 1, 3},
                                     {"a", kStart, kStart, 2, 5},
                                     {"b", kStart, kStart, 3, 7},
                                     {"a", kStart, kStart + kHour / 2, 4, 6},
                                     {"old", kStart - 2 * kDay, kStart - 2 * kDay, 5, 9}};
  const ViewPosition held = At(5, kStart + 2, kStart + kHour, "f1", "c1");
  const ViewPosition next = At(5, kStart + 2, kStart + kHour, "f2", "c1+c2");
  EXPECT_EQ(CodeOf(Load(this->store(), addition, rows, next)), ErrorCode::kConflict);
  ASSERT_TRUE(Load(this->store(), old_view, rows, held).ok());
  for (const bool gives_up : {true, false}) {
    auto load = this->store()->BeginLoad(addition, false).ValueOrDie();
    load->Bound(1, static_cast<int64_t>(rows.size()));
    for (bool again = true; again;) {
      // What no window reaches is left out, as the table's scan leaves it out.
      ASSERT_TRUE(load->Add(Rows({rows.begin() + 1, rows.begin() + 3})).ok());
      ASSERT_TRUE(load->Add(Rows({rows[3]})).ok());
      again = load->NextPass(next).ValueOrDie();
      EXPECT_EQ(ReadKey(this->store(), old_view, "a", kStart + 2).sum, 5);
    }
    if (gives_up) continue;
    // At no other position than the one that is held.
    EXPECT_FALSE(load->Commit(At(5, kStart + 3, kStart + kHour, "f2", "c1+c2")).ok());
    load.reset();
    load = this->store()->BeginLoad(addition, false).ValueOrDie();
    if (load->Unfinished()) load->Resume();
    ASSERT_TRUE(load->Add(Rows({rows.begin() + 1, rows.begin() + 4})).ok());
    ASSERT_TRUE(load->Commit(next).ok());
  }
  this->Reopen();
  EXPECT_EQ(this->store()->Position("v").ValueOrDie()->generation, 1);
  EXPECT_EQ(SumAndMax(this->store(), new_view, "a", kStart + 2), "5 5");
  EXPECT_EQ(SumAndMax(this->store(), new_view, "a", kStart + kHour / 2), "11 6");
  EXPECT_EQ(SumAndMax(this->store(), new_view, "b", kStart + 2), "7 7");
  EXPECT_EQ(SumAndMax(this->store(), new_view, "old", kStart + 2), "null null");
  EXPECT_EQ(CodeOf(ReadKeys(this->store(), old_view, {"a"}, kStart + 2).status()),
            ErrorCode::kConflict);
  // Later rows reach both, also of keys that the part did not have.
  ASSERT_TRUE(Load(this->store(), new_view,
                   {{"old", kStart + 3, kStart + 3, 6, 1}, {"c", kStart + 3, kStart + 3, 7, 2}},
                   At(7, kStart + kHour, kStart + 2 * kHour, "f2", "c1+c2"))
                  .ok());
  EXPECT_EQ(SumAndMax(this->store(), new_view, "a", kStart + kHour), "11 6");
  EXPECT_EQ(SumAndMax(this->store(), new_view, "old", kStart + kHour), "1 1");
  EXPECT_EQ(SumAndMax(this->store(), new_view, "c", kStart + kHour), "2 2");
  // And all of it goes with its generation.
  ASSERT_TRUE(Load(this->store(), old_view, {{"a", kStart, kStart, 2, 5}},
                   At(7, kStart + kHour, kStart + 2 * kHour, "f1", "c1"), true)
                  .ok());
  while (this->store()->Sweep(100).ValueOrDie() > 0) {
  }
  EXPECT_EQ(ReadKey(this->store(), old_view, "a", kStart + kHour).sum, 5);
  ASSERT_TRUE(this->store()->Drop("v").ok());
  EXPECT_EQ(this->store()->Describe().ValueOrDie().cells, 0);
}

// What a load that never ended has added is as if it were not there, whoever loads next.
TYPED_TEST_P(StoreContract, StatesHalfAddedAreNotThere) {
  const StoredView view = MakeView("v", "f1", "thing", "c1");
  const std::vector<TestRow> rows = {{"a", kStart, kStart, 1, 5}, {"b", kStart, kStart, 2, 7}};
  ASSERT_TRUE(Load(this->store(), view, rows, At(2, kStart, kStart + kHour, "f1", "c1")).ok());
  {
    auto load = this->store()->BeginLoad(MakeAddition("f2", "c1", "c1+c2"), false).ValueOrDie();
    load->Bound(1, 2);
    ASSERT_TRUE(load->Add(Rows({rows[0]})).ok());
    ASSERT_TRUE(load->Add(Rows({rows[1]})).ok());
    ASSERT_TRUE(load->NextPass(At(2, kStart, kStart + kHour, "f2", "c1+c2")).ok());
  }
  this->Reopen();
  EXPECT_EQ(ReadKey(this->store(), view, "a", kStart).sum, 5);
  ASSERT_TRUE(Load(this->store(), view, {{"a", kStart + 1, kStart + 1, 3, 1}},
                   At(3, kStart + 1, kStart + kHour, "f1", "c1"))
                  .ok());
  EXPECT_EQ(ReadKey(this->store(), view, "a", kStart + 1).sum, 6);
  EXPECT_EQ(ReadKey(this->store(), view, "b", kStart + 1).sum, 7);
}

TYPED_TEST_P(StoreContract, TheTimeCannotGoBack) {
  const StoredView view = MakeView("v");
  ASSERT_TRUE(
      Load(this->store(), view, {{"a", kStart, kStart, 1, 1}}, At(1, kStart + 5, kStart + kHour))
          .ok());
  EXPECT_EQ(CodeOf(ReadKeys(this->store(), view, {"a"}, kStart + 4).status()),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(Load(this->store(), view, {}, At(1, kStart + 4, kStart + kHour))),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(Load(this->store(), view, {}, At(0, kStart + 5, kStart + kHour))),
            ErrorCode::kConflict);
  // A fresh generation may.
  EXPECT_TRUE(
      Load(this->store(), view, {{"a", kStart, kStart, 1, 1}}, At(1, kStart, kStart), true).ok());
  EXPECT_EQ(ReadKey(this->store(), view, "a", kStart).value, 1);
}

TYPED_TEST_P(StoreContract, AnswersBeyondThePromiseAreStale) {
  const StoredView view = MakeView("v");
  ASSERT_TRUE(Load(this->store(), view, {}, At(0, kStart, kStart + kHour)).ok());
  const ViewRead read{&view, {Strings({"a"})}};
  EXPECT_FALSE(this->store()->Read({read}, kStart + kHour).ValueOrDie()[0].stale);
  EXPECT_TRUE(this->store()->Read({read}, kStart + kHour + 1).ValueOrDie()[0].stale);
}

TYPED_TEST_P(StoreContract, ManyViewsInOneRead) {
  const StoredView first = MakeView("first");
  const StoredView second = MakeView("second");
  const StoredView elsewhere = MakeView("elsewhere", "f1", "place");
  for (const auto& [view, value] : {std::pair(&first, 1), {&second, 2}, {&elsewhere, 3}}) {
    ASSERT_TRUE(
        Load(this->store(), *view, {{"a", kStart, kStart, 1, value}}, At(1, kStart, kStart + kHour))
            .ok());
  }
  const auto answers =
      this->store()
          ->Read({ViewRead{&second, {Strings({"a"})}}, ViewRead{&first, {Strings({"a"})}},
                  ViewRead{&elsewhere, {Strings({"a"})}}, ViewRead{&first, {Strings({"b"})}}},
                 kStart)
          .ValueOrDie();
  ASSERT_EQ(answers.size(), 4u);
  EXPECT_EQ(AnswerAt(answers[0].features, 0).value, 2);
  EXPECT_EQ(AnswerAt(answers[1].features, 0).value, 1);
  EXPECT_EQ(AnswerAt(answers[2].features, 0).value, 3);
  EXPECT_EQ(AnswerAt(answers[3].features, 0), Answer{});
}

// More keys than a store takes in one call.
TYPED_TEST_P(StoreContract, ManyKeysInOneRead) {
  const StoredView view = MakeView("v");
  std::vector<TestRow> rows;
  std::vector<std::optional<std::string>> keys;
  for (int64_t i = 0; i < 450; ++i) {
    keys.push_back("k" + std::to_string(i));
    if (i % 3 != 0) rows.push_back({keys.back(), kStart, kStart, i + 1, i});
  }
  ASSERT_TRUE(Load(this->store(), view, rows, At(450, kStart, kStart + kHour)).ok());
  const auto answers = ReadKeys(this->store(), view, keys, kStart).ValueOrDie();
  for (int64_t i = 0; i < 450; ++i) {
    EXPECT_EQ(answers[static_cast<size_t>(i)].value, i % 3 != 0 ? std::optional(i) : std::nullopt);
  }
}

TYPED_TEST_P(StoreContract, LongAndOddKeysStayApart) {
  const StoredView view = MakeView("v");
  std::vector<std::string> keys;
  for (const size_t length : {1u, 440u, 463u, 464u, 465u, 466u, 467u, 468u, 480u, 600u, 5000u}) {
    for (const char last : {'a', 'b'}) {
      keys.push_back(std::string(length - 1, 'k') + last);
    }
  }
  keys.push_back("");
  keys.push_back(std::string("\0", 1));
  keys.push_back(std::string("\0\0", 2));
  keys.push_back(std::string("\0\x01", 2));
  keys.push_back("\xff\xff");
  std::vector<TestRow> rows;
  std::vector<std::optional<std::string>> asked;
  for (size_t i = 0; i < keys.size(); ++i) {
    rows.push_back({keys[i], kStart, kStart, static_cast<int64_t>(i) + 1, static_cast<int64_t>(i)});
    asked.push_back(keys[i]);
  }
  asked.push_back(std::string(599, 'k') + "c");
  const int64_t seq = static_cast<int64_t>(keys.size());
  ASSERT_TRUE(Load(this->store(), view, rows, At(seq, kStart, kStart + kHour)).ok());
  const auto answers = ReadKeys(this->store(), view, asked, kStart).ValueOrDie();
  for (size_t i = 0; i < keys.size(); ++i) {
    EXPECT_EQ(answers[i].value, static_cast<int64_t>(i)) << keys[i].size();
    EXPECT_EQ(answers[i].count, 1);
  }
  EXPECT_EQ(answers.back(), Answer{});
}

TYPED_TEST_P(StoreContract, CompositeKeysDoNotRunTogether) {
  StoredView view = MakeView("v");
  view.key_types = {arrow::utf8(), arrow::utf8()};
  state::PreparedRows rows = Rows({{"1", kStart, kStart, 1, 1}, {"12", kStart, kStart, 2, 2}});
  rows.keys = {Strings({"1", "12"}), Strings({"23", "3"})};
  auto load = this->store()->BeginLoad(view, false).ValueOrDie();
  ASSERT_TRUE(load->Add(rows).ok());
  ASSERT_TRUE(load->Commit(At(2, kStart, kStart + kHour)).ok());
  const ViewRead read{&view,
                      {Strings({"12", "1", "1", "123"}), Strings({"3", "23", std::nullopt, ""})}};
  const auto answers = this->store()->Read({read}, kStart).ValueOrDie();
  EXPECT_EQ(AnswerAt(answers[0].features, 0).value, 2);
  EXPECT_EQ(AnswerAt(answers[0].features, 1).value, 1);
  EXPECT_EQ(AnswerAt(answers[0].features, 2), Answer{});
  EXPECT_EQ(AnswerAt(answers[0].features, 3), Answer{});
}

TYPED_TEST_P(StoreContract, PiecesAreOneBatch) {
  const StoredView view = MakeView("v");
  auto load = this->store()->BeginLoad(view, false).ValueOrDie();
  ASSERT_TRUE(
      load->Add(Rows({{"a", kStart + 2, kStart + 2, 2, 2}, {"b", kStart, kStart, 1, 7}})).ok());
  ASSERT_TRUE(load->Add(Rows({})).ok());
  ASSERT_TRUE(load->Add(Rows({{"a", kStart + 1, kStart + 1, 3, 4}})).ok());
  ASSERT_TRUE(load->Commit(At(3, kStart + 5, kStart + kHour)).ok());
  EXPECT_EQ(ReadKey(this->store(), view, "a", kStart + 5),
            (Answer{2, ValueStatus::kPresent, kStart + 2, 2, 6}));
  EXPECT_EQ(ReadKey(this->store(), view, "b", kStart + 5).value, 7);
}

TYPED_TEST_P(StoreContract, OneLoadOfAViewAtATime) {
  const StoredView view = MakeView("v");
  auto load = this->store()->BeginLoad(view, false).ValueOrDie();
  EXPECT_EQ(CodeOf(this->store()->BeginLoad(view, false).status()), ErrorCode::kConflict);
  EXPECT_EQ(CodeOf(this->store()->BeginLoad(view, true).status()), ErrorCode::kConflict);
  EXPECT_TRUE(this->store()->BeginLoad(MakeView("w"), false).ok());
  load.reset();
  EXPECT_TRUE(this->store()->BeginLoad(view, false).ok());
}

TYPED_TEST_P(StoreContract, DropRemovesOneViewOnly) {
  const StoredView view = MakeView("v");
  const StoredView other = MakeView("w");
  for (const StoredView* each : {&view, &other}) {
    ASSERT_TRUE(Load(this->store(), *each,
                     {{"a", kStart, kStart, 1, 1}, {"b", kStart, kStart, 2, 2}},
                     At(2, kStart, kStart + kHour))
                    .ok());
  }
  const int64_t both = this->store()->Describe().ValueOrDie().cells;
  ASSERT_TRUE(this->store()->Drop("v").ok());
  const Store::Info info = this->store()->Describe().ValueOrDie();
  EXPECT_EQ(info.cells * 2, both);
  ASSERT_EQ(info.views.size(), 1u);
  EXPECT_EQ(info.views[0].first, "w");
  EXPECT_EQ(this->store()->Position("v").ValueOrDie(), std::nullopt);
  EXPECT_EQ(ReadKey(this->store(), other, "b", kStart).value, 2);
  // The name may come again, and nothing of the old one with it.
  ASSERT_TRUE(Load(this->store(), view, {}, At(0, kStart, kStart + kHour)).ok());
  EXPECT_EQ(ReadKey(this->store(), view, "a", kStart), Answer{});
}

TYPED_TEST_P(StoreContract, ReadersSeeWholeLoads) {
  const StoredView view = MakeView("v");
  constexpr int64_t kLoads = 40;
  constexpr int kKeys = 20;
  const auto rows_of = [](int64_t load) {
    std::vector<TestRow> rows;
    for (int key = 0; key < kKeys; ++key) {
      rows.push_back({"k" + std::to_string(key), kStart + load, kStart + load, load, load});
    }
    return rows;
  };
  ASSERT_TRUE(Load(this->store(), view, rows_of(1), At(1, kStart, kStart + kHour)).ok());
  std::atomic<bool> done = false;
  std::atomic<int64_t> reads = 0;
  std::atomic<int64_t> wrong = 0;
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      do {
        const ViewRead read{&view, {Strings({"k0", "k7", "k19"})}};
        auto answers = this->store()->Read({read, read}, kStart + kHour);
        if (!answers.ok()) {
          ++wrong;
          continue;
        }
        for (const ViewAnswer& answer : *answers) {
          for (int64_t row = 0; row < 3; ++row) {
            wrong += AnswerAt(answer.features, row).value != answer.position->seq ||
                     answer.position->seq != (*answers)[0].position->seq;
          }
        }
        ++reads;
      } while (!done);
    });
  }
  for (int64_t load = 2; load <= kLoads; ++load) {
    EXPECT_TRUE(
        Load(this->store(), view, rows_of(load), At(load, kStart + load, kStart + kHour)).ok());
  }
  done = true;
  for (std::thread& reader : readers) {
    reader.join();
  }
  EXPECT_GT(reads.load(), 0);
  EXPECT_EQ(wrong.load(), 0);
}

// Rows in random batches, late and ahead of time, fresh loads among them; read at random times.
TYPED_TEST_P(StoreContract, RandomLoadsGiveWhatTheRowsGive) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    base::SeededRandom random(seed);
    const auto below = [&](int64_t n) {
      return static_cast<int64_t>(random.Next() % static_cast<uint64_t>(n));
    };
    const StoredView view = MakeView("v" + std::to_string(seed));
    std::vector<TestRow> rows;
    int64_t now = kStart;
    for (int batch = 0; batch < 12; ++batch) {
      std::vector<TestRow> added;
      for (int64_t i = below(30); i > 0; --i) {
        const int64_t event_time = now - 2 * kDay + below(2 * kDay + kHour);
        const int64_t seq = static_cast<int64_t>(rows.size() + added.size()) + 1;
        added.push_back({"k" + std::to_string(below(6)), event_time, event_time + below(kHour), seq,
                         below(10) == 0 ? std::nullopt : std::optional(below(1000))});
      }
      rows.insert(rows.end(), added.begin(), added.end());
      // Everything is handed over at once: no row lies further ahead than two hours.
      const ViewPosition position = At(static_cast<int64_t>(rows.size()), now, now + 3 * kHour);
      const bool fresh = batch > 0 && below(5) == 0;
      ASSERT_TRUE(Load(this->store(), view, fresh ? rows : added, position, fresh).ok());
      for (int64_t t : {now, now + below(3 * kHour)}) {
        for (int key = 0; key < 7; ++key) {
          const std::string name = "k" + std::to_string(key);
          EXPECT_EQ(ReadKey(this->store(), view, name, t), Expected(view, rows, name, t))
              << name << " batch " << batch << " at now + " << t - now;
        }
      }
      now += below(4 * kHour);
    }
  }
}

// What is stored of one key is not what was written: that key alone fails, in that view alone.
TYPED_TEST_P(StoreContract, DamageFailsItsKeyAlone) {
  const StoredView view = MakeView("v");
  const StoredView other = MakeView("other");
  std::vector<TestRow> rows;
  std::vector<std::optional<std::string>> keys;
  for (int64_t i = 0; i < 20; ++i) {
    keys.push_back("k" + std::to_string(i));
    rows.push_back({keys.back(), kStart, kStart, i + 1, i});
  }
  for (const StoredView* each : {&view, &other}) {
    ASSERT_TRUE(Load(this->store(), *each, rows, At(20, kStart, kStart + kHour)).ok());
  }
  const auto read = [&] {
    return this->store()
        ->Read({ViewRead{&view, {Strings(keys)}}, ViewRead{&other, {Strings(keys)}}}, kStart)
        .ValueOrDie();
  };
  EXPECT_TRUE(read()[0].damaged.empty());
  for (const char* key : {"k0", "k7", "k19"}) {
    const arrow::Status damaged = this->harness_.Damage("v", key);
    ASSERT_TRUE(damaged.ok()) << damaged;
  }
  const auto answers = read();
  ASSERT_EQ(answers[0].damaged.size(), 3u);
  size_t next = 0;
  for (int64_t i = 0; i < 20; ++i) {
    EXPECT_EQ(AnswerAt(answers[1].features, i).value, i);
    if (i != 0 && i != 7 && i != 19) {
      EXPECT_EQ(AnswerAt(answers[0].features, i), (Answer{i, ValueStatus::kPresent, kStart, 1, i}));
      continue;
    }
    for (size_t f = 0; f < answers[0].features.num_features(); ++f) {
      const auto feature = answers[0].features.feature(f);
      EXPECT_EQ(feature.slot(i).status, ValueStatus::kError);
      EXPECT_FALSE(feature.slot(i).is_valid);
      EXPECT_TRUE(feature.ToArray()->IsNull(i));
    }
    EXPECT_EQ(answers[0].damaged[next].row, i);
    EXPECT_EQ(answers[0].damaged[next].why.find(*keys[static_cast<size_t>(i)]), std::string::npos);
    ++next;
  }
  EXPECT_TRUE(answers[1].damaged.empty());
  // A load that has to go on from there cannot; one that begins anew heals it.
  EXPECT_EQ(CodeOf(Load(this->store(), view, {{"k7", kStart + 1, kStart + 1, 21, 1}},
                        At(21, kStart + 1, kStart + kHour))),
            ErrorCode::kCorrupt);
  ASSERT_TRUE(Load(this->store(), view, rows, At(20, kStart, kStart + kHour), true).ok());
  EXPECT_TRUE(read()[0].damaged.empty());
  EXPECT_EQ(ReadKey(this->store(), view, "k7", kStart).value, 7);
}

REGISTER_TYPED_TEST_SUITE_P(
    StoreContract, ViewNeverLoaded, WrittenRowsAreRead, StateSurvivesReopening,
    ReloadingTheSameRowsChangesNothing, NullAndMissingKeysMatchNothing, TtlCountsFromTheEvent,
    PendingRowsBecomeActive, LateRowsReachTheirWindow, FreshGenerationIsLoadedBesideTheOld,
    WrongFingerprintIsRefused, AnotherDefinitionOfTheSameCellsTakesThePlace,
    OtherCellsNeedAFreshLoad, CellsThatAreNotNamedAreTheirDefinitionsOwn,
    StatesAreAddedBesideTheCells, StatesHalfAddedAreNotThere, TheTimeCannotGoBack,
    AnswersBeyondThePromiseAreStale, ManyViewsInOneRead, ManyKeysInOneRead, LongAndOddKeysStayApart,
    CompositeKeysDoNotRunTogether, PiecesAreOneBatch, OneLoadOfAViewAtATime, DropRemovesOneViewOnly,
    ReadersSeeWholeLoads, RandomLoadsGiveWhatTheRowsGive, AFreshLoadInPassesGivesWhatTheRowsGive,
    AFreshLoadThatWasCutOffGoesOn, WhatACutOffLoadLeftIsSwept, ALoadGoesOnForNoOtherPosition,
    VersionsTakeTheirPredecessorsPlace, ReloadingVersionsChangesNothing, VersionsGoWithTheirView,
    RandomVersionsGiveWhatTheDefinitionSays, DamageFailsItsKeyAlone);

}  // namespace icecore::online::testing
