#include "icecore/spec/references.h"

#include <gtest/gtest.h>
#include <map>

namespace icecore::spec {
namespace {

class References : public ::testing::Test {
 protected:
  References() {
    sources_.environment = [](const std::string& name) -> std::optional<std::string> {
      static const std::map<std::string, std::string> values = {
          {"USER", "ann"}, {"EMPTY", ""}, {"NESTED", "${USER}"}};
      const auto found = values.find(name);
      return found == values.end() ? std::nullopt : std::optional(found->second);
    };
    sources_.read_file = [](const std::string& path) -> arrow::Result<std::string> {
      if (path == "secret") {
        return std::string("s3cret");
      }
      return base::MakeError(base::ErrorCode::kNotFound, "no file '" + path + "'");
    };
  }

  std::string Resolve(const std::string& text) {
    const auto result = ResolveReferences(text, {"icecore.yaml", 3, 1}, sources_);
    return result.ok() ? *result : "error " + result.status().message();
  }

  ReferenceSources sources_;
};

TEST_F(References, Resolves) {
  EXPECT_EQ(Resolve("plain"), "plain");
  EXPECT_EQ(Resolve("a ${USER} b"), "a ann b");
  EXPECT_EQ(Resolve("${NONE:-x:-y}"), "x:-y");
  EXPECT_EQ(Resolve("${USER:-x}"), "ann");
  EXPECT_EQ(Resolve("${EMPTY:-x}"), "x");
  EXPECT_EQ(Resolve("[${EMPTY}]"), "[]");
  EXPECT_EQ(Resolve("p=${file:secret};"), "p=s3cret;");
  EXPECT_EQ(Resolve("${NESTED}"), "${USER}");
  EXPECT_EQ(Resolve("$${USER} $5"), "${USER} $5");
}

TEST_F(References, ErrorsNameThePlaceAndTheReference) {
  EXPECT_THAT(Resolve("${NONE}"), ::testing::StartsWith("error icecore.yaml:3: the environment "
                                                        "variable NONE is not set"));
  EXPECT_THAT(Resolve("${file:x}"), ::testing::HasSubstr("no file 'x'"));
  EXPECT_THAT(Resolve("${USER"), ::testing::HasSubstr("without '}'"));
  EXPECT_THAT(Resolve("${}"), ::testing::HasSubstr("names no variable"));
}

}  // namespace
}  // namespace icecore::spec
