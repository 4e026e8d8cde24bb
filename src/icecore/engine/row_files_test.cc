#include "icecore/engine/row_files.h"

#include <arrow/io/file.h>
#include <arrow/ipc/writer.h>

#include "icecore/pipeline/pipeline_fixture.h"

namespace icecore::engine {
namespace {

using arrow::field;
using base::ErrorCode;
using pipeline::BatchOf;
using pipeline::CodeOfFailed;
using pipeline::Must;
using pipeline::MustBeOk;
using pipeline::TextOf;
using pipeline::WriteText;

const auto kInstant = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");

class RowFilesTest : public ::testing::Test {
 protected:
  std::string PathOf(const std::string& name) const { return folder_.path() + "/" + name; }
  std::shared_ptr<arrow::Table> Csv(const std::string& text) {
    WriteText(PathOf("in.csv"), text);
    return Must(ReadRows(PathOf("in.csv")));
  }

  pipeline::TemporaryFolder folder_;
};

std::shared_ptr<arrow::Table> Example() {
  return Must(arrow::Table::FromRecordBatches({BatchOf(
      {field("id", arrow::int64()), field("name", arrow::utf8()), field("x", arrow::float64()),
       field("ok", arrow::boolean()), field("event_timestamp", kInstant)},
      R"([{"id": 9007199254740993, "name": "a,\"b\"\nc", "x": 0.1, "ok": true,
           "event_timestamp": 1704067200000001},
          {"id": null, "name": null, "x": null, "ok": null, "event_timestamp": null},
          {"id": -1, "name": "ü", "x": -2.5e300, "ok": false, "event_timestamp": 0}])")}));
}

TEST_F(RowFilesTest, ReadsBackWhatItWrote) {
  for (const char* name : {"rows.parquet", "rows.arrow", "rows.csv"}) {
    MustBeOk(WriteRows(*Example(), PathOf(name)));
    const auto back = Must(ReadRows(PathOf(name)));
    EXPECT_TRUE(back->schema()->Equals(*Example()->schema())) << name << back->schema()->ToString();
    EXPECT_EQ(TextOf(*back), TextOf(*Example())) << name;
  }
}

TEST_F(RowFilesTest, CsvHasInstantsAsEverywhere) {
  const auto wall = arrow::timestamp(arrow::TimeUnit::SECOND);
  const auto fine = arrow::timestamp(arrow::TimeUnit::NANO, "America/New_York");
  MustBeOk(WriteRows(*Must(arrow::Table::FromRecordBatches(
                         {BatchOf({field("at", kInstant), field("wall", wall), field("fine", fine)},
                                  R"([{"at": 1357016400000000, "wall": 1357016400, "fine": -1},
              {"at": null, "wall": null, "fine": 1357016400000000000}])")})),
                     PathOf("instants.csv")));
  std::ifstream in(PathOf("instants.csv"));
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  EXPECT_EQ(text,
            "\"at\",\"wall\",\"fine\"\n"
            "\"2013-01-01T05:00:00.000000Z\",\"2013-01-01T05:00:00.000000\","
            "\"1969-12-31T23:59:59.999999999Z\"\n"
            ",,\"2013-01-01T05:00:00.000000Z\"\n");
}

TEST_F(RowFilesTest, InstantsBeyondWritingAreAnErrorInCsv) {
  const auto seconds = arrow::timestamp(arrow::TimeUnit::SECOND);
  EXPECT_FALSE(WriteRows(*Must(arrow::Table::FromRecordBatches({BatchOf(
                             {field("at", seconds)}, R"([{"at": 9000000000000000000}])")})),
                         PathOf("instants.csv"))
                   .ok());
}

TEST_F(RowFilesTest, NoRows) {
  for (const char* name : {"none.parquet", "none.arrow"}) {
    MustBeOk(WriteRows(*Example()->Slice(0, 0), PathOf(name)));
    const auto back = Must(ReadRows(PathOf(name)));
    EXPECT_EQ(back->num_rows(), 0);
    EXPECT_TRUE(back->schema()->Equals(*Example()->schema())) << name;
  }
  MustBeOk(WriteRows(*Example()->Slice(0, 0), PathOf("none.csv")));
  EXPECT_EQ(Must(ReadRows(PathOf("none.csv")))->num_columns(), 5);
}

TEST_F(RowFilesTest, ReplacesInOneStepAndLeavesNothingBeside) {
  MustBeOk(WriteRows(*Example(), PathOf("rows.csv")));
  MustBeOk(WriteRows(*Example()->Slice(0, 1), PathOf("rows.csv")));
  EXPECT_EQ(Must(ReadRows(PathOf("rows.csv")))->num_rows(), 1);
  const auto nested = Must(arrow::Table::FromRecordBatches(
      {BatchOf({field("l", arrow::list(arrow::int64()))}, R"([{"l": [1, 2]}])")}));
  EXPECT_FALSE(WriteRows(*nested, PathOf("rows.csv")).ok());
  EXPECT_EQ(Must(ReadRows(PathOf("rows.csv")))->num_rows(), 1) << "a failed write changes nothing";
  const auto files = std::filesystem::directory_iterator(folder_.path());
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
}

TEST_F(RowFilesTest, NestedValuesInCsvAreUnsupportedByName) {
  const auto nested = Must(arrow::Table::FromRecordBatches(
      {BatchOf({field("pairs", arrow::list(arrow::int64()))}, R"([{"pairs": [1, 2]}])")}));
  const arrow::Status status = WriteRows(*nested, PathOf("nested.csv"));
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(base::CodeOf(status), ErrorCode::kUnsupported);
  EXPECT_NE(status.message().find("pairs"), std::string::npos);
  MustBeOk(WriteRows(*nested, PathOf("nested.parquet")));
  EXPECT_EQ(Must(ReadRows(PathOf("nested.parquet")))->num_rows(), 1);
}

TEST_F(RowFilesTest, ErrorsNameTheFile) {
  for (const char* name : {"rows.txt", "rows", "csv", "rows.csv.gz", "rows.CSV"}) {
    const auto read = ReadRows(PathOf(name));
    EXPECT_EQ(CodeOfFailed(read), ErrorCode::kInvalidArgument) << name;
    EXPECT_NE(read.status().message().find(name), std::string::npos);
    EXPECT_EQ(base::CodeOf(WriteRows(*Example(), PathOf(name))), ErrorCode::kInvalidArgument);
  }
  EXPECT_EQ(CodeOfFailed(ReadRows(PathOf("none.csv"))), ErrorCode::kNotFound);
  for (const char* name : {"bad.parquet", "bad.arrow"}) {
    WriteText(PathOf(name), "these are no rows");
    const auto read = ReadRows(PathOf(name));
    EXPECT_EQ(CodeOfFailed(read), ErrorCode::kBadInput) << name;
    EXPECT_NE(read.status().message().find(name), std::string::npos);
  }
  WriteText(PathOf("bad.csv"), "a,b\n1,2\n3\n");
  EXPECT_EQ(CodeOfFailed(ReadRows(PathOf("bad.csv"))), ErrorCode::kBadInput);
  EXPECT_FALSE(WriteRows(*Example(), PathOf("no/such/folder.csv")).ok());
}

TEST_F(RowFilesTest, ArrowStreamsAreReadToo) {
  const auto out = Must(arrow::io::FileOutputStream::Open(PathOf("stream.arrow")));
  const auto writer = Must(arrow::ipc::MakeStreamWriter(out, Example()->schema()));
  MustBeOk(writer->WriteTable(*Example()));
  MustBeOk(writer->Close());
  MustBeOk(out->Close());
  EXPECT_TRUE(Must(ReadRows(PathOf("stream.arrow")))->Equals(*Example()));
}

TEST_F(RowFilesTest, CsvEventTimestampsAreInstants) {
  for (const char* text : {"2024-01-01T00:00:00Z", "2024-01-01T00:00:00", "2024-01-01 00:00:00",
                           "2024-01-01T01:00:00+01:00", "2024-01-01T00:00:00.000000Z"}) {
    const auto rows = Csv("id,event_timestamp\n1," + std::string(text) + "\n");
    EXPECT_TRUE(rows->GetColumnByName("event_timestamp")->type()->Equals(*kInstant)) << text;
    const auto value = Must(rows->GetColumnByName("event_timestamp")->GetScalar(0));
    EXPECT_TRUE(value->Equals(arrow::TimestampScalar(1704067200000000, kInstant)))
        << text << ": " << value->ToString();
  }
  // Forms may be mixed, also so that no one type of CSV fits them all.
  const auto mixed = Csv(
      "event_timestamp\n2024-01-01T00:00:00Z\n2024-01-01T00:00:00.5Z\n2024-01-01T02:00:00+02:00\n");
  EXPECT_TRUE(mixed->column(0)->type()->Equals(*kInstant));
  WriteText(PathOf("bad.csv"), "event_timestamp\n2024-01-01T00:00:00Z\nyesterday\n");
  const auto bad = ReadRows(PathOf("bad.csv"));
  EXPECT_EQ(CodeOfFailed(bad), ErrorCode::kBadInput);
  EXPECT_NE(bad.status().message().find("yesterday"), std::string::npos);
}

TEST_F(RowFilesTest, CsvEmptyIsNullAndQuotedEmptyIsText) {
  const auto rows = Csv("a,b\n,\"\"\nx,y\n");
  EXPECT_EQ(TextOf(*rows), (pipeline::Rows{{"null", ""}, {"x", "y"}}));
}

}  // namespace
}  // namespace icecore::engine
