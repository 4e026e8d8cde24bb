#include "icecore/spec/parse.h"

#include <arrow/type.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "icecore/spec/service_plan.h"

namespace icecore::spec {
namespace {

constexpr int64_t kMinute = 60'000'000;
constexpr int64_t kHour = 60 * kMinute;

// A project folder that is gone after the test.
class Folder {
 public:
  Folder() {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    path_ = std::filesystem::path(::testing::TempDir()) /
            (std::string("icecore_spec_") + info->name() + "_" + std::to_string(::getpid()));
    std::filesystem::remove_all(path_);
    Write("icecore.yaml", "language: 1\nproject: p\n");
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  void Write(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories((path_ / file).parent_path());
    std::ofstream(path_ / file) << text;
  }
  Project Parse(base::Diagnostics* diagnostics) const {
    arrow::Result<Project> project = ParseProject(path_.string(), diagnostics);
    EXPECT_TRUE(project.ok()) << project.status().ToString();
    return project.ValueOr(Project());
  }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

std::string Errors(const base::Diagnostics& diagnostics) {
  std::string text;
  for (const auto& entry : diagnostics.entries()) {
    text += entry.ToString() + "\n";
  }
  return text;
}

Project ParseValid(const std::string& yaml) {
  base::Diagnostics diagnostics;
  Project project = ParseText("definitions/x.yaml", yaml, &diagnostics);
  EXPECT_EQ(Errors(diagnostics), "");
  return project;
}

std::vector<std::string> Names(const FeatureView& view) {
  std::vector<std::string> names;
  for (const Feature& feature : view.features) {
    names.push_back(feature.name);
  }
  return names;
}

TEST(ParseText, SourceWithContract) {
  const Project project = ParseValid(R"(source: flights
owner: data@flights.example
tags: [daily]
from:
  files: {path: "data/flights-*.csv.gz", format: csv, null_values: ["", "NA"], settle: 10s}
schedule: {cron: "15 3 * * *", zone: UTC}
freshness: {warn_after: 26h, error_after: 50h}
contract:
  new_columns: ignore
  columns:
    - {name: carrier, type: string, required: true, matches: "^[0-9A-Z]{2}$"}
    - {name: dep_delay, type: int64, between: [-120, 2000], unit: min}
    - {name: at, type: timestamp, zone: America/New_York, ambiguous: later}
    - {name: e, type: embedding(3), severity: warn}
    - {name: c, in: ["1", 2, 2.5, true]}
  rules:
    - {name: r, expect: "arr_time is null or dep_time is not null", severity: fail}
)");
  ASSERT_EQ(project.sources.size(), 1u);
  const Source& source = project.sources[0];
  EXPECT_EQ(source.name, "flights");
  EXPECT_EQ(source.doc.owner, "data@flights.example");
  EXPECT_EQ(source.doc.tags, std::vector<std::string>{"daily"});
  EXPECT_EQ(source.files.path, "data/flights-*.csv.gz");
  EXPECT_EQ(source.files.null_values, (std::vector<std::string>{"", "NA"}));
  EXPECT_EQ(source.files.settle_us, 10'000'000);
  EXPECT_EQ(source.schedule->cron, "15 3 * * *");
  EXPECT_EQ(source.freshness.warn_after_us, 26 * kHour);
  EXPECT_EQ(source.contract.new_columns, Contract::NewColumns::kIgnore);
  ASSERT_EQ(source.contract.columns.size(), 5u);
  EXPECT_TRUE(source.contract.columns[0].required);
  EXPECT_EQ(source.contract.columns[1].between->first.int_value, -120);
  EXPECT_EQ(source.contract.columns[1].doc.unit, "min");
  EXPECT_EQ(source.contract.columns[2].ambiguous, ColumnContract::Ambiguous::kLater);
  EXPECT_EQ(source.contract.columns[3].embedding_length, 3);
  EXPECT_EQ(source.contract.columns[3].severity, Severity::kWarn);
  ASSERT_EQ(source.contract.columns[4].in.size(), 4u);
  EXPECT_EQ(source.contract.columns[4].in[0].kind, Literal::Kind::kString);
  EXPECT_EQ(source.contract.columns[4].in[1].kind, Literal::Kind::kInt);
  EXPECT_EQ(source.contract.columns[4].in[2].kind, Literal::Kind::kFloat);
  EXPECT_EQ(source.contract.columns[4].in[3].kind, Literal::Kind::kBool);
  EXPECT_EQ(source.contract.rules[0].severity, Severity::kFail);
  EXPECT_EQ(source.contract.rules[0].location.line, 17);
}

TEST(ParseText, FormatComesFromThePath) {
  EXPECT_EQ(ParseValid("source: a\nfrom: {files: {path: x.tsv.zst}}\n").sources[0].files.delimiter,
            '\t');
  EXPECT_EQ(ParseValid("source: a\nfrom: {files: {path: x.parquet}}\n").sources[0].files.format,
            FilesConnector::Format::kParquet);
}

TEST(ParseText, TableWithChecks) {
  const Project project = ParseValid(R"(table: flights
zone: processing
each: landing.flights
sql: |
  select *
  from landing.flights
mode: append
key: [carrier, flight]
order_by: version
known_at: {delay: 2h}
event_time: at
drop: [{name: ghost, when: "flight is null"}]
allow_current: [flights]
checks:
  - {unique: [carrier, flight]}
  - {references: {dest: landing.flights.faa}, severity: warn}
  - {expect: "a > b", mostly: 0.999, name: lands_after_leaving, where: "a is not null"}
  - {not_null: carrier}
  - {in: {carrier: [UA, AA]}}
  - {between: {delay: [0, 1.5]}}
  - {matches: {tail: "^N"}}
  - {row_count: [1, null]}
  - {equal_rows: landing.flights_raw}
  - {fresh: 26h}
  - {expect: "a > 1"}
  - {expect: "a > 2"}
---
source: flights
from: {files: {path: x.csv}}
)");
  const Table& table = project.tables[0];
  EXPECT_EQ(table.FullName(), "processing.flights");
  EXPECT_EQ(table.sql, "select *\nfrom landing.flights\n");
  EXPECT_EQ(table.sql_location.ToString(), "definitions/x.yaml:5");
  EXPECT_EQ(table.order_by, std::vector<std::string>{"version"});
  EXPECT_EQ(table.known_at->kind, KnownAt::Kind::kDelay);
  EXPECT_EQ(table.known_at->delay_us, 2 * kHour);
  EXPECT_EQ(table.event_time->column, "at");
  ASSERT_EQ(table.checks.size(), 12u);
  EXPECT_EQ(table.checks[0].name, "unique_carrier_flight");
  EXPECT_EQ(table.checks[1].references[0].second, "landing.flights.faa");
  EXPECT_EQ(table.checks[1].severity, Severity::kWarn);
  EXPECT_EQ(table.checks[2].mostly, 0.999);
  EXPECT_EQ(table.checks[4].values.size(), 2u);
  EXPECT_EQ(table.checks[5].values[1].float_value, 1.5);
  EXPECT_EQ(table.checks[7].values[1].kind, Literal::Kind::kNull);
  EXPECT_EQ(table.checks[9].age_us, 26 * kHour);
  EXPECT_EQ(table.checks[10].name, "expect");
  EXPECT_EQ(table.checks[11].name, "expect_2");
}

TEST(ParseText, ReplaceTablesGiveManyRows) {
  const Project project = ParseValid("table: t\nzone: curated\nmode: replace\nsql: select 1\n");
  EXPECT_EQ(project.tables[0].rows, Table::Rows::kMany);
}

constexpr char kBase[] = R"(entity: user
keys: [{name: user_id, type: int64}]
---
table: events
zone: processing
mode: append
sql: select 1
---
)";

TEST(ParseText, FeatureNamesAndWindows) {
  const Project project = ParseValid(std::string(kBase) + R"yaml(feature_view: recent
entity: user
from: processing.events
event_time: at
windows: [1h, 12h, 12d]
where: "x > 0"
features:
  - {of: x, aggregates: [mean, quantile(0.95), "quantile(0.999)", last_n(3), top_n(2)], windows: [24h, 1d]}
  - {name: n, aggregate: count}
  - {name: exact, aggregate: count, hop: 0s, windows: [90s]}
  - {name: late, aggregate: count, where: "x > 15", windows: 7d, hop: 1h, default: 0}
  - temp
  - {name: gust, of: wind_gust, default: 0.5, unit: kn}
)yaml");
  const FeatureView& view = project.views[0];
  EXPECT_EQ(Names(view),
            (std::vector<std::string>{"x_mean_24h", "x_mean_1d", "x_p95_24h", "x_p95_1d",
                                      "x_p99_9_24h", "x_p99_9_1d", "x_last_3_24h", "x_last_3_1d",
                                      "x_top_2_24h", "x_top_2_1d", "n_1h", "n_12h", "n_12d",
                                      "exact_90s", "late_7d", "temp", "gust"}));
  EXPECT_EQ(view.FindFeature("x_p95_24h")->aggregate.q, 0.95);
  EXPECT_EQ(view.FindFeature("n_1h")->window->hop_us, 5 * kMinute);
  EXPECT_EQ(view.FindFeature("n_12h")->window->hop_us, kHour);
  EXPECT_EQ(view.FindFeature("n_12d")->window->hop_us, 24 * kHour);
  EXPECT_EQ(view.FindFeature("exact_90s")->window->hop_us, 0);
  EXPECT_EQ(view.FindFeature("late_7d")->window->hop_us, kHour);
  EXPECT_EQ(view.FindFeature("late_7d")->where->text, "x > 15");
  EXPECT_EQ(view.FindFeature("temp")->kind, Feature::Kind::kAsOf);
  EXPECT_EQ(view.FindFeature("gust")->of, "wind_gust");
  EXPECT_EQ(view.FindFeature("gust")->default_value->float_value, 0.5);
  EXPECT_EQ(view.where->text, "x > 0");
}

TEST(ParseText, QuantileNames) {
  for (const auto& [q, name] : {std::pair{"0", "p0"},
                                {"1", "p100"},
                                {"0.5", "p50"},
                                {"0.05", "p5"},
                                {"0.9999", "p99_99"},
                                {"0.001", "p0_1"},
                                {"1e-3", "p0_1"}}) {
    const Project project =
        ParseValid(std::string(kBase) + "feature_view: v\nentity: user\nfrom: processing.events\n" +
                   "features: [{of: x, aggregates: [\"quantile(" + q + ")\"], windows: [1h]}]\n");
    EXPECT_EQ(project.views[0].features[0].name, std::string("x_") + name + "_1h");
  }
}

TEST(ParseText, Template) {
  const Project project = ParseValid(std::string(kBase) + R"(entity: carrier
keys: [{name: carrier, type: string}]
---
feature_view: "delays_by_{entity}"
entity: [carrier, user]
description: Delays of one {entity}
from: processing.events
features: [x]
)");
  ASSERT_EQ(project.views.size(), 2u);
  EXPECT_EQ(project.views[0].name, "delays_by_carrier");
  EXPECT_EQ(project.views[1].name, "delays_by_user");
  EXPECT_EQ(project.views[1].entity, "user");
  EXPECT_EQ(project.views[1].doc.description, "Delays of one user");
}

TEST(ParseText, ServiceFlattens) {
  const Project project = ParseValid(std::string(kBase) + R"(feature_view: latest
entity: user
from: processing.events
features: [x, y, {name: z, of: x}]
---
feature_view: trip
request: [{name: distance, type: float64}]
inputs: {delay: latest.x}
features: [{name: rate, expression: "delay / distance"}]
---
feature_service: s
features:
  - latest.y
  - {view: latest, only: [z, x], keys: {user_id: friend}, prefix: f_, as: {x: first}}
  - {view: trip, as: {rate: speed}}
)");
  const auto flat = FlattenService(project, project.services[0]);
  ASSERT_TRUE(flat.ok()) << flat.status().ToString();
  std::vector<std::string> names;
  for (const ServiceFeature& feature : *flat) {
    names.push_back(feature.name);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"y", "f_z", "first", "speed"}));
  EXPECT_EQ((*flat)[2].entry, 1u);
  EXPECT_EQ((*flat)[2].feature->name, "x");
  const auto columns = RequiredColumns(project, project.services[0]);
  ASSERT_TRUE(columns.ok());
  ASSERT_EQ(columns->size(), 3u);
  EXPECT_EQ((*columns)[0].name, "user_id");
  EXPECT_TRUE((*columns)[0].is_key);
  EXPECT_EQ((*columns)[1].name, "friend");
  EXPECT_EQ((*columns)[2].name, "distance");
  EXPECT_FALSE((*columns)[2].is_key);
  EXPECT_TRUE((*columns)[2].type->Equals(arrow::float64()));
}

TEST(ParseProject, ReadsFilesInOrderAndSqlBesideThem) {
  Folder folder;
  folder.Write(
      "icecore.yaml",
      "project: p\nnow: 2013-12-01T12:00:00Z\nvariables: {late: 15, width: 3h, word: \"7\"}\n");
  folder.Write("definitions/b.yaml",
               "table: t\nzone: curated\nmode: append\nsql: file:sql/t.sql\n");
  folder.Write("definitions/sql/t.sql", "select {{ late }} as a,\n '{{word}}' as b\n");
  folder.Write("definitions/a/v.yaml",
               "feature_view: v\nentity: u\nfrom: curated.t\nwindows: [\"{{width}}\"]\n"
               "features: [{name: n, aggregate: count, where: \"x > {{late}}\"},\n"
               "  {name: i, default: \"{{late}}\"}, {name: s, default: \"{{word}}\"}]\n---\n"
               "entity: u\nkeys: [{name: k, type: string}]\n");
  folder.Write("definitions/.hidden.yaml", "nonsense: 1\n");
  base::Diagnostics diagnostics;
  const Project project = folder.Parse(&diagnostics);
  EXPECT_EQ(Errors(diagnostics), "");
  EXPECT_EQ(*project.now_us, 1385899200000000);
  EXPECT_EQ(project.tables[0].sql, "select 15 as a,\n '7' as b\n");
  EXPECT_EQ(project.tables[0].sql_location.ToString(), "definitions/sql/t.sql:1");
  EXPECT_EQ(project.views[0].features[0].name, "n_3h");
  EXPECT_EQ(project.views[0].features[0].where->text, "x > 15");
  EXPECT_EQ(project.views[0].FindFeature("i")->default_value->kind, Literal::Kind::kInt);
  EXPECT_EQ(project.views[0].FindFeature("s")->default_value->kind, Literal::Kind::kString);
  EXPECT_EQ(project.views[0].location.ToString(), "definitions/a/v.yaml:1");
}

TEST(ParseProject, ReadsLakesElsewhere) {
  Folder folder;
  folder.Write("icecore.yaml", "project: p\nlake: s3://b/x\n");
  base::Diagnostics diagnostics;
  EXPECT_EQ(folder.Parse(&diagnostics).lake, "s3://b/x");
  folder.Write("icecore.yaml",
               "project: p\nlake:\n  url: s3://b/x\n  endpoint: \"${STORE}\"\n  region: eu\n"
               "  path_style: false\n  profile: me\n");
  const Project project = folder.Parse(&diagnostics);
  EXPECT_EQ(Errors(diagnostics), "");
  EXPECT_EQ(project.lake, "s3://b/x");
  EXPECT_EQ(project.lake_access.endpoint, "${STORE}");
  EXPECT_EQ(project.lake_access.region, "eu");
  EXPECT_EQ(project.lake_access.path_style, false);
  EXPECT_EQ(project.lake_access.profile, "me");
  folder.Write("icecore.yaml",
               "project: p\nlake:\n  url: folder\n  endpont: x\n  path_style: maybe\n");
  folder.Parse(&diagnostics);
  for (const char* part :
       {"icecore.yaml:3: error: lake: 'url' must be s3://BUCKET/PREFIX, got 'folder'",
        "icecore.yaml:4: error: lake: unknown key 'endpont'; did you mean 'endpoint'?",
        "icecore.yaml:5: error: lake: 'path_style' must be true or false"}) {
    EXPECT_THAT(Errors(diagnostics), ::testing::HasSubstr(part));
  }
}

TEST(ParseProject, ReadsOnlineStores) {
  Folder folder;
  const auto parse = [&](const std::string& online) {
    folder.Write("icecore.yaml", "project: p\nonline: " + online + "\n");
    base::Diagnostics diagnostics;
    const Project project = folder.Parse(&diagnostics);
    EXPECT_EQ(diagnostics.error_count(), 0) << Errors(diagnostics);
    return project;
  };
  for (const char* url : {"redis://a:1,b:2", "rediss://me:${PASSWORD}@a", "redis://:${P}x@a/3",
                          "dynamodb://eu-central-1/p", "${STORE}"}) {
    EXPECT_EQ(parse(url).online, url);
  }
  const Project project = parse(
      "{url: 'rediss://h', username: me, password: '${file:secret}', ca_file: ca.pem, "
      "cert_file: c.pem, key_file: k.pem}");
  EXPECT_EQ(project.online, "rediss://h");
  EXPECT_EQ(project.online_access.username, "me");
  EXPECT_EQ(project.online_access.password, "${file:secret}");
  EXPECT_EQ(project.online_access.ca_file, "ca.pem");
  EXPECT_EQ(project.online_access.cert_file, "c.pem");
  EXPECT_EQ(project.online_access.key_file, "k.pem");
  EXPECT_EQ(parse("{url: 'dynamodb://e/p', endpoint: 'http://h:1'}").online_access.endpoint,
            "http://h:1");
}

TEST(ParseProject, RefusesPasswordsInClear) {
  for (const char* online : {"redis://me:hunter2@a", "{url: 'redis://a', password: hunter2}",
                             "{url: 'redis://:hunter2@a'}"}) {
    Folder folder;
    folder.Write("icecore.yaml", std::string("project: p\nonline: ") + online + "\n");
    base::Diagnostics diagnostics;
    folder.Parse(&diagnostics);
    EXPECT_THAT(Errors(diagnostics), ::testing::HasSubstr("icecore.yaml:2: error: "));
    EXPECT_THAT(Errors(diagnostics), ::testing::HasSubstr("as ${NAME} or ${file:PATH}"));
    EXPECT_THAT(Errors(diagnostics), ::testing::Not(::testing::HasSubstr("hunter2")));
  }
}

TEST(ParseProject, ShowsErrorsOfAllFiles) {
  Folder folder;
  folder.Write("icecore.yaml",
               "project: p\nlanguage: 2\nlake: gs://b/x\nonline: memcached://h\n"
               "catalog: postgresql://u@h/d\nenvironments: {}\nnow: soon\n"
               "proejct: x\nvariables: {a: [1]}\n");
  folder.Write("definitions/a.yaml", "source: a\nfrom: {kafka: {}}\n");
  folder.Write("definitions/b.yaml", "table: t\nzone: curated\nmode: append\nsql: file:no.sql\n");
  folder.Write("definitions/c.yaml", "source: c\nfrom: {files: {path: x.csv}}\n---\n- x\n");
  folder.Write("definitions/d.yaml", "table: d\nzone: curated\nmode: append\nsql: file:d.sql\n");
  folder.Write("definitions/d.sql", "select 1,\n{{nope}}\n");
  base::Diagnostics diagnostics;
  folder.Parse(&diagnostics);
  const std::string errors = Errors(diagnostics);
  for (const char* part :
       {"icecore.yaml:2: error: project: language 2 is not supported",
        "icecore.yaml:3: error: project: 'lake: gs://…' is not supported by this version",
        "icecore.yaml:4: error: project: 'online' must be lmdb:FOLDER, redis://HOST:PORT, ",
        "icecore.yaml:5: error: project: 'catalog: postgresql://…' is not supported",
        "icecore.yaml:6: error: project: 'environments' is not supported",
        "icecore.yaml:7: error: project: 'now' must be a time",
        "icecore.yaml:8: error: project: unknown key 'proejct'; did you mean 'project'?",
        "icecore.yaml:9: error: project: the variable 'a' must be one value",
        "definitions/a.yaml:2: error: source 'a': connector 'kafka'",
        "definitions/b.yaml:4: error: table 't': 'sql': no file",
        "definitions/c.yaml:4: error: a definition is a map",
        "definitions/d.sql:2: error: unknown variable 'nope'"}) {
    EXPECT_THAT(errors, ::testing::HasSubstr(part));
  }
  EXPECT_EQ(diagnostics.error_count(), 12) << errors;
}

TEST(ParseProject, SyntaxErrorHidesNoFalseErrors) {
  Folder folder;
  folder.Write("definitions/a.yaml", "table: [t\n");
  folder.Write("definitions/b.yaml",
               "feature_view: v\nentity: u\nfrom: curated.t\nfeatures: [x]\n");
  base::Diagnostics diagnostics;
  folder.Parse(&diagnostics);
  EXPECT_EQ(diagnostics.error_count(), 1) << Errors(diagnostics);
}

TEST(ParseProject, MissingProjectFile) {
  Folder folder;
  std::filesystem::remove(folder.path() + "/icecore.yaml");
  base::Diagnostics diagnostics;
  const auto project = ParseProject(folder.path(), &diagnostics);
  ASSERT_FALSE(project.ok());
  EXPECT_EQ(base::CodeOf(project.status()), base::ErrorCode::kNotFound);
  EXPECT_THAT(project.status().message(), ::testing::HasSubstr("icecore init"));
}

TEST(ParseProject, EmptyProjectFile) {
  Folder folder;
  folder.Write("icecore.yaml", "");
  base::Diagnostics diagnostics;
  folder.Parse(&diagnostics);
  EXPECT_THAT(Errors(diagnostics), ::testing::HasSubstr("icecore.yaml:1: error: is empty"));
}

TEST(ParseType, RoundTrips) {
  for (const char* text : {"bool",
                           "int8",
                           "int16",
                           "int32",
                           "int64",
                           "uint8",
                           "uint16",
                           "uint32",
                           "uint64",
                           "float32",
                           "float64",
                           "decimal(10,2)",
                           "string",
                           "binary",
                           "date",
                           "time",
                           "timestamp",
                           "local_timestamp",
                           "list<string>",
                           "struct<a: int64, b: list<float64>>",
                           "map<string,int64>"}) {
    const auto type = ParseType(text);
    ASSERT_TRUE(type.ok()) << type.status().ToString();
    EXPECT_EQ(TypeText(**type), text);
  }
  EXPECT_EQ(TypeText(**ParseType("embedding(3)")), "list<float32>");
  EXPECT_EQ(TypeText(**ParseType(" list < map<string , int8> > ")), "list<map<string,int8>>");
}

TEST(ParseType, Refuses) {
  for (const char* text :
       {"", "int", "list", "list<>", "list<int64", "decimal(39,0)", "decimal(2,3)", "decimal(a,b)",
        "embedding(0)", "struct<>", "struct<a: int8, a: int8>", "int64 x", "map<string>"}) {
    EXPECT_FALSE(ParseType(text).ok()) << text;
  }
  std::string deep;
  for (int i = 0; i < 1000; ++i) {
    deep += "list<";
  }
  EXPECT_FALSE(ParseType(deep).ok());
}

TEST(Fingerprint, DocumentationAndLayoutChangeNothing) {
  const std::string text = "table: t\nzone: curated\nmode: append\n";
  const Project a = ParseValid(text + "sql: \"select 'a  b', 1 -- one\\n from x\"\n");
  const Project b =
      ParseValid(text + "sql: \"select  'a  b',\\n /* first */ 1 from x\"\ndescription: d\n");
  const Project c = ParseValid(text + "sql: \"select 'a b', 1 from x\"\n");
  EXPECT_EQ(Fingerprint(a.tables[0]), Fingerprint(b.tables[0]));
  EXPECT_NE(Fingerprint(a.tables[0]), Fingerprint(c.tables[0]));
}

TEST(Fingerprint, FeatureChangesTheView) {
  const std::string text =
      std::string(kBase) + "feature_view: v\nentity: user\nfrom: processing.events\n";
  const auto of = [&](const std::string& features) {
    const Project project = ParseValid(text + features);
    return Fingerprint(project.views[0], project.FindEntity("user"));
  };
  const std::string plain = of("features: [x]\n");
  EXPECT_EQ(plain, of("features: [{name: x, description: d, unit: m}]\nonline: true\n"));
  EXPECT_NE(plain, of("features: [{name: x, default: 1}]\n"));
  EXPECT_NE(of("features: [{name: x, default: \"1\"}]\n"),
            of("features: [{name: x, default: 1}]\n"));
  EXPECT_NE(plain, of("ttl: 1h\nfeatures: [x]\n"));
}

}  // namespace
}  // namespace icecore::spec
