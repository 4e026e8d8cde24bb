// Partitioned tables: what the log says of every type, and that values cannot leak into paths.
#include <arrow/util/key_value_metadata.h>

#include <set>

#include "icecore/lake/lake_fixture.h"
#include "icecore/lake/partition_values_internal.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;

arrow::Result<std::optional<std::string>> TextOf(const std::shared_ptr<arrow::DataType>& type,
                                                 const std::string& json) {
  return FormatPartitionValue(*Must(arrow::json::ArrayFromJSONString(type, "[" + json + "]")), 0);
}

TEST(PartitionValueTest, EveryType) {
  EXPECT_EQ(Must(TextOf(arrow::utf8(), "null")), std::nullopt);
  EXPECT_EQ(Must(TextOf(arrow::boolean(), "true")), "true");
  EXPECT_EQ(Must(TextOf(arrow::int8(), "-3")), "-3");
  EXPECT_EQ(Must(TextOf(arrow::int64(), "9007199254740993")), "9007199254740993");
  EXPECT_EQ(Must(TextOf(arrow::float32(), "0.1")), "0.1");
  EXPECT_EQ(Must(TextOf(arrow::float64(), "1e300")), "1e+300");
  EXPECT_EQ(Must(TextOf(arrow::float64(), "NaN")), "NaN");
  EXPECT_EQ(Must(TextOf(arrow::float64(), "-Inf")), "-Infinity");
  EXPECT_EQ(Must(TextOf(arrow::date32(), "-1")), "1969-12-31");
  EXPECT_EQ(Must(TextOf(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), "1")),
            "1970-01-01T00:00:00.000001Z");
  EXPECT_EQ(Must(TextOf(arrow::timestamp(arrow::TimeUnit::MICRO), "1000000")),
            "1970-01-01 00:00:01.000000");
  EXPECT_EQ(Must(TextOf(arrow::decimal128(10, 2), "\"-1.50\"")), "-1.50");
  EXPECT_EQ(Must(TextOf(arrow::utf8(), "\"a=b/c %ü\"")), "a=b/c %ü");
  EXPECT_EQ(Must(TextOf(arrow::binary(), "\"ab\"")), "ab");
  for (const auto& result :
       {TextOf(arrow::utf8(), "\"\""), TextOf(arrow::date32(), "99999999"),
        TextOf(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), "9223372036854775807")}) {
    EXPECT_EQ(CodeOfFailed(result), ErrorCode::kInvalidArgument);
  }
}

class PartitionTest : public LakeFixture {
 protected:
  static std::shared_ptr<arrow::Schema> PartitionedSchema() {
    return arrow::schema({arrow::field("p", arrow::utf8()), arrow::field("n", arrow::int64()),
                          arrow::field("day", arrow::date32())});
  }
  arrow::Status CreatePartitioned(Table& table, const std::vector<std::string>& columns) {
    Commit commit;
    commit.operation = "CREATE TABLE";
    commit.metadata = TableMetadata{.schema = PartitionedSchema(),
                                    .configuration = {},
                                    .name = "",
                                    .description = "",
                                    .partition_columns = columns};
    return table.CommitTo(*Must(table.LoadOrEmpty()), commit).status();
  }
  arrow::Result<std::vector<DataFile>> Write(const Snapshot& snapshot, const std::string& rows) {
    const auto array =
        Must(arrow::json::ArrayFromJSONString(arrow::struct_(PartitionedSchema()->fields()), rows));
    WriterOptions options;
    options.partition_columns = snapshot.partition_columns;
    return WriteFiles(*store_, snapshot, {Must(arrow::RecordBatch::FromStructArray(array))},
                      options);
  }
};

TEST_F(PartitionTest, RowsArePartedByValue) {
  const auto table = OpenTable(*store_);
  ASSERT_OK(CreatePartitioned(*table, {"p", "day"}));
  const auto snapshot = Must(table->Load());
  EXPECT_EQ(snapshot->partition_columns, (std::vector<std::string>{"p", "day"}));
  Commit commit;
  commit.adds = Must(Write(*snapshot, R"([["a",1,0],["b/%20",2,0],["a",3,0],[null,4,null],
                                          ["a",5,1],["a",6,0]])"));
  ASSERT_EQ(commit.adds.size(), 4U);
  std::map<PartitionValues, int64_t> rows;
  for (const DataFile& file : commit.adds) {
    rows[file.partition_values] = *file.num_records;
    EXPECT_EQ(file.stats_json.find("\"p\""), std::string::npos);
  }
  EXPECT_EQ(rows, (std::map<PartitionValues, int64_t>{
                      {{{"p", "a"}, {"day", "1970-01-01"}}, 3},
                      {{{"p", "b/%20"}, {"day", "1970-01-01"}}, 1},
                      {{{"p", "a"}, {"day", "1970-01-02"}}, 1},
                      {{{"p", std::nullopt}, {"day", std::nullopt}}, 1}}));
  Must(table->CommitTo(*snapshot, commit));
  const auto read = Must(OpenTable(*store_)->Load());
  ASSERT_EQ(read->files.size(), 4U);
  for (const DataFile& file : read->files) {
    EXPECT_EQ(rows.at(file.partition_values), *file.num_records);
  }
}

TEST_F(PartitionTest, MorePartitionsThanOpenFiles) {
  const auto table = OpenTable(*store_);
  ASSERT_OK(CreatePartitioned(*table, {"n"}));
  const auto snapshot = Must(table->Load());
  std::string rows;
  for (int i = 0; i < 300; ++i) {
    rows += (i == 0 ? "[\"x\"," : ",[\"x\",") + std::to_string(i % 150) + ",0]";
  }
  const auto files = Must(Write(*snapshot, "[" + rows + "]"));
  int64_t count = 0;
  std::set<std::string> values;
  for (const DataFile& file : files) {
    count += *file.num_records;
    values.insert(*file.partition_values.at("n"));
  }
  EXPECT_EQ(count, 300);
  EXPECT_EQ(values.size(), 150U);
}

TEST_F(PartitionTest, WhatCannotBeIsRefused) {
  for (const std::vector<std::string>& columns :
       {std::vector<std::string>{"q"}, {"p", "p"}, {"p", "n", "day"}}) {
    EXPECT_EQ(base::CodeOf(CreatePartitioned(*OpenTable(*store_), columns)),
              ErrorCode::kInvalidArgument);
  }
  const auto table = OpenTable(*store_);
  ASSERT_OK(CreatePartitioned(*table, {"p"}));
  const auto snapshot = Must(table->Load());
  EXPECT_EQ(CodeOfFailed(Write(*snapshot, R"([["",1,0]])")), ErrorCode::kInvalidArgument);
  EXPECT_EQ(Must(store_->List("t/", "t/_e")).size(), 0U);  // nothing is left of it
  Commit commit;
  commit.adds = Must(Write(*snapshot, R"([["a",1,0]])"));
  commit.adds[0].partition_values.clear();
  EXPECT_EQ(CodeOfFailed(table->CommitTo(*snapshot, commit)), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace icecore::lake
