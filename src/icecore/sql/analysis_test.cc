#include "icecore/sql/analysis.h"

#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <random>
#include <sstream>
#include <thread>

namespace icecore::sql {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::shared_ptr<arrow::Schema> Columns(arrow::FieldVector fields) {
  const auto instant = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  fields.push_back(arrow::field("_seq", arrow::int64()));
  fields.push_back(arrow::field("_op", arrow::int8()));
  fields.push_back(arrow::field("_arrived_at", instant));
  fields.push_back(arrow::field("_known_at", instant));
  return arrow::schema(std::move(fields));
}

std::vector<TableSchema> Tables() {
  const auto instant = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  return {
      {"landing.flights",
       Columns({arrow::field("id", arrow::int64()), arrow::field("carrier", arrow::utf8()),
                arrow::field("dest", arrow::utf8()), arrow::field("delay", arrow::int32()),
                arrow::field("departed", instant), arrow::field("tags", arrow::list(arrow::utf8())),
                arrow::field("point", arrow::struct_({arrow::field("lat", arrow::float64()),
                                                      arrow::field("lon", arrow::float64())})),
                arrow::field("user", arrow::utf8())}),
       false, std::nullopt},
      {"landing.airports",
       Columns({arrow::field("faa", arrow::utf8()), arrow::field("name", arrow::utf8())}), true,
       std::nullopt},
      {"processing.weather",
       Columns({arrow::field("dest", arrow::utf8()), arrow::field("temp", arrow::float64()),
                arrow::field("observed_at", instant)}),
       false, "observed_at"},
      {"history.customers",
       Columns({arrow::field("id", arrow::int64()), arrow::field("tier", arrow::utf8())}), false,
       std::nullopt},
  };
}

AnalysisRequest Request(const std::string& sql) {
  AnalysisRequest request;
  request.sql = sql;
  request.location = {"flights.sql", 1, 1};
  request.tables = Tables();
  request.row_wise_required = true;
  return request;
}

Analysis Analysed(const AnalysisRequest& request) {
  auto analysis = Analyse(request);
  EXPECT_TRUE(analysis.ok()) << analysis.status() << "\n" << request.sql;
  return analysis.ok() ? *analysis : Analysis{};
}

Analysis Analysed(const std::string& sql) { return Analysed(Request(sql)); }

std::string Messages(const Analysis& analysis) {
  std::string text;
  for (const auto& entry : analysis.diagnostics.entries()) text += entry.ToString() + "\n";
  return text;
}

std::vector<std::string> OutputNames(const Analysis& analysis) {
  return analysis.output ? analysis.output->field_names() : std::vector<std::string>{};
}

// The line of the first error whose message holds `part`; -1 when there is none.
int ErrorLine(const Analysis& analysis, const std::string& part) {
  for (const auto& entry : analysis.diagnostics.entries()) {
    if (entry.severity == base::Diagnostics::Entry::Severity::kError &&
        entry.message.find(part) != std::string::npos) {
      return entry.location.line;
    }
  }
  return -1;
}

TEST(AnalyseRowWise, AcceptsWhatIsRowWise) {
  const char* accepted[] = {
      "select id, delay * 2 as twice from landing.flights where delay > 0",
      "select * from landing.flights",
      "select f.* from landing.flights f",
      "select f.*, a.name from landing.flights f join landing.airports a on a.faa = f.dest",
      "select f.*, a.name from landing.flights f left join landing.airports a on a.faa = f.dest",
      "select * exclude (faa) from landing.airports a join landing.flights f on a.faa = f.dest",
      "select f.id from landing.flights f semi join landing.airports a on a.faa = f.dest",
      "select f.id from landing.flights f anti join landing.airports a on a.faa = f.dest",
      "select f.id, name from landing.flights f cross join landing.airports",
      "select f.id, name from landing.flights f, landing.airports where faa = dest",
      "select f.id, c.tier from landing.flights f asof left join history.customers c "
      "on c.id = f.id and c._known_at <= f._known_at",
      "select f.id, w.temp from landing.flights f asof join processing.weather w "
      "on w.dest = f.dest and f.departed >= w.observed_at",
      "select id, unnest(tags) as tag from landing.flights",
      "select id, t.tag from landing.flights, unnest(tags) as t(tag)",
      "select f.id, t.tag from landing.flights f left join unnest(f.tags) as t(tag) on true",
      "with late as (select * from landing.flights where delay > 15), "
      "b as (select id, delay from late) select * from b",
      "with late(a, b) as (select id, carrier from landing.flights) select a, b from late",
      "select * from (select id, delay from landing.flights) where delay > 1",
      "select s.id from (select id from landing.flights) s join landing.airports on true",
      "select id, (select max(name) from landing.airports) as m from landing.flights",
      "select id from landing.flights where dest in (select faa from landing.airports)",
      "select id from landing.flights f where exists (select 1 from landing.airports where faa = "
      "f.dest)",
      "select id, (select max(x) from unnest(tags) u(x)) as m from landing.flights",
      "select id, a.n from landing.flights f, (select count(*) as n from landing.airports) a",
      "select id, list_transform(tags, lambda x: upper(x)) as u from landing.flights",
      "select id, run_time() as loaded_at from landing.flights",
      "select id, point.lat, \"user\" from landing.flights",
      "select id, departed at time zone 'America/New_York' as local from landing.flights",
      "from landing.flights select id",
      "select columns('i.*') from landing.flights",
      "select columns(lambda c: c like 'd%') from landing.flights",
      "select columns(*) from landing.flights",
      "select id, _file from (select id, _seq as _file from landing.flights)",
  };
  for (const char* sql : accepted) {
    AnalysisRequest request = Request(sql);
    request.for_table = std::string(sql).find("_file") == std::string::npos;
    const Analysis analysis = Analysed(request);
    EXPECT_TRUE(analysis.row_wise) << sql << "\n" << Messages(analysis);
    EXPECT_FALSE(analysis.diagnostics.has_errors()) << sql << "\n" << Messages(analysis);
    EXPECT_EQ(analysis.driver, "landing.flights") << sql;
    EXPECT_EQ(Messages(analysis), "") << sql;
    for (const auto& name : OutputNames(analysis)) {
      EXPECT_TRUE(!request.for_table || !name.starts_with("_")) << sql << ": " << name;
    }
  }
}

TEST(AnalyseRowWise, RefusesWithTheLine) {
  const std::pair<const char*, const char*> refused[] = {
      {"select max(delay)\n as m from landing.flights", "aggregate 'max'"},
      {"select carrier, count(*) as n from landing.flights\ngroup by carrier", "GROUP BY"},
      {"select carrier, count(*) as n from landing.flights group by all", "GROUP BY"},
      {"select distinct carrier from landing.flights", "DISTINCT"},
      {"select distinct on (carrier) carrier from landing.flights", "DISTINCT"},
      {"select id, row_number() over (partition by carrier) as r from landing.flights", "window"},
      {"select id from landing.flights qualify row_number() over (order by id) = 1", "window"},
      {"select id from landing.flights order by id", "ORDER BY"},
      {"select id from landing.flights limit 5", "LIMIT"},
      {"select id from landing.flights limit 5%", "LIMIT"},
      {"select id from landing.flights union all select id from landing.flights", "set operation"},
      {"select id from landing.flights except select 1", "set operation"},
      {"select a.id from landing.flights a join landing.flights b using (id)", "second time"},
      {"with f as (select * from landing.flights) select a.id from f a join f b using (id)",
       "second time"},
      {"select f.id from landing.airports a right join landing.flights f on true", "RIGHT"},
      {"select f.id from landing.flights f full join landing.airports a on true", "FULL"},
      {"select f.id from landing.airports a left join landing.flights f on true", "on the right"},
      {"select a.faa from landing.airports a semi join landing.flights f on true", "on the right"},
      {"select f.id from landing.flights f positional join landing.airports a", "POSITIONAL"},
      {"select id, (select max(temp) from processing.weather) as m from landing.flights",
       "subquery in an expression"},
      {"select id from landing.flights where id in (select id from history.customers)",
       "subquery in an expression"},
      {"with x as (select carrier, sum(delay) as s from landing.flights group by 1) select * from "
       "x",
       "aggregate 'sum'"},
      {"select * from (select id from landing.flights limit 3)", "LIMIT"},
      {"select f.id, w.t from landing.flights f asof join (select max(temp) t, max(_known_at) k "
       "from processing.weather) w on w.k <= f.departed",
       "aggregate"},
      {"with recursive r(n) as (select id from landing.flights union all select n from r) "
       "select n from r",
       "recursive"},
  };
  for (const auto& [sql, part] : refused) {
    const Analysis analysis = Analysed(sql);
    EXPECT_FALSE(analysis.row_wise) << sql;
    EXPECT_GE(ErrorLine(analysis, part), 1) << sql << "\n" << Messages(analysis);
    AnalysisRequest whole = Request(sql);
    whole.row_wise_required = false;
    whole.each.reset();
    const Analysis replaced = Analysed(whole);
    EXPECT_FALSE(replaced.row_wise) << sql;
    EXPECT_FALSE(replaced.not_row_wise.empty()) << sql;
    EXPECT_FALSE(replaced.plain_sql.empty()) << sql << "\n" << Messages(replaced);
  }
  EXPECT_EQ(
      ErrorLine(Analysed("select carrier,\n count(*) as n\nfrom landing.flights\ngroup by carrier"),
                "GROUP BY"),
      4);
}

TEST(AnalyseRowWise, DriverIsChosenOrAskedFor) {
  const std::string two =
      "select f.id, w.temp from landing.flights f join processing.weather w using (dest)";
  const Analysis unclear = Analysed(two);
  EXPECT_THAT(Messages(unclear), HasSubstr("landing.flights or processing.weather"));
  AnalysisRequest request = Request(two);
  request.each = "landing.flights";
  Analysis analysis = Analysed(request);
  EXPECT_TRUE(analysis.row_wise);
  EXPECT_THAT(Messages(analysis), HasSubstr("allow_current: [weather]"));
  request.allow_current = {"weather"};
  EXPECT_EQ(Messages(Analysed(request)), "");
  request.each = "landing.flihgts";
  EXPECT_THAT(Messages(Analysed(request)), HasSubstr("did you mean"));
  EXPECT_THAT(Messages(Analysed("select 1 as one")), HasSubstr("no table"));
  analysis = Analysed("select faa from landing.airports");
  EXPECT_EQ(analysis.driver, "landing.airports");
  EXPECT_THAT(analysis.row_wise_sql, HasSubstr("_arrived_at"));
}

TEST(AnalyseRowWise, AsOfOnAnotherTimeIsAWarning) {
  const Analysis analysis = Analysed(
      "select f.id, c.tier from landing.flights f\n"
      "asof left join history.customers c on c.id = f.id and c._seq <= f._seq");
  EXPECT_FALSE(analysis.diagnostics.has_errors());
  ASSERT_EQ(analysis.diagnostics.entries().size(), 1u);
  EXPECT_EQ(analysis.diagnostics.entries()[0].location.line, 2);
  EXPECT_EQ(Messages(Analysed("select f.id, c.tier from landing.flights f asof left join "
                              "(select id, tier, _known_at as k from history.customers) c "
                              "on c.id = f.id and c.k <= f._known_at")),
            "");
}

TEST(Analyse, RefusesWhatIsNotAQueryOfTables) {
  const std::pair<const char*, const char*> refused[] = {
      {"select * from read_csv('/etc/passwd')", "table function 'read_csv'"},
      {"select * from read_parquet('x.parquet')", "read_parquet"},
      {"select * from glob('*')", "glob"},
      {"select * from query('select 1')", "query"},
      {"select * from duckdb_settings()", "duckdb_settings"},
      {"select * from '/etc/passwd.csv'", "cannot read files"},
      {"select * from information_schema.tables", "no table"},
      {"select * from landing.flights, range((select count(*) from read_text('/etc/passwd')))",
       "read_text"},
      {"with u as (select * from read_csv('x')) select id from landing.flights", "read_csv"},
      {"copy landing.flights to '/tmp/x.csv'", "one SELECT"},
      {"attach '/tmp/x.db'", "one SELECT"},
      {"install httpfs", "one SELECT"},
      {"load httpfs", "one SELECT"},
      {"set threads = 8", "one SELECT"},
      {"pragma database_list", "one SELECT"},
      {"export database '/tmp/x'", "one SELECT"},
      {"create table x as select 1", "one SELECT"},
      {"insert into landing.flights values (1)", "one SELECT"},
      {"select 1; select 2", "not several"},
      {"", "no statement"},
      {"describe landing.flights", "not allowed"},
      {"summarize landing.flights", "not allowed"},
      {"show tables", "not allowed"},
      {"select getenv('HOME') as h from landing.flights", "getenv"},
      {"select current_setting('threads') as h from landing.flights", "current_setting"},
      {"select now() as t from landing.flights", "run_time()"},
      {"select current_date as t from landing.flights", "run_time()"},
      {"select current_timestamp as t from landing.flights", "run_time()"},
      {"select today() as t from landing.flights", "run_time()"},
      {"select age(departed::timestamp) as t from landing.flights", "run_time()"},
      {"select random() as t from landing.flights", "random"},
      {"select uuid() as t from landing.flights", "uuid"},
      {"select id from landing.flights where random() < 0.5", "random"},
      {"select id from landing.flights tablesample 10%", "sample"},
      {"select id from landing.flights using sample 10%", "sample"},
      {"select $1 as x from landing.flights", "parameters"},
      {"select id from landing.flights natural join landing.airports", "NATURAL"},
      {"select f as whole from landing.flights f", "whole row"},
      {"select id, id from landing.flights", "two columns"},
      {"select id, _seq from landing.flights", "begins with _"},
      {"select to_days(id::int) as i from landing.flights", "INTERVAL"},
      {"select id from landing.flihgts", "did you mean 'landing.flights'"},
      {"select id from flights", "'landing.flights'"},
      {"with _icecore_t as (select 1 x) select x from _icecore_t", "_icecore_"},
      {"select idd from landing.flights", "idd"},
      {"select id from landing.flights where upperr(carrier) = 'x'", "upperr"},
      {"select from landing.flights", "selection list"},
      {"select id from landing.flights f, (select sum(f.delay) as s) x", "LATERAL"},
      {"select * from (pivot landing.flights on carrier using sum(delay))", "SELECT"},
  };
  for (const auto& [sql, part] : refused) {
    AnalysisRequest request = Request(sql);
    request.row_wise_required = false;
    const Analysis analysis = Analysed(request);
    EXPECT_GE(ErrorLine(analysis, part), 1) << sql << "\n" << Messages(analysis);
    EXPECT_TRUE(analysis.plain_sql.empty()) << sql;
    EXPECT_EQ(analysis.output, nullptr) << sql;
  }
}

TEST(Analyse, ErrorsHavePlaces) {
  AnalysisRequest request = Request("select id,\n  delayy\nfrom landing.flights");
  request.location = {"definitions/tables.yaml", 40, 1};
  Analysis analysis = Analysed(request);
  ASSERT_EQ(analysis.diagnostics.entries().size(), 1u);
  EXPECT_EQ(analysis.diagnostics.entries()[0].location.line, 41);
  EXPECT_EQ(analysis.diagnostics.entries()[0].location.column, 3);
  EXPECT_THAT(Messages(analysis), HasSubstr("\"delay\""));
  request.sql = "select id\nfrom landing.flights\nwhere now() > departed\n and random() > 1";
  analysis = Analysed(request);
  ASSERT_EQ(analysis.diagnostics.entries().size(), 2u);
  EXPECT_EQ(analysis.diagnostics.entries()[0].location.line, 42);
  EXPECT_EQ(analysis.diagnostics.entries()[1].location.line, 43);
  request.sql = "select id\nfromm landing.flights x y";
  EXPECT_GE(ErrorLine(Analysed(request), "syntax error"), 41);
}

TEST(Analyse, Lineage) {
  const auto sources = [](const std::string& sql) {
    AnalysisRequest request = Request(sql);
    request.row_wise_required = false;
    request.for_table = false;
    const Analysis analysis = Analysed(request);
    std::vector<std::string> text;
    for (const auto& column : analysis.sources) {
      std::string line;
      for (const auto& source : column)
        line += (line.empty() ? "" : " ") + source.table + "." + source.column;
      text.push_back(line);
    }
    EXPECT_EQ(text.size(), OutputNames(analysis).size()) << sql << Messages(analysis);
    return text;
  };
  EXPECT_THAT(sources("select id, delay + id as x, 1 as one from landing.flights"),
              ElementsAre("landing.flights.id", "landing.flights.delay landing.flights.id", ""));
  EXPECT_THAT(sources("select * from landing.airports"),
              ElementsAre("landing.airports.faa", "landing.airports.name"));
  EXPECT_THAT(sources("with a as (select faa as k, upper(name) as n from landing.airports) "
                      "select n || f.carrier as nc, a.* from landing.flights f join a on k = dest"),
              ElementsAre("landing.airports.name landing.flights.carrier", "landing.airports.faa",
                          "landing.airports.name"));
  EXPECT_THAT(
      sources("select point.lat as l, f.point.lon, f._seq as s from landing.flights f"),
      ElementsAre("landing.flights.point", "landing.flights.point", "landing.flights._seq"));
  EXPECT_THAT(sources("select dest, sum(delay) as s from landing.flights group by dest"),
              ElementsAre("landing.flights.dest", "landing.flights.delay"));
  EXPECT_THAT(
      sources("select carrier from landing.flights union all select faa from landing.airports"),
      ElementsAre("landing.airports.faa landing.flights.carrier"));
  EXPECT_THAT(sources("select t.tag from landing.flights, unnest(tags) as t(tag)"),
              ElementsAre("landing.flights.tags"));
  EXPECT_THAT(sources("select id + 1 as a, a * 2 as b from landing.flights"),
              ElementsAre("landing.flights.id", "landing.flights.id"));
  EXPECT_THAT(sources("select * exclude (departed, tags, point, \"user\") replace (delay + id as "
                      "delay) rename (dest as d) from landing.flights"),
              ElementsAre("landing.flights.id", "landing.flights.carrier", "landing.flights.dest",
                          "landing.flights.delay landing.flights.id"));
  EXPECT_THAT(sources("select (select max(name) from landing.airports where faa = f.dest) as m "
                      "from landing.flights f"),
              ElementsAre("landing.airports.name"));
}

TEST(Analyse, OutputTypesAndTables) {
  AnalysisRequest request = Request(
      "select f.id, f.delay::decimal(10,2) as d, f.departed, f.departed::timestamp as naive, "
      "f.tags, f.point, "
      "a.name, sum(delay) over () as total from landing.airports a, landing.flights f");
  request.row_wise_required = false;
  const Analysis analysis = Analysed(request);
  ASSERT_NE(analysis.output, nullptr) << Messages(analysis);
  const auto expected = arrow::schema(
      {arrow::field("id", arrow::int64()), arrow::field("d", arrow::decimal128(10, 2)),
       arrow::field("departed", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
       arrow::field("naive", arrow::timestamp(arrow::TimeUnit::MICRO)),
       arrow::field("tags", arrow::list(arrow::utf8())),
       arrow::field("point", arrow::struct_({arrow::field("lat", arrow::float64()),
                                             arrow::field("lon", arrow::float64())})),
       arrow::field("name", arrow::utf8()), arrow::field("total", arrow::int64())});
  EXPECT_TRUE(analysis.output->Equals(*expected)) << analysis.output->ToString();
  EXPECT_THAT(analysis.tables, ElementsAre("landing.airports", "landing.flights"));
}

// Whatever the text is, the answer is an analysis with errors in it, never a failure of ours.
TEST(Analyse, TornTextsAreUserErrors) {
  const std::vector<std::string> texts = {
      "with late(a, b) as (select id, carrier from landing.flights where delay > 15) select a.*, b "
      "from late as a asof left join history.customers c on c.id = a.a and c._known_at <= now()",
      "select * exclude (tags) replace (delay + 1 as delay), columns('i.*'), t.tag from "
      "landing.flights f, unnest(f.tags) as t(tag) where exists (select 1 from landing.airports)",
      "select case when id > 1 then [x * 2 for x in [1, 2]] end as c, point.lat, sum(delay) over "
      "(partition by carrier order by departed) from landing.flights union all by name select 1",
  };
  const auto seed = static_cast<uint32_t>(::testing::UnitTest::GetInstance()->random_seed());
  std::cout << "seed " << seed << "\n";
  std::mt19937 random(seed);
  const char* count = std::getenv("ICECORE_TORN_TEXTS");
  for (int i = 0; i < (count ? std::atoi(count) : 40); ++i) {
    std::vector<std::string> words;
    std::istringstream stream(texts[random() % texts.size()]);
    for (std::string word; stream >> word;) words.push_back(word);
    for (int change = 0; change < 1 + i % 3; ++change) {
      const size_t at = random() % words.size();
      const size_t other = random() % words.size();
      switch (random() % 3) {
        case 0:
          words.erase(words.begin() + static_cast<std::ptrdiff_t>(at));
          break;
        case 1:
          std::swap(words[at], words[other]);
          break;
        default:
          words[at] = words[other];
      }
    }
    std::string sql;
    for (const std::string& word : words) sql += word + " ";
    AnalysisRequest request = Request(sql);
    request.row_wise_required = random() % 2 == 0;
    const auto analysis = Analyse(request);
    ASSERT_TRUE(analysis.ok()) << analysis.status() << "\n" << sql;
    EXPECT_NE(analysis->plain_sql.empty(), !analysis->diagnostics.has_errors()) << sql;
  }
}

TEST(Analyse, EnvelopeCanBeClosed) {
  AnalysisRequest request = Request("select id, _seq as s from landing.flights");
  EXPECT_EQ(Messages(Analysed(request)), "");
  request.allow_envelope = false;
  EXPECT_TRUE(Analysed(request).diagnostics.has_errors());
}

TEST(AnalysisTest, AnAnalysisLeavesNothingToTheNext) {
  AnalysisRequest one = Request("select id from landing.flights");
  one.tables.push_back(
      {"landing.only_here", Columns({arrow::field("x", arrow::int64())}), false, std::nullopt});
  one.sql = "select x from landing.only_here";
  EXPECT_FALSE(Analysed(one).diagnostics.has_errors());
  EXPECT_THAT(Messages(Analysed("select x from landing.only_here")), HasSubstr("only_here"));
  // The same name with other columns.
  one.tables.back().columns = Columns({arrow::field("y", arrow::utf8())});
  EXPECT_THAT(Messages(Analysed(one)), HasSubstr("x"));
  one.sql = "select y from landing.only_here";
  const Analysis other = Analysed(one);
  ASSERT_NE(other.output, nullptr);
  EXPECT_TRUE(other.output->field(0)->type()->Equals(arrow::utf8()));
}

TEST(AnalysisTest, WhatIsKnownOfATextIsKnownOfThatQuestionAlone) {
  AnalysisRequest request = Request("select id, _seq as s from landing.flights");
  EXPECT_FALSE(Analysed(request).diagnostics.has_errors());
  request.allow_envelope = false;
  EXPECT_TRUE(Analysed(request).diagnostics.has_errors());
  request = Request("select carrier, count(*) as n from landing.flights group by 1");
  EXPECT_TRUE(Analysed(request).diagnostics.has_errors());
  request.row_wise_required = false;
  EXPECT_FALSE(Analysed(request).diagnostics.has_errors());
  request.row_wise_required = true;
  request.location.line = 7;
  EXPECT_THAT(Messages(Analysed(request)), HasSubstr("flights.sql:7"));
}

TEST(AnalysisTest, WhatIsWrongInOneTextHarmsNoOther) {
  const std::string good = Analysed("select id, delay + 1 as d from landing.flights").plain_sql;
  ASSERT_FALSE(good.empty());
  for (const char* wrong : {"select", "select nothing from landing.flights", "select 1; select 2",
                            "select id + 'x'::blob from landing.flights", "commit", "rollback",
                            "select cast('x' as integer) as c from landing.flights"}) {
    Analysed(wrong);
    EXPECT_EQ(Analysed("select id, delay + 1 as d from landing.flights").plain_sql, good) << wrong;
  }
}

TEST(AnalysisTest, ManyAtOnce) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 5; ++i) {
        AnalysisRequest request = Request("");
        const std::string column = "c" + std::to_string(t);
        request.tables.push_back({"landing.shared_name",
                                  Columns({arrow::field(column, arrow::int64())}), false,
                                  std::nullopt});
        request.sql = "select " + column + " from landing.shared_name";
        const auto analysis = Analyse(request);
        ASSERT_TRUE(analysis.ok()) << analysis.status();
        EXPECT_FALSE(analysis->diagnostics.has_errors()) << Messages(*analysis);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace icecore::sql
