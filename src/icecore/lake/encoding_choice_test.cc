#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/builder.h>
#include <arrow/io/file.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <random>

#include "icecore/lake/encoding_choice.h"
#include "icecore/lake/lake_fixture.h"

namespace icecore::lake {
namespace {

constexpr int64_t kManyRows = 20'000;

// Every 17th value is null.
template <typename Builder, typename Value>
std::shared_ptr<arrow::Array> Column(const std::function<Value(int64_t)>& value,
                                     int64_t rows = kManyRows) {
  Builder builder;
  for (int64_t i = 0; i < rows; ++i) {
    const arrow::Status appended = i % 17 == 16 ? builder.AppendNull() : builder.Append(value(i));
    EXPECT_TRUE(appended.ok());
  }
  return *builder.Finish();
}

std::shared_ptr<arrow::Array> Longs(const std::function<int64_t(int64_t)>& value,
                                    int64_t rows = kManyRows) {
  return Column<arrow::Int64Builder, int64_t>(value, rows);
}

std::string Chosen(const arrow::Array& rows, bool too_many_values = false) {
  const ColumnEncoding encoding = ChooseEncoding(rows, too_many_values);
  return std::string(encoding.dictionary ? "dictionary"
                     : encoding.delta    ? "delta"
                                         : "plain") +
         (encoding.compressed ? "" : ", not compressed");
}

class EncodingChoiceTest : public LakeFixture {
 protected:
  std::mt19937_64 numbers_{7};
};

TEST_F(EncodingChoiceTest, WholeNumbers) {
  EXPECT_EQ(Chosen(*Longs([](int64_t i) { return i; })), "delta");
  EXPECT_EQ(Chosen(*Longs([&](int64_t) { return static_cast<int64_t>(numbers_() % 10'000'000); })),
            "delta");
  EXPECT_EQ(Chosen(*Longs([](int64_t i) { return i / 3; })), "delta");
  EXPECT_EQ(Chosen(*Longs([](int64_t i) { return i / 3 * 60'000'000; })), "dictionary");
  EXPECT_EQ(Chosen(*Longs([](int64_t i) { return i % 100; })), "dictionary");
  EXPECT_EQ(Chosen(*Longs([&](int64_t) { return static_cast<int64_t>(numbers_()); })), "plain");
  EXPECT_EQ(Chosen(*Longs([&](int64_t i) { return int64_t{1} << (i % 62); })), "dictionary");
  EXPECT_EQ(Chosen(*Longs([](int64_t) { return 0; })), "dictionary");
  // A rewrite knows that the dictionary was given up, whatever the first rows look like.
  EXPECT_EQ(Chosen(*Longs([](int64_t i) { return i % 100; }), true), "delta");
  EXPECT_EQ(Chosen(*Longs([](int64_t i) { return i; }, 1000)), "dictionary");
  EXPECT_EQ(Chosen(*Longs([](int64_t i) { return i; }, 1000), true), "plain");
  EXPECT_EQ(Chosen(*Column<arrow::Int32Builder, int32_t>(
                [&](int64_t) { return static_cast<int32_t>(numbers_()); })),
            "plain");
  EXPECT_EQ(Chosen(*Must(arrow::MakeArrayOfNull(arrow::int64(), kManyRows))), "dictionary");
}

TEST_F(EncodingChoiceTest, FloatsAndTexts) {
  std::uniform_real_distribution<double> unit;
  EXPECT_EQ(Chosen(*Column<arrow::DoubleBuilder, double>([&](int64_t) { return unit(numbers_); })),
            "plain, not compressed");
  EXPECT_EQ(Chosen(*Column<arrow::DoubleBuilder, double>(
                [](int64_t i) { return static_cast<double>(i) / 4; })),
            "plain");
  EXPECT_EQ(Chosen(*Column<arrow::DoubleBuilder, double>(
                [](int64_t i) { return static_cast<double>(i % 500); })),
            "dictionary");
  const auto text = [](int64_t modulus) {
    return Column<arrow::StringBuilder, std::string>(
        [modulus](int64_t i) { return "name " + std::to_string(i % modulus); });
  };
  EXPECT_EQ(Chosen(*text(kManyRows)), "plain");
  EXPECT_EQ(Chosen(*text(1000)), "dictionary");
  EXPECT_EQ(Chosen(*Must(arrow::MakeArrayOfNull(arrow::float64(), kManyRows))), "dictionary");
}

// Columns of every choice, with the widest steps, come back as they were; "a.b" is a name too.
TEST_F(EncodingChoiceTest, WhatIsWrittenIsRead) {
  std::uniform_real_distribution<double> unit;
  const auto narrow = Column<arrow::Int8Builder, int8_t>(
      [](int64_t i) { return static_cast<int8_t>(i % 2 == 0 ? -128 : i % 128); });
  const std::vector<std::pair<std::string, std::shared_ptr<arrow::Array>>> columns = {
      {"steps", Longs([](int64_t i) { return i; })},
      {"near", Longs([&](int64_t) { return static_cast<int64_t>(numbers_() % 1'000'000); })},
      {"edges", Longs([](int64_t i) { return i < 9000     ? i
                                             : i % 2 == 0 ? INT64_MIN
                                                          : INT64_MAX; })},
      {"noise", Longs([&](int64_t) { return static_cast<int64_t>(numbers_()); })},
      {"few", Longs([](int64_t i) { return i % 7; })},
      {"bytes", narrow},
      {"unit", Column<arrow::DoubleBuilder, double>([&](int64_t) { return unit(numbers_); })},
      {"text", Column<arrow::StringBuilder, std::string>(
                   [](int64_t i) { return "name " + std::to_string(i); })},
      {"a.b", Longs([](int64_t i) { return 3 * i; })}};
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const auto& [name, array] : columns) {
    fields.push_back(arrow::field(name, array->type()));
    arrays.push_back(array);
  }
  fields.push_back(arrow::field("a", arrow::struct_({arrow::field("b", arrow::utf8())})));
  arrays.push_back(
      Must(arrow::StructArray::Make({columns[7].second}, std::vector<std::string>{"b"})));
  const auto schema = arrow::schema(fields);
  const auto batch = arrow::RecordBatch::Make(schema, kManyRows, arrays);
  const auto table = OpenTable(*store_);
  ASSERT_OK(Create(*table, schema));
  auto snapshot = Must(table->Load());
  Commit commit;
  commit.operation = "WRITE";
  commit.adds = Must(WriteFiles(*store_, *snapshot, {batch}, WriterOptions()));
  ASSERT_OK(table->CommitTo(*snapshot, commit).status());
  snapshot = Must(table->Load());

  const auto read = Must(Must(ReadAll(*store_, *snapshot, ScanOptions()))->CombineChunksToBatch());
  for (int i = 0; i < batch->num_columns(); ++i) {
    EXPECT_TRUE(read->column(i)->Equals(batch->column(i))) << schema->field(i)->name();
  }
  const auto file =
      Must(arrow::io::ReadableFile::Open(FileOf("t/" + snapshot->files.front().path).string()));
  const auto reader = parquet::ParquetFileReader::Open(file);
  const auto group = reader->metadata()->RowGroup(0);
  const auto has = [&](int leaf, parquet::Encoding::type encoding) {
    const auto chunk = group->ColumnChunk(leaf);
    const auto& encodings = chunk->encodings();
    return std::find(encodings.begin(), encodings.end(), encoding) != encodings.end();
  };
  EXPECT_TRUE(has(0, parquet::Encoding::DELTA_BINARY_PACKED));
  EXPECT_TRUE(has(1, parquet::Encoding::DELTA_BINARY_PACKED));
  EXPECT_TRUE(has(2, parquet::Encoding::DELTA_BINARY_PACKED));
  EXPECT_FALSE(has(3, parquet::Encoding::RLE_DICTIONARY));
  EXPECT_TRUE(has(4, parquet::Encoding::RLE_DICTIONARY));
  EXPECT_EQ(group->ColumnChunk(6)->compression(), parquet::Compression::UNCOMPRESSED);
  EXPECT_EQ(group->ColumnChunk(7)->compression(), parquet::Compression::ZSTD);
}

}  // namespace
}  // namespace icecore::lake
