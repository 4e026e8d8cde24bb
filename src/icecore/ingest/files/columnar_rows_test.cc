#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_dict.h>
#include <arrow/array/builder_nested.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/builder_time.h>
#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>

#include <memory>
#include <string>

#include "icecore/base/error.h"
#include "icecore/ingest/files/project_fixture.h"

namespace icecore::ingest {
namespace {

using base::CodeOf;
using base::ErrorCode;
using Format = spec::FilesConnector::Format;

std::string IpcFile(const arrow::RecordBatch& batch) {
  auto stream = arrow::io::BufferOutputStream::Create().ValueOrDie();
  auto writer = arrow::ipc::MakeFileWriter(stream, batch.schema()).ValueOrDie();
  EXPECT_TRUE(writer->WriteRecordBatch(batch).ok());
  EXPECT_TRUE(writer->Close().ok());
  return stream->Finish().ValueOrDie()->ToString();
}

std::string ParquetFile(const std::shared_ptr<arrow::RecordBatch>& batch) {
  auto stream = arrow::io::BufferOutputStream::Create().ValueOrDie();
  auto table = arrow::Table::FromRecordBatches({batch}).ValueOrDie();
  const auto properties = parquet::ArrowWriterProperties::Builder().store_schema()->build();
  EXPECT_TRUE(parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), stream, 1000,
                                         parquet::default_writer_properties(), properties)
                  .ok());
  return stream->Finish().ValueOrDie()->ToString();
}

// Columns of types that mean a plain type, one row each.
std::shared_ptr<arrow::RecordBatch> UnusualTypes() {
  arrow::LargeStringBuilder large;
  EXPECT_TRUE(large.Append("large").ok());
  arrow::StringDictionary32Builder dictionary;
  EXPECT_TRUE(dictionary.Append("word").ok());
  auto item = std::make_shared<arrow::LargeStringBuilder>();
  arrow::LargeListBuilder list(arrow::default_memory_pool(), item);
  EXPECT_TRUE(list.Append().ok());
  EXPECT_TRUE(item->Append("item").ok());
  arrow::TimestampBuilder time(arrow::timestamp(arrow::TimeUnit::NANO, "America/New_York"),
                               arrow::default_memory_pool());
  EXPECT_TRUE(time.Append(1'385'899'200'000'000'001).ok());
  const arrow::ArrayVector columns = {large.Finish().ValueOrDie(), dictionary.Finish().ValueOrDie(),
                                      list.Finish().ValueOrDie(), time.Finish().ValueOrDie()};
  arrow::FieldVector fields;
  for (const auto& column : columns) {
    fields.push_back(arrow::field("c" + std::to_string(fields.size()), column->type()));
  }
  return arrow::RecordBatch::Make(arrow::schema(fields), 1, columns);
}

TEST(ColumnarRowsTest, TypesAreThoseOfTheFileMadePlain) {
  TestProject project;
  for (const auto& [path, format, bytes] :
       {std::tuple<std::string, Format, std::string>{"data/x.arrow", Format::kArrow,
                                                     IpcFile(*UnusualTypes())},
        {"data/x.parquet", Format::kParquet, ParquetFile(UnusualTypes())}}) {
    project.source().files.format = format;
    const ReadResult got = project.ReadOne(path, bytes);
    ASSERT_TRUE(got.status.ok()) << path << got.status;
    ASSERT_EQ(got.rows(), 1);
    EXPECT_TRUE(got.schema->field(0)->type()->Equals(*arrow::utf8()));
    EXPECT_TRUE(got.schema->field(1)->type()->Equals(*arrow::utf8()));
    ASSERT_EQ(got.schema->field(2)->type()->id(), arrow::Type::LIST);
    EXPECT_TRUE(got.schema->field(2)->type()->field(0)->type()->Equals(*arrow::utf8()));
    EXPECT_TRUE(got.schema->field(3)->type()->Equals(
        *arrow::timestamp(arrow::TimeUnit::NANO, "America/New_York")));
    EXPECT_EQ(got.Cell("c0", 0), "large");
    EXPECT_EQ(got.Cell("c1", 0), "word");
    EXPECT_EQ(got.Cell("_row", 0), "1");
  }
}

TEST(ColumnarRowsTest, TextThatIsNotUtf8RefusesTheFile) {
  TestProject project;
  arrow::StringBuilder text;
  ASSERT_TRUE(text.Append("\xFF").ok());
  const auto batch = arrow::RecordBatch::Make(arrow::schema({arrow::field("s", arrow::utf8())}), 1,
                                              {text.Finish().ValueOrDie()});
  for (const auto& [path, format, bytes] :
       {std::tuple<std::string, Format, std::string>{"data/x.arrow", Format::kArrow,
                                                     IpcFile(*batch)},
        {"data/x.parquet", Format::kParquet, ParquetFile(batch)}}) {
    project.source().files.format = format;
    const ReadResult got = project.ReadOne(path, bytes);
    ASSERT_FALSE(got.status.ok()) << path;
    EXPECT_EQ(CodeOf(got.status), ErrorCode::kBadInput) << got.status;
  }
}

TEST(ColumnarRowsTest, EqualColumnNamesAreRefused) {
  TestProject project;
  project.source().files.format = Format::kArrow;
  arrow::Int64Builder number;
  ASSERT_TRUE(number.Append(1).ok());
  const auto column = number.Finish().ValueOrDie();
  const auto batch = arrow::RecordBatch::Make(
      arrow::schema({arrow::field("id", arrow::int64()), arrow::field("Id", arrow::int64())}), 1,
      {column, column});
  const ReadResult got = project.ReadOne("data/x.arrow", IpcFile(*batch));
  ASSERT_FALSE(got.status.ok());
  EXPECT_EQ(CodeOf(got.status), ErrorCode::kBadInput);
}

// Any byte of a small file damaged: an error or rows, never a crash.
TEST(ColumnarRowsTest, DamagedBytesNeverCrash) {
  TestProject project;
  for (const auto& [path, format, bytes] :
       {std::tuple<std::string, Format, std::string>{"data/x.arrow", Format::kArrow,
                                                     IpcFile(*UnusualTypes())},
        {"data/x.parquet", Format::kParquet, ParquetFile(UnusualTypes())}}) {
    project.source().files.format = format;
    project.source().files.path = path;
    for (size_t i = 0; i < bytes.size(); i += 41) {
      std::string damaged = bytes;
      damaged[i] = static_cast<char>(damaged[i] ^ 0x55);
      const ReadResult got = project.ReadOne(path, damaged);
      EXPECT_TRUE(got.status.ok() || !got.status.message().empty());
    }
  }
}

}  // namespace
}  // namespace icecore::ingest
