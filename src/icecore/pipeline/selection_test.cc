// What names stand for: tables that SQL mentions, and what a command selects.
#include "icecore/pipeline/definitions.h"
#include "icecore/pipeline/orders_fixture.h"

namespace icecore::pipeline {
namespace {

using base::ErrorCode;
using Names = std::vector<std::string>;
using NameSet = std::set<std::string>;

TEST(MentionedTables, EachOnceInOrder) {
  EXPECT_EQ(MentionedTables("select * from landing.b join processing.a on true, landing.b"),
            (Names{"landing.b", "processing.a"}));
  EXPECT_EQ(MentionedTables("select landing.b.id from landing.b"), Names{"landing.b"});
  EXPECT_EQ(MentionedTables("select x.y from elsewhere.t, mylanding.t, t"), Names{});
  EXPECT_EQ(MentionedTables(""), Names{});
  EXPECT_EQ(MentionedTables("from history.h, quarantine.q, curated.c"),
            (Names{"history.h", "quarantine.q", "curated.c"}));
}

TEST(MentionedTables, CaseAndQuotes) {
  EXPECT_EQ(MentionedTables("FROM Landing.Orders, LANDING.ORDERS"), Names{"landing.orders"});
  EXPECT_EQ(MentionedTables(R"(from "landing"."orders", landing."Odd Name")"),
            (Names{"landing.orders", "landing.Odd Name"}));
  EXPECT_EQ(MentionedTables(R"(select 1 as "landing.x, landing.y" from landing.z)"),
            Names{"landing.z"});
  EXPECT_EQ(MentionedTables(R"(from landing."unclosed)"), Names{"landing.unclosed"});
}

TEST(MentionedTables, CommentsAndStringsMentionNothing) {
  EXPECT_EQ(MentionedTables("-- from landing.a\nfrom landing.b -- landing.c"), Names{"landing.b"});
  EXPECT_EQ(MentionedTables("/* landing.a\n -- */ from landing.b /* landing.c"),
            Names{"landing.b"});
  EXPECT_EQ(MentionedTables("select 'landing.a', 'it''s landing.a' from landing.b"),
            Names{"landing.b"});
  EXPECT_EQ(MentionedTables("-- it's\nfrom landing.b"), Names{"landing.b"});
  EXPECT_EQ(MentionedTables("select '-- ' || x from landing.b"), Names{"landing.b"});
}

class SelectNamesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string definitions = FirstRules().Definitions();
    const std::string doubled = "table: doubled\n";
    definitions.insert(definitions.find(doubled) + doubled.size(), "tags: [daily]\n");
    WriteProject(folder_.path(), definitions);
    base::Diagnostics diagnostics;
    project_ = Must(spec::ParseProject(folder_.path(), &diagnostics));
    MustBeOk(diagnostics.ToStatus());
  }
  NameSet Select(const Names& names) { return Must(SelectNames(project_, names)); }

  TemporaryFolder folder_;
  spec::Project project_;
};

TEST_F(SelectNamesTest, NothingIsEverything) {
  EXPECT_EQ(Select({}).size(), AllNames(project_).size());
}

TEST_F(SelectNamesTest, FullAndShort) {
  EXPECT_EQ(Select({"processing.orders"}), NameSet{"processing.orders"});
  EXPECT_EQ(Select({"doubled", "spending"}), (NameSet{"curated.doubled", "view.spending"}));
  EXPECT_EQ(Select({"landing.orders"}), NameSet{"source.orders"});
}

TEST_F(SelectNamesTest, UpAndDown) {
  EXPECT_EQ(Select({"+doubled"}),
            (NameSet{"source.orders", "processing.orders", "curated.doubled"}));
  EXPECT_EQ(Select({"doubled+"}),
            (NameSet{"curated.doubled", "curated.per_user", "view.spending", "service.all"}));
  EXPECT_EQ(Select({"+doubled+"}), (NameSet{"source.orders", "processing.orders", "curated.doubled",
                                            "curated.per_user", "view.spending", "service.all"}));
  EXPECT_EQ(Select({"source.orders"}), NameSet{"source.orders"});
}

TEST_F(SelectNamesTest, Tags) {
  EXPECT_EQ(Select({"tag:daily"}), NameSet{"curated.doubled"});
  const auto misspelt = SelectNames(project_, {"tag:dayly"});
  EXPECT_EQ(CodeOfFailed(misspelt), ErrorCode::kNotFound);
  EXPECT_NE(misspelt.status().message().find("'daily'"), std::string::npos);
}

TEST_F(SelectNamesTest, WhatChecksCompareWithIsNeeded) {
  std::string definitions = FirstRules().Definitions();
  const std::string from = "sum(amount) as total from curated.doubled";
  definitions.replace(definitions.find(from), from.size(),
                      "sum(amount) as total from landing.orders");
  const std::string checks = "checks: [{expect: \"total < 350\", name: rich}]";
  definitions.replace(definitions.find(checks), checks.size(),
                      "checks: [{equal_rows: processing.orders}]");
  WriteProject(folder_.path(), definitions);
  base::Diagnostics diagnostics;
  project_ = Must(spec::ParseProject(folder_.path(), &diagnostics));
  MustBeOk(diagnostics.ToStatus());
  EXPECT_EQ(Select({"+per_user"}),
            (NameSet{"source.orders", "processing.orders", "curated.per_user"}));
  EXPECT_EQ(Select({"processing.orders+"}).count("curated.per_user"), 1U);
}

TEST_F(SelectNamesTest, AmbiguousNamesTheCandidates) {
  const auto both = SelectNames(project_, {"orders"});
  EXPECT_EQ(CodeOfFailed(both), ErrorCode::kInvalidArgument);
  EXPECT_NE(both.status().message().find("source.orders"), std::string::npos);
  EXPECT_NE(both.status().message().find("processing.orders"), std::string::npos);
  EXPECT_EQ(CodeOfFailed(SelectNames(project_, {"+orders"})), ErrorCode::kInvalidArgument);
}

TEST_F(SelectNamesTest, UnknownNamesTheNearest) {
  const auto unknown = SelectNames(project_, {"processing.ordres"});
  EXPECT_EQ(CodeOfFailed(unknown), ErrorCode::kNotFound);
  EXPECT_NE(unknown.status().message().find("processing.orders"), std::string::npos);
  for (const char* odd : {"", "+", "++"}) {
    EXPECT_EQ(CodeOfFailed(SelectNames(project_, {odd})), ErrorCode::kNotFound) << odd;
  }
}

}  // namespace
}  // namespace icecore::pipeline
