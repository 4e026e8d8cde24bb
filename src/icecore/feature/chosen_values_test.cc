#include "icecore/feature/chosen_values.h"

#include <arrow/array/array_base.h>
#include <arrow/json/from_string.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

namespace icecore::feature {
namespace {

using ::arrow::json::ArrayFromJSONString;

TEST(ChosenValues, PiecesInAnyOrder) {
  const auto list = arrow::list(arrow::int8());
  const std::vector<std::shared_ptr<arrow::DataType>> types = {
      arrow::int16(), arrow::float64(),        arrow::boolean(), arrow::utf8(),
      list,           arrow::decimal128(20, 1)};
  const std::vector<std::string> columns = {
      "[1, null, 3, 4]",          "[1.5, 2.5, 3.5, 4.5]",    "[true, false, null, true]",
      R"(["a", "bb", null, ""])", "[[1], null, [2, 3], []]", R"(["1.0", "2.0", null, "4.5"])"};
  const std::vector<std::string> expected = {"[4, null, 1, 3, 4]",
                                             "[4.5, 2.5, 1.5, 3.5, 4.5]",
                                             "[true, false, true, null, true]",
                                             R"(["", "bb", "a", null, ""])",
                                             "[[], null, [1], [2, 3], []]",
                                             R"(["4.5", "2.0", "1.0", null, "4.5"])"};
  const auto chosen = *ChosenValues::Make(types, 5);
  const std::vector<int32_t> places = {3, 1, 0, 2, 3};
  for (size_t value = 0; value < types.size(); ++value) {
    const auto column = *ArrayFromJSONString(types[value], columns[value]);
    ASSERT_TRUE(chosen->Put(value, 2, *column, places.data() + 2, 3).ok());
    ASSERT_TRUE(chosen->Put(value, 0, *column, places.data(), 2).ok());
  }
  const auto arrays = *chosen->Finish();
  ASSERT_EQ(arrays.size(), types.size());
  for (size_t value = 0; value < types.size(); ++value) {
    EXPECT_TRUE(arrays[value]->ValidateFull().ok());
    EXPECT_TRUE(arrays[value]->Equals(*ArrayFromJSONString(types[value], expected[value])))
        << arrays[value]->ToString();
  }
}

TEST(ChosenValues, NoRows) {
  const auto arrays = *(*ChosenValues::Make({arrow::int64(), arrow::utf8()}, 0))->Finish();
  ASSERT_EQ(arrays.size(), 2);
  EXPECT_EQ(arrays[0]->length(), 0);
  EXPECT_TRUE(arrays[1]->type()->Equals(arrow::utf8()));
}

}  // namespace
}  // namespace icecore::feature
