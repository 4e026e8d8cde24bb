#include "icecore/pipeline/version_choice.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include "icecore/pipeline/pipeline_fixture.h"

namespace icecore::pipeline {
namespace {

const VersionedTable kVersioned = {"processing.x", "history.x", {"a", "b"}, {"v"}};

std::shared_ptr<arrow::RecordBatch> Versions(const std::string& json) {
  return BatchOf({arrow::field("a", arrow::utf8()), arrow::field("b", arrow::utf8()),
                  arrow::field("v", arrow::float64()), arrow::field("_seq", arrow::int64()),
                  arrow::field("_op", arrow::utf8())},
                 json);
}

std::vector<std::string> Texts(const arrow::StringArray& array) {
  std::vector<std::string> texts;
  for (int64_t i = 0; i < array.length(); ++i) {
    texts.push_back(array.GetString(i));
  }
  return texts;
}

using Places = std::vector<int64_t>;
using Ops = std::vector<std::string>;

TEST(VersionChoice, TheGreatestByOrderThenSeqWins) {
  const auto rows = Versions(R"([
      {"a": "1", "b": "23", "v": 2, "_seq": 1}, {"a": "12", "b": "3", "v": 1, "_seq": 2},
      {"a": "1", "b": "23", "v": 1, "_seq": 3}, {"a": "12", "b": "3", "v": 1, "_seq": 4},
      {"a": "n", "b": "", "v": null, "_seq": 5}, {"a": "n", "b": "", "v": -1e308, "_seq": 6},
      {"a": "n", "b": "", "v": null, "_seq": 7}])");
  const auto chosen = Must(Must(VersionChoice::Make(kVersioned, *rows)).Choose());
  EXPECT_EQ(chosen.winners, (Places{0, 3, 5}));
  EXPECT_EQ(chosen.rows, chosen.winners);
  EXPECT_EQ(Texts(*chosen.ops),
            (Ops{"insert", "insert", "update", "update", "insert", "update", "update"}));
  EXPECT_EQ(chosen.superseded(), 4);
  EXPECT_EQ(chosen.row_change, 3);
}

TEST(VersionChoice, OlderRowsAndDeletesWinToo) {
  const auto rows = Versions(R"([
      {"a": "p", "b": "", "v": 1, "_seq": 11}, {"a": "q", "b": "", "v": 1, "_seq": 12},
      {"a": "q", "b": "", "v": 5, "_seq": 13}, {"a": "r", "b": "", "v": 1, "_seq": 14, "_op": "delete"},
      {"a": "s", "b": "", "v": 1, "_seq": 15}])");
  auto choice = Must(VersionChoice::Make(kVersioned, *rows));
  MustBeOk(choice.AddOlder(*Versions(R"([{"a": "p", "b": "", "v": 2, "_seq": 1},
                                         {"a": "r", "b": "", "v": 1, "_seq": 2},
                                         {"a": "z", "b": "", "v": 9, "_seq": 3}])"),
                           /*are_deletes=*/false));
  MustBeOk(choice.AddOlder(*Versions(R"([{"a": "q", "b": "", "v": 4, "_seq": 4},
                                         {"a": "q", "b": "", "v": 3, "_seq": 5},
                                         {"a": "s", "b": "", "v": 1, "_seq": 6}])"),
                           /*are_deletes=*/true));
  const auto chosen = Must(choice.Choose());
  EXPECT_EQ(chosen.winners, (Places{2, 3, 4}));
  EXPECT_EQ(chosen.rows, (Places{2, 4}));
  EXPECT_EQ(Texts(*chosen.ops), (Ops{"update", "insert", "insert", "delete", "insert"}));
  EXPECT_EQ(chosen.row_change, 1);  // q and s come, r goes
}

TEST(VersionChoice, ATieThatNothingBreaksIsAnError) {
  const auto rows = Versions(R"([{"a": "p", "b": "", "v": 1, "_seq": 1},
                                 {"a": "p", "b": "", "v": 1, "_seq": 1}])");
  EXPECT_EQ(CodeOfFailed(Must(VersionChoice::Make(kVersioned, *rows)).Choose()),
            base::ErrorCode::kContractViolation);
  const auto other = Versions(R"([{"a": "p", "b": "", "v": 1, "_seq": 1},
                                  {"a": "p", "b": "", "v": 2, "_seq": 1},
                                  {"a": "q", "b": "", "v": 2, "_seq": 1}])");
  EXPECT_EQ(Must(Must(VersionChoice::Make(kVersioned, *other)).Choose()).winners, (Places{1, 2}));
}

TEST(VersionChoice, NoVersionsChooseNothing) {
  const auto chosen = Must(Must(VersionChoice::Make(kVersioned, *Versions("[]"))).Choose());
  EXPECT_TRUE(chosen.winners.empty());
  EXPECT_EQ(chosen.ops->length(), 0);
}

}  // namespace
}  // namespace icecore::pipeline
