#include "icecore/expr/expression.h"

#include <arrow/array.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "icecore/base/json_text.h"

namespace icecore::expr {
namespace {

using base::CodeOf;
using base::ErrorCode;

const auto kTimestamp = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
const auto kLocal = arrow::timestamp(arrow::TimeUnit::MICRO);

std::shared_ptr<arrow::Array> Column(const std::shared_ptr<arrow::DataType>& type,
                                     const std::string& json) {
  auto array = arrow::json::ArrayFromJSONString(type, json);
  EXPECT_TRUE(array.ok()) << array.status();
  return *array;
}

// One row for the expressions that need no particular column.
std::shared_ptr<arrow::RecordBatch> OneRow() {
  double nan = std::numeric_limits<double>::quiet_NaN();
  arrow::DoubleBuilder nans;
  EXPECT_TRUE(nans.Append(nan).ok());
  auto list = arrow::list(arrow::float32());
  std::vector<std::pair<std::string, std::shared_ptr<arrow::Array>>> columns = {
      {"i", Column(arrow::int64(), "[7]")},
      {"z", Column(arrow::int64(), "[0]")},
      {"big", Column(arrow::int64(), "[9223372036854775807]")},
      {"least_int", Column(arrow::int64(), "[-9223372036854775808]")},
      {"i8", Column(arrow::int8(), "[-128]")},
      {"i32", Column(arrow::int32(), "[5]")},
      {"u", Column(arrow::uint64(), "[18446744073709551615]")},
      {"f", Column(arrow::float64(), "[2.5]")},
      {"f32", Column(arrow::float32(), "[0.5]")},
      {"nan", nans.Finish().ValueOrDie()},
      {"s", Column(arrow::utf8(), "[\"Åbc_x\"]")},
      {"n", Column(arrow::int64(), "[null]")},
      {"nf", Column(arrow::float64(), "[null]")},
      {"ns", Column(arrow::utf8(), "[null]")},
      {"b", Column(arrow::boolean(), "[true]")},
      {"nb", Column(arrow::boolean(), "[null]")},
      {"d", Column(arrow::decimal128(10, 2), "[\"-12.35\"]")},
      {"day", Column(arrow::date32(), "[19782]")},  // 2024-02-29
      {"event_timestamp", Column(kTimestamp, "[\"2024-02-29T12:34:56.789\"]")},
      {"wall", Column(kLocal, "[\"2024-02-29T12:34:56\"]")},
      {"e", Column(list, "[[1, 2, 3]]")},
      {"g", Column(list, "[[4, 5, 6]]")},
      {"short", Column(list, "[[4]]")},
      {"zero", Column(list, "[[0, 0, 0]]")},
      {"raw", Column(arrow::binary(), "[\"ab\"]")},
  };
  std::vector<std::shared_ptr<arrow::Field>> fields;
  std::vector<std::shared_ptr<arrow::Array>> arrays;
  for (auto& [name, array] : columns) {
    fields.push_back(arrow::field(name, array->type()));
    arrays.push_back(array);
  }
  return arrow::RecordBatch::Make(arrow::schema(fields), 1, arrays);
}

arrow::Result<std::string> Text(const std::string& expression) {
  auto batch = OneRow();
  ARROW_ASSIGN_OR_RAISE(auto bound, Bind(expression, {"f.yaml", 3, 1}, *batch->schema()));
  ARROW_ASSIGN_OR_RAISE(auto array, bound->Evaluate(*batch));
  EXPECT_TRUE(array->type()->Equals(*bound->type())) << expression;
  EXPECT_TRUE(array->ValidateFull().ok()) << expression;
  EXPECT_EQ(array->length(), 1);
  return base::ValueText(*array, 0);
}

struct ValueCase {
  const char* expression;
  const char* expected;
};

class ValueTest : public ::testing::TestWithParam<ValueCase> {};

TEST_P(ValueTest, GivesTheValue) {
  auto text = Text(GetParam().expression);
  ASSERT_TRUE(text.ok()) << GetParam().expression << ": " << text.status();
  EXPECT_EQ(*text, GetParam().expected) << GetParam().expression;
}

INSTANTIATE_TEST_SUITE_P(
    Arithmetic, ValueTest,
    ::testing::Values(
        ValueCase{"1 + 2 * 3", "7"}, ValueCase{"(1 + 2) * 3", "9"}, ValueCase{"7 / 2", "3.5"},
        ValueCase{"10 - 4 - 3", "3"}, ValueCase{"-7 % 3", "-1"}, ValueCase{"7 % -3", "1"},
        ValueCase{"7.5 % 2", "1.5"}, ValueCase{"i / z", "null"}, ValueCase{"i % z", "null"},
        ValueCase{"f / 0", "null"}, ValueCase{"f % 0.0", "null"}, ValueCase{"nan / 0", "null"},
        ValueCase{"least_int % -1", "0"}, ValueCase{"-9223372036854775808", "-9223372036854775808"},
        ValueCase{"i + n", "null"}, ValueCase{"i + null", "null"}, ValueCase{"-i8", "128"},
        ValueCase{"- -i", "7"}, ValueCase{"i + f", "9.5"}, ValueCase{"i32 + f32", "5.5"},
        ValueCase{"d + 1", "-11.35"}, ValueCase{"d * d", "152.5225"}, ValueCase{"d + f", "-9.85"},
        ValueCase{"d / 2", "-6.175"}, ValueCase{"-d", "12.35"}, ValueCase{"d % 5", "-2.35"},
        ValueCase{"i * 2.0", "14.0"}, ValueCase{"1e3", "1000.0"}, ValueCase{"i32", "5"}));

INSTANTIATE_TEST_SUITE_P(
    Logic, ValueTest,
    ::testing::Values(
        ValueCase{"true and null", "null"}, ValueCase{"false and null", "false"},
        ValueCase{"null and false", "false"}, ValueCase{"true or null", "true"},
        ValueCase{"null or true", "true"}, ValueCase{"null or false", "null"},
        ValueCase{"not nb", "null"}, ValueCase{"not b", "false"}, ValueCase{"nb or b", "true"},
        ValueCase{"nb and not b", "false"}, ValueCase{"n is null", "true"},
        ValueCase{"n is not null", "false"}, ValueCase{"n = null", "null"},
        ValueCase{"null = null", "null"}, ValueCase{"null is null", "true"},
        ValueCase{"nan = nan", "false"}, ValueCase{"nan <> 1", "false"},
        ValueCase{"not (nan > 0)", "true"}, ValueCase{"nan <= 0", "false"},
        ValueCase{"nan in (1, 2)", "false"}, ValueCase{"nan not in (1, 2)", "true"},
        ValueCase{"nan between 0 and 1", "false"}, ValueCase{"i in (1, 7)", "true"},
        ValueCase{"i in (1, null)", "null"}, ValueCase{"i in (7, null)", "true"},
        ValueCase{"i not in (1, null)", "null"}, ValueCase{"n in (1)", "null"},
        ValueCase{"i in (7.0)", "true"}, ValueCase{"s in ('a', 'Åbc_x')", "true"},
        ValueCase{"day in ('2024-02-29')", "true"},
        ValueCase{"day in ('2024-02-28', event_timestamp)", "false"},
        ValueCase{"i between 7 and 7", "true"}, ValueCase{"i not between 8 and 9", "true"},
        ValueCase{"i between 8 and null", "false"}, ValueCase{"i between 6 and null", "null"},
        ValueCase{"b = true", "true"}, ValueCase{"1 = 1 and 2 = 2 or 1 = 2", "true"},
        ValueCase{"not 1 = 2", "true"}, ValueCase{"i <> 7 or i != 8", "true"}));

INSTANTIATE_TEST_SUITE_P(
    Comparison, ValueTest,
    ::testing::Values(
        ValueCase{"big < 9223372036854775808.0", "true"},
        ValueCase{"big = 9223372036854775808.0", "false"},
        ValueCase{"9007199254740993 = 9007199254740992.0", "false"},
        ValueCase{"9007199254740993 > 9007199254740992.0", "true"}, ValueCase{"u > big", "true"},
        ValueCase{"u > -1", "true"}, ValueCase{"u < 18446744073709551616.0", "true"},
        ValueCase{"least_int = -9223372036854775808.0", "true"}, ValueCase{"-1 > -1.5", "true"},
        ValueCase{"d = -12.35", "true"}, ValueCase{"d < -12", "true"}, ValueCase{"d > -13", "true"},
        ValueCase{"s < 'b'", "false"}, ValueCase{"'a' < 'ab'", "true"},
        ValueCase{"0.0 = -0.0", "true"}, ValueCase{"event_timestamp > '2024-02-29'", "true"},
        ValueCase{"'2024-02-29T12:34:56.789Z' = event_timestamp", "true"},
        ValueCase{"event_timestamp = '2024-02-29T13:34:56.789+01:00'", "true"},
        ValueCase{"day = '2024-02-29'", "true"}, ValueCase{"day < event_timestamp", "true"},
        ValueCase{"wall < '2024-03-01'", "true"},
        ValueCase{"event_timestamp between '2024-02-01' and '2024-03-01'", "true"}));

INSTANTIATE_TEST_SUITE_P(
    Choice, ValueTest,
    ::testing::Values(ValueCase{"case when i > 5 then 'many' else 'few' end", "many"},
                      ValueCase{"case i when 6 then 'six' when 7 then 'seven' end", "seven"},
                      ValueCase{"case when nb then 1 end", "null"},
                      ValueCase{"case when b then 1 else 2.5 end", "1.0"},
                      ValueCase{"case when false then big + 1 else 0 end", "0"},
                      ValueCase{"case when b then event_timestamp else '2020-01-01' end",
                                "2024-02-29T12:34:56.789000Z"},
                      ValueCase{"coalesce(n, null, i)", "7"}, ValueCase{"coalesce(n, nf)", "null"},
                      ValueCase{"coalesce(i, big + 1)", "7"},
                      ValueCase{"coalesce(ns, 'none')", "none"}, ValueCase{"nullif(i, 7)", "null"},
                      ValueCase{"nullif(i, 8)", "7"}, ValueCase{"nullif(i, null)", "7"},
                      ValueCase{"least(3, n, 1.5)", "1.5"}, ValueCase{"greatest(i, 9)", "9"},
                      ValueCase{"greatest(nan, 1)", "1.0"}, ValueCase{"greatest(n, null)", "null"},
                      ValueCase{"least('b', 'a')", "a"}, ValueCase{"b or big + 1 > 0", "true"},
                      ValueCase{"not b and big + 1 > 0", "false"}));

INSTANTIATE_TEST_SUITE_P(
    Casts, ValueTest,
    ::testing::Values(
        ValueCase{"i::string", "7"}, ValueCase{"cast('12' as int64)", "12"},
        ValueCase{"f::int64", "2"}, ValueCase{"3.5::int64", "4"},
        ValueCase{"'1.5'::float64", "1.5"}, ValueCase{"i::int8", "7"}, ValueCase{"b::int64", "1"},
        ValueCase{"z::bool", "false"}, ValueCase{"'true'::bool", "true"},
        ValueCase{"d::int64", "-12"}, ValueCase{"d::float64", "-12.35"},
        ValueCase{"d::decimal(10,1)", "-12.4"}, ValueCase{"'2.345'::decimal(5,2)", "2.35"},
        ValueCase{"f::decimal(5,2)", "2.50"}, ValueCase{"event_timestamp::date", "2024-02-29"},
        ValueCase{"day::timestamp", "2024-02-29T00:00:00.000000Z"},
        ValueCase{"'2024-01-01T01:00:00+01:00'::timestamp", "2024-01-01T00:00:00.000000Z"},
        ValueCase{"event_timestamp::string", "2024-02-29T12:34:56.789Z"},
        ValueCase{"day::string", "2024-02-29"}, ValueCase{"wall::string", "2024-02-29T12:34:56"},
        ValueCase{"event_timestamp::time::string", "12:34:56.789"},
        ValueCase{"null::int64", "null"}, ValueCase{"u::string", "18446744073709551615"},
        ValueCase{"'-5'::int64::string", "-5"}, ValueCase{"'NaN'::float64 = 1", "false"},
        ValueCase{"i32::int64 + 1", "6"}));

INSTANTIATE_TEST_SUITE_P(
    Functions, ValueTest,
    ::testing::Values(
        ValueCase{"abs(-7)", "7"}, ValueCase{"abs(d)", "12.35"}, ValueCase{"abs(-1.5)", "1.5"},
        ValueCase{"floor(-1.5)", "-2.0"}, ValueCase{"floor(d)", "-13.00"},
        ValueCase{"ceil(d)", "-12.00"}, ValueCase{"ceil(1.2)", "2.0"},
        ValueCase{"round(2.5)", "3.0"}, ValueCase{"round(-2.5)", "-3.0"},
        ValueCase{"round(d, 1)", "-12.40"}, ValueCase{"round(1.25, 1)", "1.3"},
        ValueCase{"round(1234, -2)", "1200"}, ValueCase{"round(i)", "7"}, ValueCase{"ln(1)", "0.0"},
        ValueCase{"exp(0)", "1.0"}, ValueCase{"sqrt(16)", "4.0"},
        ValueCase{"power(2, 10)", "1024.0"}, ValueCase{"length(s)", "5"},
        ValueCase{"length(raw)", "2"}, ValueCase{"length(e)", "3"},
        ValueCase{"upper('straße é')", "STRAẞE É"}, ValueCase{"lower(s)", "åbc_x"},
        ValueCase{"substr(s, 1, 2)", "Åb"}, ValueCase{"substr(s, 2)", "bc_x"},
        ValueCase{"substr(s, -2)", "_x"}, ValueCase{"substr(s, 0, 2)", "Å"},
        ValueCase{"substr(s, 9)", ""}, ValueCase{"substr(s, 2, -1)", ""},
        ValueCase{"s like 'Å%x'", "true"}, ValueCase{"s like '_bc__'", "true"},
        ValueCase{"s like 'b%'", "false"}, ValueCase{"s not like '%c%'", "false"},
        ValueCase{"'' like '%'", "true"}, ValueCase{"s matches '^.bc'", "true"},
        ValueCase{"s not matches '[0-9]'", "true"}, ValueCase{"ns matches 'x'", "null"},
        ValueCase{"'it''s' = 'it''s'", "true"},
        ValueCase{"date_part('year', event_timestamp)", "2024"},
        ValueCase{"date_part('doy', day)", "60"}, ValueCase{"date_part('dow', day)", "4"},
        ValueCase{"date_part('isodow', '2024-03-03')", "7"},
        ValueCase{"date_part('week', '2021-01-03')", "53"},
        ValueCase{"date_part('hour', event_timestamp)", "12"},
        ValueCase{"date_part('second', event_timestamp)", "56"},
        ValueCase{"date_part('hour', day)", "0"},
        ValueCase{"date_part('hour', '1969-12-31T23:00:00Z')", "23"},
        ValueCase{"date_part('quarter', day)", "1"},
        ValueCase{"epoch('1970-01-01T00:00:01.5Z')", "1.5"},
        ValueCase{"epoch(day)", "1709164800.0"}, ValueCase{"dot(e, g)", "32.0"},
        ValueCase{"cosine(e, e)", "1.0"}, ValueCase{"cosine(e, zero)", "null"},
        ValueCase{"round(haversine(52.52, 13.405, 48.8566, 2.3522), 0)", "877.0"},
        ValueCase{"hash(i) = hash(7.0)", "false"}, ValueCase{"hash(i32) = hash(5)", "true"},
        ValueCase{"hash(s) >= 0", "true"}, ValueCase{"hash(n)", "null"},
        ValueCase{"hash('1', '23') = hash('12', '3')", "false"},
        ValueCase{"hash(0.0) = hash(-0.0)", "true"}));

TEST(Expression, CaseSuiteOfErrors) {
  struct Case {
    const char* expression;
    const char* part;  // of the message
  };
  const Case cases[] = {
      {"", "empty"},
      {"1 +", "the end"},
      {"i >", "a value"},
      {"a + 1", "unknown column 'a'"},
      {"evnt_timestamp > '2020-01-01'", "did you mean 'event_timestamp'"},
      {"lenght(s)", "did you mean 'length'"},
      {"s + 1", "wants numbers"},
      {"event_timestamp - day", "epoch"},
      {"s = 1", "compares string with int64"},
      {"1 < i < 3", "chain"},
      {"i == 7", "'='"},
      {"'open", "not closed"},
      {"i in ()", "a value"},
      {"b and i", "wants bool"},
      {"case when i then 1 end", "wants bool"},
      {"case when b then 1 else 'a' end", "mixes"},
      {"s matches '('", "regular expression"},
      {"s matches s", "string literal"},
      {"i::varchar", "'string'"},
      {"i::int65", "did you mean"},
      {"e::string", "no cast"},
      {"e = e", "compares"},
      {"b < true", "compares"},
      {"event_timestamp > 'yesterday'", "not of type timestamp"},
      {"date_part('yaer', day)", "did you mean 'year'"},
      {"power(2)", "takes 2 arguments"},
      {"99999999999999999999", "does not fit int64"},
      {"1e999", "does not fit float64"},
      {"i ? 1", "unexpected character"},
      {"12abc", "neither"},
      {"i -- comment", "no comments"},
      {"wall = event_timestamp", "compares"},
  };
  for (const Case& c : cases) {
    auto text = Text(c.expression);
    ASSERT_FALSE(text.ok()) << c.expression << " gave " << *text;
    EXPECT_EQ(CodeOf(text.status()), ErrorCode::kInvalidDefinition) << text.status();
    EXPECT_NE(text.status().message().find(c.part), std::string::npos)
        << c.expression << ": " << text.status();
    EXPECT_NE(text.status().message().find("f.yaml:3"), std::string::npos) << text.status();
  }
}

TEST(Expression, ValuesWithoutResultAreErrorsThatNameThePart) {
  for (const char* expression :
       {"1 + (big + 1)", "-least_int", "big * 2", "abs(least_int)", "u + 1", "300::int8",
        "'x'::int64", "nan::int64", "'12.5'::int64", "dot(e, short)", "1e300::float32"}) {
    auto text = Text(expression);
    ASSERT_FALSE(text.ok()) << expression << " gave " << *text;
    EXPECT_EQ(CodeOf(text.status()), ErrorCode::kBadInput) << text.status();
  }
  EXPECT_NE(Text("1 + (big + 1)").status().message().find("'big + 1'"), std::string::npos);
}

TEST(Expression, ErrorsTellTheLineWithinTheText) {
  auto batch = OneRow();
  auto bound = Bind("i > 1\n  and nope = 2", {"f.yaml", 10, 5}, *batch->schema());
  ASSERT_FALSE(bound.ok());
  EXPECT_NE(bound.status().message().find("f.yaml:11"), std::string::npos) << bound.status();
}

TEST(Expression, NestingAndLengthAreBounded) {
  auto nested = [](int depth) {
    return std::string(static_cast<size_t>(depth), '(') + "1" +
           std::string(static_cast<size_t>(depth), ')');
  };
  EXPECT_TRUE(Text(nested(199)).ok());
  EXPECT_EQ(CodeOf(Text(nested(201)).status()), ErrorCode::kInvalidDefinition);
  std::string chain = "1";
  for (int i = 0; i < 498; ++i) {
    chain += " + 1";
  }
  EXPECT_EQ(*Text(chain), "499");
  EXPECT_EQ(CodeOf(Text(chain + " + 1 + 1").status()), ErrorCode::kInvalidDefinition);
  EXPECT_FALSE(Text(std::string(70'000, ' ') + "1").ok());
  std::string nots;
  for (int i = 0; i < 250; ++i) {
    nots += "not ";
  }
  EXPECT_FALSE(Text(nots + "true").ok());
  EXPECT_FALSE(Text(std::string(250, '-') + "1").ok());
}

TEST(Expression, TellsItsColumnsInOrderOfUse) {
  auto columns = ColumnsOf("b > a and \"odd name\" = b or f(event_timestamp)", {});
  ASSERT_TRUE(columns.ok()) << columns.status();
  EXPECT_EQ(*columns, (std::vector<std::string>{"b", "a", "odd name", "event_timestamp"}));
}

TEST(Expression, PredicateMustBeBool) {
  auto batch = OneRow();
  EXPECT_FALSE(BindPredicate("i + 1", {}, *batch->schema()).ok());
  EXPECT_TRUE(BindPredicate("i = 1", {}, *batch->schema()).ok());
  auto null = BindPredicate("null", {}, *batch->schema());
  ASSERT_TRUE(null.ok());
  EXPECT_EQ((*(*null)->Evaluate(*batch))->null_count(), 1);
}

TEST(Expression, EmptyBatchGivesEmptyResult) {
  auto batch = OneRow()->Slice(0, 0);
  for (const char* expression :
       {"i + 1", "case when b then i else 2 end", "s matches 'x'", "coalesce(n, 1)", "i in (1, n)",
        "b and nb", "dot(e, g)", "1 = 2", "upper(s)", "i between 1 and 2", "substr(s, 1)"}) {
    auto bound = Bind(expression, {}, *batch->schema());
    ASSERT_TRUE(bound.ok()) << bound.status();
    auto array = (*bound)->Evaluate(*batch);
    ASSERT_TRUE(array.ok()) << expression << array.status();
    EXPECT_EQ((*array)->length(), 0);
  }
}

TEST(Expression, SlicedBatchesAreReadAtTheirOffset) {
  auto schema = arrow::schema({arrow::field("x", arrow::int64()), arrow::field("s", arrow::utf8()),
                               arrow::field("b", arrow::boolean()),
                               arrow::field("e", arrow::list(arrow::float64()))});
  auto batch = arrow::RecordBatch::Make(
                   schema, 4,
                   {Column(arrow::int64(), "[1, 2, null, 4]"),
                    Column(arrow::utf8(), R"(["a", "b", "c", null])"),
                    Column(arrow::boolean(), "[true, false, true, null]"),
                    Column(arrow::list(arrow::float64()), "[[1], [2], null, [4, null]]")})
                   ->Slice(1, 3);
  auto texts = [&](const char* expression) {
    std::string all;
    auto array = (*Bind(expression, {}, *schema))->Evaluate(*batch).ValueOrDie();
    for (int64_t i = 0; i < array->length(); ++i) {
      all += *base::ValueText(*array, i) + " ";
    }
    return all;
  };
  EXPECT_EQ(texts("x * 10"), "20 null 40 ");
  EXPECT_EQ(texts("upper(s)"), "B C null ");
  EXPECT_EQ(texts("not b"), "true false null ");
  EXPECT_EQ(texts("dot(e, e)"), "4.0 null null ");
  EXPECT_EQ(texts("case when x = 2 then s else 'z' end"), "b z z ");
}

}  // namespace
}  // namespace icecore::expr
