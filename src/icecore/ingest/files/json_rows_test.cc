#include <gtest/gtest.h>

#include <string>

#include "icecore/base/error.h"
#include "icecore/ingest/files/project_fixture.h"

namespace icecore::ingest {
namespace {

using base::CodeOf;
using base::ErrorCode;

class JsonRowsTest : public testing::Test {
 protected:
  JsonRowsTest() { project_.source().files.format = spec::FilesConnector::Format::kJson; }
  ReadResult Read(std::string_view bytes) { return project_.ReadOne("data/x.json", bytes); }

  TestProject project_;
};

TEST_F(JsonRowsTest, AColumnPerKey) {
  const ReadResult got = Read(
      "{\"a\": 1.50, \"b\": \"x\\n\\u00e9\\ud83d\\ude00\"}\r\n"
      "\n"
      "{\"c\": {\"d\": [1, 2]}, \"a\": null, \"b\": true}\n"
      "{}");
  ASSERT_TRUE(got.status.ok()) << got.status;
  EXPECT_EQ(got.Columns(), "a,b,c");
  ASSERT_EQ(got.rows(), 3);
  EXPECT_EQ(got.Row(0), "1.50|x\n\xC3\xA9\xF0\x9F\x98\x80|null");
  EXPECT_EQ(got.Row(1), "null|true|{\"d\": [1, 2]}");
  EXPECT_EQ(got.Row(2), "null|null|null");
  EXPECT_EQ(got.Cell("_row", 2), "3");
}

TEST_F(JsonRowsTest, LinesThatAreNoObjectsAreKept) {
  const ReadResult got = Read(
      "{\"a\": 1}\n"
      "{\"a\": 1\n"
      "[1]\n"
      "{\"a\": \"\xFF\"}\n"
      "{\"a\": 1, \"a\": 2}\n"
      "{\"A\": 1}\n"
      "{\"\": 1}\n"
      "{\"a\": 2}\n");
  ASSERT_TRUE(got.status.ok()) << got.status;
  EXPECT_EQ(got.Columns(), "a");
  ASSERT_EQ(got.rows(), 8);
  EXPECT_EQ(got.problem_rows, 6);
  EXPECT_EQ(got.Row(0), "1");
  EXPECT_EQ(got.Row(7), "2");
  EXPECT_EQ(got.Cell("_raw", 1), "{\"a\": 1");
  EXPECT_EQ(got.Cell("_raw", 3), "{\"a\": \"\xFF\"}");
  for (int64_t row = 1; row < 7; ++row) {
    EXPECT_NE(got.Cell("_problem", row), "null") << row;
    EXPECT_EQ(got.Row(row), "null") << row;
  }
}

TEST_F(JsonRowsTest, AnArrayIsRefused) {
  EXPECT_EQ(CodeOf(Read("[\n  {\"a\": 1}\n]\n").status), ErrorCode::kBadInput);
}

TEST_F(JsonRowsTest, AnEmptyFileHasNoRows) {
  const ReadResult got = Read("");
  ASSERT_TRUE(got.status.ok()) << got.status;
  EXPECT_EQ(got.rows(), 0);
  EXPECT_EQ(got.Columns(), "");
}

TEST_F(JsonRowsTest, ReservedKeysAreRefused) {
  const ReadResult got = Read("{\"a\": 1}\n{\"_id\": 1}\n");
  ASSERT_FALSE(got.status.ok());
  EXPECT_EQ(CodeOf(got.status), ErrorCode::kBadInput);
  EXPECT_NE(got.status.message().find("data/x.json:2:"), std::string::npos) << got.status;
}

TEST_F(JsonRowsTest, LargeValue) {
  const std::string large(10 << 20, 'y');
  const ReadResult got = Read("{\"a\": \"" + large + "\"}\n{\"b\": 1}\n");
  ASSERT_TRUE(got.status.ok()) << got.status;
  ASSERT_EQ(got.rows(), 2);
  EXPECT_EQ(got.Cell("a", 0), large);
  EXPECT_EQ(got.Row(1), "null|1");
}

}  // namespace
}  // namespace icecore::ingest
