// Runs the rewritten texts on rows and compares with what the rules say.

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "icecore/sql/analysis.h"
#include "icecore/sql/parse_tree_internal.h"
#include "icecore/sql/session.h"

namespace icecore::sql {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

void StripPlaces(Json* node) {
  if (node->is_object()) node->erase("query_location");
  if (!node->is_structured()) return;
  for (Json& child : *node) StripPlaces(&child);
}

// flights 1..4 arrive at 100, 200, 300, 400 µs; airports are static; customers are versions.
class Rewriting : public ::testing::Test {
 protected:
  void SetUp() override {
    auto session = Session::Open(Limits{}, {});
    ASSERT_TRUE(session.ok()) << session.status();
    session_ = std::move(*session);
    Add("landing", "flights",
        "select * from (values (1, 'JFK', 5, ['a', 'b'], 11, 0::tinyint, 100), "
        "(2, 'LAX', null, [], 12, 0::tinyint, 200), (3, 'JFK', 30, ['c'], 13, 1::tinyint, 300), "
        "(4, 'ZZZ', 40, null, 14, 0::tinyint, 400)) "
        "v(id, dest, delay, tags, _seq, _op, arrived)",
        false);
    Add("landing", "airports",
        "select * from (values ('JFK', 'Kennedy', 1, 0::tinyint, 999), "
        "('LAX', 'Los Angeles', 2, 0::tinyint, 999)) v(dest, name, _seq, _op, arrived)",
        true);
    Add("history", "customers",
        "select * from (values (1, 'gold', 21, 0::tinyint, 50), (1, 'lead', 22, 0::tinyint, 90), "
        "(3, 'tin', 23, 0::tinyint, 310)) v(id, tier, _seq, _op, arrived)",
        false);
    Add("processing", "weather",
        "select * from (values ('JFK', 1.5, 31, 0::tinyint, 250), ('LAX', 2.5, 32, 0::tinyint, "
        "150)) "
        "v(dest, temp, _seq, _op, arrived)",
        false);
  }

  // `arrived` becomes _arrived_at and _known_at.
  void Add(const std::string& schema, const std::string& name, const std::string& select,
           bool is_static) {
    auto rows = session_->QueryTable(
        "select * exclude (arrived), make_timestamptz(arrived::bigint) as _arrived_at, "
        "make_timestamptz(arrived::bigint) as _known_at from (" +
        select + ")");
    ASSERT_TRUE(rows.ok()) << rows.status();
    ASSERT_TRUE(session_->RegisterArrow(schema, name, *rows).ok());
    tables_.push_back({schema + "." + name, (*rows)->schema(), is_static, std::nullopt});
  }

  Analysis Analysed(const std::string& sql, bool row_wise) {
    AnalysisRequest request;
    request.sql = sql;
    request.location = {"x.sql", 1, 1};
    request.tables = tables_;
    request.each = "landing.flights";
    request.row_wise_required = row_wise;
    request.for_table = row_wise;
    auto analysis = Analyse(request);
    EXPECT_TRUE(analysis.ok()) << analysis.status();
    for (const auto& entry : analysis->diagnostics.entries()) {
      EXPECT_EQ(entry.severity, base::Diagnostics::Entry::Severity::kWarning) << entry.ToString();
    }
    return *analysis;
  }

  std::vector<std::string> Rows(const std::string& sql) {
    auto table = session_->QueryTable(sql);
    EXPECT_TRUE(table.ok()) << table.status() << "\n" << sql;
    std::vector<std::string> rows;
    if (!table.ok()) return rows;
    const auto combined = (*table)->CombineChunksToBatch();
    for (int64_t i = 0; i < (*table)->num_rows(); ++i) {
      std::string row;
      for (const auto& column : (*combined)->columns()) {
        auto value = *column->GetScalar(i);
        if (value->type->id() == arrow::Type::TIMESTAMP && value->is_valid) {
          row += std::to_string(static_cast<const arrow::TimestampScalar&>(*value).value) + " ";
        } else {
          row += value->ToString() + " ";
        }
      }
      row.pop_back();
      rows.push_back(row);
    }
    return rows;
  }

  // The rows of the row-wise text, the hidden columns last.
  std::vector<std::string> RowWise(const std::string& sql) {
    const Analysis analysis = Analysed(sql, true);
    EXPECT_TRUE(analysis.row_wise) << sql;
    return Rows(analysis.row_wise_sql);
  }

  std::unique_ptr<Session> session_;
  std::vector<TableSchema> tables_;
};

TEST_F(Rewriting, OneTable) {
  EXPECT_THAT(RowWise("select id * 10 as x from landing.flights where delay > 3"),
              ElementsAre("10 11 0 100", "30 13 1 300", "40 14 0 400"));
  EXPECT_THAT(RowWise("select * exclude (tags) from landing.flights where id = 1"),
              ElementsAre("1 JFK 5 11 0 100"));
  EXPECT_THAT(RowWise("select f.* exclude (tags, _known_at) from landing.flights f where id = 1"),
              ElementsAre("1 JFK 5 11 0 100"));
  EXPECT_THAT(RowWise("select landing.flights.id, flights.dest from landing.flights where id = 1"),
              ElementsAre("1 JFK 11 0 100"));
  EXPECT_THAT(RowWise("select a, b from landing.flights t(a, b) where a = 2"),
              ElementsAre("2 LAX 12 0 200"));
  EXPECT_THAT(RowWise("select columns('^d') from landing.flights where id = 1"),
              ElementsAre("JFK 5 11 0 100"));
  EXPECT_THAT(RowWise("select columns('_s|id') from landing.flights where id = 1"),
              ElementsAre("1 11 0 100"));
  EXPECT_THAT(RowWise("select columns(lambda c: c like '%s%') from landing.flights where id = 3"),
              ElementsAre("JFK list<item: string>[c] 13 1 300"));
}

TEST_F(Rewriting, StaticTablesDoNotCount) {
  EXPECT_THAT(RowWise("select f.id, a.name from landing.flights f left join landing.airports a "
                      "using (dest)"),
              UnorderedElementsAre("1 Kennedy 11 0 100", "2 Los Angeles 12 0 200",
                                   "3 Kennedy 13 1 300", "4 null 14 0 400"));
  EXPECT_THAT(RowWise("select * exclude (tags, delay) from landing.flights join landing.airports "
                      "using (dest) where id < 3"),
              UnorderedElementsAre("1 JFK Kennedy 11 0 100", "2 LAX Los Angeles 12 0 200"));
  EXPECT_THAT(RowWise("select id from landing.flights f anti join landing.airports a using (dest)"),
              ElementsAre("4 14 0 400"));
  EXPECT_THAT(RowWise("select id from landing.flights where dest in "
                      "(select dest from landing.airports where name like 'L%')"),
              ElementsAre("2 12 0 200"));
}

TEST_F(Rewriting, GreatestOfAllThatMet) {
  EXPECT_THAT(
      RowWise("select f.id, c.tier from landing.flights f asof left join history.customers c "
              "on c.id = f.id and c._known_at <= f._known_at"),
      UnorderedElementsAre("1 lead 11 0 100", "2 null 12 0 200", "3 null 13 1 300",
                           "4 null 14 0 400"));
  EXPECT_THAT(RowWise("select f.id, w.temp from landing.flights f left join processing.weather w "
                      "using (dest)"),
              UnorderedElementsAre("1 1.5 11 0 250", "2 2.5 12 0 200", "3 1.5 13 1 300",
                                   "4 null 14 0 400"));
  // Through two levels and a side subquery without a name for its hidden column.
  EXPECT_THAT(
      RowWise("with j as (select f.id as k, f.dest from landing.flights f where id <> 3), "
              "w as (select dest as d, temp * 2 as t2 from processing.weather) "
              "select k, t2, tier from (select * from j left join w on d = dest) "
              "left join (select id, tier from history.customers where tier <> 'lead') "
              "on id = k"),
      UnorderedElementsAre("1 3.0 gold 11 0 250", "2 5.0 null 12 0 200", "4 null null 14 0 400"));
}

TEST_F(Rewriting, UnnestAndLateral) {
  EXPECT_THAT(RowWise("select id, unnest(tags) as tag from landing.flights"),
              UnorderedElementsAre("1 a 11 0 100", "1 b 11 0 100", "3 c 13 1 300"));
  EXPECT_THAT(
      RowWise("select id, t.tag from landing.flights left join unnest(tags) t(tag) on true"),
      UnorderedElementsAre("1 a 11 0 100", "1 b 11 0 100", "2 null 12 0 200", "3 c 13 1 300",
                           "4 null 14 0 400"));
  EXPECT_THAT(
      RowWise("select id, x.twice from landing.flights, lateral (select delay * 2 as twice) x "
              "where id = 1"),
      ElementsAre("1 10 11 0 100"));
  EXPECT_THAT(
      RowWise("select id, n, name from landing.flights cross join range(2) r(n) "
              "left join landing.airports a on a.dest = flights.dest and n = 1 where id = 1"),
      UnorderedElementsAre("1 0 null 11 0 100", "1 1 Kennedy 11 0 100"));
}

TEST_F(Rewriting, NamedEnvelopeColumns) {
  EXPECT_THAT(RowWise("with t as (select id, _seq, _arrived_at as _when from landing.flights) "
                      "select *, _seq + 1 as next, epoch_us(_when) as us from t where id = 1"),
              ElementsAre("1 12 100 11 0 100"));
  const Analysis analysis = Analysed("select _seq, * exclude (tags) from landing.flights", false);
  EXPECT_EQ(Rows(analysis.plain_sql)[0], "11 1 JFK 5");
}

TEST_F(Rewriting, PlainText) {
  const auto plain = [&](const std::string& sql) { return Rows(Analysed(sql, false).plain_sql); };
  EXPECT_THAT(plain("select * from landing.airports order by name desc limit 1"),
              ElementsAre("LAX Los Angeles"));
  EXPECT_THAT(plain("select * from landing.airports a join processing.weather w using (dest) "
                    "order by dest"),
              ElementsAre("JFK Kennedy 1.5", "LAX Los Angeles 2.5"));
  EXPECT_THAT(plain("select dest from landing.flights union select * exclude (name) from "
                    "landing.airports order by all"),
              ElementsAre("JFK", "LAX", "ZZZ"));
  EXPECT_THAT(plain("with recursive r(n) as (select 1 union all select n + 1 from r where n < 3) "
                    "select sum(n) as s from r"),
              ElementsAre("6"));
  EXPECT_THAT(plain("select count(*) as n, max(_seq) as m from landing.flights"),
              ElementsAre("4 14"));
  EXPECT_THAT(plain("select * from (select * from landing.airports) where dest = 'JFK'"),
              ElementsAre("JFK Kennedy"));
}

// The text of a tree must parse to the same tree: what DuckDB prints is what we run.
TEST_F(Rewriting, TextsSurviveARoundTrip) {
  auto database = Database::Open(1);
  ASSERT_TRUE(database.ok());
  const char* texts[] = {
      "select a cross_, b from a join b on a.x = b.x left join (c join d using (y)) on c.x = a.x",
      "select * from a asof left join b on a.k = b.k and a.t >= b.t semi join c using (k) "
      "anti join d on d.x > a.x",
      "select case when a then b else c end, a between 1 and 2, a is not distinct from b, "
      "not (a and b or c), -(-a), a in (1, 2), a not in (3), a::decimal(10, 2), try_cast(a as "
      "int), "
      "extract(year from d), a at time zone 'UTC', interval 3 day, date '2020-01-01', 1e300, 0.1, "
      "\"we ird\".\"a\"\"b\", 'it''s', x.y.z, l[1], l[1:2], [1, 2], {'a': 1}, map {'k': 1}, "
      "a -> '$.x', a ->> 'x', list_transform(l, lambda x: x + 1), [y * 2 for y in l if y > 1], "
      "a || b, a like 'x%' escape '!', a ilike 'y', a similar to 'z', a glob 'q', a % 2, a // 2, "
      "a ** 2, a & 1, coalesce(a, b), substring(a from 1 for 2), trim(both 'x' from a), "
      "position('a' in b), count(*) filter (where a > 1), sum(distinct a order by b), "
      "lag(a, 2) over (partition by b order by c desc nulls last rows between 1 preceding and "
      "current row), string_agg(a, ',' order by b) from t",
      "select x.* exclude (a) replace (b + 1 as b) from t x where exists (select 1 from u) and "
      "a = any (select b from u) group by cube (a, b), grouping sets ((a), ()) having max(c) > 1 "
      "order by a desc nulls first limit 3 offset 1",
      "with a as materialized (select 1 x), b(c) as (select 2) select * from a, b, "
      "unnest([1, 2]) u(v), lateral (select v + 1 as w) q union all by name select 3 as x",
      "select 123456789012345678901234567890, true, null, -5, 'ü€😀', x'00ff', 1.50",
      "select a from t tablesample reservoir(10 rows)",
  };
  for (const char* text : texts) {
    ParsedSelect first = ParseSelect(**database, text);
    ASSERT_EQ(first.error, "") << text;
    auto printed = TreeToSql(**database, first.document);
    ASSERT_TRUE(printed.ok()) << printed.status() << "\n" << text;
    ParsedSelect second = ParseSelect(**database, *printed);
    ASSERT_EQ(second.error, "") << *printed;
    StripPlaces(&first.document);
    StripPlaces(&second.document);
    EXPECT_EQ(Json::diff(first.document, second.document).dump(1), "[]") << text << "\n"
                                                                         << *printed;
  }
}

}  // namespace
}  // namespace icecore::sql
