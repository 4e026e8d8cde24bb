#include "icecore/lake/pruning.h"

#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>
#include <gtest/gtest.h>

#include <cmath>

#include "icecore/base/error.h"
#include "icecore/lake/file_statistics_internal.h"
#include "icecore/lake/lake_fixture.h"

namespace icecore::lake {
namespace {

using Op = Predicate::Op;

const auto kMicros = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");

Snapshot TableOf(const arrow::FieldVector& fields) {
  Snapshot snapshot;
  snapshot.version = 0;
  snapshot.table_path = "t";
  snapshot.schema = arrow::schema(fields);
  return snapshot;
}

Snapshot Columns() {
  Snapshot snapshot =
      TableOf({arrow::field("i", arrow::int64()), arrow::field("d", arrow::float64()),
               arrow::field("s", arrow::utf8()), arrow::field("t", kMicros),
               arrow::field("dec", arrow::decimal128(38, 2)), arrow::field("p", arrow::date32())});
  snapshot.partition_columns = {"p"};
  return snapshot;
}

bool May(const Snapshot& table, const DataFile& file, const std::string& column, Op op,
         std::shared_ptr<arrow::Scalar> value = nullptr) {
  const auto pruner = Must(Pruner::Make(table, {{column, op, std::move(value)}}));
  return Must(pruner.MayMatch(file));
}

DataFile WithStats(const std::string& stats) {
  DataFile file;
  file.path = "f";
  file.stats_json = stats;
  file.partition_values["p"] = "2020-01-02";
  return file;
}

std::shared_ptr<arrow::Scalar> I(int64_t v) { return arrow::MakeScalar(v); }
std::shared_ptr<arrow::Scalar> D(double v) { return arrow::MakeScalar(v); }
std::shared_ptr<arrow::Scalar> S(const std::string& v) { return arrow::MakeScalar(v); }

TEST(PruningTest, NumbersBetweenBounds) {
  const Snapshot table = Columns();
  const DataFile file =
      WithStats(R"({"numRecords":3,"minValues":{"i":-5},"maxValues":{"i":7},"nullCount":{"i":1}})");
  EXPECT_FALSE(May(table, file, "i", Op::kLess, I(-5)));
  EXPECT_TRUE(May(table, file, "i", Op::kLessOrEqual, I(-5)));
  EXPECT_FALSE(May(table, file, "i", Op::kGreater, I(7)));
  EXPECT_TRUE(May(table, file, "i", Op::kGreaterOrEqual, I(7)));
  EXPECT_FALSE(May(table, file, "i", Op::kEqual, I(8)));
  EXPECT_TRUE(May(table, file, "i", Op::kEqual, I(0)));
  EXPECT_TRUE(May(table, file, "i", Op::kNotEqual, I(0)));
  EXPECT_TRUE(May(table, file, "i", Op::kIsNull));
  EXPECT_TRUE(May(table, file, "i", Op::kIsNotNull));
  const DataFile one =
      WithStats(R"({"minValues":{"i":4},"maxValues":{"i":4},"nullCount":{"i":0}})");
  EXPECT_FALSE(May(table, one, "i", Op::kNotEqual, I(4)));
  EXPECT_FALSE(May(table, one, "i", Op::kIsNull));
}

TEST(PruningTest, WhatIsNotKnownKeepsTheFile) {
  const Snapshot table = Columns();
  for (const char* stats :
       {"", "{}", "nonsense", R"({"minValues":3})", R"({"minValues":{"i":[1]}})",
        R"({"numRecords":1,"minValues":{"d":"NaN"},"maxValues":{"d":"NaN"}})",
        R"({"minValues":{"x":{"i":100}},"maxValues":{"x":{"i":100}}})",
        R"({"minValues":{"i":1e400},"maxValues":{"i":"a"}})",
        R"({"minValues":{"i":100},"maxValues":{"i":100)"}) {
    const DataFile file = WithStats(stats);
    EXPECT_TRUE(May(table, file, "i", Op::kEqual, I(5))) << stats;
    EXPECT_TRUE(May(table, file, "d", Op::kEqual, D(5))) << stats;
    EXPECT_TRUE(May(table, file, "i", Op::kIsNull)) << stats;
    EXPECT_TRUE(May(table, file, "i", Op::kIsNotNull)) << stats;
  }
}

TEST(PruningTest, NaNIsAboveEveryBoundAndMayBeThere) {
  const Snapshot table = Columns();
  const DataFile file = WithStats(
      R"({"numRecords":3,"minValues":{"d":1.0},"maxValues":{"d":1.0},"nullCount":{"d":0}})");
  EXPECT_TRUE(May(table, file, "d", Op::kGreater, D(100)));
  EXPECT_TRUE(May(table, file, "d", Op::kNotEqual, D(1)));
  EXPECT_TRUE(May(table, file, "d", Op::kEqual, D(std::nan(""))));
  EXPECT_TRUE(May(table, file, "d", Op::kLess, D(std::nan(""))));
  EXPECT_FALSE(May(table, file, "d", Op::kLess, D(1)));
  EXPECT_FALSE(May(table, file, "d", Op::kEqual, D(2)));
}

TEST(PruningTest, TruncatedTextAndTimes) {
  const Snapshot table = Columns();
  const DataFile file =
      WithStats(R"({"numRecords":2,"minValues":{"s":"ab","t":"2020-01-01T00:00:00.001Z"},)"
                R"("maxValues":{"s":"b","t":"2020-01-01T00:00:00.001Z"},"nullCount":{"s":0}})");
  EXPECT_TRUE(May(table, file, "s", Op::kEqual, S("abc")));
  EXPECT_FALSE(May(table, file, "s", Op::kEqual, S("aa")));
  EXPECT_FALSE(May(table, file, "s", Op::kGreater, S("b")));
  EXPECT_FALSE(May(table, file, "s", Op::kEqual, S("\xff")));
  const auto at = [](int64_t us) { return std::make_shared<arrow::TimestampScalar>(us, kMicros); };
  constexpr int64_t kMin = 1577836800001000;
  EXPECT_TRUE(May(table, file, "t", Op::kGreater, at(kMin + 998)));
  EXPECT_FALSE(May(table, file, "t", Op::kGreater, at(kMin + 999)));
  EXPECT_FALSE(May(table, file, "t", Op::kLess, at(kMin)));
}

TEST(PruningTest, DecimalsKeepAllDigits) {
  const Snapshot table = Columns();
  const DataFile file = WithStats(
      R"({"minValues":{"dec":12345678901234567890.12},"maxValues":{"dec":12345678901234567890.12}})");
  const auto decimal = [&](const char* text) {
    return std::make_shared<arrow::Decimal128Scalar>(arrow::Decimal128(text),
                                                     arrow::decimal128(38, 2));
  };
  EXPECT_FALSE(May(table, file, "dec", Op::kLess, decimal("1234567890123456789012")));
  EXPECT_TRUE(May(table, file, "dec", Op::kLess, decimal("1234567890123456789013")));
}

TEST(PruningTest, OnlyNullsMeetNoComparison) {
  const Snapshot table = Columns();
  const DataFile file = WithStats(R"({"numRecords":3,"tightBounds":false,"nullCount":{"i":3}})");
  EXPECT_FALSE(May(table, file, "i", Op::kNotEqual, I(1)));
  EXPECT_FALSE(May(table, file, "i", Op::kIsNotNull));
  EXPECT_TRUE(May(table, file, "i", Op::kIsNull));
}

TEST(PruningTest, PartitionValuesDecide) {
  const Snapshot table = Columns();
  const DataFile file = WithStats("");
  const auto day = [](int32_t d) { return std::make_shared<arrow::Date32Scalar>(d); };
  constexpr int32_t kDay = 18263;  // 2020-01-02
  EXPECT_TRUE(May(table, file, "p", Op::kEqual, day(kDay)));
  EXPECT_FALSE(May(table, file, "p", Op::kNotEqual, day(kDay)));
  EXPECT_FALSE(May(table, file, "p", Op::kGreater, day(kDay)));
  EXPECT_FALSE(May(table, file, "p", Op::kIsNull));
  DataFile none = file;
  none.partition_values["p"] = std::nullopt;
  EXPECT_FALSE(May(table, none, "p", Op::kNotEqual, day(kDay)));
  EXPECT_TRUE(May(table, none, "p", Op::kIsNull));
  DataFile broken = file;
  broken.partition_values["p"] = "tomorrow";
  const auto pruner = Must(Pruner::Make(table, {{"p", Op::kEqual, day(kDay)}}));
  EXPECT_EQ(CodeOfFailed(pruner.MayMatch(broken)), base::ErrorCode::kCorrupt);
}

TEST(PruningTest, StatisticsAreFoundByPhysicalName) {
  Snapshot table = TableOf(
      {arrow::field("i", arrow::int64())
           ->WithMetadata(arrow::key_value_metadata({std::string(kPhysicalName)}, {"col-1"}))});
  table.column_mapping = ColumnMapping::kName;
  const DataFile file =
      WithStats(R"({"minValues":{"col-1":1,"i":9},"maxValues":{"col-1":1,"i":9}})");
  EXPECT_FALSE(May(table, file, "i", Op::kEqual, I(9)));
  EXPECT_TRUE(May(table, file, "i", Op::kEqual, I(1)));
}

TEST(PruningTest, BadConditionsAreErrors) {
  const Snapshot table = Columns();
  EXPECT_EQ(CodeOfFailed(Pruner::Make(table, {{"j", Op::kIsNull, nullptr}})),
            base::ErrorCode::kNotFound);
  for (const auto& value :
       {std::shared_ptr<arrow::Scalar>(), arrow::MakeNullScalar(arrow::int64()), D(1.5)}) {
    EXPECT_EQ(CodeOfFailed(Pruner::Make(table, {{"i", Op::kEqual, value}})),
              base::ErrorCode::kInvalidArgument);
  }
}

class PruningScanTest : public LakeFixture {};

TEST_F(PruningScanTest, ScanPassesOverFilesAndRowGroups) {
  const auto table = OpenTable(*store_);
  const auto schema =
      arrow::schema({arrow::field("i", arrow::int64()), arrow::field("s", arrow::utf8())});
  Commit create;
  create.metadata = TableMetadata{schema, {}, "", ""};
  create.operation = "CREATE TABLE";
  ASSERT_OK(table->CommitTo(*Must(table->LoadOrEmpty()), create).status());
  const auto empty = Must(table->Load());
  base::SeededRandom random(1);
  WriterOptions options;
  options.row_group_rows = 2;
  const auto writer = Must(DataWriter::Open(*store_, "t", empty->schema, clock_, random, options));
  ASSERT_OK(writer->Write(arrow::RecordBatch::Make(
      schema, 6,
      {Must(arrow::json::ArrayFromJSONString(arrow::int64(), "[1, 2, 3, 4, null, null]")),
       Must(arrow::json::ArrayFromJSONString(arrow::utf8(),
                                             R"(["a", "b", "c", "d", "e", "f"])"))})));
  Commit add;
  add.adds = Must(writer->Finish());
  add.operation = "WRITE";
  ASSERT_OK(table->CommitTo(*empty, add).status());
  const auto snapshot = Must(table->Load());
  const auto count = [&](Predicates predicates) {
    ScanOptions scan;
    scan.predicates = std::move(predicates);
    const auto reader = Must(Scan(*store_, *snapshot, scan, ReadAccess()));
    return Must(reader->ToTable())->num_rows();
  };
  EXPECT_EQ(count({}), 6);
  EXPECT_EQ(count({{"i", Op::kGreater, I(4)}}), 0);
  EXPECT_EQ(count({{"i", Op::kLessOrEqual, I(2)}}), 2);
  EXPECT_EQ(count({{"i", Op::kGreaterOrEqual, I(2)}, {"s", Op::kLess, S("d")}}), 4);
  EXPECT_EQ(count({{"i", Op::kIsNull, nullptr}}), 2);
  EXPECT_EQ(count({{"i", Op::kIsNotNull, nullptr}}), 4);
  EXPECT_EQ(count({{"s", Op::kEqual, S("e")}, {"i", Op::kIsNotNull, nullptr}}), 0);
}

}  // namespace
}  // namespace icecore::lake
