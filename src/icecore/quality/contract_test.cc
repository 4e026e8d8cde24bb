#include "icecore/quality/contract.h"

#include <arrow/array.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include "icecore/base/json_text.h"
#include "icecore/quality/quarantine.h"

namespace icecore::quality {
namespace {

using base::CodeOf;
using base::ErrorCode;
using NewColumns = spec::Contract::NewColumns;

const auto kTimestamp = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");

std::shared_ptr<arrow::Array> Column(const std::shared_ptr<arrow::DataType>& type,
                                     const std::string& json) {
  auto array = arrow::json::ArrayFromJSONString(type, json);
  EXPECT_TRUE(array.ok()) << array.status();
  return *array;
}

std::shared_ptr<arrow::RecordBatch> Batch(
    const std::vector<std::pair<std::string, std::shared_ptr<arrow::Array>>>& columns) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const auto& [name, array] : columns) {
    fields.push_back(arrow::field(name, array->type()));
    arrays.push_back(array);
  }
  return arrow::RecordBatch::Make(arrow::schema(fields), arrays[0]->length(), arrays);
}

spec::ColumnContract Declared(const std::string& name, std::shared_ptr<arrow::DataType> type) {
  spec::ColumnContract column;
  column.name = name;
  column.type = std::move(type);
  column.location = {"definitions/tables.yaml", 6, 0};
  return column;
}

spec::Literal IntLiteral(int64_t value) {
  spec::Literal literal;
  literal.kind = spec::Literal::Kind::kInt;
  literal.int_value = value;
  literal.string_value = std::to_string(value);
  return literal;
}

spec::Literal Text(const std::string& value) {
  spec::Literal literal;
  literal.kind = spec::Literal::Kind::kString;
  literal.string_value = value;
  return literal;
}

// The source of the conformance case about contracts.
spec::Contract Readings() {
  spec::Contract contract;
  contract.columns = {Declared("user_id", arrow::int64()), Declared("happened_at", kTimestamp),
                      Declared("x", arrow::float64()), Declared("code", arrow::utf8()),
                      Declared("tail", arrow::utf8())};
  contract.columns[0].required = true;
  contract.columns[1].required = true;
  contract.columns[2].between = {IntLiteral(0), IntLiteral(100)};
  contract.columns[3].matches = "^[A-Z]{2}$";
  contract.columns[4].matches = "^N[0-9]+$";
  contract.columns[4].severity = spec::Severity::kWarn;
  contract.rules = {
      {"no_zz_above_40", {"code <> 'ZZ' or x <= 40", {}}, spec::Severity::kError, {}}};
  return contract;
}

std::shared_ptr<arrow::RecordBatch> ReadingRows() {
  return Batch({
      {"user_id", Column(arrow::utf8(), R"(["1", "", "1", "1", "1", "one", "1", "1", "2", "2"])")},
      {"happened_at", Column(arrow::utf8(), R"(["2024-03-01T10:00:00Z", "2024-03-01T10:00:00Z",
        "2024-03-01T10:01:00Z", "2024-03-01T10:02:00Z", "2024-03-01T10:03:00Z",
        "2024-03-01T10:00:00Z", "yesterday", "2024-03-01T10:04:00Z", "2024-03-01T10:05:00Z",
        "2024-03-01T10:06:00Z"])")},
      {"x",
       Column(arrow::utf8(),
              R"(["1.0", "2.0", "101.0", "100.0", "-0.5", "4.0", "4.0", "8.0", "50.0", "16.0"])")},
      {"code",
       Column(arrow::utf8(), R"(["AB", "AB", "AB", "AB", "abc", "AB", "AB", "CD", "ZZ", "QQ"])")},
      {"tail",
       Column(arrow::utf8(), R"(["N1", "N1", "N1", "x", "", "N1", "N1", "N2", "N3", "N4"])")},
      {"_seq", Column(arrow::int64(), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]")},
      {"_file", Column(arrow::utf8(), R"(["f", "f", "f", "f", "f", "f", "f", "f", "f", "f"])")},
      {"_row", Column(arrow::int64(), "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]")},
  });
}

ContractSettings Csv() { return {"readings", "v1", true, false, {""}}; }

std::string Json(const arrow::RecordBatch& rows, const std::string& column) {
  std::string text;
  auto array = rows.GetColumnByName(column);
  for (int64_t i = 0; i < array->length(); ++i) {
    text += *base::ValueText(*array, i) + " ";
  }
  return text;
}

ContractResult CheckOk(const spec::Contract& contract, const ContractSettings& settings,
                       const std::shared_ptr<arrow::RecordBatch>& rows,
                       const std::shared_ptr<arrow::Schema>& inferred = nullptr) {
  auto checker = ContractChecker::Make(contract, settings, rows->schema(), inferred);
  EXPECT_TRUE(checker.ok()) << checker.status();
  auto result = (*checker)->Check(*rows);
  EXPECT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->accepted->schema()->Equals(*(*checker)->accepted_schema()));
  EXPECT_TRUE(result->accepted->ValidateFull().ok());
  return *result;
}

TEST(Contract, RowsThatBreakItGoToQuarantineWithEveryReason) {
  ContractResult result = CheckOk(Readings(), Csv(), ReadingRows());
  EXPECT_EQ(Json(*result.accepted, "_seq"), "0 3 7 9 ");
  EXPECT_EQ(Json(*result.accepted, "x"), "1.0 100.0 8.0 16.0 ");
  EXPECT_EQ(Json(*result.quarantined.rows, "_seq"), "1 2 4 5 6 8 ");
  EXPECT_EQ(Json(*result.quarantined.rows, "happened_at").find("yesterday") != std::string::npos,
            true);
  std::vector<std::vector<std::string>> rules;
  for (const auto& reasons : result.quarantined.reasons) {
    rules.emplace_back();
    for (const Reason& reason : reasons) {
      rules.back().push_back(RuleKey(reason));
    }
  }
  EXPECT_EQ(rules, (std::vector<std::vector<std::string>>{{"required(user_id)"},
                                                          {"between(x)"},
                                                          {"between(x)", "matches(code)"},
                                                          {"type(user_id)"},
                                                          {"type(happened_at)"},
                                                          {"no_zz_above_40"}}));
  EXPECT_EQ(result.warned_by_rule, (RuleCounts{{"matches(tail)", 1}}));
  EXPECT_EQ(result.broken_by_rule, (RuleCounts{{"between(x)", 2},
                                               {"matches(code)", 1},
                                               {"no_zz_above_40", 1},
                                               {"required(user_id)", 1},
                                               {"type(happened_at)", 1},
                                               {"type(user_id)", 1}}));
  int64_t rows = 0;
  for (const auto& [rule, count] : result.quarantined_by_rule) {
    rows += count;
  }
  EXPECT_EQ(rows, result.quarantined.rows->num_rows());
  const Reason& type = result.quarantined.reasons[3][0];
  EXPECT_EQ(type.observed, "one");
  EXPECT_EQ(type.expected, "int64");
  EXPECT_EQ(type.version, "v1");
  EXPECT_EQ(result.quarantined.reasons[5][0].observed, "code = ZZ, x = 50.0");
}

TEST(Contract, BuildsQuarantineRows) {
  ContractResult result = CheckOk(Readings(), Csv(), ReadingRows());
  auto rows = BuildQuarantine(result.quarantined, {"landing.readings", "run-1", 5});
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_TRUE((*rows)->ValidateFull().ok());
  EXPECT_TRUE((*rows)->schema()->Equals(*QuarantineSchema()));
  EXPECT_EQ(Json(**rows, "_row"), "2 3 5 6 7 9 ");
  EXPECT_EQ(Json(**rows, "_origin").substr(0, 17), "landing.readings ");
  EXPECT_EQ(Json(**rows, "raw"), "null null null null null null ");
  EXPECT_EQ(
      *base::ValueText(*(*rows)->GetColumnByName("row"), 3),
      R"({"user_id":"one","happened_at":"2024-03-01T10:00:00Z","x":"4.0","code":"AB","tail":"N1"})");
  EXPECT_EQ(
      *base::ValueText(*(*rows)->GetColumnByName("reasons"), 1),
      R"([{"rule":"between","version":"v1","column":"x","observed":"101.0","expected":"\"x\" between 0 and 100"}])");
}

TEST(Contract, FailStopsTheRunAndNamesRuleFileAndRow) {
  spec::Contract contract = Readings();
  contract.columns[3].severity = spec::Severity::kFail;
  auto rows = ReadingRows();
  auto checker = ContractChecker::Make(contract, Csv(), rows->schema(), nullptr);
  ASSERT_TRUE(checker.ok()) << checker.status();
  auto result = (*checker)->Check(*rows);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(CodeOf(result.status()), ErrorCode::kContractViolation);
  for (const char* part : {"matches(code)", " f row 5", "abc"}) {
    EXPECT_NE(result.status().message().find(part), std::string::npos) << result.status();
  }
}

TEST(Contract, WarnLetsAValueOfAnotherTypePassAsNull) {
  spec::Contract contract;
  contract.columns = {Declared("a", arrow::int64())};
  contract.columns[0].severity = spec::Severity::kWarn;
  ContractResult result =
      CheckOk(contract, Csv(), Batch({{"a", Column(arrow::utf8(), R"(["1", "x", ""])")}}));
  EXPECT_EQ(Json(*result.accepted, "a"), "1 null null ");
  EXPECT_EQ(result.warned_by_rule, (RuleCounts{{"type(a)", 1}}));
  EXPECT_EQ(result.quarantined.rows->num_rows(), 0);
}

TEST(Contract, RowsThatCouldNotBeSplitHaveOneReasonOnly) {
  spec::Contract contract;
  contract.columns = {Declared("a", arrow::int64())};
  contract.columns[0].required = true;
  auto rows = Batch({{"a", Column(arrow::utf8(), R"(["1", null])")},
                     {"_problem", Column(arrow::utf8(), R"([null, "3 fields, expected 1"])")},
                     {"_raw", Column(arrow::binary(), R"([null, "x,y,z"])")}});
  ContractResult result = CheckOk(contract, Csv(), rows);
  EXPECT_EQ(result.accepted->schema()->field_names(), std::vector<std::string>{"a"});
  ASSERT_EQ(result.quarantined.reasons.size(), 1u);
  ASSERT_EQ(result.quarantined.reasons[0].size(), 1u);
  EXPECT_EQ(result.quarantined.reasons[0][0].rule, "unreadable");
  EXPECT_EQ(result.quarantined.reasons[0][0].observed, "3 fields, expected 1");
  auto quarantine = BuildQuarantine(result.quarantined, {"landing.a", "r", 0});
  ASSERT_TRUE(quarantine.ok());
  EXPECT_EQ(Json(**quarantine, "raw"), base::Base64("x,y,z") + " ");
}

TEST(Contract, ColumnsComeInTheContractsOrderThenFurtherOnesThenTheEnvelope) {
  spec::Contract contract;
  contract.columns = {Declared("b", arrow::int64()), Declared("gone", arrow::int64()),
                      Declared("a", nullptr)};
  auto rows = Batch({{"a", Column(arrow::utf8(), R"(["1"])")},
                     {"_seq", Column(arrow::int64(), "[4]")},
                     {"more", Column(arrow::utf8(), R"(["2.5"])")},
                     {"b", Column(arrow::utf8(), R"(["3"])")},
                     {"plain", Column(arrow::utf8(), R"(["p"])")}});
  auto inferred =
      arrow::schema({arrow::field("a", arrow::int64()), arrow::field("more", arrow::float64())});
  auto checker = ContractChecker::Make(contract, Csv(), rows->schema(), inferred);
  ASSERT_TRUE(checker.ok()) << checker.status();
  EXPECT_EQ((*checker)->missing_columns(), std::vector<std::string>{"gone"});
  EXPECT_EQ((*checker)->new_columns(), (std::vector<std::string>{"more", "plain"}));
  EXPECT_EQ((*checker)->accepted_schema()->ToString(),
            "b: int64\ngone: int64\na: int64\nmore: double\nplain: string\n_seq: int64");
  auto result = (*checker)->Check(*rows);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->warned_by_rule, (RuleCounts{{"missing(gone)", 1}}));

  contract.new_columns = NewColumns::kIgnore;
  EXPECT_EQ(CheckOk(contract, Csv(), rows).accepted->schema()->field_names(),
            (std::vector<std::string>{"b", "gone", "a", "_seq"}));
  contract.columns[1].required = true;
  EXPECT_EQ(CheckOk(contract, Csv(), rows).broken_by_rule, (RuleCounts{{"required(gone)", 1}}));

  contract.new_columns = NewColumns::kReject;
  auto rejected = ContractChecker::Make(contract, Csv(), rows->schema(), nullptr);
  EXPECT_EQ(CodeOf(rejected.status()), ErrorCode::kContractViolation);
  EXPECT_NE(rejected.status().message().find("'gone'"), std::string::npos) << rejected.status();
  contract.columns.erase(contract.columns.begin() + 1);
  rejected = ContractChecker::Make(contract, Csv(), rows->schema(), nullptr);
  EXPECT_NE(rejected.status().message().find("'more'"), std::string::npos) << rejected.status();
}

TEST(Contract, TypedSourcesAreCastWhereExact) {
  spec::Contract contract;
  contract.columns = {Declared("i", arrow::int64()), Declared("t", kTimestamp),
                      Declared("w", kTimestamp)};
  contract.columns[2].zone = "America/New_York";
  auto rows = Batch(
      {{"i", Column(arrow::float64(), "[1, 1.5, null]")},
       {"t", Column(arrow::timestamp(arrow::TimeUnit::NANO),
                    R"(["2024-03-01T00:00:00.000000001", "2024-03-01", "2024-03-01"])")},
       {"w", Column(arrow::timestamp(arrow::TimeUnit::MICRO),
                    R"(["2024-03-10T00:31:00", "2024-03-10T03:31:00", "2024-03-10T02:30:00"])")},
       {"n", Column(arrow::timestamp(arrow::TimeUnit::NANO, "UTC"),
                    R"(["1969-12-31T23:59:59.999999999", "2024-03-01", null])")}});
  ContractResult result = CheckOk(contract, {"s", "v", false, false, {}}, rows);
  EXPECT_EQ(Json(*result.accepted, "i"), "1 ");
  EXPECT_EQ(Json(*result.accepted, "t"), "2024-03-01T00:00:00.000001Z ");
  EXPECT_EQ(Json(*result.accepted, "w"), "2024-03-10T05:31:00.000000Z ");
  EXPECT_EQ(Json(*result.accepted, "n"), "1970-01-01T00:00:00.000000Z ");
  EXPECT_EQ(result.broken_by_rule, (RuleCounts{{"type(i)", 1}, {"zone(w)", 1}}));
}

TEST(Contract, RulesAreReadAsTheColumnsType) {
  spec::Contract contract;
  contract.columns = {Declared("d", arrow::decimal128(10, 2)), Declared("day", arrow::date32()),
                      Declared("s", arrow::utf8()), Declared("f", arrow::float64()),
                      Declared("odd \"name\"", arrow::int64())};
  spec::Literal tenth;
  tenth.kind = spec::Literal::Kind::kFloat;
  tenth.float_value = 0.1;
  tenth.string_value = "0.1";
  contract.columns[0].between = {tenth, IntLiteral(5)};
  contract.columns[1].between = {Text("2024-01-01"), spec::Literal{}};
  contract.columns[2].in = {IntLiteral(1), Text("it's")};
  contract.columns[3].between = {IntLiteral(0), IntLiteral(1)};
  contract.columns[4].in = {IntLiteral(1)};
  auto rows =
      Batch({{"d", Column(arrow::utf8(), R"(["0.10", "0.09", "5.00"])")},
             {"day", Column(arrow::utf8(), R"(["2024-01-01", "2024-01-01", "2023-12-31"])")},
             {"s", Column(arrow::utf8(), R"(["1", "it's", "2"])")},
             {"f", Column(arrow::utf8(), R"(["1", "NaN", ""])")},
             {"odd \"name\"", Column(arrow::utf8(), R"(["1", "1", "2"])")}});
  ContractResult result = CheckOk(contract, Csv(), rows);
  EXPECT_EQ(result.accepted->num_rows(), 1);
  EXPECT_EQ(result.broken_by_rule, (RuleCounts{{"between(d)", 1},
                                               {"between(day)", 1},
                                               {"between(f)", 1},
                                               {"in(odd \"name\")", 1},
                                               {"in(s)", 1}}));
}

TEST(Contract, WrongRulesAreInvalidDefinitions) {
  auto rows = Batch({{"a", Column(arrow::utf8(), R"(["1"])")}});
  auto code = [&](const spec::Contract& contract) {
    auto checker = ContractChecker::Make(contract, Csv(), rows->schema(), nullptr);
    EXPECT_FALSE(checker.ok());
    EXPECT_NE(checker.status().message().find("tables.yaml:6"), std::string::npos)
        << checker.status();
    return CodeOf(checker.status());
  };
  spec::Contract contract;
  contract.columns = {Declared("a", arrow::int64())};
  contract.columns[0].matches = "x";
  EXPECT_EQ(code(contract), ErrorCode::kInvalidDefinition);
  contract.columns = {Declared("a", arrow::utf8())};
  contract.columns[0].matches = "(";
  EXPECT_EQ(code(contract), ErrorCode::kInvalidDefinition);
  contract.columns = {Declared("a", arrow::int64())};
  contract.columns[0].between = {Text("x"), IntLiteral(1)};
  EXPECT_EQ(code(contract), ErrorCode::kInvalidDefinition);
  contract.columns = {Declared("a", kTimestamp)};
  contract.columns[0].zone = "America/New_Yrok";
  EXPECT_EQ(code(contract), ErrorCode::kInvalidDefinition);
  contract.columns = {Declared("a", arrow::int64())};
  contract.rules = {
      {"r", {"b > 1", {"definitions/tables.yaml", 6, 0}}, spec::Severity::kError, {}}};
  EXPECT_EQ(code(contract), ErrorCode::kInvalidDefinition);
}

TEST(Contract, ObservedIsBounded) {
  spec::Contract contract;
  contract.columns = {Declared("a", arrow::int64())};
  std::string text;
  for (int i = 0; i < 150; ++i) {
    text += "é";
  }
  ContractResult result =
      CheckOk(contract, Csv(), Batch({{"a", Column(arrow::utf8(), "[\"x" + text + "\"]")}}));
  const std::string& observed = result.quarantined.reasons[0][0].observed;
  EXPECT_LE(observed.size(), static_cast<size_t>(kObservedBytes) + 3);
  EXPECT_TRUE(observed.ends_with("é…")) << observed;
}

TEST(Contract, EmptyBatch) {
  ContractResult result = CheckOk(Readings(), Csv(), ReadingRows()->Slice(0, 0));
  EXPECT_EQ(result.accepted->num_rows(), 0);
  EXPECT_EQ(result.quarantined.rows->num_rows(), 0);
  auto quarantine = BuildQuarantine(result.quarantined, {});
  ASSERT_TRUE(quarantine.ok()) << quarantine.status();
  EXPECT_EQ((*quarantine)->num_rows(), 0);
}

TEST(Contract, SlicesKeepTheirRows) {
  ContractResult whole = CheckOk(Readings(), Csv(), ReadingRows());
  std::string accepted;
  for (int64_t i = 0; i < 10; ++i) {
    accepted += Json(*CheckOk(Readings(), Csv(), ReadingRows()->Slice(i, 1)).accepted, "_seq");
  }
  EXPECT_EQ(accepted, Json(*whole.accepted, "_seq"));
}

}  // namespace
}  // namespace icecore::quality
