#include "icecore/state/ordered_bytes.h"

#include <arrow/array/array_base.h>
#include <arrow/array/array_binary.h>
#include <arrow/json/from_string.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <string>

#include "icecore/base/error.h"

namespace icecore::state {
namespace {

std::shared_ptr<arrow::Array> Column(const std::shared_ptr<arrow::DataType>& type,
                                     const std::string& json) {
  return arrow::json::ArrayFromJSONString(type, json).ValueOrDie();
}

// The elements, given in ascending order, must come out in strictly ascending bytes.
void ExpectAscending(const std::shared_ptr<arrow::DataType>& type, const std::string& json) {
  const auto column = Column(type, json);
  const auto bytes = OrderedBytes({column}, column->length()).ValueOrDie();
  for (int64_t i = 1; i < bytes->length(); ++i) {
    EXPECT_LT(bytes->GetView(i - 1), bytes->GetView(i)) << type->ToString() << " element " << i;
  }
}

std::string Hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    text += kDigits[static_cast<unsigned char>(byte) >> 4];
    text += kDigits[static_cast<unsigned char>(byte) & 15];
  }
  return text;
}

TEST(OrderedBytes, AreOrderedAsTheValues) {
  ExpectAscending(arrow::int64(), "[null, -9223372036854775808, -1, 0, 1, 9223372036854775807]");
  ExpectAscending(arrow::int8(), "[null, -128, -1, 0, 127]");
  ExpectAscending(arrow::uint64(), "[null, 0, 1, 18446744073709551615]");
  ExpectAscending(arrow::float64(), "[null, -Inf, -1e300, -1e-300, 0, 1e-300, 1, Inf, NaN]");
  ExpectAscending(arrow::float32(), "[null, -Inf, -1, 0, 1, Inf, NaN]");
  ExpectAscending(arrow::boolean(), "[null, false, true]");
  ExpectAscending(arrow::utf8(),
                  R"([null, "", "\u0000", "\u0000a", "\u0001", "a", "a\u0000", "ab", "b", "é"])");
  ExpectAscending(arrow::decimal128(10, 2),
                  R"([null, "-5.00", "-0.01", "0.00", "0.01", "12345.67"])");
  ExpectAscending(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                  R"([null, "1850-01-01", "1970-01-01", "2024-01-01"])");
  ExpectAscending(arrow::date32(), "[null, -5, 0, 5]");
}

TEST(OrderedBytes, EqualValuesHaveEqualBytes) {
  const auto zeros = Column(arrow::float64(), "[0.0, -0.0]");
  const auto zero_bytes = OrderedBytes({zeros}, 2).ValueOrDie();
  EXPECT_EQ(zero_bytes->GetView(0), zero_bytes->GetView(1));
  const auto narrow = OrderedBytes({Column(arrow::float32(), "[0.0, -0.0]")}, 2).ValueOrDie();
  EXPECT_EQ(narrow->GetView(0), narrow->GetView(1));
  const auto wide = OrderedBytes({Column(arrow::int64(), "[-7]")}, 1).ValueOrDie();
  const auto small = OrderedBytes({Column(arrow::int16(), "[-7]")}, 1).ValueOrDie();
  EXPECT_EQ(wide->GetView(0), small->GetView(0));
}

TEST(OrderedBytes, TheFirstColumnDecidesFirst) {
  const auto first = Column(arrow::utf8(), R"(["a", "a", "ab", "b", null])");
  const auto second = Column(arrow::int32(), "[5, null, 1, 0, 9]");
  const auto bytes = OrderedBytes({first, second}, 5).ValueOrDie();
  EXPECT_LT(bytes->GetView(4), bytes->GetView(1));
  EXPECT_LT(bytes->GetView(1), bytes->GetView(0));
  EXPECT_LT(bytes->GetView(0), bytes->GetView(2));
  EXPECT_LT(bytes->GetView(2), bytes->GetView(3));
  EXPECT_EQ(OrderedBytes({}, 2).ValueOrDie()->GetView(1), "");
}

TEST(OrderedBytes, Golden) {
  const auto bytes =
      OrderedBytes(
          {Column(arrow::int32(), "[258, null]"), Column(arrow::utf8(), R"(["a\u0000", ""])")}, 2)
          .ValueOrDie();
  EXPECT_EQ(Hex(bytes->GetView(0)),
            "0180000000000001020161"
            "00ff"
            "0001");
  EXPECT_EQ(Hex(bytes->GetView(1)),
            "0001"
            "0001");
}

TEST(OrderedBytes, ListsHaveNoOrder) {
  EXPECT_FALSE(CanBeOrdered(*arrow::list(arrow::int32())));
  EXPECT_TRUE(CanBeOrdered(*arrow::utf8()));
  EXPECT_EQ(base::CodeOf(OrderedBytes({Column(arrow::list(arrow::int32()), "[[1]]")}, 1).status()),
            base::ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace icecore::state
