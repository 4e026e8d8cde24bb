#include "icecore/ingest/push/checked_rows.h"

#include <gtest/gtest.h>

#include <vector>

#include "icecore/base/error.h"

namespace icecore::ingest {
namespace {

TEST(CheckedRowsTest, TakesObjectsOnly) {
  const auto rows = CheckedRows::Of("{\"a\":1}\r\n\n {\"a\":2} ");
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(rows->text(), "{\"a\":1}\n {\"a\":2}\n");
  EXPECT_EQ(rows->count(), 2);
  for (const char* bad : {"", "\n", "{\"a\":1}\n[1]", "{", "{\"a\":\"\xff\"}"}) {
    EXPECT_EQ(base::CodeOf(CheckedRows::Of(bad).status()), base::ErrorCode::kBadInput) << bad;
  }
}

TEST(CheckedRowsTest, ObjectsThatWereCutOutAreRows) {
  std::vector<JsonMember> elements;
  ASSERT_EQ(SplitJsonArray("[{}, {\"a\":\r\n\"x\\n\"},\n[1], \"{}\", 1]", 9, &elements), "");
  CheckedRows rows;
  EXPECT_TRUE(rows.empty());
  EXPECT_TRUE(rows.AddObject(elements[0]));
  EXPECT_TRUE(rows.AddObject(elements[1]));
  for (size_t i = 2; i < elements.size(); ++i) EXPECT_FALSE(rows.AddObject(elements[i])) << i;
  EXPECT_EQ(rows.text(), "{}\n{\"a\":  \"x\\n\"}\n");
  EXPECT_EQ(rows.count(), 2);
}

TEST(CheckedRowsTest, MembersMakeRows) {
  std::vector<JsonMember> members;
  ASSERT_EQ(SplitJsonObject("{\"a\\t\": \"x\\u00e4\", \"b\": [1,\n2], \"c\": 1.10}", &members), "");
  CheckedRows rows;
  for (const JsonMember& member : members) rows.AddMember(member.key, member);
  rows.EndRow();
  rows.EndRow();
  EXPECT_EQ(rows.text(), "{\"a\\t\":\"x\\u00e4\",\"b\":[1, 2],\"c\":1.10}\n{}\n");
  EXPECT_EQ(rows.count(), 2);
  const auto again = CheckedRows::Of(rows.text());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->text(), rows.text());
  EXPECT_EQ(std::move(rows).TakeText(), again->text());
}

}  // namespace
}  // namespace icecore::ingest
