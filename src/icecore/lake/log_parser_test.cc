// The corpus of the fuzz targets, and cut and changed copies of it.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "icecore/base/id.h"
#include "icecore/lake/log_fuzz_checks.h"

namespace icecore::lake {
namespace {

std::vector<std::string> Corpus(const std::string& name) {
  std::vector<std::string> inputs;
  const std::string folder = ICECORE_SOURCE_DIR "/src/icecore/lake/fuzz_corpus/" + name;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    inputs.push_back(text.str());
  }
  EXPECT_FALSE(inputs.empty());
  return inputs;
}

// Each input, cut at some places and with some bytes changed.
template <typename Check>
void Replay(const std::string& corpus, int changes, const Check& check) {
  constexpr uint64_t kSeed = 7;
  base::SeededRandom random(kSeed);
  for (const std::string& input : Corpus(corpus)) {
    check(input);
    for (int i = 0; i < changes; ++i) {
      check(std::string_view(input).substr(0, random.Next() % (input.size() + 1)));
      std::string changed = input;
      for (uint64_t n = random.Next() % 4 + 1; n > 0 && !changed.empty(); --n) {
        changed[random.Next() % changed.size()] = static_cast<char>(random.Next());
      }
      check(changed);
    }
  }
}

TEST(LogParserTest, EntriesOfAnyBytesAreReadOrRefused) { Replay("log_entry", 300, CheckLogEntry); }

TEST(LogParserTest, CheckpointsOfAnyBytesAreReadOrRefused) {
  Replay("checkpoint", 60, CheckCheckpoint);
}

TEST(LogParserTest, PathsAndPartitionValuesOfAnyBytesAreReadOrRefused) {
  Replay("partition_value", 300, [](std::string_view bytes) {
    CheckPath(bytes);
    CheckPartitionValue(bytes);
  });
}

TEST(LogParserTest, ActionsThatAreNullAreNone) {
  const auto actions = ParseLogEntry(
      "{\"add\":null,\"remove\":{\"path\":\"a.parquet\"},\"txn\":null}\n"
      "{\"metaData\":null,\"txn\":{\"appId\":\"a\",\"version\":7}}\n",
      "entry");
  ASSERT_TRUE(actions.ok()) << actions.status().ToString();
  EXPECT_TRUE(actions->adds.empty());
  ASSERT_EQ(actions->removes.size(), 1U);
  EXPECT_EQ(actions->removes[0].path, "a.parquet");
  EXPECT_EQ(actions->transactions, (std::vector<std::pair<std::string, int64_t>>{{"a", 7}}));
  EXPECT_FALSE(actions->metadata.has_value());
  EXPECT_EQ(actions->count, 2);
}

TEST(LogParserTest, DeepJsonIsRefusedBeforeItIsWalked) {
  const std::string deep(2'000'000, '[');
  for (const char* front : {"", R"({"commitInfo":{"icecore":{"a":)", R"({"metaData":{"x":)"}) {
    EXPECT_EQ(base::CodeOf(ParseLogEntry(front + deep, "entry").status()), base::ErrorCode::kLimit);
  }
}

TEST(LogParserTest, StatisticsInColumnsAreThoseOfTheText) {
  std::ifstream file(ICECORE_SOURCE_DIR "/src/icecore/lake/fuzz_corpus/checkpoint/stats_parsed",
                     std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  const auto actions = ParseCheckpoint(bytes.str(), "checkpoint");
  ASSERT_TRUE(actions.ok()) << actions.status().ToString();
  ASSERT_EQ(actions->adds.size(), 1U);
  const DataFile& add = actions->adds[0];
  const std::string values = R"({"id":1,"s":"a\"b","d":1.5,"dec":1.50,"day":"2020-01-01",)"
                             R"("t":"2020-01-01T00:00:00.000000Z","n":{"x":3}})";
  EXPECT_EQ(add.stats_json, R"({"numRecords":3,"minValues":)" + values + R"(,"maxValues":)" +
                                values + R"(,"nullCount":{"id":0}})");
  EXPECT_EQ(add.num_records, 3);
  EXPECT_EQ(add.path, "a b");
  EXPECT_EQ(add.size, 5);
  EXPECT_EQ(add.partition_values.at("p"), std::nullopt);
  ASSERT_TRUE(add.deletion_vector.has_value());
  EXPECT_EQ(add.deletion_vector->UniqueId(), "ix");
}

TEST(LogParserTest, PathsAreUris) {
  const std::vector<std::pair<const char*, const char*>> kPaths = {
      {"a/b%20c%25.parquet", "a/b c%.parquet"},
      {"part=2020-01-01%2008%253A09/x", "part=2020-01-01 08%3A09/x"},
      {"./a//b", "a/b"},
      {"/tmp/x", "/tmp/x"},
      {"file:/tmp/x%20y", "/tmp/x y"},
      {"file:///tmp/x", "/tmp/x"},
      {"file://localhost/tmp/x", "/tmp/x"},
      {"s3://b/x%20y", "s3://b/x y"},
      {"a:b", "a:b"}};
  for (const auto& [encoded, decoded] : kPaths) {
    const auto path = DecodePath(encoded);
    ASSERT_TRUE(path.ok()) << encoded << path.status().ToString();
    EXPECT_EQ(*path, decoded);
  }
  EXPECT_EQ(RelativeTo({"/lake/t"}, "/lake/t/a/b"), "a/b");
  EXPECT_EQ(RelativeTo({"/lake/t"}, "/lake/tt/a"), "/lake/tt/a");
  EXPECT_EQ(RelativeTo({"/lake/t"}, "/lake/t"), "/lake/t");
  for (const char* up : {"../x", "a/%2E%2E/x", "file:///t/../x", "s3://b/../x"}) {
    EXPECT_EQ(base::CodeOf(DecodePath(up).status()), base::ErrorCode::kUnsupported) << up;
  }
}

}  // namespace
}  // namespace icecore::lake
