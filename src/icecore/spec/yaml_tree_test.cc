#include "icecore/spec/yaml_tree_internal.h"

#include <gtest/gtest.h>

namespace icecore::spec {
namespace {

YamlFile Parse(const std::string& text, base::Diagnostics* diagnostics) {
  return ParseYaml("x.yaml", text, diagnostics);
}

std::string Repeat(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) {
    all += text;
  }
  return all;
}

TEST(ParseYaml, DocumentsKeepTheirTextAndPlaces) {
  base::Diagnostics diagnostics;
  const YamlFile file =
      Parse("# head\na: 1\n---\n---\n\nb:\n  - \"x\"\n  - |\n    one\n    two\n", &diagnostics);
  ASSERT_FALSE(diagnostics.has_errors());
  ASSERT_EQ(file.documents.size(), 2u);
  EXPECT_EQ(file.documents[0].text, "a: 1\n");
  EXPECT_EQ(file.documents[1].text, "b:\n  - \"x\"\n  - |\n    one\n    two\n");
  const YamlValue& list = file.documents[1].root.entries[0].value;
  ASSERT_EQ(list.items.size(), 2u);
  EXPECT_TRUE(list.items[0].quoted);
  EXPECT_EQ(list.items[0].location.ToString(), "x.yaml:7");
  EXPECT_EQ(list.items[1].text, "one\ntwo\n");
  EXPECT_EQ(list.items[1].location.line, 9);
}

TEST(ParseYaml, WindowsLineEndsAndByteOrderMark) {
  base::Diagnostics diagnostics;
  const YamlFile file = Parse(
      "\xef\xbb\xbf"
      "a: 1\r\nb: 2\r\n",
      &diagnostics);
  ASSERT_FALSE(diagnostics.has_errors());
  EXPECT_EQ(file.documents[0].root.entries[0].key, "a");
  EXPECT_EQ(file.documents[0].root.entries[1].location.line, 2);
}

TEST(ParseYaml, KeepsWhatStandsBeforeASyntaxError) {
  base::Diagnostics diagnostics;
  const YamlFile file = Parse("a: 1\n---\nb: [\n", &diagnostics);
  EXPECT_FALSE(file.complete);
  EXPECT_EQ(diagnostics.error_count(), 1);
  ASSERT_EQ(file.documents.size(), 1u);
}

TEST(ParseYaml, Bounds) {
  const std::string brackets = Repeat("[", 64) + Repeat("]", 64);
  for (const auto& [text, is_valid] : {std::pair{"a: 1\n" + Repeat("#", 100), true},
                                       {brackets, true},
                                       {"[" + brackets + "]", false},
                                       {Repeat("[", 100'000), false},
                                       {Repeat("- ", 100'000), false},
                                       {Repeat("? ", 100'000), false},
                                       {std::string((size_t{16} << 20) + 1, ' '), false}}) {
    base::Diagnostics diagnostics;
    Parse(text, &diagnostics);
    EXPECT_EQ(diagnostics.has_errors(), !is_valid) << text.substr(0, 100);
  }
  for (const int keys : {10'000, 10'001}) {
    std::string text;
    for (int i = 0; i < keys; ++i) {
      text += "k" + std::to_string(i) + ": 1\n";
    }
    base::Diagnostics diagnostics;
    Parse(text, &diagnostics);
    EXPECT_EQ(diagnostics.has_errors(), keys > 10'000);
  }
}

}  // namespace
}  // namespace icecore::spec
