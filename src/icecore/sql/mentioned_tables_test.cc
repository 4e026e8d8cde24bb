#include "icecore/sql/mentioned_tables.h"

#include <gtest/gtest.h>

namespace icecore::sql {
namespace {

using Names = std::vector<std::string>;

Names Mentioned(const std::string& sql) { return MentionedTables({sql}).ValueOrDie().at(0); }

TEST(MentionedTables, EachOnceInOrder) {
  EXPECT_EQ(Mentioned("select * from landing.b join processing.a on true, landing.b"),
            (Names{"landing.b", "processing.a"}));
  EXPECT_EQ(Mentioned("select landing.b.id from landing.b"), Names{"landing.b"});
  EXPECT_EQ(Mentioned("select landing.y from mylanding.t as landing, t"), Names{"mylanding.t"});
  EXPECT_EQ(Mentioned("from history.h, quarantine.q, curated.c"),
            (Names{"history.h", "quarantine.q", "curated.c"}));
}

TEST(MentionedTables, WhereverASelectCanStand) {
  EXPECT_EQ(Mentioned("with a as (from landing.a) select *, (select max(x) from landing.b) from a "
                      "where exists (from landing.c) union all from (from landing.d)"),
            (Names{"landing.a", "landing.b", "landing.c", "landing.d"}));
  EXPECT_EQ(Mentioned("with orders as (from landing.orders) from orders"), Names{"landing.orders"});
}

TEST(MentionedTables, CaseSpacesAndQuotes) {
  EXPECT_EQ(Mentioned("FROM Landing.Orders, LANDING.ORDERS"), Names{"landing.orders"});
  EXPECT_EQ(Mentioned("from landing . orders, landing./* x */\n\"lines\" "),
            (Names{"landing.orders", "landing.lines"}));
  EXPECT_EQ(Mentioned(R"(from "landing"."orders", landing."Odd Name", "curated" . "a""b")"),
            (Names{"landing.orders", "landing.odd name", "curated.a\"b"}));
  EXPECT_EQ(Mentioned(R"(select 1 as "landing.x, landing.y" from landing.z)"), Names{"landing.z"});
}

TEST(MentionedTables, CommentsAndStringsMentionNothing) {
  EXPECT_EQ(Mentioned("-- from landing.a\nfrom landing.b -- landing.c"), Names{"landing.b"});
  EXPECT_EQ(Mentioned("/* landing.a\n -- */ from landing.b /* landing.c */"), Names{"landing.b"});
  EXPECT_EQ(Mentioned("select 'landing.a', 'it''s landing.a', $$landing.a$$ from landing.b"),
            Names{"landing.b"});
  EXPECT_EQ(Mentioned("-- it's\nfrom landing.b"), Names{"landing.b"});
}

TEST(MentionedTables, WhatDoesNotParseMentionsNothing) {
  EXPECT_EQ(MentionedTables({"", "select from where", R"(from landing."unclosed)",
                             "drop table landing.a", "from landing.a"})
                .ValueOrDie(),
            (std::vector<Names>{{}, {}, {}, {}, {"landing.a"}}));
  EXPECT_TRUE(MentionedTables({}).ValueOrDie().empty());
}

}  // namespace
}  // namespace icecore::sql
