// What names stand for: tables that SQL mentions, and what a command selects.
#include "icecore/pipeline/definitions.h"
#include "icecore/pipeline/orders_fixture.h"
#include "icecore/pipeline/table_inputs.h"

namespace icecore::pipeline {
namespace {

using base::ErrorCode;
using Names = std::vector<std::string>;
using NameSet = std::set<std::string>;

TEST(TableInputs, AreSpelledAsTheProjectSpellsThem) {
  const TemporaryFolder folder;
  WriteProject(folder.path(),
               "source: Orders\nfrom: {files: {path: \"data/*.csv\", format: csv}}\n---\n"
               "table: t\nzone: processing\nmode: append\n"
               "sql: select o.* from LANDING . orders o semi join \"landing\".\"Orders_raw\" r "
               "on r.id = o.id and o.id not in (select id from quarantine.ORDERS, landing.Other)\n"
               "checks: [{references: {id: processing.u.id}}, {equal_rows: curated.v},\n"
               "  {references: {k: processing.u.k}}]\n---\n"
               "table: broken\nzone: curated\nmode: replace\nsql: select from where\n");
  base::Diagnostics diagnostics;
  const spec::Project project = Must(spec::ParseProject(folder.path(), &diagnostics));
  auto tables = Must(TablesOfSql(project));
  EXPECT_EQ(tables["processing.t"],
            (Names{"landing.Orders", "landing.Orders_raw", "quarantine.Orders", "landing.other"}));
  EXPECT_EQ(tables["curated.broken"], Names{});
  EXPECT_EQ(TablesOfChecks(*project.FindTable("processing.t")),
            (Names{"processing.u", "curated.v"}));
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
  EXPECT_EQ(Select({"doubled+"}), (NameSet{"curated.doubled", "curated.per_user", "curated.totals",
                                           "view.spending", "service.all"}));
  EXPECT_EQ(Select({"+doubled+"}),
            (NameSet{"source.orders", "processing.orders", "curated.doubled", "curated.per_user",
                     "curated.totals", "view.spending", "service.all"}));
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
