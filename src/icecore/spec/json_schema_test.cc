#include <functional>
#include <nlohmann/json.hpp>

#include "icecore/spec/parse.h"

#include <gtest/gtest.h>

namespace icecore::spec {
namespace {

using Json = nlohmann::json;

// Calls `visit` with every object inside `json`.
void ForEachObject(const Json& json, const std::function<void(const Json&)>& visit) {
  if (json.is_object()) {
    visit(json);
  }
  for (const Json& child : json) {
    if (child.is_structured()) {
      ForEachObject(child, visit);
    }
  }
}

TEST(JsonSchema, EveryReferenceIsDefined) {
  const Json schema = Json::parse(JsonSchema());
  int references = 0;
  ForEachObject(schema, [&](const Json& object) {
    if (object.contains("$ref")) {
      const std::string reference = object["$ref"];
      ASSERT_TRUE(reference.starts_with("#/$defs/")) << reference;
      EXPECT_TRUE(schema["$defs"].contains(reference.substr(8))) << reference;
      ++references;
    }
  });
  EXPECT_GT(references, 100);
}

// Keys that the schema has are keys that the parser knows: none of them is reported as unknown.
TEST(JsonSchema, TheParserKnowsEveryKey) {
  const Json schema = Json::parse(JsonSchema());
  for (const auto& [kind, definition] : {std::pair{"source", "source"},
                                         {"table", "table"},
                                         {"entity", "entity"},
                                         {"feature_view", "feature_view"},
                                         {"feature_view", "request_view"},
                                         {"feature_service", "feature_service"},
                                         {"training_set", "training_set"},
                                         {"test", "test"}}) {
    std::string yaml = std::string(kind) + ": x\n";
    for (const auto& [key, value] : schema["$defs"][definition]["properties"].items()) {
      if (key != kind) {
        yaml += key + ": 1\n";
      }
    }
    base::Diagnostics diagnostics;
    ParseText("x.yaml", yaml, &diagnostics);
    for (const auto& entry : diagnostics.entries()) {
      EXPECT_THAT(entry.message, ::testing::Not(::testing::HasSubstr("unknown key"))) << yaml;
    }
  }
}

}  // namespace
}  // namespace icecore::spec
