#include "icecore/quality/text_conversion.h"

#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/json/from_string.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include "icecore/base/json_text.h"

namespace icecore::quality {
namespace {

using Ambiguous = spec::ColumnContract::Ambiguous;

const auto kInstantType = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
const auto kLocal = arrow::timestamp(arrow::TimeUnit::MICRO);

std::shared_ptr<arrow::Array> Texts(const std::vector<std::string>& texts) {
  arrow::StringBuilder builder;
  EXPECT_TRUE(builder.AppendValues(texts).ok());
  return builder.Finish().ValueOrDie();
}

ColumnTarget To(std::shared_ptr<arrow::DataType> type) {
  ColumnTarget target;
  target.type = std::move(type);
  return target;
}

std::string Misfits(const ConvertedColumn& column, int64_t row) {
  for (const auto& bad : column.bad) {
    if (bad.row == row) {
      return bad.misfit == Misfit::kType ? "bad" : bad.misfit == Misfit::kZone ? "zone" : "length";
    }
  }
  return "";
}

// Each text's value, or how it does not fit.
std::vector<std::string> Convert(const ColumnTarget& target, const std::vector<std::string>& texts,
                                 bool json = false) {
  auto column = ConvertText(*Texts(texts), target, {}, json);
  EXPECT_TRUE(column.ok()) << column.status();
  EXPECT_TRUE(column->values->ValidateFull().ok());
  EXPECT_TRUE(column->values->type()->Equals(*target.type));
  std::vector<std::string> out;
  for (int64_t i = 0; i < column->values->length(); ++i) {
    std::string misfit = Misfits(*column, i);
    EXPECT_TRUE(misfit.empty() || column->values->IsNull(i));
    out.push_back(misfit.empty() ? *base::ValueText(*column->values, i) : misfit);
  }
  return out;
}

using Strings = std::vector<std::string>;

TEST(TextConversion, Integers) {
  EXPECT_EQ(
      Convert(To(arrow::int64()), {"9223372036854775807", "-9223372036854775808",
                                   "9223372036854775808", "-9223372036854775809", "", " 1", "1 ",
                                   "1.0", "1e3", "+1", "-0", "0x1", "007", "1_000", "١"}),
      (Strings{"9223372036854775807", "-9223372036854775808", "bad", "bad", "bad", "bad", "bad",
               "bad", "bad", "bad", "0", "bad", "7", "bad", "bad"}));
  EXPECT_EQ(Convert(To(arrow::int8()), {"127", "-128", "128", "-129"}),
            (Strings{"127", "-128", "bad", "bad"}));
  EXPECT_EQ(Convert(To(arrow::int16()), {"32767", "32768"}), (Strings{"32767", "bad"}));
  EXPECT_EQ(Convert(To(arrow::int32()), {"-2147483648", "-2147483649"}),
            (Strings{"-2147483648", "bad"}));
  EXPECT_EQ(Convert(To(arrow::uint8()), {"255", "256", "-1", "-0"}),
            (Strings{"255", "bad", "bad", "bad"}));
  EXPECT_EQ(Convert(To(arrow::uint16()), {"65535", "65536"}), (Strings{"65535", "bad"}));
  EXPECT_EQ(Convert(To(arrow::uint32()), {"4294967295", "4294967296"}),
            (Strings{"4294967295", "bad"}));
  EXPECT_EQ(Convert(To(arrow::uint64()), {"18446744073709551615", "18446744073709551616"}),
            (Strings{"18446744073709551615", "bad"}));
}

TEST(TextConversion, Floats) {
  EXPECT_EQ(Convert(To(arrow::float64()), {"1.5",    "1e308",
                                           "1e400",  "-1e400",
                                           "1e-400", "5e-324",
                                           "NaN",    "nan",
                                           "inf",    "-Infinity",
                                           "+inf",   "",
                                           ".5",     "5.",
                                           ".",      "1,5",
                                           "0x1p3",  "nan(1)",
                                           "1e",     "--1",
                                           "-0.0",   "9007199254740993"}),
            (Strings{"1.5",      "1e+308",
                     "bad",      "bad",
                     "0.0",      "5e-324",
                     "NaN",      "NaN",
                     "Infinity", "-Infinity",
                     "Infinity", "bad",
                     "0.5",      "5.0",
                     "bad",      "bad",
                     "bad",      "bad",
                     "bad",      "bad",
                     "-0.0",     "9007199254740992.0"}));
  EXPECT_EQ(Convert(To(arrow::float32()), {"0.1", "1e39", "1e-60", "16777217"}),
            (Strings{"0.1", "bad", "0.0", "16777216.0"}));
}

TEST(TextConversion, Bools) {
  EXPECT_EQ(Convert(To(arrow::boolean()),
                    {"true", "FALSE", "t", "F", "1", "0", "yes", "No", "y", "n", "2", "", "on"}),
            (Strings{"true", "false", "true", "false", "true", "false", "true", "false", "true",
                     "false", "bad", "bad", "bad"}));
}

TEST(TextConversion, Decimals) {
  EXPECT_EQ(Convert(To(arrow::decimal128(5, 2)),
                    {"1", "1.20", "1.200", "1.234", "999.99", "1000", "-0.5", "1e2", "12e-1",
                     "1e-3", "", "+1", ".5", "1.", "NaN", "0e99"}),
            (Strings{"1.00", "1.20", "1.20", "bad", "999.99", "bad", "-0.50", "100.00", "1.20",
                     "bad", "bad", "bad", "0.50", "1.00", "bad", "0.00"}));
  std::string nines(38, '9');
  EXPECT_EQ(Convert(To(arrow::decimal128(38, 0)), {nines, nines + "9"}), (Strings{nines, "bad"}));
}

TEST(TextConversion, DatesAndTimes) {
  EXPECT_EQ(Convert(To(arrow::date32()),
                    {"2024-02-29", "2023-02-29", "2024-02-29T00:00:00", "2024-02-29T01:00:00",
                     "2024-2-9", "1969-12-31", "20240229", "2024-02-29Z", ""}),
            (Strings{"2024-02-29", "bad", "2024-02-29", "bad", "bad", "1969-12-31", "bad", "bad",
                     "bad"}));
  EXPECT_EQ(
      Convert(
          To(arrow::time64(arrow::TimeUnit::MICRO)),
          {"00:00", "23:59:59.999999", "24:00", "12:60", "1:00", "12:00Z", "", "12:00:00.0000001"}),
      (Strings{"00:00:00.000000", "23:59:59.999999", "bad", "bad", "bad", "bad", "bad", "bad"}));
}

TEST(TextConversion, Timestamps) {
  EXPECT_EQ(Convert(To(kInstantType), {"2024-03-01T10:00:00Z", "2024-03-01 10:00:00.25+01:00",
                                       "2024-03-01", "2024-03-01T10:00:00.000000001Z",
                                       "1969-12-31T23:59:59.9999999Z", "2024-03-01T24:00:00Z",
                                       "2024-02-30T00:00:00Z", "yesterday", "", "1709287200"}),
            (Strings{"2024-03-01T10:00:00.000000Z", "2024-03-01T09:00:00.250000Z",
                     "2024-03-01T00:00:00.000000Z", "2024-03-01T10:00:00.000001Z",
                     "1970-01-01T00:00:00.000000Z", "bad", "bad", "bad", "bad", "bad"}));
  EXPECT_EQ(Convert(To(kLocal), {"2024-03-01T10:00:00", "2024-03-01T10:00:00Z"})[1], "bad");
}

TEST(TextConversion, WallTimesOfAZone) {
  ColumnTarget target = To(kInstantType);
  target.zone = "America/New_York";
  const Strings texts = {"2024-07-01T00:00:00",  "2024-03-10T02:30:00", "2024-11-03T01:30:00",
                         "2024-03-10T02:30:00Z", "2024-03-10T03:00:00", "nonsense"};
  EXPECT_EQ(Convert(target, texts),
            (Strings{"2024-07-01T04:00:00.000000Z", "zone", "zone", "2024-03-10T02:30:00.000000Z",
                     "2024-03-10T07:00:00.000000Z", "bad"}));
  target.ambiguous = Ambiguous::kEarlier;
  EXPECT_EQ(Convert(target, texts)[1], "2024-03-10T06:30:00.000000Z");
  EXPECT_EQ(Convert(target, texts)[2], "2024-11-03T05:30:00.000000Z");
  target.ambiguous = Ambiguous::kLater;
  EXPECT_EQ(Convert(target, texts)[1], "2024-03-10T07:30:00.000000Z");
  EXPECT_EQ(Convert(target, texts)[2], "2024-11-03T06:30:00.000000Z");
  EXPECT_FALSE(CheckZone("Nowhere/Zone").ok());
  EXPECT_TRUE(CheckZone("UTC").ok());
}

TEST(TextConversion, StringsAndBinaries) {
  EXPECT_EQ(Convert(To(arrow::utf8()), {"", " a ", "\xff"}), (Strings{"", " a ", "bad"}));
  EXPECT_EQ(Convert(To(arrow::binary()), {"ab"}), (Strings{base::Base64("ab")}));
  EXPECT_EQ(Convert(To(arrow::binary()), {"YWI=", "YWI", "****", "", "YQ==", "YWJj"}, true),
            (Strings{"YWI=", "bad", "bad", "", "YQ==", "YWJj"}));
}

TEST(TextConversion, NullValuesAreNullInEveryType) {
  for (const auto& type : {arrow::int64(), arrow::utf8(), kInstantType, arrow::boolean()}) {
    auto column = ConvertText(*Texts({"", "NA", "NULL"}), To(type), {"", "NA"}, false);
    ASSERT_TRUE(column.ok());
    EXPECT_TRUE(column->values->IsNull(0));
    EXPECT_TRUE(column->values->IsNull(1));
    EXPECT_EQ(column->bad.size(), type->id() == arrow::Type::STRING ? 0u : 1u);
  }
}

TEST(TextConversion, NestedJson) {
  ColumnTarget embedding = To(arrow::list(arrow::float32()));
  embedding.embedding_length = 2;
  EXPECT_EQ(Convert(embedding,
                    {"[1, 2.5]", "[1]", "[]", "[1, \"x\"]", "{}", "[1, 2", "[1, 2] x", " [3,4] ",
                     "[1,,2]", "[1e99, 0]", "null"},
                    true),
            (Strings{"[1.0,2.5]", "length", "length", "bad", "bad", "bad", "bad", "[3.0,4.0]",
                     "bad", "bad", "null"}));
  auto record = arrow::struct_(
      {arrow::field("a", arrow::int8()), arrow::field("s", arrow::list(arrow::utf8()))});
  EXPECT_EQ(Convert(To(record),
                    {R"({"s": ["\u00e9\ud83d\ude00", null], "a": 1})", R"({"a": 300})",
                     R"({"other": [{"x": 1.5e3}]})", R"({"a": 1, "a": 2})", R"({"a": 01})",
                     R"({"s": ["\ud83d"]})", "[]"},
                    true),
            (Strings{"{\"a\":1,\"s\":[\"é😀\",null]}", "bad", "{\"a\":null,\"s\":null}", "bad",
                     "bad", "bad", "bad"}));
  auto map = ConvertText(*Texts({R"({"k": 1})", R"([["k", 1], ["l", null]])", R"([[null, 1]])"}),
                         To(arrow::map(arrow::utf8(), arrow::int64())), {}, true);
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_TRUE(map->values->ValidateFull().ok());
  EXPECT_EQ(map->bad.size(), 1u);
  std::string deep(100, '[');
  EXPECT_EQ(Convert(To(arrow::struct_({arrow::field("a", arrow::int8())})),
                    {"{\"b\":" + deep + std::string(100, ']') + "}"}, true),
            Strings{"bad"});
}

TEST(TypedConversion, CastsThatLoseNothing) {
  auto check = [](const std::shared_ptr<arrow::DataType>& from, const std::string& json,
                  const ColumnTarget& target, size_t bad) {
    auto values = arrow::json::ArrayFromJSONString(from, json).ValueOrDie();
    auto column = ConvertTyped(values, target);
    ASSERT_TRUE(column.ok()) << column.status();
    EXPECT_TRUE(column->values->ValidateFull().ok());
    EXPECT_TRUE(column->values->type()->Equals(*target.type));
    EXPECT_EQ(column->bad.size(), bad) << from->ToString() << " to " << target.type->ToString();
    EXPECT_EQ(column->values->null_count() - values->null_count(), static_cast<int64_t>(bad));
  };
  check(arrow::int32(), "[1, null, -5]", To(arrow::int64()), 0);
  check(arrow::int64(), "[1, 300, null, -129, 5]", To(arrow::int8()), 2);
  check(arrow::uint64(), "[18446744073709551615, 1]", To(arrow::int64()), 1);
  check(arrow::int64(), "[9007199254740993, 1]", To(arrow::float64()), 1);
  check(arrow::float64(), "[0.1, 0.5, null]", To(arrow::float32()), 1);
  check(arrow::float64(), "[1, 1.5]", To(arrow::int64()), 1);
  check(arrow::decimal128(10, 3), R"(["1.230", "1.234"])", To(arrow::decimal128(10, 2)), 1);
  check(arrow::int64(), "[1, 2]", To(kInstantType), 2);
  check(arrow::utf8(), R"(["1", "x"])", To(arrow::int64()), 1);
  check(arrow::int64(), "[1]", To(arrow::utf8()), 0);
  check(arrow::date32(), "[1]", To(kInstantType), 0);
  check(kInstantType, R"(["2024-01-01"])", To(kLocal), 1);
  check(arrow::boolean(), "[true]", To(kInstantType), 1);
  check(arrow::large_utf8(), R"(["a"])", To(arrow::utf8()), 0);
  check(arrow::null(), "[null]", To(arrow::int64()), 0);
  ColumnTarget embedding = To(arrow::list(arrow::float32()));
  embedding.embedding_length = 2;
  check(arrow::list(arrow::float64()), "[[1, 2], [1], null]", embedding, 1);
  check(arrow::fixed_size_list(arrow::float32(), 2), "[[1, 2], null]", embedding, 0);
}

}  // namespace
}  // namespace icecore::quality
