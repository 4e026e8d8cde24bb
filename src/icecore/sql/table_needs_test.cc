// What readers of tables may leave out for a query.
#include "icecore/sql/table_needs.h"

#include <arrow/scalar.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

namespace icecore::sql {
namespace {

std::vector<TableSchema> TwoTables() {
  const auto schema = [](arrow::FieldVector fields) { return arrow::schema(std::move(fields)); };
  const auto instant = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  const auto struct_type =
      arrow::struct_({arrow::field("a", arrow::int64()), arrow::field("b", arrow::utf8())});
  return {
      {.full_name = "delta.t",
       .columns = schema({arrow::field("name", arrow::utf8()), arrow::field("Id", arrow::int64()),
                          arrow::field("x", arrow::float64()), arrow::field("seen", instant),
                          arrow::field("day", arrow::date32()), arrow::field("s", struct_type)}),
       .is_static = true,
       .known_at_column = std::nullopt,
       .is_foreign = true},
      {.full_name = "delta.u",
       .columns = schema({arrow::field("uid", arrow::int64()), arrow::field("y", arrow::int32()),
                          arrow::field("x", arrow::utf8())}),
       .is_static = true,
       .known_at_column = std::nullopt,
       .is_foreign = true}};
}

std::string TextOf(const TableNeeds& needs) {
  static const char* const kOps[] = {"=", "<", "<=", ">", ">=", "is null", "is not null"};
  std::string text;
  for (const std::string& column : needs.columns) text += (text.empty() ? "" : " ") + column;
  for (const ColumnCondition& condition : needs.conditions) {
    text += "; " + condition.column + " " + kOps[static_cast<int>(condition.op)];
    if (condition.value != nullptr) text += " " + condition.value->ToString();
  }
  return text;
}

// Of delta.t and delta.u, through the text that really runs.
std::pair<std::string, std::string> Both(const std::string& sql) {
  AnalysisRequest request;
  request.sql = sql;
  request.tables = TwoTables();
  request.for_table = false;
  const auto analysis = Analyse(request).ValueOrDie();
  EXPECT_TRUE(analysis.diagnostics.ToStatus().ok()) << analysis.diagnostics.ToStatus().ToString();
  const auto needs = NeedsOf(analysis.plain_sql, TwoTables()).ValueOrDie();
  return {TextOf(needs.at(0)), TextOf(needs.at(1))};
}
std::string Needs(const std::string& sql) { return Both(sql).first; }

constexpr char kAll[] = "name Id x seen day s";

TEST(TableNeeds, ColumnsThatAreNamed) {
  EXPECT_EQ(Needs("select id from delta.t"), "Id");
  EXPECT_EQ(Needs("select sum(x) over (partition by name) as total from delta.t order by seen"),
            "name x seen");
  EXPECT_EQ(Needs("select s.a, t.day from delta.t"), "day s");
  EXPECT_EQ(Needs("select count(*) as n from delta.t"), "Id");  // of all the one that costs least
  EXPECT_EQ(Needs("with c as (select id, x from delta.t) select max(x) from c"), "Id x");
  EXPECT_EQ(Needs("select * from (select id from delta.t)"), "Id");
  EXPECT_EQ(Both("select y from delta.u join delta.t on uid = id"),
            std::pair(std::string("Id"), std::string("uid y")));
}

TEST(TableNeeds, WhatMayBeAnyColumnNeedsAll) {
  EXPECT_EQ(Needs("select * from delta.t"), kAll);
  EXPECT_EQ(Needs("select * exclude (x) from delta.t"), kAll);
  EXPECT_EQ(Needs("select t.* from delta.t, delta.u"), kAll);
  EXPECT_EQ(Needs("select t from delta.t"), kAll);  // the row
  EXPECT_EQ(Needs("select count(r) from delta.t as r"), kAll);
  EXPECT_EQ(Needs("select b from delta.t as r(a, b)"), kAll);
  EXPECT_EQ(Needs("from delta.t"), kAll);
  EXPECT_EQ(Needs("select min(columns('x|id')) from delta.t"), kAll);
}

TEST(TableNeeds, ComparisonsWithConstants) {
  EXPECT_EQ(Needs("select id from delta.t where id > 5"), "Id; Id > 5");
  EXPECT_EQ(Needs("select id from delta.t where 5 > id and t.id <> 3"), "Id; Id < 5");
  EXPECT_EQ(Needs("select id from delta.t where id between 1 and 3 and name = 'a'"),
            "name Id; Id >= 1; Id <= 3; name = a");
  EXPECT_EQ(Needs("select id from delta.t where id in (7)"), "Id; Id = 7");
  EXPECT_EQ(Needs("select id from delta.t where not id > 5"), "Id; Id <= 5");
  EXPECT_EQ(Needs("select id from delta.t where x <= 2.5 and x > -3"), "Id x; x <= 2.5; x > -3");
  EXPECT_EQ(Needs("select id from delta.t where name is null"), "name Id; name is null");
  EXPECT_EQ(Needs("select id from delta.t where name is not null"), "name Id; name is not null");
  EXPECT_EQ(Needs("select id from delta.t where day >= date '2024-02-29'"),
            "Id day; day >= 2024-02-29");
  EXPECT_EQ(Needs("select id from delta.t where day = '2024-02-29'"), "Id day; day = 2024-02-29");
  EXPECT_EQ(Needs("select id from delta.t where seen < '2024-01-01'"),
            "Id seen; seen < 2024-01-01 00:00:00.000000Z");
  EXPECT_EQ(Needs("select id from delta.t where seen >= timestamp '2024-01-01 10:20:30.5'"),
            "Id seen; seen >= 2024-01-01 10:20:30.500000Z");
}

// Conditions that are left to the query: what is not sure must not cost a row.
TEST(TableNeeds, WhatIsNotSureIsNoCondition) {
  for (const char* where :
       {"id > 5 or x > 1", "not (id > 5 and x > 1)", "id > x", "id + 1 > 5", "abs(id) = 3",
        "id > 5.5", "id = '5'", "name > 5::varchar", "id > null", "id > 99999999999999999999",
        "id not between 1 and 3", "id in (1, 2)", "id is distinct from 5",
        "seen < '2024-01-01T00:00:00+02:00'", "seen < 'infinity'", "day < '24-1-1'", "s.a = 5",
        "name like 'a%'", "id = (select max(uid) from delta.u)"}) {
    const std::string needs = Needs(std::string("select id from delta.t where ") + where);
    EXPECT_EQ(needs.find(';'), std::string::npos) << where << ": " << needs;
  }
  // A name that the SELECT gives; a table that is read twice; HAVING.
  for (const char* sql :
       {"select x + 1 as id from delta.t where id > 5",
        "select a.id from delta.t a join delta.t b on a.id = b.id where a.x > 5",
        "select id from delta.t where x > 1 union all select id from delta.t where x < 0",
        "select id, max(x) as m from delta.t group by id having id > 5"}) {
    EXPECT_EQ(Needs(sql).find(';'), std::string::npos) << sql;
  }
}

TEST(TableNeeds, JoinsKeepRowsUnasked) {
  const auto ask = [](const std::string& join) {
    return Both("select t.id from delta.t " + join +
                " delta.u on id = uid where t.id > 5 and y = 3");
  };
  const std::string of_t = "Id; Id > 5";
  const std::string of_u = "uid y; y = 3";
  EXPECT_EQ(ask("join"), std::pair(of_t, of_u));
  EXPECT_EQ(ask("left join"), std::pair(of_t, std::string("uid y")));
  EXPECT_EQ(ask("right join"), std::pair(std::string("Id"), std::string("uid y")));
  EXPECT_EQ(ask("full join"), std::pair(std::string("Id"), std::string("uid y")));
  EXPECT_EQ(Both("select t.id from delta.t, delta.u where t.id > 5 and u.y = 3"),
            std::pair(of_t, std::string("y; y = 3")));
  EXPECT_EQ(Both("select id from delta.t asof join delta.u on id >= uid where uid > 5"),
            std::pair(std::string("Id"), std::string("uid")));
}

TEST(TableNeeds, WhereItStands) {
  EXPECT_EQ(Needs("with c as (select id from delta.t where id > 5) select * from c where id < 3"),
            "Id; Id > 5");
  EXPECT_EQ(Needs("select uid from delta.u where exists (select 1 from delta.t where id > 5)"),
            "Id; Id > 5");
}

}  // namespace
}  // namespace icecore::sql
