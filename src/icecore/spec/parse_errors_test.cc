// Every kind of error: its place and its words. A case is one definitions file.

#include "icecore/spec/parse.h"

#include <gtest/gtest.h>

namespace icecore::spec {
namespace {

struct ErrorCase {
  const char* name;
  const char* yaml;
  int line;
  const char* message;  // a part of it
};

std::string All(const base::Diagnostics& diagnostics) {
  std::string text;
  for (const auto& entry : diagnostics.entries()) {
    text += entry.ToString() + "\n";
  }
  return text;
}

class ParseErrors : public ::testing::TestWithParam<ErrorCase> {};

TEST_P(ParseErrors, NamesPlaceAndReason) {
  base::Diagnostics diagnostics;
  ParseText("definitions/x.yaml", GetParam().yaml, &diagnostics);
  ASSERT_TRUE(diagnostics.has_errors());
  EXPECT_EQ(base::CodeOf(diagnostics.ToStatus()), base::ErrorCode::kInvalidDefinition);
  const std::string start = "definitions/x.yaml:" + std::to_string(GetParam().line) + ": error: ";
  bool found = false;
  for (const auto& entry : diagnostics.entries()) {
    const std::string text = entry.ToString();
    found =
        found || (text.starts_with(start) && text.find(GetParam().message) != std::string::npos);
  }
  EXPECT_TRUE(found) << "expected " << start << "… " << GetParam().message << "\ngot\n"
                     << All(diagnostics);
}

#define FILES "from: {files: {path: data/a.csv}}\n"

const ErrorCase kYaml[] = {
    {"Tab", "source: a\nfrom:\n\tfiles: {path: x.csv}\n", 3, "a tab in the indentation"},
    {"DuplicateKey", "source: a\n" FILES "owner: x\nowner: y\n", 4,
     "the key 'owner' is given twice; first in line 3"},
    {"Syntax", "source: [a\n", 2, "not valid YAML"},
    {"Anchor", "source: &a b\n", 1, "anchors"},
    {"Alias", "source: a\nfrom: *x\n", 2, "YAML"},
    {"Tag", "source: !!str a\n", 1, "tags"},
    {"NotUtf8", "source: a\nowner: \xff\n", 2, "is not UTF-8"},
    {"Control", "source: a\nowner: \x01\n", 2, "control character"},
    {"List", "- source\n", 1, "a definition is a map"},
    {"ComplexKey", "{[a]: b}\n", 1, "a key must be plain text"},
    {"UnknownVariable", "source: a\n" FILES "owner: \"{{x}}\"\n", 3, "unknown variable 'x'"},
    {"VariableLogic", "source: a\n" FILES "owner: \"b {{x + 1}}\"\n", 3, "only the name"},
    {"VariableOpen", "source: a\n" FILES "owner: \"b {{x\"\n", 3, "'{{' without '}}'"},
};

const ErrorCase kKinds[] = {
    {"UnknownKind", "sorce: a\n", 1, "unknown kind 'sorce'; did you mean 'source'?"},
    {"KindNotFirst", "zone: curated\ntable: a\n", 1, "the kind must be the first key"},
    {"Policy", "policy: a\n", 1, "'policy' is not supported by this version"},
    {"UnknownKey", "source: a\n" FILES "shedule: {}\n", 3,
     "unknown key 'shedule'; did you mean 'schedule'?"},
    {"BadName", "source: a b\n" FILES, 1, "cannot be a name"},
    {"Underscore", "table: _a\nzone: curated\nmode: append\nsql: select 1\n", 1,
     "cannot be a name"},
    {"Twice", "source: a\n" FILES "---\nsource: a\n" FILES, 4,
     "source 'a' is defined twice; first in definitions/x.yaml:1"},
    {"RawTaken", "source: a\n" FILES "---\nsource: a_raw\n" FILES, 4, "takes the name"},
};

const ErrorCase kSources[] = {
    {"NoFrom", "source: a\n", 1, "'from' is missing"},
    {"Kafka", "source: a\nfrom: {kafka: {topic: x}}\n", 2,
     "connector 'kafka' is not supported by this version"},
    {"UnknownConnector", "source: a\nfrom: {file: {path: x}}\n", 2,
     "unknown connector 'file'; did you mean 'files'?"},
    {"TwoConnectors", "source: a\nfrom: {files: {path: x}, kafka: {}}\n", 2, "one connector"},
    {"NoPath", "source: a\nfrom: {files: {format: csv}}\n", 2, "'path' is missing"},
    {"NoFormat", "source: a\nfrom: {files: {path: data/x}}\n", 2, "'format' is missing"},
    {"BadFormat", "source: a\nfrom:\n  files:\n    path: x\n    format: xml\n", 5,
     "'format' must be csv, tsv, json, parquet, arrow or delta, got 'xml'"},
    {"Delta", "source: a\nfrom: {files: {path: x, format: delta, settle: 5m}}\n", 2,
     "'settle' is not for format delta"},
    {"CsvKey", "source: a\nfrom: {files: {path: x.parquet, delimiter: ';'}}\n", 2,
     "'delimiter' is for csv and tsv only"},
    {"Delimiter", "source: a\nfrom: {files: {path: x.csv, delimiter: ';;'}}\n", 2,
     "must be one ASCII character"},
    {"NullValue", "source: a\nfrom: {files: {path: x.csv, null_values: [null]}}\n", 2,
     "needs quotes"},
    {"SkipRows", "source: a\nfrom: {files: {path: x.csv, skip_rows: two}}\n", 2,
     "'skip_rows' must be a whole number, got 'two'"},
    {"OnChange", "source: a\nfrom: {files: {path: x.csv, load: snapshot, on_change: append}}\n", 2,
     "'load: append' only"},
    {"Cron", "source: a\n" FILES "schedule: {cron: \"* *\"}\n", 3, "five fields"},
    {"Duration", "source: a\n" FILES "freshness: {warn_after: 2 hours}\n", 3,
     "must be a duration such as 90s, 15m, 26h or 7d, got '2 hours'"},
    {"BoolType", "source: a\n" FILES "static: yes\n", 3,
     "'static' must be true or false, got 'yes'"},
    {"TextType", "source: a\n" FILES "owner: [x]\n", 3, "'owner' must be text, got a list"},
    {"MapType", "source: a\n" FILES "contract: x\n", 3, "expected a map of keys, got text"},
    {"ListType", "source: a\n" FILES "contract:\n  columns: {a: b}\n", 4,
     "'columns' must be a list, got a map"},
    {"BadType", "source: a\n" FILES "contract:\n  columns:\n    - {name: x, type: strng}\n", 5,
     "unknown type 'strng'; did you mean 'string'?"},
    {"OtherType", "source: a\n" FILES "contract:\n  columns:\n    - {name: x, type: varchar}\n", 5,
     "it is written 'string' here"},
    {"ColumnTwice", "source: a\n" FILES "contract:\n  columns:\n  - {name: x}\n  - {name: x}\n", 6,
     "column 'x' is given twice"},
    {"Between", "source: a\n" FILES "contract:\n  columns:\n  - {name: x, between: [3, 1]}\n", 5,
     "the lower bound 3 is above the upper bound 1"},
    {"BetweenOne", "source: a\n" FILES "contract:\n  columns:\n  - {name: x, between: 3}\n", 5,
     "must be two values"},
    {"Zone", "source: a\n" FILES "contract:\n  columns:\n  - {name: x, type: date, zone: UTC}\n", 5,
     "'zone' is for columns of type timestamp only"},
    {"Ambiguous",
     "source: a\n" FILES
     "contract:\n  columns:\n  - {name: x, type: timestamp, ambiguous: later}\n",
     5, "'ambiguous' needs 'zone'"},
    {"RuleName", "source: a\n" FILES "contract:\n  rules:\n  - {expect: x > 1}\n", 5,
     "'name' is missing"},
    {"RuleExpect", "source: a\n" FILES "contract:\n  rules:\n  - {name: x}\n", 5,
     "'expect' is missing"},
    {"Severity",
     "source: a\n" FILES "contract:\n  rules:\n  - {name: x, expect: y, severity: no}\n", 5,
     "'severity' must be warn, error or fail"},
};

#define TABLE "table: t\nzone: curated\nmode: append\nsql: select 1\n"

const ErrorCase kTables[] = {
    {"NoZone", "table: t\nmode: append\nsql: select 1\n", 1, "'zone' is missing"},
    {"NoMode", "table: t\nzone: curated\nsql: select 1\n", 1, "'mode' is missing"},
    {"NoSql", "table: t\nzone: curated\nmode: append\n", 1, "'sql' is missing"},
    {"BadMode", "table: t\nzone: curated\nsql: select 1\nmode: apend\n", 4,
     "'mode' must be append, merge or replace, got 'apend'"},
    {"MergeKey", "table: t\nzone: curated\nsql: select 1\nmode: merge\n", 1, "needs 'key'"},
    {"ReplaceRows", "table: t\nzone: curated\nsql: select 1\nmode: replace\nrows: many\n", 5,
     "'rows' is for append and merge"},
    {"KeyTwice", TABLE "key: [a, a]\n", 5, "column 'a' is given twice"},
    {"Each", TABLE "each: landing.x\n---\nsource: xx\n" FILES, 5, "'each': no table 'landing.x'"},
    {"EachSelf", TABLE "each: curated.t\n", 5, "'each' is the table itself"},
    {"EachZone", TABLE "each: processing.x\n---\nsource: x\n" FILES, 5,
     "did you mean 'landing.x'?"},
    {"AllowCurrent", TABLE "allow_current: [nope]\n", 1, "'allow_current': no table 'nope'"},
    {"UnknownCheck", TABLE "checks:\n  - {uniqe: [a]}\n", 6,
     "unknown check 'uniqe'; did you mean 'unique'?"},
    {"TwoChecks", TABLE "checks:\n  - {unique: [a], not_null: [a]}\n", 6, "make them two"},
    {"CheckNameTwice", TABLE "checks:\n  - {unique: a, name: n}\n  - {unique: b, name: n}\n", 7,
     "two checks are called 'n'"},
    {"Mostly", TABLE "checks:\n  - {expect: a > 1, mostly: 2}\n", 6, "above 0 and at most 1"},
    {"References", TABLE "checks:\n  - {references: {a: landing.airports.faa}}\n", 6,
     "no table 'landing.airports'"},
    {"ReferencesForm", TABLE "checks:\n  - {references: {a: airports.faa}}\n", 6,
     "must be zone.table.column"},
    {"EqualRows", TABLE "checks:\n  - {equal_rows: landing.x}\n", 6, "no table 'landing.x'"},
    {"RowCount", TABLE "checks:\n  - {row_count: many}\n", 6, "whole number or [least, most]"},
    {"InColumn", TABLE "checks:\n  - {in: [1, 2]}\n", 6, "must name one column"},
    {"Drop", TABLE "drop:\n  - {name: ghost}\n", 6, "'when' is missing"},
    {"KnownAt", TABLE "known_at: {delai: 2h}\n", 5, "unknown key 'delai'; did you mean 'delay'?"},
    {"KnownAtList", TABLE "known_at: [a]\n", 5, "'known_at' must be a column"},
    {"SqlFile", "table: t\nzone: curated\nmode: append\nsql: file:x.sql\n", 4, "cannot be read"},
};

#define BASE                                             \
  "entity: user\nkeys: [{name: id, type: int64}]\n---\n" \
  "table: t\nzone: curated\nmode: append\nsql: select 1\n---\n"
#define VIEW BASE "feature_view: v\nentity: user\nfrom: curated.t\nevent_time: at\n"  // lines 9-12

const ErrorCase kViews[] = {
    {"NoEntityKeys", "entity: user\n", 1, "'keys' is missing"},
    {"EntityKeyType", "entity: user\nkeys: [{name: id}]\n", 2, "'type' is missing"},
    {"EntityKeyTwice", "entity: u\nkeys: [{name: a, type: bool}, {name: a, type: bool}]\n", 2,
     "'a' is given twice"},
    {"NoFeatures", VIEW, 9, "'features' is missing"},
    {"NoFrom", BASE "feature_view: v\nentity: user\nfeatures: [x]\n", 9, "'from' is missing"},
    {"NoTable", BASE "feature_view: v\nentity: user\nfrom: processing.t\nfeatures: [x]\n", 11,
     "'from': no table 'processing.t'; did you mean 'curated.t'?"},
    {"NoEntity", BASE "feature_view: v\nentity: usr\nfrom: curated.t\nfeatures: [x]\n", 10,
     "no entity 'usr'; did you mean 'user'?"},
    {"Keys", VIEW "keys: {ids: x}\nfeatures: [x]\n", 9, "has no key 'ids'; did you mean 'id'?"},
    {"Age", VIEW "features: [x]\nage: true\n", 14, "'age' is not supported by this version"},
    {"ValidTo", VIEW "features: [x]\nvalid_to: y\n", 14, "not supported by this version"},
    {"Session", VIEW "features: [{name: n, aggregate: count, windows: [session(30m)]}]\n", 13,
     "session windows are not supported by this version"},
    {"AlwaysTtl",
     BASE "feature_view: v\nentity: user\nfrom: curated.t\nevent_time: always\n"
          "ttl: 1h\nfeatures: [x]\n",
     13, "has no 'ttl'"},
    {"AlwaysWindow",
     BASE "feature_view: v\nentity: user\nfrom: curated.t\nevent_time: always\n"
          "features: [{name: n, aggregate: count, windows: [1h]}]\n",
     12, "has no windows"},
    {"NoWindows", VIEW "features: [{name: n, aggregate: count}]\n", 13, "needs 'windows'"},
    {"WindowZero", VIEW "features: [{name: n, aggregate: count, windows: [0s]}]\n", 13,
     "longer than 0"},
    {"WindowForm", VIEW "features: [{name: n, aggregate: count, windows: [1 day]}]\n", 13,
     "must be a duration"},
    {"WindowsOfAsOf", VIEW "features: [{name: n, windows: [1h]}]\n", 13, "needs 'aggregate'"},
    {"UnknownAggregate", VIEW "features: [{name: n, aggregate: cout, windows: [1h]}]\n", 13,
     "unknown aggregate 'cout'; did you mean 'count'?"},
    {"Median", VIEW "features: [{name: n, of: x, aggregate: median, windows: [1h]}]\n", 13,
     "it is written 'quantile(0.5)' here"},
    {"Quantile", VIEW "features: [{name: n, of: x, aggregate: quantile(2), windows: [1h]}]\n", 13,
     "a number from 0 to 1"},
    {"LastN", VIEW "features: [{name: n, of: x, aggregate: last_n, windows: [1h]}]\n", 13,
     "whole number from 1 to 1000"},
    {"NeedsOf", VIEW "features: [{name: n, aggregate: sum, windows: [1h]}]\n", 13, "needs 'of'"},
    {"BothAggregates", VIEW "features: [{of: x, aggregate: sum, aggregates: [sum], windows: 1h}]\n",
     13, "not both"},
    {"FeatureTwice", VIEW "features: [x, {name: x, of: y}]\n", 13, "two features are called 'x'"},
    {"WindowTwice", VIEW "features: [{name: n, aggregate: count, windows: [1h, 1h]}]\n", 13,
     "two features are called 'n_1h'"},
    {"FeatureEmpty", VIEW "features: ['']\n", 13, "must not be empty"},
    {"KeyEmpty", VIEW "features: [x]\nkeys: {id: ''}\n", 14, "must not be empty"},
    {"FeatureDot", VIEW "features: [{name: a.b, of: x}]\n", 13, "no dots"},
    {"DefaultList", VIEW "features: [{name: a, default: [1]}]\n", 13, "expected one value"},
    {"Expression", VIEW "features: [{name: a, expression: b}]\n", 13, "computed when asked"},
    {"Template", BASE "feature_view: v\nentity: [user, user]\nfrom: curated.t\nfeatures: [x]\n", 10,
     "needs {entity} in the view's name"},
    {"RequestKey",
     "feature_view: v\nrequest: [{name: x, type: bool}]\nttl: 1h\n"
     "features: [{name: y, expression: x}]\n",
     3, "'ttl' is for views over a table"},
    {"RequestNoExpression",
     "feature_view: v\nrequest: [{name: x, type: bool}]\n"
     "features: [{name: y}]\n",
     3, "'expression' is missing"},
    {"RequestAggregate",
     "feature_view: v\nrequest: [{name: x, type: bool}]\n"
     "features: [{name: y, expression: x, aggregate: sum}]\n",
     3, "has no 'from'"},
    {"InputForm", "feature_view: v\ninputs: [x]\nfeatures: [{name: y, expression: x}]\n", 2,
     "an input is one feature"},
    {"InputView",
     VIEW "features: [x]\n---\nfeature_view: w\ninputs: {a: vv.x}\n"
          "features: [{name: y, expression: a}]\n",
     16, "no feature_view 'vv'"},
    {"InputFeature",
     VIEW "features: [temp]\n---\nfeature_view: w\ninputs: {a: v.tmp}\n"
          "features: [{name: y, expression: a}]\n",
     16, "has no feature 'tmp'; did you mean 'temp'?"},
    {"InputTwice",
     VIEW "features: [x]\n---\nfeature_view: w\nrequest: [{name: x, type: bool}]\n"
          "inputs: [v.x]\nfeatures: [{name: y, expression: x}]\n",
     17, "two inputs are called 'x'"},
};

#define TWO_VIEWS               \
  VIEW                          \
      "features: [x, y]\n---\n" \
      "feature_view: w\nentity: user\nfrom: curated.t\nevent_time: at\nfeatures: [x]\n---\n"  // to
                                                                                              // line
                                                                                              // 20

const ErrorCase kServices[] = {
    {"NoFeatures", "feature_service: s\n", 1, "'features' is missing"},
    {"Empty", "feature_service: s\nfeatures: []\n", 2, "'features' is empty"},
    {"NoView", TWO_VIEWS "feature_service: s\nfeatures: [vv]\n", 22, "no feature_view 'vv'"},
    {"NoFeature", TWO_VIEWS "feature_service: s\nfeatures: [v.z]\n", 22,
     "feature_view 'v' has no feature 'z'"},
    {"Only", TWO_VIEWS "feature_service: s\nfeatures: [{view: v, only: [z]}]\n", 22,
     "has no feature 'z'"},
    {"As", TWO_VIEWS "feature_service: s\nfeatures: [{view: v, as: {z: a}}]\n", 22,
     "'as': feature_view 'v' has no feature 'z'"},
    {"AsLeftOut", TWO_VIEWS "feature_service: s\nfeatures: [{view: v, only: x, as: {y: a}}]\n", 22,
     "which 'only' leaves out"},
    {"Keys", TWO_VIEWS "feature_service: s\nfeatures: [{view: v, keys: {ids: a}}]\n", 22,
     "entity 'user' has no key 'ids'; did you mean 'id'?"},
    {"Clash", TWO_VIEWS "feature_service: s\nfeatures:\n  - v\n  - w\n", 24,
     "'w.x' would be called 'x', as is 'v.x'; give it another name, as in {view: w, prefix: w_}"},
    {"ClashKey", TWO_VIEWS "feature_service: s\nfeatures: [{view: v, as: {x: id}}]\n", 22,
     "as is a key column of the spine"},
    {"ClashTime", TWO_VIEWS "feature_service: s\nfeatures: [{view: v, as: {x: event_timestamp}}]\n",
     22, "as is the spine's time"},
    {"UnknownKey", TWO_VIEWS "feature_service: s\nfeatures: [{view: v, prefx: a}]\n", 22,
     "unknown key 'prefx'; did you mean 'prefix'?"},
    {"KeyTypes",
     "entity: u\nkeys: [{name: k, type: int64}]\n---\nentity: w\nkeys: [{name: k, type: string}]\n"
     "---\ntable: t\nzone: curated\nmode: append\nsql: select 1\n---\n"
     "feature_view: a\nentity: u\nfrom: curated.t\nfeatures: [x]\n---\n"
     "feature_view: b\nentity: w\nfrom: curated.t\nfeatures: [y]\n---\n"
     "feature_service: s\nfeatures:\n  - a\n  - b\n",
     25, "the spine column 'k' would be int64 for one feature_view and string for another"},
};

#define SERVICE TWO_VIEWS "feature_service: s\nfeatures: [v]\n---\n"
#define SET SERVICE "training_set: d\nservice: s\nspine: select 1\n"

const ErrorCase kTrainingSets[] = {
    {"NoService", TWO_VIEWS "training_set: d\nservice: x\nspine: select 1\n", 22,
     "no feature_service 'x'"},
    {"NoSpine", SERVICE "training_set: d\nservice: s\n", 24, "'spine' is missing"},
    {"SpineFile", SERVICE "training_set: d\nservice: s\nspine: {file: a.txt}\n", 26,
     "must end in .parquet, .csv or .arrow"},
    {"SpineKey", SERVICE "training_set: d\nservice: s\nspine: {fle: a.csv}\n", 26,
     "unknown key 'fle'; did you mean 'file'?"},
    {"Cut", SET "cut: soon\n", 27, "'cut' must be a time"},
    {"Label", SET "label: {known_at: a}\n", 27, "'column' is missing"},
    {"LabelItself", SET "label: {column: a, known_at: a}\n", 27, "'known_at' is the label itself"},
    {"Mature", SET "label: {column: a, mature_after: 2}\n", 27, "mature_after"},
    {"Fraction", SET "sample: {fraction: 2, by: a}\n", 27, "above 0 and at most 1"},
    {"By", SET "sample: {fraction: 0.5}\n", 27, "'by' must name the columns"},
    {"Train", SET "split: {valid: \"< 2013-10-01\"}\n", 27, "'train' is missing"},
    {"Bound", SET "split: {train: 2013-10-01}\n", 27, "'train' must be a bound such as"},
    {"Order", SET "split: {train: \"< 2013-10-01\", valid: \"< 2013-09-01\"}\n", 27,
     "must be later than that of 'train'"},
    {"Gap", SET "split: {train: \"< 2013-10-01\", valid: \"< 2013-10-03\", gap: 7d}\n", 27,
     "would hold no row"},
    {"NameOfService", SERVICE "training_set: s\nservice: s\nspine: select 1\n", 24,
     "takes the name of the feature_service"},
    {"Twice", SET "---\ntraining_set: d\nservice: s\nspine: select 1\n", 28, "is defined twice"},
};

#define ASK "ask: {service: s, at: 2024-01-01, id: 1}\n"

const ErrorCase kTests[] = {
    {"NoGiven", SERVICE "test: t\n" ASK "expect: {x: 1}\n", 24, "'given' is missing"},
    {"GivenTable", SERVICE "test: t\ngiven: {processing.t: []}\n" ASK "expect: {x: 1}\n", 25,
     "did you mean 'curated.t'?"},
    {"GivenRows", SERVICE "test: t\ngiven: {curated.t: {x: 1}}\n" ASK "expect: {x: 1}\n", 25,
     "must be a list"},
    {"GivenRow", SERVICE "test: t\ngiven: {curated.t: [1]}\n" ASK "expect: {x: 1}\n", 25,
     "must be {column: value}"},
    {"NoAsk", SERVICE "test: t\ngiven: {}\nexpect: {x: 1}\n", 24, "'ask' is missing"},
    {"At", SERVICE "test: t\ngiven: {}\nask: {service: s, at: noon, id: 1}\nexpect: {x: 1}\n", 26,
     "'at' must be a time"},
    {"AskKey",
     SERVICE "test: t\ngiven: {}\nask: {service: s, at: 2024-01-01, ids: 1, id: 1}\n"
             "expect: {x: 1}\n",
     26, "no key or request column 'ids'; did you mean 'id'?"},
    {"AskNoKey", SERVICE "test: t\ngiven: {}\nask: {service: s, at: 2024-01-01}\nexpect: {x: 1}\n",
     26, "the key 'id' (int64) is missing"},
    {"NoExpect", SERVICE "test: t\ngiven: {}\n" ASK, 24, "'expect' is missing"},
    {"ExpectFeature", SERVICE "test: t\ngiven: {}\n" ASK "expect: {xx: 1}\n", 27,
     "has no feature 'xx'"},
};

std::string NameOf(const ::testing::TestParamInfo<ErrorCase>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Yaml, ParseErrors, ::testing::ValuesIn(kYaml), NameOf);
INSTANTIATE_TEST_SUITE_P(Kinds, ParseErrors, ::testing::ValuesIn(kKinds), NameOf);
INSTANTIATE_TEST_SUITE_P(Sources, ParseErrors, ::testing::ValuesIn(kSources), NameOf);
INSTANTIATE_TEST_SUITE_P(Tables, ParseErrors, ::testing::ValuesIn(kTables), NameOf);
INSTANTIATE_TEST_SUITE_P(Views, ParseErrors, ::testing::ValuesIn(kViews), NameOf);
INSTANTIATE_TEST_SUITE_P(TrainingSets, ParseErrors, ::testing::ValuesIn(kTrainingSets), NameOf);
INSTANTIATE_TEST_SUITE_P(Tests, ParseErrors, ::testing::ValuesIn(kTests), NameOf);
INSTANTIATE_TEST_SUITE_P(Services, ParseErrors, ::testing::ValuesIn(kServices), NameOf);

}  // namespace
}  // namespace icecore::spec
