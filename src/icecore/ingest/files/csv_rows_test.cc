#include <gtest/gtest.h>

#include <string>

#include "icecore/base/error.h"
#include "icecore/ingest/files/project_fixture.h"

namespace icecore::ingest {
namespace {

using base::CodeOf;
using base::ErrorCode;

class CsvRowsTest : public testing::Test {
 protected:
  ReadResult Read(std::string_view bytes) { return project_.ReadOne("data/x.csv", bytes); }

  TestProject project_;
};

TEST_F(CsvRowsTest, ValuesAreTextAsReceived) {
  const ReadResult got = Read("a,b\n1, x \nNA,\n\"q,\"\"q\"\"\",\"two\nlines\"\n");
  ASSERT_TRUE(got.status.ok()) << got.status;
  EXPECT_EQ(got.Columns(), "a,b");
  ASSERT_EQ(got.rows(), 3);
  EXPECT_EQ(got.Row(0), "1| x ");
  EXPECT_EQ(got.Row(1), "NA|");
  EXPECT_EQ(got.Row(2), "q,\"q\"|two\nlines");
  EXPECT_EQ(got.Cell("_file", 2), "data/x.csv");
  EXPECT_EQ(got.Cell("_row", 2), "3");
  EXPECT_EQ(got.Cell("_problem", 2), "null");
  EXPECT_EQ(got.Cell("_raw", 2), "null");
}

TEST_F(CsvRowsTest, RaggedRowsAreKeptWithTheirBytes) {
  const ReadResult got = Read("a,b,c\n1,2,3\n1,\"2\"\n1,2,3,4\n5,6,7\n");
  ASSERT_TRUE(got.status.ok()) << got.status;
  ASSERT_EQ(got.rows(), 4);
  EXPECT_EQ(got.problem_rows, 2);
  EXPECT_EQ(got.Row(1), "null|null|null");
  EXPECT_EQ(got.Cell("_problem", 1), "2 fields, 3 expected");
  EXPECT_EQ(got.Cell("_raw", 1), "1,\"2\"");
  EXPECT_EQ(got.Cell("_problem", 2), "4 fields, 3 expected");
  EXPECT_EQ(got.Cell("_row", 2), "3");
  EXPECT_EQ(got.Row(3), "5|6|7");
  EXPECT_EQ(got.Cell("_row", 3), "4");
}

TEST_F(CsvRowsTest, UnclosedQuoteRefusesTheFileAtTheLineOfTheQuote) {
  const ReadResult got = Read("a,b\n1,2\n3,\"4\n5,6\n");
  ASSERT_FALSE(got.status.ok());
  EXPECT_EQ(CodeOf(got.status), ErrorCode::kBadInput);
  EXPECT_NE(got.status.message().find("data/x.csv:3:"), std::string::npos) << got.status;
}

TEST_F(CsvRowsTest, UnclosedQuoteBehindAMultiLineField) {
  const ReadResult got = Read("a,b\n\"x\r\ny\nz\",\"4\n5,6\n");
  ASSERT_FALSE(got.status.ok());
  EXPECT_NE(got.status.message().find("data/x.csv:4:"), std::string::npos) << got.status;
}

TEST_F(CsvRowsTest, BytesThatAreNotUtf8) {
  const ReadResult got = Read("a,name\n1,M\xFCnchen\n2,K\xC3\xB6ln\n");
  ASSERT_TRUE(got.status.ok()) << got.status;
  ASSERT_EQ(got.rows(), 2);
  EXPECT_EQ(got.Row(0), "null|null");
  EXPECT_EQ(got.Cell("_problem", 0), "not UTF-8: column 'name'");
  EXPECT_EQ(got.Cell("_raw", 0), "1,M\xFCnchen");
  EXPECT_EQ(got.Row(1), "2|K\xC3\xB6ln");
}

TEST_F(CsvRowsTest, OtherEncodings) {
  project_.source().files.encoding = "Windows-1252";
  const ReadResult got = Read("a\nM\xFCnchen \x80\n");
  ASSERT_TRUE(got.status.ok()) << got.status;
  EXPECT_EQ(got.Row(0), "M\xC3\xBCnchen \xE2\x82\xAC");
  project_.source().files.encoding = "ebcdic";
  const ReadResult other = project_.ReadOne("data/y.csv", "a\n1\n");
  ASSERT_FALSE(other.status.ok());
  EXPECT_EQ(CodeOf(other.status), ErrorCode::kUnsupported);
}

TEST_F(CsvRowsTest, ByteOrderMarkAndCarriageReturns) {
  const ReadResult got = Read(
      "\xEF\xBB\xBF"
      "a,b\r\n1,2\r\n\r\n3,4");
  ASSERT_TRUE(got.status.ok()) << got.status;
  EXPECT_EQ(got.Columns(), "a,b");
  ASSERT_EQ(got.rows(), 2);
  EXPECT_EQ(got.Row(0), "1|2");
  EXPECT_EQ(got.Row(1), "3|4");
  const ReadResult quoted = project_.ReadOne("data/y.csv", "\xEF\xBB\xBF\"a\"\n1\n");
  EXPECT_EQ(quoted.Columns(), "a");
  const ReadResult mac = project_.ReadOne("data/z.csv", "a,b\r1,2\r");
  ASSERT_EQ(mac.rows(), 1);
  EXPECT_EQ(mac.Row(0), "1|2");
}

TEST_F(CsvRowsTest, Utf16IsRefused) {
  const ReadResult got =
      Read(std::string_view("\xFF\xFE"
                            "a\0\n\0",
                            6));
  ASSERT_FALSE(got.status.ok());
  EXPECT_EQ(CodeOf(got.status), ErrorCode::kBadInput);
}

TEST_F(CsvRowsTest, FieldOfTenMegabytes) {
  std::string large(10 << 20, 'x');
  large[5 << 20] = '\n';
  large[6 << 20] = ',';
  const ReadResult got = Read("a,b\n1,\"" + large + "\"\n2,y\n");
  ASSERT_TRUE(got.status.ok()) << got.status;
  ASSERT_EQ(got.rows(), 2);
  EXPECT_EQ(got.Cell("b", 0), large);
  EXPECT_EQ(got.Row(1), "2|y");
}

TEST_F(CsvRowsTest, FieldBeyondTheLimitIsRefused) {
  const ReadResult got =
      Read("a,b\n1," + std::string(static_cast<size_t>(kMaxFieldBytes) + 1, 'x') + "\n");
  ASSERT_FALSE(got.status.ok());
  EXPECT_EQ(CodeOf(got.status), ErrorCode::kLimit);
  EXPECT_NE(got.status.message().find("data/x.csv:2:"), std::string::npos) << got.status;
}

TEST_F(CsvRowsTest, Headers) {
  EXPECT_EQ(CodeOf(Read("").status), ErrorCode::kBadInput);
  EXPECT_EQ(CodeOf(project_.ReadOne("data/1.csv", "\n\n").status), ErrorCode::kBadInput);
  EXPECT_EQ(CodeOf(project_.ReadOne("data/2.csv", "a,b,a\n1,2,3\n").status), ErrorCode::kBadInput);
  EXPECT_EQ(CodeOf(project_.ReadOne("data/3.csv", "id,ID\n1,2\n").status), ErrorCode::kBadInput);
  EXPECT_EQ(CodeOf(project_.ReadOne("data/4.csv", "a,_id\n1,2\n").status), ErrorCode::kBadInput);
  const ReadResult only = project_.ReadOne("data/5.csv", "a,b\n");
  ASSERT_TRUE(only.status.ok()) << only.status;
  EXPECT_EQ(only.rows(), 0);
  EXPECT_EQ(only.Columns(), "a,b");
  const ReadResult unnamed = project_.ReadOne("data/6.csv", ",b\n1,2\n");
  EXPECT_EQ(unnamed.Columns(), "column_1,b");
}

TEST_F(CsvRowsTest, WithoutHeader) {
  project_.source().files.header = false;
  const ReadResult got = Read("1,2\n3,4\n");
  ASSERT_TRUE(got.status.ok()) << got.status;
  EXPECT_EQ(got.Columns(), "column_1,column_2");
  ASSERT_EQ(got.rows(), 2);
  EXPECT_EQ(got.Row(0), "1|2");
  project_.options().column_names = {"x", "y"};
  EXPECT_EQ(project_.ReadOne("data/y.csv", "1,2\n").Columns(), "x,y");
  const ReadResult empty = project_.ReadOne("data/z.csv", "");
  ASSERT_TRUE(empty.status.ok()) << empty.status;
  EXPECT_EQ(empty.rows(), 0);
}

TEST_F(CsvRowsTest, DialectAndSkippedRows) {
  project_.source().files.delimiter = '\t';
  project_.source().files.format = spec::FilesConnector::Format::kTsv;
  project_.source().files.skip_rows = 2;
  project_.source().files.escape = '\\';
  const ReadResult got = Read("made by \"x\nat noon\na\tb\n1\\\t2\t\"3\\\"4\"\n");
  ASSERT_TRUE(got.status.ok()) << got.status;
  ASSERT_EQ(got.rows(), 1);
  EXPECT_EQ(got.Row(0), "1\t2|3\"4");
}

TEST_F(CsvRowsTest, TextBehindAClosingQuoteIsAProblemOfItsRow) {
  const ReadResult got = Read("a,b\n\"1\"x,2\n3,4\n");
  ASSERT_TRUE(got.status.ok()) << got.status;
  ASSERT_EQ(got.rows(), 2);
  EXPECT_EQ(got.Cell("_raw", 0), "\"1\"x,2");
  EXPECT_NE(got.Cell("_problem", 0), "null");
  EXPECT_EQ(got.Row(1), "3|4");
}

TEST_F(CsvRowsTest, OneColumnKeepsEmptyLines) {
  const ReadResult got = Read("a\n1\n\n2\n");
  ASSERT_EQ(got.rows(), 3);
  EXPECT_EQ(got.Row(1), "");
}

TEST_F(CsvRowsTest, ManyRowsComeInBatchesAndInOrder) {
  std::string text = "n,s\n";
  constexpr int64_t kRows = 200'000;
  for (int64_t i = 0; i < kRows; ++i) {
    text += std::to_string(i) + (i % 7 == 0 ? ",\"a\nb\"\n" : ",c\n");
  }
  int64_t calls = 0;
  int64_t last_bytes = 0;
  project_.options().progress = [&](const FileProgress& progress) {
    ++calls;
    EXPECT_GE(progress.bytes, last_bytes);
    EXPECT_LE(progress.bytes, progress.total_bytes);
    last_bytes = progress.bytes;
  };
  const ReadResult got = Read(text);
  ASSERT_TRUE(got.status.ok()) << got.status;
  ASSERT_EQ(got.rows(), kRows);
  EXPECT_GT(got.batches.size(), 2u);
  EXPECT_EQ(calls, static_cast<int64_t>(got.batches.size()));
  EXPECT_EQ(last_bytes, static_cast<int64_t>(text.size()));
  for (const int64_t row : {int64_t{0}, int64_t{65'535}, int64_t{65'536}, kRows - 1}) {
    EXPECT_EQ(got.Cell("n", row), std::to_string(row));
    EXPECT_EQ(got.Cell("_row", row), std::to_string(row + 1));
  }
  EXPECT_EQ(got.facts.rows, kRows);
}

}  // namespace
}  // namespace icecore::ingest
