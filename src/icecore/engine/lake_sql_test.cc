#include "icecore/engine/lake_sql.h"

#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>

#include <filesystem>

#include "icecore/engine/online_service.h"
#include "icecore/lake/writer.h"
#include "icecore/pipeline/orders_fixture.h"

namespace icecore::engine {
namespace {

using base::ErrorCode;
using pipeline::CodeOfFailed;
using pipeline::Must;
using pipeline::Rows;
using pipeline::TextOf;

// The orders project after two runs: landing.orders is at version 1, its second.
class LakeSqlTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new pipeline::TemporaryFolder();
    pipeline::WriteProject(folder_->path(), pipeline::FirstRules().Definitions());
    pipeline::WriteOrders(folder_->path() + "/data/a.csv", pipeline::FirstOrders());
    Open open(*folder_);
    pipeline::MustRun(open.project.workspace());
    pipeline::WriteOrders(folder_->path() + "/data/b.csv", pipeline::SecondOrders());
    pipeline::MustRun(open.project.workspace());
  }
  static void TearDownTestSuite() { delete folder_; }

  struct Open {
    explicit Open(const pipeline::TemporaryFolder& folder)
        : project(folder.path(), {.faults = {}, .online = false, .now_us = pipeline::kTestNow}) {}
    pipeline::OpenProject project;
  };
  arrow::Result<std::shared_ptr<arrow::Table>> Query(const std::string& sql) {
    Open open(*folder_);
    return RunLakeSql(open.project.workspace(), sql);
  }
  std::string One(const std::string& sql) {
    const Rows rows = TextOf(*Must(Query(sql)));
    return rows.size() == 1 && rows[0].size() == 1 ? rows[0][0] : "no single value";
  }

  static pipeline::TemporaryFolder* folder_;
};
pipeline::TemporaryFolder* LakeSqlTest::folder_ = nullptr;

TEST_F(LakeSqlTest, VersionsAreHistory) {
  EXPECT_EQ(One("select count(*) from processing.orders"), "6");
  EXPECT_EQ(One("select count(*) from processing.orders@0"), "3");
  EXPECT_EQ(One("select count(*) from processing.orders@1"), "6");
  EXPECT_EQ(One("select count(*) from Processing.Orders@0"), "3");
  EXPECT_EQ(One("select count(*) from processing.orders@0 a join processing.orders b using (id)"),
            "3");
  EXPECT_EQ(One("select (select count(*) from processing.orders@1) - count(*) from "
                "processing.orders@0"),
            "3");
  EXPECT_EQ(One("select count(o.id) from processing.orders@0 as o"), "3");
}

TEST_F(LakeSqlTest, AnAtElsewhereIsNoVersion) {
  EXPECT_EQ(One("select 'ann@1.example'"), "ann@1.example");
  EXPECT_EQ(One("select 'it''s processing.orders@7'"), "it's processing.orders@7");
  EXPECT_EQ(One("select 1 as \"x@1\""), "1");
  EXPECT_EQ(One("select count(*) from processing.orders -- it's not orders@1\n"), "6");
  EXPECT_EQ(One("select count(*) -- isn't it\nfrom processing.orders@0"), "3");
  EXPECT_EQ(One("select /* a@1, ' */ count(*) from processing.orders@0"), "3");
  EXPECT_EQ(One("select count(*) from processing.orders where user_name = 'bob@2'"), "0");
  EXPECT_EQ(One("select @ -3"), "3");
}

// Partition values and deletion vectors are not in the files, so the lake reads them for SQL.
TEST_F(LakeSqlTest, RowsThatFilesAloneDoNotGive) {
  Open open(*folder_);
  const auto& workspace = open.project.workspace();
  const auto micros = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  const auto schema = arrow::schema(
      {arrow::field("_seq", arrow::int64(), false), arrow::field("_arrived_at", micros),
       arrow::field("part", arrow::utf8()), arrow::field("big", arrow::uint64())});
  const auto table = Must(pipeline::OpenTable(workspace, "curated.parted"));
  lake::Commit create;
  create.operation = "CREATE TABLE";
  create.metadata = lake::TableMetadata{schema, {}, "", "", {"part"}};
  ASSERT_TRUE(table->CommitTo(*Must(table->LoadOrEmpty()), create).ok());
  const auto snapshot = Must(table->Load());
  lake::WriterOptions options;
  options.partition_columns = {"part"};
  const auto writer =
      Must(lake::DataWriter::Open(*workspace.store, snapshot->table_path, snapshot->schema,
                                  *workspace.clock, *workspace.random, options));
  const auto column = [](const auto& type, const char* json) {
    return Must(arrow::json::ArrayFromJSONString(type, json));
  };
  ASSERT_TRUE(writer
                  ->Write(arrow::RecordBatch::Make(
                      schema, 3,
                      {column(arrow::int64(), "[1, 2, 3]"), column(micros, "[0, 0, 0]"),
                       column(arrow::utf8(), R"(["a", "b", null])"),
                       column(arrow::uint64(), "[18446744073709551615, 2, 3]")}))
                  .ok());
  lake::Commit rows;
  rows.operation = "WRITE";
  rows.adds = Must(writer->Finish());
  ASSERT_TRUE(table->CommitTo(*snapshot, rows).ok());
  EXPECT_EQ(One("select string_agg(part || _seq, ',' order by _seq) from curated.parted"), "a1,b2");
  EXPECT_EQ(One("select max(big) from curated.parted"), "18446744073709551615");
  EXPECT_EQ(One("select count(*) from curated.parted@1 where part is null"), "1");
  EXPECT_EQ(One("select count(*) from curated.parted@0"), "0");
  std::filesystem::remove_all(workspace.lake_root + "/curated/parted");
}

TEST_F(LakeSqlTest, WrongVersionsAreErrors) {
  const auto missing = Query("select * from processing.orders@7");
  EXPECT_EQ(CodeOfFailed(missing), ErrorCode::kNotFound);
  EXPECT_NE(missing.status().message().find('7'), std::string::npos);
  const auto shortened = Query("select * from orders@1");
  EXPECT_EQ(CodeOfFailed(shortened), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOfFailed(Query("select * from processing.orders@99999999999999999999")),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOfFailed(Query("select * from processing.nothing@0")), ErrorCode::kNotFound);
}

TEST_F(LakeSqlTest, UnknownTablesNameTheNearest) {
  const auto unknown = Query("select * from processing.ordres");
  ASSERT_FALSE(unknown.ok());
  EXPECT_NE(unknown.status().message().find("processing.orders"), std::string::npos);
}

TEST_F(LakeSqlTest, ListsEveryTable) {
  Open open(*folder_);
  EXPECT_EQ(
      Must(LakeTables(open.project.workspace())),
      (std::vector<std::string>{"curated.doubled", "curated.per_user", "curated.totals",
                                "history.greatest", "history.totals", "landing.orders",
                                "landing.orders_raw", "processing.greatest", "processing.orders",
                                "quarantine.orders", "quarantine.per_user", "quarantine.totals"}));
}

TEST(ParseColumn, TakesWhatTheTypeTakes) {
  const auto parse = [](const std::shared_ptr<arrow::DataType>& type, const std::string& text) {
    const auto array = Must(ParseColumn({"k", type}, text));
    EXPECT_EQ(array->length(), 1);
    EXPECT_TRUE(array->type()->Equals(*type));
    return Must(array->GetScalar(0))->ToString();
  };
  EXPECT_EQ(parse(arrow::int64(), "-9223372036854775808"), "-9223372036854775808");
  EXPECT_EQ(parse(arrow::utf8(), "a b"), "a b");
  EXPECT_EQ(parse(arrow::utf8(), ""), "");
  EXPECT_EQ(parse(arrow::boolean(), "true"), "true");
  EXPECT_EQ(parse(arrow::float64(), "1e3"), "1000");
}

TEST(ParseColumn, ErrorsNameColumnValueAndType) {
  const auto expect_error = [](const std::shared_ptr<arrow::DataType>& type,
                               const std::string& text, const std::string& type_name) {
    const auto parsed = ParseColumn({"the_key", type}, text);
    EXPECT_EQ(CodeOfFailed(parsed), ErrorCode::kInvalidArgument) << text;
    EXPECT_NE(parsed.status().message().find("the_key"), std::string::npos);
    EXPECT_NE(parsed.status().message().find(text), std::string::npos);
    EXPECT_NE(parsed.status().message().find(type_name), std::string::npos);
  };
  expect_error(arrow::int64(), "12x", "int64");
  expect_error(arrow::int64(), "9223372036854775808", "int64");
  expect_error(arrow::int32(), "3000000000", "int32");
  expect_error(arrow::float64(), "one", "float64");
  expect_error(arrow::boolean(), "maybe", "bool");
  expect_error(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), "soon", "timestamp");
}

}  // namespace
}  // namespace icecore::engine
