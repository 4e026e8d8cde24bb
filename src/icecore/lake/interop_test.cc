// Tables for other engines to read: tests/integration/delta/run.py runs these with
// ICECORE_DELTA_DIR set and compares what deltalake reads with the same formulas. Without it they
// are left in a temporary folder and only read back here.
#include <arrow/util/key_value_metadata.h>

#include <functional>

#include "icecore/lake/lake_fixture.h"

namespace icecore::lake {
namespace {

using arrow::field;

constexpr int64_t kRows = 5;

class InteropTest : public LakeFixture {
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

  // "[f(first), …]" as an array of the type.
  static std::shared_ptr<arrow::Array> Column(const std::shared_ptr<arrow::DataType>& type,
                                              int64_t first,
                                              const std::function<std::string(int64_t)>& text) {
    std::string json = "[";
    for (int64_t i = first; i < first + kRows; ++i) {
      json += (i == first ? "" : ",") + text(i);
    }
    return Must(arrow::json::ArrayFromJSONString(type, json + "]"));
  }

  arrow::Result<int64_t> AppendBatch(Table& table,
                                     const std::shared_ptr<arrow::RecordBatch>& batch) {
    ARROW_ASSIGN_OR_RAISE(const auto snapshot, table.Load());
    Commit commit;
    commit.operation = "WRITE";
    ARROW_ASSIGN_OR_RAISE(commit.adds, WriteFiles(*store_, *snapshot, {batch}, WriterOptions()));
    commit.transactions[std::string(kSeqTransaction)] = snapshot->last_seq() + batch->num_rows();
    commit.domains[std::string(kPositionDomain)] =
        "{\"batch\":" + std::to_string(snapshot->version + 1) + "}";
    commit.counts["rows_written"] = batch->num_rows();
    return table.CommitTo(*snapshot, commit);
  }
};

struct TypedColumn {
  std::shared_ptr<arrow::Field> field;
  std::function<std::string(int64_t)> text;  // row's value as JSON, by _seq
};

std::string Quoted(const std::string& text) { return "\"" + text + "\""; }

// Every third value is null, so that statistics count something.
std::function<std::string(int64_t)> OrNull(std::function<std::string(int64_t)> text) {
  return [text = std::move(text)](int64_t i) { return i % 3 == 0 ? "null" : text(i); };
}

std::vector<TypedColumn> TypedColumns() {
  const auto number = [](int64_t factor) {
    return OrNull([factor](int64_t i) { return std::to_string(i * factor); });
  };
  const auto micros = [](int64_t i) { return std::to_string(1'385'899'200'000'000 + i * 1'001); };
  return {
      {field("_seq", arrow::int64(), false), [](int64_t i) { return std::to_string(i); }},
      {field("b", arrow::boolean()),
       OrNull([](int64_t i) { return i % 2 == 0 ? "true" : "false"; })},
      {field("i8", arrow::int8()), number(-3)},
      {field("i16", arrow::int16()), number(-300)},
      {field("i32", arrow::int32()), number(-70'000)},
      {field("i64", arrow::int64()), number(-5'000'000'000)},
      {field("u8", arrow::uint8()), number(20)},
      {field("u16", arrow::uint16()), number(6'000)},
      {field("u32", arrow::uint32()), number(400'000'000)},
      {field("u64", arrow::uint64()),
       OrNull([](int64_t i) { return std::to_string(UINT64_MAX - static_cast<uint64_t>(i)); })},
      {field("f", arrow::float32()), OrNull([](int64_t i) { return std::to_string(i) + ".25"; })},
      {field("d", arrow::float64()), OrNull([](int64_t i) { return std::to_string(i) + ".1"; })},
      {field("nan", arrow::float64()), [](int64_t i) { return i % 5 == 0 ? "NaN" : "1.5"; }},
      {field("dec", arrow::decimal128(12, 2)),
       OrNull([](int64_t i) { return Quoted(std::to_string(i) + ".05"); })},
      {field("s", arrow::utf8(), true, arrow::key_value_metadata({"unit"}, {"none"})),
       OrNull([](int64_t i) { return Quoted("tëxt \xf0\x9f\x9b\xab " + std::to_string(i)); })},
      {field("long_text", arrow::utf8()),
       [](int64_t i) { return Quoted(std::string(40, 'z') + std::to_string(i)); }},
      {field("bin", arrow::binary()),
       OrNull([](int64_t i) { return Quoted("bytes" + std::to_string(i)); })},
      {field("date", arrow::date32()), number(1000)},
      {field("time", arrow::time64(arrow::TimeUnit::MICRO)), number(1'000'001)},
      {field("ts", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")), OrNull(micros)},
      {field("list", arrow::list(arrow::int64())),
       OrNull([](int64_t i) { return "[" + std::to_string(i) + ", null]"; })},
      {field("embedding", arrow::fixed_size_list(arrow::float32(), 2)),
       OrNull([](int64_t i) { return "[" + std::to_string(i) + ", 0.5]"; })},
      {field("map", arrow::map(arrow::utf8(), arrow::int64())),
       OrNull([](int64_t i) { return "[[\"k\", " + std::to_string(i) + "]]"; })},
      {field("struct",
             arrow::struct_({field("a", arrow::int64()), field("b", arrow::list(arrow::utf8()))})),
       OrNull([](int64_t i) {
         return "{\"a\": " + std::to_string(i) + ", \"b\": [\"" + std::to_string(i) + "\"]}";
       })},
  };
}

TEST_F(InteropTest, EveryType) {
  const auto columns = TypedColumns();
  arrow::FieldVector fields;
  for (const auto& column : columns) {
    fields.push_back(column.field);
  }
  const auto table = Open("types");
  ASSERT_OK(Create(*table, arrow::schema(fields)));
  const auto schema = Must(table->Load())->schema;
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  for (const int64_t first : {int64_t{1}, kRows + 1}) {
    arrow::ArrayVector arrays;
    for (size_t i = 0; i < columns.size(); ++i) {
      arrays.push_back(Column(schema->field(static_cast<int>(i))->type(), first, columns[i].text));
    }
    batches.push_back(arrow::RecordBatch::Make(schema, kRows, std::move(arrays)));
    ASSERT_OK(AppendBatch(*table, batches.back()).status());
  }
  const auto back = Must(ReadAll(*store_, *Must(Open("types")->Load()), ScanOptions()));
  // NaN is in one column, so equality needs the options for it.
  const auto wanted = Must(arrow::Table::FromRecordBatches(schema, batches));
  for (int i = 0; i < back->num_columns(); ++i) {
    EXPECT_TRUE(back->column(i)->Equals(wanted->column(i)) || schema->field(i)->name() == "nan")
        << schema->field(i)->ToString();
  }
}

TEST_F(InteropTest, WallTimes) {
  const auto type = arrow::timestamp(arrow::TimeUnit::MICRO);
  const auto table = Open("wall");
  ASSERT_OK(
      Create(*table, arrow::schema({field("_seq", arrow::int64(), false), field("wall", type)})));
  const auto schema = Must(table->Load())->schema;
  EXPECT_EQ(Must(table->Load())->protocol.min_reader, 3);
  const auto batch = arrow::RecordBatch::Make(
      schema, kRows,
      {Column(arrow::int64(), 1, [](int64_t i) { return std::to_string(i); }),
       Column(type, 1, [](int64_t i) { return std::to_string(i * 1'000'001); })});
  ASSERT_OK(AppendBatch(*table, batch).status());
  const auto back = Must(ReadAll(*store_, *Must(Open("wall")->Load()), ScanOptions()));
  EXPECT_TRUE(back->Equals(*Must(arrow::Table::FromRecordBatches(schema, {batch}))));
}

// Over twenty commits, rows removed, a column added, and nothing left before the checkpoint.
TEST_F(InteropTest, AfterACheckpoint) {
  const auto table = Open("checkpointed");
  const auto seqs = [](int64_t i) { return std::to_string(i); };
  ASSERT_OK(Create(*table, arrow::schema({field("_seq", arrow::int64(), false)})));
  for (int64_t batch = 0; batch < 6; ++batch) {
    ASSERT_OK(AppendBatch(*table, arrow::RecordBatch::Make(
                                      Must(table->Load())->schema, kRows,
                                      {Column(arrow::int64(), batch * kRows + 1, seqs)}))
                  .status());
  }
  Commit remove;
  remove.operation = "DELETE";
  remove.removes = {Must(table->Load())->files[1].path};
  ASSERT_OK(table->CommitTo(*Must(table->Load()), remove).status());
  Commit grow;
  grow.operation = "ADD COLUMNS";
  grow.metadata = TableMetadata{
      arrow::schema({field("_seq", arrow::int64(), false), field("added", arrow::utf8())}),
      {},
      "",
      ""};
  ASSERT_OK(table->CommitTo(*Must(table->Load()), grow).status());
  for (int64_t batch = 6; batch < 20; ++batch) {
    ASSERT_OK(AppendBatch(*table,
                          arrow::RecordBatch::Make(
                              Must(table->Load())->schema, kRows,
                              {Column(arrow::int64(), batch * kRows + 1, seqs),
                               Column(arrow::utf8(), batch * kRows + 1,
                                      [](int64_t i) { return Quoted("n" + std::to_string(i)); })}))
                  .status());
  }
  const int64_t checkpoint = Must(Open("checkpointed")->Load())->checkpoint_version;
  ASSERT_GT(checkpoint, 8);
  for (const std::string& path : Must(store_->List("checkpointed/_delta_log/0", ""))) {
    char before[64];
    std::snprintf(before, sizeof before, "checkpointed/_delta_log/%020lld",
                  static_cast<long long>(checkpoint));
    if (path < before) {
      ASSERT_OK(store_->Delete(path));
    }
  }
  const auto snapshot = Must(Open("checkpointed")->Load());
  EXPECT_EQ(snapshot->row_count(), 19 * kRows);
  EXPECT_EQ(Must(ReadAll(*store_, *snapshot, ScanOptions()))->num_rows(), 19 * kRows);
}

}  // namespace
}  // namespace icecore::lake
