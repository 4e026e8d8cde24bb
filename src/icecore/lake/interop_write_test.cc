// As interop_test.cc: tables after partitioned writes, merges, deletes, wider types and log
// clean-up, for tests/integration/delta/run.py.
#include <arrow/array/builder_primitive.h>

#include <cstdio>
#include <random>

#include "icecore/lake/lake_fixture.h"
#include "icecore/lake/log_cleanup.h"
#include "icecore/lake/rewrite.h"

namespace icecore::lake {
namespace {

using arrow::field;

class InteropWriteTest : public LakeFixture {
 protected:
  void SetUp() override {
    LakeFixture::SetUp();
    if (const char* folder = std::getenv("ICECORE_DELTA_DIR"); folder != nullptr) {
      store_ = Must(ObjectStore::OpenLocal(folder));
    }
  }
  std::unique_ptr<Table> Open(const std::string& name) {
    return Must(Table::Open(*store_, name, clock_, random_));
  }
  // A commit of the rows, which are JSON of structs of the schema.
  void Add(Table& table, const std::shared_ptr<arrow::Schema>& schema,
           const std::vector<std::string>& partition_columns, const std::string& rows) {
    const auto before = Must(table.LoadOrEmpty());
    if (!before->exists() || !before->schema->Equals(*schema, /*check_metadata=*/false)) {
      Commit define;
      define.operation = before->exists() ? "CHANGE COLUMN" : "CREATE TABLE";
      define.metadata = TableMetadata{.schema = schema,
                                      .configuration = {},
                                      .name = "",
                                      .description = "",
                                      .partition_columns = partition_columns};
      Must(table.CommitTo(*before, define));
    }
    const auto read = Must(table.Load());
    WriterOptions options;
    options.partition_columns = read->partition_columns;
    const auto array =
        Must(arrow::json::ArrayFromJSONString(arrow::struct_(schema->fields()), rows));
    Commit commit;
    commit.operation = "WRITE";
    commit.adds = Must(
        WriteFiles(*store_, *read, {Must(arrow::RecordBatch::FromStructArray(array))}, options));
    commit.transactions[std::string(kSeqTransaction)] = read->last_seq() + array->length();
    Must(table.CommitTo(*read, commit));
  }
};

TEST_F(InteropWriteTest, Partitions) {
  const auto schema = arrow::schema(
      {field("_seq", arrow::int64(), false), field("text", arrow::utf8()),
       field("number", arrow::int64()), field("flag", arrow::boolean()),
       field("day", arrow::date32()), field("at", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
       field("amount", arrow::decimal128(10, 2)), field("ratio", arrow::float64()),
       field("bytes", arrow::binary())});
  Add(*Open("partitioned"), schema,
      {"text", "number", "flag", "day", "at", "amount", "ratio", "bytes"},
      R"([[1, "plain", 1, true, 0, 0, "1.50", 0.5, "b"],
          [2, "a=b/c%20d ü'\"\\{}:?#", -7, false, -1, 1234567, "1234.07", 1e-7, "x y"],
          [3, null, null, null, null, null, null, null, null],
          [4, "plain", 1, true, 0, 0, "1.50", 0.5, "b"]])");
  EXPECT_EQ(Must(Open("partitioned")->Load())->files.size(), 3U);
}

TEST_F(InteropWriteTest, MergedAndDeleted) {
  const auto table = Open("merged");
  const auto schema = arrow::schema({field("_seq", arrow::int64(), false),
                                     field("k", arrow::int64()), field("v", arrow::utf8())});
  int64_t seq = 0;
  for (int file = 0; file < 3; ++file) {
    std::string rows;
    for (int i = 0; i < 10; ++i) {
      ++seq;
      rows += (i == 0 ? "[" : ",[") + std::to_string(seq) + "," + std::to_string(seq * 10) +
              ",\"old\"]";
    }
    Add(*table, schema, {}, "[" + rows + "]");
  }
  const auto snapshot = Must(table->Load());
  const auto rewrite =
      Must(TableRewrite::Open(*store_, snapshot, clock_, random_, WriterOptions(), ReadAccess()));
  const auto array = Must(
      arrow::json::ArrayFromJSONString(arrow::struct_(schema->fields()),
                                       R"([[31, 50, "new"], [32, 150, "new"], [33, 999, "new"]])"));
  const auto batch = Must(arrow::RecordBatch::FromStructArray(array));
  EXPECT_EQ(Must(rewrite->RemoveKeys(Must(arrow::Table::FromRecordBatches({batch})), {"k"})), 2);
  const auto last_file =
      [](const arrow::RecordBatch& rows) -> arrow::Result<std::shared_ptr<arrow::BooleanArray>> {
    const auto& keys = static_cast<const arrow::Int64Array&>(*rows.GetColumnByName("k"));
    arrow::BooleanBuilder mask;
    for (int64_t i = 0; i < keys.length(); ++i) {
      ARROW_RETURN_NOT_OK(mask.Append(keys.Value(i) > 200));
    }
    ARROW_ASSIGN_OR_RAISE(auto finished, mask.Finish());
    return std::static_pointer_cast<arrow::BooleanArray>(finished);
  };
  EXPECT_EQ(Must(rewrite->RemoveWhere({"k"}, last_file, nullptr)), 10);
  ASSERT_OK(rewrite->Append(batch));
  Commit commit;
  commit.operation = "MERGE";
  commit.transactions[std::string(kSeqTransaction)] = 33;
  Must(rewrite->Finish(&commit));
  Must(table->CommitTo(*snapshot, commit));
  EXPECT_EQ(Must(Open("merged")->Load())->row_count(), 21);
}

TEST_F(InteropWriteTest, WiderTypes) {
  const auto table = Open("widened");
  Add(*table,
      arrow::schema({field("_seq", arrow::int64(), false), field("i", arrow::int32(), false),
                     field("f", arrow::float32())}),
      {}, "[[1, -7, 0.5]]");
  Add(*table,
      arrow::schema({field("_seq", arrow::int64(), false), field("i", arrow::int64()),
                     field("f", arrow::float64())}),
      {}, "[[2, 5000000000, 0.1], [3, null, null]]");
  const auto rows = Must(ReadAll(*store_, *Must(Open("widened")->Load()), ScanOptions()));
  EXPECT_EQ(rows->num_rows(), 3);
  EXPECT_EQ(rows->schema()->field(1)->type()->id(), arrow::Type::INT64);
}

// Enough rows that each column gets an encoding of its own: differences, plain and uncompressed.
TEST_F(InteropWriteTest, ManyRows) {
  const auto schema = arrow::schema(
      {field("_seq", arrow::int64(), false), field("near", arrow::int64()),
       field("edges", arrow::int64()), field("small", arrow::int32()),
       field("day", arrow::date32()), field("at", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
       field("ratio", arrow::float64()), field("text", arrow::utf8())});
  std::mt19937_64 numbers(11);
  std::uniform_real_distribution<double> unit;
  const int64_t row_total = 3000;
  std::string rows;
  for (int64_t i = 1; i <= row_total; ++i) {
    const auto add = [&](const std::string& value) { rows += i % 17 == 0 ? ",null" : "," + value; };
    char ratio[32];
    std::snprintf(ratio, sizeof ratio, "%.17g", unit(numbers));
    rows += (i == 1 ? "[[" : ",[") + std::to_string(i);
    add(std::to_string(numbers() % 1'000'000));
    add(i < 2000 ? std::to_string(i) : i % 2 == 0 ? "-9223372036854775808" : "9223372036854775807");
    add(std::to_string(i * 7 % 2999));
    add(std::to_string(i - 1500));
    add(std::to_string(i * 1'000'001 - 1'500'000'000));
    add(ratio);
    add("\"name " + std::to_string(i) + "\"");
    rows += "]";
  }
  Add(*Open("many_rows"), schema, {}, rows + "]");
  EXPECT_EQ(Must(Open("many_rows")->Load())->row_count(), row_total);
}

TEST_F(InteropWriteTest, AfterLogCleanup) {
  const auto table = Open("cleaned");
  const auto schema = arrow::schema({field("_seq", arrow::int64(), false)});
  for (int64_t i = 1; i <= 50; ++i) {
    clock_.Set(clock_.NowMicros() + int64_t{86'400'000'000});
    Add(*table, schema, {}, "[[" + std::to_string(i) + "]]");
  }
  EXPECT_GT(Must(CleanUpLog(*table, clock_, random_, {})).entries_deleted, 0);
  EXPECT_EQ(Must(Open("cleaned")->Load())->row_count(), 50);
}

}  // namespace
}  // namespace icecore::lake
