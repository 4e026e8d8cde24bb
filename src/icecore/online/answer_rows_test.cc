#include "icecore/online/answer_rows.h"

#include <arrow/array/builder_nested.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/type.h>

#include "icecore/base/id.h"
#include "icecore/online/store_test_data.h"
#include "icecore/state/wire.h"

namespace icecore::online::testing {
namespace {

using state::ValueStatus;

// An int64, a list and a bool, as of t: the bool is decoded last.
StoredView ThreeFeatures() {
  state::ViewLayout layout;
  layout.value_types = {arrow::int64(), arrow::list(arrow::int64()), arrow::boolean()};
  for (int value = 0; value < 3; ++value) layout.features.emplace_back().value = value;
  StoredView view;
  view.name = "v";
  view.engine = state::ViewEngine::Make(std::move(layout)).ValueOrDie();
  view.key_types = {arrow::int64()};
  return view;
}

// The cells of a key that has one row: i, [i, i], true.
std::vector<state::Cell> CellsOf(const StoredView& view, int64_t i) {
  arrow::ListBuilder lists(arrow::default_memory_pool(), std::make_shared<arrow::Int64Builder>());
  EXPECT_TRUE(lists.Append().ok());
  auto* elements = static_cast<arrow::Int64Builder*>(lists.value_builder());
  EXPECT_TRUE(elements->AppendValues({i, i}).ok());
  arrow::BooleanBuilder bools;
  EXPECT_TRUE(bools.Append(true).ok());
  state::PreparedRows rows = Rows({{"k", kStart, kStart, 1, i}});
  rows.values.push_back(lists.Finish().ValueOrDie());
  rows.values.push_back(bools.Finish().ValueOrDie());
  const auto key = view.engine->NewKey();
  EXPECT_TRUE(key->Add(rows, 0).ok());
  EXPECT_TRUE(key->AdvanceTo(kStart).ok());
  std::vector<state::Cell> cells;
  for (auto& change : key->TakeChanges().ValueOrDie()) {
    cells.push_back({change.suffix, change.bytes.value()});
  }
  return cells;
}

// A head whose checksum is right, and whose bool is none: found when two features have answered.
void SpoilBool(std::vector<state::Cell>* cells) {
  std::string& bytes = cells->at(0).bytes;
  std::string encoded(1, '\1');
  state::wire::PutFixed64(1, &encoded);
  const size_t at = bytes.rfind(encoded);
  ASSERT_NE(at, std::string::npos);
  bytes[at + 1] = 7;
  bytes.resize(bytes.size() - 8);
  state::wire::PutFixed64(base::Hash64(bytes), &bytes);
}

arrow::Status Damaged() { return base::MakeError(base::ErrorCode::kCorrupt, "a cell is damaged"); }

TEST(AnswerRowsTest, AKeyThatFailsInTheMiddleOfItsAnswerLeavesTheOthersWhole) {
  const StoredView view = ThreeFeatures();
  constexpr int64_t kRows = 12;
  std::vector<std::vector<state::Cell>> cells;
  for (int64_t i = 0; i < kRows; ++i) cells.push_back(CellsOf(view, i));
  for (const size_t bad : {4u, 5u, 11u}) SpoilBool(&cells[bad]);
  AnswerRows rows(&view, kStart, kRows);
  const auto fetch = [&](int64_t row, std::vector<state::CellView>* out, arrow::Status* damage) {
    if (row == 2 || row == 9) *damage = Damaged();
    if (row == 7 || !damage->ok()) return arrow::Status::OK();  // 7: there is no such key
    for (const auto& cell : cells[static_cast<size_t>(row)]) {
      out->push_back({cell.suffix, cell.bytes});
    }
    return arrow::Status::OK();
  };
  for (int64_t row = 0; row < kRows; ++row) ASSERT_TRUE(rows.Append(row, fetch).ok());
  ViewAnswer answer;
  ASSERT_TRUE(rows.Finish(&answer).ok());
  ASSERT_EQ(answer.features.num_rows(), kRows);
  std::vector<int64_t> damaged;
  for (const DamagedKey& key : answer.damaged) damaged.push_back(key.row);
  EXPECT_EQ(damaged, (std::vector<int64_t>{2, 4, 5, 9, 11}));
  for (size_t f = 0; f < 3; ++f) {
    const auto array = answer.features.feature(f).ToArray();
    ASSERT_TRUE(array->ValidateFull().ok());
    ASSERT_EQ(array->length(), kRows);
    for (int64_t row = 0; row < kRows; ++row) {
      const bool bad = std::find(damaged.begin(), damaged.end(), row) != damaged.end();
      const ValueStatus expected = bad        ? ValueStatus::kError
                                   : row == 7 ? ValueStatus::kNotFound
                                              : ValueStatus::kPresent;
      EXPECT_EQ(answer.features.feature(f).slot(row).status, expected);
      ASSERT_EQ(array->IsValid(row), expected == ValueStatus::kPresent);
      if (!array->IsValid(row)) continue;
      const std::string text = array->GetScalar(row).ValueOrDie()->ToString();
      const std::string i = std::to_string(row);
      EXPECT_EQ(text, f == 0 ? i : f == 1 ? "list<item: int64>[" + i + ", " + i + "]" : "true");
    }
  }
}

TEST(AnswerRowsTest, AllKeysMayFail) {
  const StoredView view = MakeView("v");
  AnswerRows rows(&view, kStart, 3);
  const auto fetch = [&](int64_t, std::vector<state::CellView>*, arrow::Status* damage) {
    *damage = Damaged();
    return arrow::Status::OK();
  };
  for (int64_t row = 0; row < 3; ++row) ASSERT_TRUE(rows.Append(row, fetch).ok());
  ViewAnswer answer;
  ASSERT_TRUE(rows.Finish(&answer).ok());
  EXPECT_EQ(answer.damaged.size(), 3u);
  for (size_t f = 0; f < 3; ++f) {
    EXPECT_EQ(answer.features.feature(f).ToArray()->null_count(), 3);
  }
}

// What is wrong with the store is no key's.
TEST(AnswerRowsTest, OtherErrorsEndTheRequest) {
  const StoredView view = MakeView("v");
  AnswerRows rows(&view, kStart, 1);
  const auto broken = [&](int64_t, std::vector<state::CellView>*, arrow::Status*) {
    return Damaged();
  };
  EXPECT_EQ(base::CodeOf(rows.Append(0, broken)), base::ErrorCode::kCorrupt);
  const auto busy = [&](int64_t, std::vector<state::CellView>*, arrow::Status* damage) {
    *damage = base::MakeError(base::ErrorCode::kUnavailable, "not now");
    return arrow::Status::OK();
  };
  EXPECT_EQ(base::CodeOf(rows.Append(0, busy)), base::ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace icecore::online::testing
