#include "icecore/pipeline/row_batches.h"

#include "icecore/pipeline/pipeline_fixture.h"

namespace icecore::pipeline {
namespace {

using arrow::field;

const arrow::FieldVector kTexts = {field("a", arrow::utf8()), field("b", arrow::utf8())};
using Bools = std::vector<bool>;

TEST(KeySet, TellsWhatWasThere) {
  KeySet keys({"a"});
  const auto rows =
      BatchOf(kTexts, R"([{"a": "x"}, {"a": "y"}, {"a": "x"}, {"a": ""}, {"a": ""}])");
  EXPECT_EQ(Must(keys.AddRows(*rows)), (Bools{false, false, true, false, true}));
  EXPECT_EQ(Must(keys.Exists(*BatchOf(kTexts, R"([{"a": "y"}, {"a": "z"}])"))),
            (Bools{true, false}));
}

TEST(KeySet, ANullPartIsNeverThere) {
  KeySet keys({"a", "b"});
  const auto rows = BatchOf(kTexts, R"([{"a": "x"}, {"a": "x"}, {"b": "x"}, {"b": "x"}, {}, {},
                          {"a": "x", "b": "x"}, {"a": "x", "b": "x"}])");
  EXPECT_EQ(Must(keys.AddRows(*rows)),
            (Bools{false, false, false, false, false, false, false, true}));
  EXPECT_EQ(Must(keys.Exists(*rows)),
            (Bools{false, false, false, false, false, false, true, true}));
}

TEST(KeySet, PartsDoNotRunIntoOneAnother) {
  KeySet keys({"a", "b"});
  const auto rows = BatchOf(kTexts, R"([{"a": "xy", "b": "z"}, {"a": "x", "b": "yz"},
                                        {"a": "", "b": "xyz"}, {"a": "xyz", "b": ""},
                                        {"a": "x\u0000y", "b": "z"}, {"a": "x", "b": "\u0000yz"}])");
  EXPECT_EQ(Must(keys.AddRows(*rows)), Bools(6, false));
  EXPECT_EQ(Must(keys.AddRows(*rows)), Bools(6, true));
}

TEST(KeySet, NextOfKeyLinksTheRowsOfAKey) {
  KeySet keys({"a"});
  const auto rows = BatchOf(kTexts, R"([{"a": "x"}, {}, {"a": "y"}, {"a": "x"}, {}, {"a": "x"}])");
  EXPECT_EQ(Must(keys.NextOfKey(*rows)), (std::vector<int64_t>{3, -1, -1, 5, -1, -1}));
  EXPECT_EQ(Must(keys.Exists(*rows)), Bools(6, false));
}

TEST(KeySet, MissingColumnIsNamed) {
  KeySet keys({"nope"});
  const auto status = keys.AddRows(*BatchOf(kTexts, "[{}]")).status();
  EXPECT_EQ(base::CodeOf(status), base::ErrorCode::kInvalidDefinition);
  EXPECT_NE(status.message().find("nope"), std::string::npos);
}

TEST(SortedBySeq, IsStable) {
  const auto rows =
      BatchOf({field("_seq", arrow::int64()), field("a", arrow::utf8())},
              R"([{"_seq": 3, "a": "p"}, {"_seq": 1, "a": "q"}, {"_seq": 3, "a": "r"}])");
  const auto table = Must(arrow::Table::FromRecordBatches({rows, rows}));
  const auto sorted = Must(SortedBySeq(table));
  EXPECT_EQ(TextOf(*Must(arrow::Table::FromRecordBatches({sorted}))),
            (Rows{{"1", "q"}, {"1", "q"}, {"3", "p"}, {"3", "r"}, {"3", "p"}, {"3", "r"}}));
}

TEST(SortedBySeq, NeedsEverySeq) {
  const auto rows = BatchOf({field("_seq", arrow::int64())}, R"([{"_seq": 3}, {}])");
  EXPECT_EQ(CodeOfFailed(SortedBySeq(Must(arrow::Table::FromRecordBatches({rows})))),
            base::ErrorCode::kInternal);
}

TEST(Conform, OrdersCastsAndFills) {
  const auto rows =
      BatchOf({field("b", arrow::int32()), field("a", arrow::utf8())}, R"([{"b": 7, "a": "x"}])");
  const auto schema = arrow::schema(
      {field("a", arrow::utf8()), field("b", arrow::int64()), field("c", arrow::float64())});
  const auto conformed = Must(Conform(*rows, schema));
  EXPECT_TRUE(conformed->schema()->Equals(*schema));
  EXPECT_EQ(TextOf(*Must(arrow::Table::FromRecordBatches({conformed}))),
            (Rows{{"x", "7", "null"}}));
}

TEST(Conform, LosesNothingQuietly) {
  const auto rows = BatchOf({field("b", arrow::int64())}, R"([{"b": 3000000000}])");
  const auto conformed = Conform(*rows, arrow::schema({field("b", arrow::int32())}));
  ASSERT_FALSE(conformed.ok());
  EXPECT_NE(conformed.status().message().find("'b'"), std::string::npos);
}

TEST(TakeRows, GivesThoseInThatOrder) {
  const auto rows = BatchOf(kTexts, R"([{"a": "0"}, {"a": "1"}, {"a": "2"}])");
  const auto text = [](const std::shared_ptr<arrow::RecordBatch>& batch) {
    return TextOf(*Must(arrow::Table::FromRecordBatches({batch})));
  };
  EXPECT_EQ(text(Must(TakeRows(rows, {2, 0}))), (Rows{{"2", "null"}, {"0", "null"}}));
  EXPECT_EQ(Must(TakeRows(rows, {0, 1, 2})), rows);
  EXPECT_EQ(Must(TakeRows(rows, {}))->num_rows(), 0);
}

}  // namespace
}  // namespace icecore::pipeline
