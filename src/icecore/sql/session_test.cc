#include "icecore/sql/session.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/compare.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>
#include <utility>

#include "icecore/sql/database_internal.h"
#include "icecore/sql/sql_error.h"
#include "icecore/sql/sql_types.h"

namespace icecore::sql {
namespace {

using base::CodeOf;
using base::ErrorCode;
using ::testing::HasSubstr;

// A folder of its own under the test's temporary directory.
class Folder {
 public:
  Folder() {
    std::string pattern = ::testing::TempDir() + "icecore_sql_XXXXXX";
    path_ = mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string File(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::unique_ptr<Session> OpenSession(const std::vector<std::string>& directories = {},
                                     const Limits& limits = {}) {
  auto session = Session::Open(limits, directories);
  EXPECT_TRUE(session.ok()) << session.status();
  return session.ok() ? std::move(*session) : nullptr;
}

std::shared_ptr<arrow::Table> Table(Session& session, const std::string& sql) {
  auto table = session.QueryTable(sql);
  EXPECT_TRUE(table.ok()) << table.status() << "\n" << sql;
  return table.ok() ? *table : nullptr;
}

int64_t Int(Session& session, const std::string& sql) {
  const auto table = Table(session, sql);
  if (table == nullptr) return -1;
  const auto value = *table->column(0)->GetScalar(0);
  EXPECT_EQ(value->type->id(), arrow::Type::INT64) << sql;
  return static_cast<const arrow::Int64Scalar&>(*value).value;
}

void WriteParquet(const std::string& select, const std::string& path) {
  auto database = Database::Open(1);
  ASSERT_TRUE(database.ok());
  const auto status =
      (*database)->Execute("COPY (" + select + ") TO " + QuoteLiteral(path) + " (FORMAT parquet)");
  ASSERT_TRUE(status.ok()) << status;
}

// A value of every type that tables can have, and a row of nulls.
const char* const kEveryType =
    "select * from (select true as b, (-128)::tinyint as i8, (-3)::smallint as i16, 7 as i32, "
    "9223372036854775807 as i64, 255::utinyint as u8, 65535::usmallint as u16, "
    "4294967295::uinteger as u32, 18446744073709551615::ubigint as u64, 1.5::float as f32, "
    "'nan'::double as f64, 123.45::decimal(10, 2) as d, 'ü' as s, '\\x00\\xFF'::blob as bin, "
    "date '1969-12-31' as day, time '12:34:56.789012' as t, "
    "timestamptz '1969-12-31T23:59:59.999999Z' as at, timestamp '2013-01-01 00:00:00' as wall, "
    "timestamp_ns '2013-01-01 00:00:00.123456789' as wall_ns, [1, null, 3] as l, "
    "[[1.5], []] as ll, {'a': 1, 'b': 'x'} as st, [{'a': 1}] as ls, map {'k': 1, 'm': null} as m, "
    "[1.0, 2.0]::float[2] as e) union all by name select null as b";

TEST(Session, TypesSurviveTheWayThroughArrow) {
  auto session = OpenSession();
  const auto table = Table(*session, kEveryType);
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(table->num_rows(), 2);
  const auto& schema = *table->schema();
  EXPECT_TRUE(schema.GetFieldByName("u64")->type()->Equals(arrow::uint64()));
  EXPECT_TRUE(schema.GetFieldByName("d")->type()->Equals(arrow::decimal128(10, 2)));
  EXPECT_TRUE(
      schema.GetFieldByName("at")->type()->Equals(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")));
  EXPECT_TRUE(
      schema.GetFieldByName("wall")->type()->Equals(arrow::timestamp(arrow::TimeUnit::MICRO)));
  EXPECT_TRUE(schema.GetFieldByName("t")->type()->Equals(arrow::time64(arrow::TimeUnit::MICRO)));
  EXPECT_TRUE(
      schema.GetFieldByName("e")->type()->Equals(arrow::fixed_size_list(arrow::float32(), 2)));
  EXPECT_TRUE(
      schema.GetFieldByName("m")->type()->Equals(arrow::map(arrow::utf8(), arrow::int32())));
  const auto at = *table->GetColumnByName("at")->GetScalar(0);
  EXPECT_EQ(static_cast<const arrow::TimestampScalar&>(*at).value, -1);

  ASSERT_TRUE(session->RegisterArrow("landing", "every", table).ok());
  const auto again = Table(*session, "select * from landing.every");
  ASSERT_NE(again, nullptr);
  EXPECT_TRUE(again->schema()->Equals(*table->schema())) << again->schema()->ToString();
  EXPECT_TRUE(again->Equals(*table, arrow::EqualOptions::Defaults().nans_equal(true)));
  EXPECT_TRUE(again->ValidateFull().ok());
  EXPECT_EQ(Int(*session, "select count(*) from landing.every a, landing.every b, landing.every"),
            8);
}

TEST(Session, ParquetTakesTheDeclaredTypes) {
  const Folder folder;
  // As Delta keeps them: uint64 as decimal(20,0), time as int64, small unsigned as the next signed.
  WriteParquet(
      "select 18446744073709551615::decimal(20, 0) as u64, 45296789012::bigint as t, "
      "255::smallint as u8, [1.0, 2.0]::float[] as e, timestamptz '2013-01-01T00:00:00Z' as at, "
      "1::bigint as _seq, 'old' as gone",
      folder.File("1.parquet"));
  WriteParquet(
      "select 5::decimal(20, 0) as u64, 'x' as added, 2::bigint as _seq "
      "union all select 6, 'y', 3",
      folder.File("2.parquet"));
  auto session = OpenSession({folder.path()});
  TableInput input;
  input.schema = "landing";
  input.name = "flights";
  input.parquet_files = {folder.File("1.parquet"), folder.File("2.parquet")};
  const auto instant = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  input.columns = arrow::schema(
      {arrow::field("added", arrow::utf8()), arrow::field("u64", arrow::uint64()),
       arrow::field("t", arrow::time64(arrow::TimeUnit::MICRO)), arrow::field("u8", arrow::uint8()),
       arrow::field("at", instant), arrow::field("e", arrow::fixed_size_list(arrow::float32(), 2)),
       arrow::field("never", arrow::decimal128(5, 1)), arrow::field("_seq", arrow::int64())});
  input.extra_columns = {{"_known_at", "coalesce(\"at\", make_timestamptz(0))"}};
  ASSERT_EQ(session->RegisterParquet(input), arrow::Status::OK());
  ASSERT_TRUE(session->Lock().ok());
  const auto table = Table(*session, "select * from landing.flights");
  ASSERT_NE(table, nullptr);
  auto expected = input.columns->AddField(8, arrow::field("_known_at", instant));
  EXPECT_TRUE(table->schema()->Equals(**expected)) << table->schema()->ToString();
  EXPECT_EQ(Int(*session,
                "select count(*) from landing.flights where u64 = 18446744073709551615 "
                "and t = time '12:34:56.789012' and u8 = 255 and added is null"),
            1);
  EXPECT_EQ(Int(*session, "select _seq from landing.flights where added = 'y'"), 3);
}

TEST(Session, ParquetOfNestedTypesThatGrew) {
  const Folder folder;
  WriteParquet("select {'a': 1} as s, [{'a': 2}] as l, 'x'::blob as b", folder.File("1.parquet"));
  WriteParquet("select {'a': 3, 'b': 'y'} as s, [{'a': 4, 'b': 'z'}] as l, 'x'::blob as b",
               folder.File("2.parquet"));
  auto session = OpenSession({folder.path()});
  const auto item =
      arrow::struct_({arrow::field("a", arrow::int64()), arrow::field("b", arrow::utf8())});
  TableInput input;
  input.schema = "landing";
  input.name = "nested";
  input.columns = arrow::schema({arrow::field("s", item), arrow::field("l", arrow::list(item)),
                                 arrow::field("b", arrow::binary())});
  for (const std::vector<std::string>& files :
       {std::vector<std::string>{folder.File("1.parquet")},
        {folder.File("1.parquet"), folder.File("2.parquet")},
        {folder.File("2.parquet"), folder.File("1.parquet")}}) {
    input.parquet_files = files;
    ASSERT_EQ(session->RegisterParquet(input), arrow::Status::OK());
    const auto table = Table(*session, "select * from landing.nested");
    ASSERT_NE(table, nullptr);
    EXPECT_TRUE(table->schema()->Equals(*input.columns)) << table->schema()->ToString();
    EXPECT_EQ(Int(*session, "select count(*) from landing.nested where s.b is null and s.a = 1"),
              1);
  }
}

TEST(Session, ArrowOfOtherShapes) {
  arrow::StringDictionaryBuilder builder;
  ASSERT_TRUE(builder.Append("x").ok() && builder.AppendNull().ok() && builder.Append("x").ok());
  const auto words = *builder.Finish();
  arrow::LargeStringBuilder large;
  ASSERT_TRUE(large.Append("a").ok() && large.Append("b").ok() && large.AppendNull().ok());
  const auto text = *large.Finish();
  const auto table = arrow::Table::Make(
      arrow::schema({arrow::field("w", words->type()), arrow::field("select \"", text->type())}),
      {words, text});
  auto session = OpenSession();
  ASSERT_EQ(session->RegisterArrow("landing", "odd name", table), arrow::Status::OK());
  const auto back = Table(*session, "select * from landing.\"odd name\"");
  ASSERT_NE(back, nullptr);
  EXPECT_TRUE(back->schema()->Equals(
      arrow::Schema({arrow::field("w", arrow::utf8()), arrow::field("select \"", arrow::utf8())})));
  EXPECT_EQ(Int(*session, "select count(*) from landing.\"odd name\" where w = 'x'"), 2);
  ASSERT_EQ(session->RegisterArrow("landing", "odd name", table->Slice(0, 0)), arrow::Status::OK());
  EXPECT_EQ(Int(*session, "select count(*) from landing.\"odd name\""), 0) << "replaced";
}

TEST(Session, ParquetBySeqAndWithoutFiles) {
  const Folder folder;
  WriteParquet("select i as _seq, i * 2 as x from range(1, 101) r(i)", folder.File("a.parquet"));
  WriteParquet("select i as _seq, i * 2 as x from range(101, 201) r(i)",
               folder.File("odd [name]*?'.parquet"));
  auto session = OpenSession({folder.path()});
  TableInput input;
  input.schema = "processing";
  input.name = "t";
  input.parquet_files = {folder.File("odd [name]*?'.parquet"), folder.File("a.parquet")};
  input.columns =
      arrow::schema({arrow::field("_seq", arrow::int64()), arrow::field("x", arrow::int64())});
  input.seq_after = 50;
  input.seq_up_to = 150;
  ASSERT_EQ(session->RegisterParquet(input), arrow::Status::OK());
  EXPECT_EQ(Int(*session, "select count(*) from processing.t"), 100);
  EXPECT_EQ(Int(*session, "select min(_seq) + max(_seq) from processing.t"), 201);
  EXPECT_EQ(Int(*session, "select _seq from processing.t limit 1"), 101) << "files in their order";
  input.parquet_files.clear();
  input.extra_columns = {{"_known_at", "make_timestamptz(x)"}};
  ASSERT_EQ(session->RegisterParquet(input), arrow::Status::OK());
  const auto empty = Table(*session, "select * from processing.t");
  EXPECT_EQ(empty->num_rows(), 0);
  EXPECT_EQ(empty->num_columns(), 3);
  input.columns = arrow::schema({arrow::field("x", arrow::int64())});
  EXPECT_EQ(CodeOf(session->RegisterParquet(input)), ErrorCode::kInvalidArgument);
}

TEST(Session, NothingEscapes) {
  const Folder folder;
  const Folder outside;
  WriteParquet("select 1 as x", outside.File("x.parquet"));
  std::ofstream(outside.File("x.csv")) << "a\n1\n";
  auto session = OpenSession({folder.path()});
  ASSERT_TRUE(session->SetRunTime(0).ok());
  const std::string statements[] = {
      "select * from read_csv('" + outside.File("x.csv") + "')",
      "select * from '" + outside.File("x.csv") + "'",
      "select * from read_parquet('" + outside.File("x.parquet") + "')",
      "select * from read_text('/etc/passwd')",
      "select * from read_blob('/etc/passwd')",
      "select * from glob('/etc/*')",
      "select * from read_csv('https://example.com/x.csv')",
      "copy (select 1) to '" + folder.File("out.csv") + "'",
      "copy (select 1) to '" + outside.File("out.csv") + "'",
      "attach '" + folder.File("x.db") + "'",
      "install httpfs",
      "load httpfs",
      "set threads = 4",
      "set enable_external_access = true",
      "set allowed_directories = ['/']",
      "reset lock_configuration",
      "pragma enable_profiling",
      "pragma database_list",
      "export database '" + folder.File("dump") + "'",
      "import database '" + folder.File("dump") + "'",
      "create table main.x as select 1",
      "drop view if exists landing.x",
      "call pragma_version()",
      "select getenv('HOME')",
      "checkpoint",
      "explain select 1",
      "select 1; select 2",
      "prepare q as select 1",
      "",
  };
  for (const bool locked : {false, true}) {
    if (locked) {
      ASSERT_TRUE(session->Lock().ok());
    }
    for (const std::string& sql : statements) {
      auto table = session->QueryTable(sql);
      // glob lists nothing outside; everything else is an error.
      if (table.ok()) {
        EXPECT_EQ((*table)->num_rows(), 0) << sql;
        EXPECT_THAT(sql, HasSubstr("glob")) << sql;
      }
    }
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  EXPECT_FALSE(std::filesystem::exists(outside.File("out.csv")));
  EXPECT_EQ(CodeOf(session->SetRunTime(1)), ErrorCode::kDenied);
  EXPECT_EQ(CodeOf(session->CreateSchema("x")), ErrorCode::kDenied);
  EXPECT_EQ(CodeOf(session->RegisterView("main", "v", "select 1")), ErrorCode::kDenied);
  EXPECT_EQ(Int(*session, "select 42::bigint"), 42);
}

TEST(Session, RunTimeAndZone) {
  auto session = OpenSession();
  EXPECT_FALSE(session->QueryTable("select run_time()").ok());
  ASSERT_TRUE(session->SetRunTime(1'385'899'200'000'000).ok());
  EXPECT_EQ(Int(*session, "select epoch_us(run_time())"), 1'385'899'200'000'000);
  ASSERT_TRUE(session->SetRunTime(-5).ok());
  EXPECT_EQ(Int(*session, "select epoch_us(run_time())"), -5);
  EXPECT_EQ(Int(*session, "select date_part('hour', timestamptz '2013-07-01T12:00:00Z')"), 12);
}

TEST(Session, IntegerSums) {
  auto session = OpenSession();
  EXPECT_EQ(Int(*session, "select sum(x) from (values (1), (null), (-3)) v(x)"), -2);
  EXPECT_EQ(Int(*session, "select sum(x) from (values (9223372036854775807), (-1)) v(x)"),
            9223372036854775806);
  EXPECT_EQ(Int(*session, "select sum(x) from (values (-9223372036854775808)) v(x)"),
            std::numeric_limits<int64_t>::min());
  const auto over =
      session->QueryTable("select sum(x) as total from (values (9223372036854775807), (1)) v(x)");
  EXPECT_EQ(CodeOf(over.status()), ErrorCode::kBadInput);
  EXPECT_THAT(over.status().message(), HasSubstr("total"));
  const auto wide = Table(*session,
                          "select sum(x)::decimal(38, 0) as t from (values "
                          "(9223372036854775807), (1)) v(x)");
  EXPECT_EQ((*wide->column(0)->GetScalar(0))->ToString(), "9223372036854775808");
}

TEST(Session, OddTypes) {
  auto session = OpenSession();
  const auto table = Table(*session,
                           "select 'b'::enum('a', 'b') as e, null as n, "
                           "'00000000-0000-0000-0000-000000000001'::uuid as u, '{}'::json as j");
  ASSERT_NE(table, nullptr);
  EXPECT_EQ((*table->column(0)->GetScalar(0))->ToString(), "b");
  EXPECT_TRUE(table->schema()->field(1)->type()->Equals(arrow::int32()));
  EXPECT_EQ((*table->column(2)->GetScalar(0))->ToString(), "00000000-0000-0000-0000-000000000001");
  EXPECT_EQ((*table->column(3)->GetScalar(0))->ToString(), "{}");
  for (const char* sql : {"select interval 3 day as span", "select [interval 3 day] as span",
                          "select '10'::bit as span", "select 1::uhugeint as span",
                          "select {'a': ['x'::enum('x')]} as span"}) {
    const auto refused = session->QueryTable(sql);
    EXPECT_EQ(CodeOf(refused.status()), ErrorCode::kUnsupported) << sql;
    EXPECT_THAT(refused.status().message(), HasSubstr("span"));
  }
}

TEST(Session, StreamsThreeMillionRows) {
  auto session = OpenSession();
  auto reader =
      session->Query("select i, i * 0.5 as half, 'row ' || i as s from range(3000000) r(i)");
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(CodeOf(session->Query("select 1").status()), ErrorCode::kInternal) << "one at a time";
  std::shared_ptr<arrow::RecordBatch> batch;
  int64_t rows = 0;
  int64_t sum = 0;
  int batches = 0;
  while ((*reader)->ReadNext(&batch).ok() && batch != nullptr) {
    const auto& column = static_cast<const arrow::Int64Array&>(*batch->column(0));
    for (int64_t i = 0; i < batch->num_rows(); ++i) {
      ASSERT_EQ(column.Value(i), rows + i) << "order";
      sum += column.Value(i);
    }
    rows += batch->num_rows();
    ++batches;
  }
  EXPECT_EQ(rows, 3'000'000);
  EXPECT_EQ(sum, int64_t{2'999'999} * 3'000'000 / 2);
  EXPECT_GT(batches, 50);
  EXPECT_TRUE(session->Query("select 1").ok()) << "free again";
}

TEST(Session, ReaderMayBeDroppedEarly) {
  auto session = OpenSession();
  for (int i = 0; i < 3; ++i) {
    auto reader = session->Query("select * from range(100000000)");
    ASSERT_TRUE(reader.ok()) << reader.status();
    std::shared_ptr<arrow::RecordBatch> batch;
    ASSERT_TRUE((*reader)->ReadNext(&batch).ok());
  }
}

const char* const kEndless =
    "select count(*) from range(10000000) a, range(10000000) b where a.range * b.range % 7 = 3";

TEST(Session, TimeLimit) {
  Limits limits;
  limits.timeout_ms = 100;
  auto session = OpenSession({}, limits);
  const auto slow = session->QueryTable(kEndless);
  EXPECT_EQ(CodeOf(slow.status()), ErrorCode::kLimit) << slow.status();
  EXPECT_EQ(Int(*session, "select 1::bigint"), 1) << "the next query has its own time";
  auto streamed = session->Query("select * from range(100000000000)");
  ASSERT_TRUE(streamed.ok());
  std::shared_ptr<arrow::RecordBatch> batch;
  arrow::Status status;
  while ((status = (*streamed)->ReadNext(&batch)).ok() && batch != nullptr) {
  }
  EXPECT_EQ(CodeOf(status), ErrorCode::kLimit);
}

TEST(Session, Interrupt) {
  auto session = OpenSession();
  session->Interrupt();
  EXPECT_EQ(Int(*session, "select 1::bigint"), 1) << "no query ran";
  std::atomic<bool> done{false};
  std::thread interrupter([&] {
    while (!done) session->Interrupt();
  });
  const auto result = session->QueryTable(kEndless);
  done = true;
  interrupter.join();
  EXPECT_EQ(CodeOf(result.status()), ErrorCode::kUnavailable) << result.status();
}

TEST(Session, MemoryLimit) {
  Limits limits;
  limits.memory_bytes = 32 << 20;
  auto session = OpenSession({}, limits);
  const auto result = session->QueryTable(
      "select count(*) from (select distinct i, md5(i::varchar) from range(20000000) r(i))");
  EXPECT_EQ(CodeOf(result.status()), ErrorCode::kLimit) << result.status();
}

TEST(Session, SpillsWhereItMay) {
  const Folder folder;
  Limits limits;
  limits.memory_bytes = 64 << 20;
  limits.temp_dir = folder.File("spill");
  auto session = OpenSession({}, limits);
  EXPECT_EQ(Int(*session,
                "select count(*) from (select i, md5(i::varchar) m from "
                "range(2000000) r(i) order by m)"),
            2'000'000);
}

TEST(Session, ErrorsHavePlacesAndCodes) {
  auto session = OpenSession();
  const auto wrong = session->QueryAt("select 1,\n  nope", {"x.sql", 10, 1});
  EXPECT_EQ(CodeOf(wrong.status()), ErrorCode::kInvalidDefinition);
  EXPECT_THAT(wrong.status().message(), HasSubstr("x.sql:11"));
  EXPECT_EQ(CodeOf(session->QueryTable("select 'x'::int + i from range(3) r(i)").status()),
            ErrorCode::kBadInput);
  EXPECT_EQ(
      CodeOf(session->QueryTable("select cast(s as int) from (values ('1'), ('x')) v(s)").status()),
      ErrorCode::kBadInput);
  EXPECT_EQ(CodeOf(session->QueryTable("select * from nope").status()),
            ErrorCode::kInvalidDefinition);
}

TEST(SqlError, ReadsThePicture) {
  const SqlError error = ParseSqlError(
      "Binder Error: Referenced column \"bbb\" not found in FROM clause!\nCandidate bindings: \"a\""
      "\n\nLINE 3:   bbb from t\n          ^",
      "select\n a,\n  bbb from t");
  EXPECT_EQ(error.line, 3);
  EXPECT_EQ(error.column, 3);
  EXPECT_EQ(error.code, ErrorCode::kInvalidDefinition);
  EXPECT_THAT(error.message, HasSubstr("Candidate bindings"));
  EXPECT_EQ(error.message.find('\n'), std::string::npos);
  const std::string pad(200, ' ');
  const std::string sql = "select 1," + pad + "2," + pad + "nope from range(3)";
  auto session = OpenSession();
  const auto long_line = session->QueryAt(sql, {"x.sql", 1, 1});
  EXPECT_THAT(long_line.status().message(), HasSubstr("x.sql:1"));
  const base::Location at = LocationOfOffset({"f.yaml", 7, 6}, "ab\ncd", 4);
  EXPECT_EQ(at.line, 8);
  EXPECT_EQ(at.column, 2);
  EXPECT_EQ(LocationOfOffset({"f.yaml", 7, 6}, "ab\ncd", 1).column, 7);
}

TEST(SqlTypes, Quoting) {
  EXPECT_EQ(QuoteIdentifier("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(QuoteLiteral("it's"), "'it''s'");
  EXPECT_FALSE(DuckDbTypeOf(*arrow::decimal256(50, 2)).ok());
  EXPECT_EQ(*DuckDbTypeOf(*arrow::struct_({arrow::field("a b", arrow::list(arrow::int8()))})),
            "STRUCT(\"a b\" TINYINT[])");
  EXPECT_EQ(CodeOf(DuckDbTypeOf(*arrow::struct_({})).status()), ErrorCode::kUnsupported);
}

TEST(Session, NamesThatDifferInCaseAloneAreRefused) {
  const auto session = OpenSession();
  const auto rows = arrow::Table::MakeEmpty(
      arrow::schema({arrow::field("id", arrow::int64()), arrow::field("Id", arrow::utf8())}));
  const auto status = session->RegisterArrow("main", "t", *rows);
  EXPECT_EQ(CodeOf(status), ErrorCode::kUnsupported);
  EXPECT_THAT(status.ToString(), HasSubstr("'id' and 'Id'"));
}

// Fails once and then says that it has no more.
class FailingReader final : public arrow::RecordBatchReader {
 public:
  std::shared_ptr<arrow::Schema> schema() const override {
    return arrow::schema({arrow::field("id", arrow::int64())});
  }
  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    *batch = nullptr;
    const bool is_first = !std::exchange(has_failed_, true);
    return is_first ? base::MakeError(ErrorCode::kCorrupt, "file x is torn") : arrow::Status::OK();
  }

 private:
  bool has_failed_ = false;
};

TEST(Session, TheReadersOwnErrorIsTold) {
  const auto session = OpenSession();
  const auto status = session->RegisterReader("main", "t", std::make_shared<FailingReader>());
  EXPECT_EQ(CodeOf(status), ErrorCode::kCorrupt);
  EXPECT_THAT(status.ToString(), HasSubstr("file x is torn"));
}

TEST(Session, OneLeavesNothingToTheNext) {
  const auto rows = [](int64_t value) {
    arrow::Int64Builder builder;
    EXPECT_TRUE(builder.Append(value).ok());
    return arrow::Table::Make(arrow::schema({arrow::field("x", arrow::int64())}),
                              {builder.Finish().ValueOrDie()});
  };
  for (int64_t turn = 1; turn < 5; ++turn) {
    auto session = OpenSession();
    // What the last one had is gone: its tables, views and run_time().
    EXPECT_FALSE(session->QueryTable("SELECT * FROM landing.only").ok());
    EXPECT_FALSE(session->QueryTable("SELECT run_time()").ok());
    session = OpenSession();  // the other had errors, which ends it
    ASSERT_TRUE(session->RegisterArrow("landing", "only", rows(turn)).ok());
    ASSERT_TRUE(
        session->RegisterView("curated", "twice", "SELECT 2 * x AS y FROM landing.only").ok());
    ASSERT_TRUE(session->SetRunTime(turn).ok());
    ASSERT_TRUE(session->Lock().ok());
    EXPECT_EQ(Int(*session, "SELECT y FROM curated.twice"), 2 * turn);
    EXPECT_EQ(Int(*session, "SELECT epoch_us(run_time())"), turn);
    EXPECT_FALSE(session->SetRunTime(7).ok());  // locked
  }
  auto session = OpenSession();
  ASSERT_TRUE(session->SetRunTime(1).ok());  // not locked by the last one's Lock
}

TEST(Session, OneThatWasInterruptedIsNotLentAgain) {
  {
    auto session = OpenSession();
    session->Interrupt();
  }
  auto session = OpenSession();
  EXPECT_EQ(Int(*session, "SELECT count(*) FROM range(100000)"), 100'000);
}

}  // namespace
}  // namespace icecore::sql
