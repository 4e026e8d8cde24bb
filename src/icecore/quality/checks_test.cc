#include "icecore/quality/checks.h"

#include <arrow/array.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include "icecore/base/json_text.h"
#include "icecore/quality/inference.h"

namespace icecore::quality {
namespace {

using base::CodeOf;
using base::ErrorCode;
using Kind = spec::Check::Kind;

const auto kSchema =
    arrow::schema({arrow::field("id", arrow::int64()), arrow::field("k", arrow::utf8()),
                   arrow::field("x", arrow::float64())});

std::shared_ptr<arrow::RecordBatch> Rows(const std::string& ids, const std::string& keys,
                                         const std::string& xs) {
  arrow::ArrayVector arrays;
  const std::string texts[] = {ids, keys, xs};
  for (int i = 0; i < 3; ++i) {
    arrays.push_back(
        arrow::json::ArrayFromJSONString(kSchema->field(i)->type(), texts[i]).ValueOrDie());
  }
  return arrow::RecordBatch::Make(kSchema, arrays[0]->length(), arrays);
}

spec::Check MakeCheck(Kind kind, const std::string& name, std::vector<std::string> columns) {
  spec::Check check;
  check.kind = kind;
  check.name = name;
  check.columns = std::move(columns);
  check.location = {"definitions/tables.yaml", 9, 0};
  return check;
}

spec::Check Expect(const std::string& name, const std::string& text) {
  spec::Check check = MakeCheck(Kind::kExpect, name, {});
  check.expect = {text, check.location};
  return check;
}

spec::Literal Int(int64_t value) {
  return {spec::Literal::Kind::kInt, false, value, 0, std::to_string(value), {}};
}

std::unique_ptr<TableChecker> Make(std::vector<spec::Check> checks, CheckInputs inputs = {}) {
  spec::Table table;
  table.name = "t";
  table.checks = std::move(checks);
  auto checker = TableChecker::Make(table, kSchema, std::move(inputs));
  EXPECT_TRUE(checker.ok()) << checker.status();
  return std::move(*checker);
}

std::string Ids(const std::shared_ptr<arrow::RecordBatch>& rows) {
  std::string text;
  for (int64_t i = 0; i < rows->num_rows(); ++i) {
    text += *base::ValueText(*rows->column(0), i) + " ";
  }
  return text;
}

TEST(Checks, RowChecksRejectWithEveryReasonAndPassOnNull) {
  spec::Check in = MakeCheck(Kind::kIn, "in_k", {"k"});
  in.values = {{spec::Literal::Kind::kString, false, 0, 0, "a", {}},
               {spec::Literal::Kind::kString, false, 0, 0, "bb", {}}};
  spec::Check between = MakeCheck(Kind::kBetween, "between_x", {"x"});
  between.values = {Int(0), Int(10)};
  spec::Check matches = MakeCheck(Kind::kMatches, "matches_k", {"k"});
  matches.pattern = "^.$";
  matches.severity = spec::Severity::kWarn;
  auto checker = Make({MakeCheck(Kind::kNotNull, "not_null_k", {"k"}), in, between, matches,
                       Expect("small", "x < 20")});
  auto result = checker->CheckRows(
      *Rows("[1, 2, 3, 4, 5]", R"(["a", null, "c", "bb", "a"])", "[1, 1, 30, null, 11]"));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(Ids(result->accepted), "1 4 ");
  EXPECT_EQ(Ids(result->quarantined.rows), "2 3 5 ");
  EXPECT_EQ(result->quarantined.reasons[1].size(), 3u);
  EXPECT_EQ(result->broken_by_rule,
            (RuleCounts{{"between_x", 2}, {"in_k", 1}, {"not_null_k", 1}, {"small", 1}}));
  EXPECT_EQ(result->warned_by_rule, (RuleCounts{{"matches_k", 1}}));
  EXPECT_TRUE(checker->Finish({}).ok());
}

TEST(Checks, WhereLeavesRowsOut) {
  spec::Check check = Expect("small", "x < 20");
  check.where = spec::ExpressionText{"k = 'a'", {}};
  auto result = Make({check})->CheckRows(*Rows("[1, 2, 3]", R"(["a", "b", null])", "[30, 30, 30]"));
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(Ids(result->accepted), "2 3 ");
}

class KnownIds : public KeyLookup {
 public:
  arrow::Result<std::vector<bool>> Exists(const arrow::RecordBatch& keys) override {
    std::vector<bool> out;
    const auto& ids = static_cast<const arrow::Int64Array&>(*keys.column(0));
    for (int64_t i = 0; i < keys.num_rows(); ++i) {
      out.push_back(ids.Value(i) == 100);
    }
    return out;
  }
};

TEST(Checks, UniqueOverBatchesAndTheTable) {
  KnownIds known;
  CheckInputs inputs;
  inputs.keys["unique_id"] = &known;
  auto checker =
      Make({MakeCheck(Kind::kUnique, "unique_id", {"id"}), Expect("small", "x < 20")}, inputs);
  auto first = checker->CheckRows(
      *Rows("[1, 2, 1, null, null, 100]", R"(["a","b","c","d","e","f"])", "[1, 30, 1, 1, 1, 1]"));
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(Ids(first->accepted), "1 null null ");
  EXPECT_EQ(Ids(first->quarantined.rows), "2 1 100 ");
  auto second = checker->CheckRows(*Rows("[1, 2]", R"(["a", "b"])", "[1, 1]"));
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(Ids(second->accepted), "2 ");  // the rejected row did not claim its key
}

TEST(Checks, KeysOfSeveralColumnsDoNotCollide) {
  auto schema = arrow::schema({arrow::field("a", arrow::utf8()), arrow::field("b", arrow::utf8())});
  spec::Table table;
  table.checks = {MakeCheck(Kind::kUnique, "u", {"a", "b"})};
  auto checker = TableChecker::Make(table, schema, {});
  ASSERT_TRUE(checker.ok());
  auto rows = arrow::RecordBatch::Make(
      schema, 3,
      {arrow::json::ArrayFromJSONString(arrow::utf8(), R"(["1", "12", "1\",\"2"])").ValueOrDie(),
       arrow::json::ArrayFromJSONString(arrow::utf8(), R"(["23", "3", "3"])").ValueOrDie()});
  EXPECT_EQ((*checker)->CheckRows(*rows)->accepted->num_rows(), 3);
}

TEST(Checks, References) {
  spec::Check check = MakeCheck(Kind::kReferences, "refs", {"k"});
  check.references = {{"k", "landing.other.k"}};
  CheckInputs inputs;
  inputs.references["landing.other.k"] =
      arrow::json::ArrayFromJSONString(arrow::utf8(), R"(["a", null])").ValueOrDie();
  auto result =
      Make({check}, inputs)->CheckRows(*Rows("[1, 2, 3]", R"(["a", "b", null])", "[1, 1, 1]"));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(Ids(result->accepted), "1 3 ");
  EXPECT_EQ(result->quarantined.reasons[0][0].expected, "a value of landing.other.k");
}

TEST(Checks, MostlyJudgesTheStepAndRejectsNoRow) {
  spec::Check check = Expect("small", "x < 20");
  check.mostly = 0.75;
  auto checker = Make({check});
  auto rows = Rows("[1, 2, 3, 4]", R"(["a","b","c","d"])", "[1, 1, 1, 30]");
  EXPECT_EQ(Ids(checker->CheckRows(*rows)->accepted), "1 2 3 4 ");
  EXPECT_TRUE(checker->Finish({}).ok());
  EXPECT_TRUE(checker->CheckRows(*rows->Slice(3, 1)).ok());
  auto verdict = checker->Finish({});
  EXPECT_EQ(CodeOf(verdict.status()), ErrorCode::kContractViolation);
  check.severity = spec::Severity::kWarn;
  checker = Make({check});
  EXPECT_TRUE(checker->CheckRows(*rows->Slice(3, 1)).ok());
  EXPECT_EQ(*checker->Finish({}), (RuleCounts{{"small", 1}}));
}

TEST(Checks, TableChecks) {
  spec::Check count = MakeCheck(Kind::kRowCount, "row_count", {});
  count.values = {Int(1), spec::Literal{}};
  spec::Check equal = MakeCheck(Kind::kEqualRows, "equal_rows", {});
  equal.other_table = "landing.x";
  spec::Check fresh = MakeCheck(Kind::kFresh, "fresh", {});
  fresh.age_us = 10;
  auto checker = Make({count, equal, fresh});
  TableNumbers numbers;
  numbers.rows = 1;
  numbers.other_rows["landing.x"] = 1;
  numbers.newest_us = 90;
  numbers.now_us = 100;
  EXPECT_TRUE(checker->Finish(numbers).ok());
  numbers = {0, {{"landing.x", 1}}, 89, 100};
  auto verdict = checker->Finish(numbers);
  ASSERT_FALSE(verdict.ok());
  for (const char* name : {"row_count", "equal_rows", "fresh"}) {
    EXPECT_NE(verdict.status().message().find(name), std::string::npos) << verdict.status();
  }
  numbers.newest_us.reset();
  EXPECT_FALSE(checker->Finish(numbers).ok());
}

TEST(Checks, FailStopsAndWrongDefinitionsAreNamed) {
  spec::Check check = Expect("small", "x < 20");
  check.severity = spec::Severity::kFail;
  auto result = Make({check})->CheckRows(*Rows("[1]", R"(["a"])", "[30]"));
  EXPECT_EQ(CodeOf(result.status()), ErrorCode::kContractViolation);
  for (const spec::Check& wrong :
       {Expect("e", "y < 20"), MakeCheck(Kind::kNotNull, "n", {"idd"}), Expect("e", "x + 1")}) {
    spec::Table table;
    table.checks = {wrong};
    auto checker = TableChecker::Make(table, kSchema, {});
    EXPECT_EQ(CodeOf(checker.status()), ErrorCode::kInvalidDefinition) << checker.status();
    EXPECT_NE(checker.status().message().find("tables.yaml:9"), std::string::npos);
  }
}

TEST(Checks, DropsTellTheFirstRuleThatIsTrue) {
  spec::Table table;
  table.drop = {{"ghost", {"k is null", {}}, {}}, {"big", {"x > 20", {}}, {}}};
  auto checker = TableChecker::Make(table, kSchema, {});
  ASSERT_TRUE(checker.ok()) << checker.status();
  EXPECT_EQ(*(*checker)->EvaluateDrops(
                *Rows("[1, 2, 3, 4]", R"(["a", null, null, "b"])", "[1, 30, null, 30]")),
            (std::vector<int32_t>{-1, 0, 0, 1}));
}

TEST(Inference, TakesTheNarrowestTypeThatFitsEveryValue) {
  auto text = [](const std::string& json) {
    return arrow::json::ArrayFromJSONString(arrow::utf8(), json).ValueOrDie();
  };
  std::vector<std::pair<std::string, std::string>> columns = {
      {"b", R"(["true", "False", "NA"])"},
      {"i", R"(["1", "-2", ""])"},
      {"f", R"(["1", "2.5", "NaN"])"},
      {"d", R"(["2024-01-01", "NA", "2024-02-29"])"},
      {"t", R"(["2024-01-01", "2024-01-01T10:00:00Z", ""])"},
      {"s", R"(["1", "x", "2"])"},
      {"none", R"(["", "NA", null])"},
      {"code", R"(["007", "1", "2"])"},
      {"id", R"(["99999999999999999999", "1", "2"])"},
      {"bit", R"(["0", "1", "1"])"},
      {"yes", R"(["yes", "no", "yes"])"},
      {"_file", R"(["1", "1", "1"])"},
  };
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const auto& [name, json] : columns) {
    fields.push_back(arrow::field(name, arrow::utf8()));
    arrays.push_back(text(json));
  }
  auto rows = arrow::RecordBatch::Make(arrow::schema(fields), 3, arrays);
  auto inference = TypeInference::Make({"", "NA"});
  for (int64_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(inference->Add(*rows->Slice(i, 1)).ok());
  }
  EXPECT_EQ(inference->Finish()->ToString(),
            "b: bool\ni: int64\nf: double\nd: date32[day]\nt: timestamp[us, tz=UTC]\ns: string\n"
            "none: string\ncode: string\nid: string\nbit: int64\nyes: string");
}

}  // namespace
}  // namespace icecore::quality
