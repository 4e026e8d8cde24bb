#include <arrow/json/from_string.h>

#include <limits>

#include "icecore/lake/lake_fixture.h"
#include "icecore/lake/stats_internal.h"

namespace icecore::lake {
namespace {

// The statistics of one column "c".
std::string StatsOf(const std::shared_ptr<arrow::DataType>& type, const std::string& json) {
  const auto array = Must(arrow::json::ArrayFromJSONString(type, json));
  const auto schema = arrow::schema({arrow::field("c", type)});
  FileStats stats(*schema);
  stats.Update(*arrow::RecordBatch::Make(schema, array->length(), {array}));
  return stats.ToJson();
}

std::string Expected(int rows, const std::string& min, const std::string& max,
                     const std::string& nulls) {
  const auto member = [](const std::string& value) {
    return value.empty() ? "{}" : "{\"c\":" + value + "}";
  };
  return "{\"numRecords\":" + std::to_string(rows) + ",\"minValues\":" + member(min) +
         ",\"maxValues\":" + member(max) + ",\"nullCount\":" + member(nulls) + "}";
}

TEST(StatsTest, Numbers) {
  EXPECT_EQ(StatsOf(arrow::int64(), "[3, null, -9223372036854775808, 9223372036854775807]"),
            Expected(4, "-9223372036854775808", "9223372036854775807", "1"));
  EXPECT_EQ(StatsOf(arrow::int8(), "[null, null]"), Expected(2, "", "", "2"));
  EXPECT_EQ(StatsOf(arrow::decimal128(38, 2), R"(["-1.50", "123456789012345678901234567890.12"])"),
            Expected(2, "-1.50", "123456789012345678901234567890.12", "0"));
  EXPECT_EQ(StatsOf(arrow::boolean(), "[true, null]"), Expected(2, "", "", "1"));
}

TEST(StatsTest, FloatsWithNanInfinityAndZeros) {
  EXPECT_EQ(StatsOf(arrow::float64(), "[1.5, -2, null]"), Expected(3, "-2.0", "1.5", "1"));
  EXPECT_EQ(StatsOf(arrow::float64(), "[1.5, NaN]"), Expected(2, "", "", "0"));
  EXPECT_EQ(StatsOf(arrow::float64(), "[1.5, Inf]"), Expected(2, "1.5", "", "0"));
  EXPECT_EQ(StatsOf(arrow::float32(), "[0, 0]"), Expected(2, "-0.0", "0.0", "0"));
  EXPECT_EQ(StatsOf(arrow::float32(), "[0.5, 0.1]"),
            Expected(2, "0.10000000149011612", "0.5", "0"));
}

TEST(StatsTest, TimesInMillisecondsMaximumUp) {
  EXPECT_EQ(StatsOf(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), "[1001, -1]"),
            Expected(2, "\"1969-12-31T23:59:59.999Z\"", "\"1970-01-01T00:00:00.002Z\"", "0"));
  EXPECT_EQ(StatsOf(arrow::timestamp(arrow::TimeUnit::MICRO), "[1000]"),
            Expected(1, "\"1970-01-01T00:00:00.001\"", "\"1970-01-01T00:00:00.001\"", "0"));
  EXPECT_EQ(StatsOf(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                    "[9223372036854775807, 253402300799999999]"),
            Expected(2, "\"9999-12-31T23:59:59.999Z\"", "", "0"));
  EXPECT_EQ(StatsOf(arrow::date32(), "[0, -1]"),
            Expected(2, "\"1969-12-31\"", "\"1970-01-01\"", "0"));
}

TEST(StatsTest, NestedMembersCountTheirParentsNulls) {
  EXPECT_EQ(StatsOf(arrow::struct_({arrow::field("a", arrow::int64()),
                                    arrow::field("b", arrow::list(arrow::int64()))}),
                    R"([{"a": 1, "b": [1]}, null, {"a": 7, "b": null}])"),
            Expected(3, "{\"a\":1}", "{\"a\":7}", "{\"a\":1,\"b\":2}"));
}

TEST(StatsTest, TextsAreCutAtCodePoints) {
  const std::string umlauts = [] {
    std::string text;
    for (int i = 0; i < 40; ++i) {
      text += "ä";
    }
    return text;
  }();
  EXPECT_EQ(TruncatedMin(umlauts), umlauts.substr(0, 64));
  std::string max;
  ASSERT_TRUE(TruncatedMax(umlauts, &max));
  EXPECT_EQ(max, umlauts.substr(0, 62) + "å");
  EXPECT_GT(max, umlauts);
  ASSERT_TRUE(TruncatedMax("short", &max));
  EXPECT_EQ(max, "short");
}

TEST(StatsTest, MaximumTextStepsOverSurrogatesAndTheLastCodePoint) {
  std::string max;
  const std::string head(31, 'a');
  ASSERT_TRUE(TruncatedMax(head + "\xed\x9f\xbf" + "z", &max));
  EXPECT_EQ(max, head + "\xee\x80\x80");
  ASSERT_TRUE(TruncatedMax(head + "\xf4\x8f\xbf\xbf" + "z", &max));
  EXPECT_EQ(max, std::string(30, 'a') + "b");
  std::string last;
  for (int i = 0; i < 33; ++i) {
    last += "\xf4\x8f\xbf\xbf";
  }
  EXPECT_FALSE(TruncatedMax(last, &max));
  EXPECT_FALSE(TruncatedMax("\xff\xfe", &max));
}

// What the plain way and the document say of a range is one: of `v` in these statistics.
TEST(DataFileTest, RangesAreThoseOfTheTopLevel) {
  const auto range = [](const std::string& stats) {
    DataFile file;
    file.stats_json = stats;
    const auto found = file.IntRange("v");
    return found ? std::to_string(found->min) + ".." + std::to_string(found->max) : "none";
  };
  EXPECT_EQ(range(R"({"numRecords":3,"minValues":{"v":-1},"maxValues":{"v":7},"nullCount":{}})"),
            "-1..7");
  EXPECT_EQ(range(R"({"maxValues":{"s":"}\"{,","v":7},"minValues":{"l":[1,{}],"v":-1}})"), "-1..7");
  EXPECT_EQ(range(R"({ "minValues" : { "v" : 1 }, "maxValues" : { "v" : 2 } })"), "1..2");
  EXPECT_EQ(range(R"({"minValues":{"\u0076":1},"maxValues":{"v":2}})"), "1..2");
  EXPECT_EQ(range(R"({"minValues":{"s":{"v":5,"minValues":{"v":6}}},"maxValues":{"v":2}})"),
            "none");
  EXPECT_EQ(
      range(R"({"minValues":{"s":{"v":5},"v":1},"x":{"maxValues":{"v":9}},"maxValues":{"v":2}})"),
      "1..2");
  EXPECT_EQ(range(R"({"minValues":{"v":1,"v":2},"maxValues":{"v":3}})"), "2..3");
  for (const char* none : {"", "{}", "{", "[]", R"({"minValues":{"v":1}})",
                           R"({"minValues":{"v":1.5},"maxValues":{"v":2}})",
                           R"({"minValues":{"v":1},"maxValues":{"v":"2"}})",
                           R"({"minValues":{"v":1},"maxValues":{"v":2})",
                           R"({"minValues":{"v":1},"maxValues":{"v":99999999999999999999}})",
                           R"({"minValues":{"v":null},"maxValues":{"v":2}})"}) {
    EXPECT_EQ(range(none), "none") << none;
  }
}

}  // namespace
}  // namespace icecore::lake
