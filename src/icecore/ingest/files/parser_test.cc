#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "icecore/base/id.h"
#include "icecore/ingest/files/csv_parser.h"
#include "icecore/ingest/files/fuzz_checks.h"
#include "icecore/ingest/files/json_object.h"

namespace icecore::ingest {
namespace {

std::vector<std::string> Corpus(const std::string& name) {
  std::vector<std::string> inputs;
  const std::string folder = ICECORE_SOURCE_DIR "/src/icecore/ingest/files/fuzz_corpus/" + name;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    inputs.push_back(text.str());
  }
  EXPECT_FALSE(inputs.empty());
  return inputs;
}

// Random texts of the bytes that matter.
std::string RandomText(std::string_view alphabet, base::Random& random) {
  std::string text;
  const size_t length = random.Next() % 40;
  for (size_t i = 0; i < length; ++i) {
    text += alphabet[random.Next() % alphabet.size()];
  }
  return text;
}

TEST(ParserTest, CsvCorpusAndRandomTexts) {
  for (const std::string& input : Corpus("csv")) {
    CheckCsv(input);
  }
  constexpr uint64_t kSeed = 20131130;
  std::cout << "seed " << kSeed << "\n";
  base::SeededRandom random(kSeed);
  for (int i = 0; i < 50'000; ++i) {
    const char dialect = static_cast<char>('0' + random.Next() % 16);
    CheckCsv(dialect + RandomText("ab,,\t\"\"\"\n\r\\\xFF", random));
  }
}

TEST(ParserTest, JsonCorpusAndRandomTexts) {
  for (const std::string& input : Corpus("json_lines")) {
    CheckJson(input);
  }
  constexpr uint64_t kSeed = 20131201;
  std::cout << "seed " << kSeed << "\n";
  base::SeededRandom random(kSeed);
  for (int i = 0; i < 50'000; ++i) {
    CheckJson("{\"a\":" + RandomText("{}[]\"\",,::a1-.e\\u0 ", random) + "}");
  }
}

TEST(ParserTest, CsvLineCounts) {
  const CsvParser parser(CsvDialect{});
  CsvRecord record;
  ASSERT_EQ(parser.Next("\"a\nb\r\nc\rd\",e\nf", true, &record), CsvParser::Outcome::kRecord);
  EXPECT_EQ(record.lines, 4);
  EXPECT_EQ(record.fields.size(), 2u);
  EXPECT_EQ(record.raw, "\"a\nb\r\nc\rd\",e");
}

TEST(ParserTest, CsvAsksForMoreWhereALineEndMayGoOn) {
  const CsvParser parser(CsvDialect{});
  CsvRecord record;
  EXPECT_EQ(parser.Next("a,b\r", false, &record), CsvParser::Outcome::kNeedMore);
  EXPECT_EQ(parser.Next("a,b\r\n", false, &record), CsvParser::Outcome::kRecord);
  EXPECT_EQ(record.consumed, 5u);
  EXPECT_EQ(parser.Next("a,\"b\"", false, &record), CsvParser::Outcome::kNeedMore);
  EXPECT_EQ(parser.Next("a,\"b\"", true, &record), CsvParser::Outcome::kRecord);
  EXPECT_EQ(parser.Next("a,\"b", true, &record), CsvParser::Outcome::kUnclosed);
  EXPECT_EQ(record.open_quote, 2u);
}

TEST(ParserTest, JsonIsStrict) {
  std::vector<JsonMember> members;
  for (const std::string text : {"",
                                 " ",
                                 "[]",
                                 "1",
                                 "{",
                                 "{]",
                                 "{\"a\"}",
                                 "{\"a\":}",
                                 "{a:1}",
                                 "{'a':1}",
                                 "{\"a\":1,}",
                                 "{\"a\":01}",
                                 "{\"a\":+1}",
                                 "{\"a\":.5}",
                                 "{\"a\":1.}",
                                 "{\"a\":1e}",
                                 "{\"a\":NaN}",
                                 "{\"a\":tru}",
                                 "{\"a\":\"\\x\"}",
                                 "{\"a\":\"\\u12\"}",
                                 "{\"a\":\"\\udc00\"}",
                                 "{\"a\":\"\\ud800x\"}",
                                 "{\"a\":\"\t\"}",
                                 "{\"a\":[1 2]}",
                                 "{\"a\":[1,]}",
                                 "{\"a\":{\"b\":1,}}",
                                 "{\"a\":{1:2}}",
                                 "{\"a\":[}]}",
                                 "{} {}",
                                 "{\"a\":1}//x"}) {
    EXPECT_NE(SplitJsonObject(text, &members), "") << text;
  }
  for (const std::string text :
       {"{}", "\t{ }\r\n", "{\"a\":-0.5E+10}", "{\"a\":[[],{},[{}],{\"b\":[]}]}",
        "{\"a\":{\"b\":\"}\",\"c\":\"\\\"\"}}", "{\"\":\"\\/\\b\\f\\u00e9\"}"}) {
    EXPECT_EQ(SplitJsonObject(text, &members), "") << text;
  }
}

TEST(ParserTest, JsonArraysAreSliced) {
  std::vector<JsonMember> elements;
  EXPECT_EQ(SplitJsonArray(" [ 1.50, \"a\\n\" ,{\"b\": [2]}, null] ", 4, &elements), "");
  ASSERT_EQ(elements.size(), 4);
  EXPECT_EQ(elements[0].text, "1.50");
  EXPECT_EQ(elements[1].text, "a\\n");
  EXPECT_TRUE(elements[1].escaped);
  EXPECT_EQ(elements[2].text, "{\"b\": [2]}");
  EXPECT_EQ(elements[3].kind, JsonMember::Kind::kNull);
  EXPECT_EQ(SplitJsonArray("[]", 0, &elements), "");
  EXPECT_TRUE(elements.empty());
  // Of what is too long it is enough to know that.
  EXPECT_EQ(SplitJsonArray("[1,2,3 nonsense", 2, &elements), "");
  EXPECT_EQ(elements.size(), 3);
  for (const std::string text : {"", "{}", "[", "[1", "[1,]", "[,]", "[1 2]", "[1]]", "[tru]"}) {
    EXPECT_NE(SplitJsonArray(text, 9, &elements), "") << text;
  }
}

TEST(ParserTest, JsonDepthIsBounded) {
  std::vector<JsonMember> members;
  const auto nested = [](size_t depth) {
    return "{\"a\":" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  EXPECT_EQ(SplitJsonObject(nested(kMaxJsonDepth), &members), "");
  EXPECT_NE(SplitJsonObject(nested(kMaxJsonDepth + 1), &members), "");
}

}  // namespace
}  // namespace icecore::ingest
