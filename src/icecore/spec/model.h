#pragma once
// The definitions of a project as typed structs: what the YAML says after parsing, template
// expansion
// ("delays_by_{entity}") and the checks that need no data. Everything carries its Location.
// Source of the language: docs/language.md.

#include <arrow/type_fwd.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/spec/model_parts.h"
#include "icecore/spec/test_definition.h"
#include "icecore/spec/training_set.h"

namespace icecore::spec {

// ---- source -------------------------------------------------------------------------------------

struct FilesConnector {
  enum class Format { kCsv, kTsv, kJson, kParquet, kArrow, kDelta };
  enum class Load { kAppend, kSnapshot };
  enum class OnChange { kError, kAppend, kContinue };

  std::string path;  // a glob, relative to the project
  Format format = Format::kCsv;
  std::optional<std::string> member;  // inside zip files, a glob
  std::vector<std::string> null_values = {""};
  char delimiter = ',';  // '\t' for tsv
  char quote = '"';
  std::optional<char> escape;
  bool header = true;
  std::string encoding = "utf-8";  // utf-8 | latin-1 (iso-8859-1, windows-1252)
  int64_t skip_rows = 0;
  Load load = Load::kAppend;
  OnChange on_change = OnChange::kError;
  int64_t settle_us = 0;
  Location location;
};

struct ColumnContract {
  std::string name;
  std::shared_ptr<arrow::DataType> type;  // null: inferred
  std::string type_text;                  // as written
  bool required = false;
  std::optional<std::string> matches;  // regular expression (RE2 syntax), searched in the value
  std::optional<std::pair<Literal, Literal>> between;  // inclusive
  std::vector<Literal> in;
  std::optional<std::string> zone;  // of a naive or text timestamp
  enum class Ambiguous { kError, kEarlier, kLater } ambiguous = Ambiguous::kError;
  std::optional<int64_t> embedding_length;
  Severity severity = Severity::kError;  // of every rule of this column
  Documentation doc;
  Location location;
};

struct ContractRule {
  std::string name;
  ExpressionText expect;
  Severity severity = Severity::kError;
  Location location;
};

struct Contract {
  enum class NewColumns { kEvolve, kIgnore, kReject } new_columns = NewColumns::kEvolve;
  std::vector<ColumnContract> columns;
  std::vector<ContractRule> rules;
  Location location;
};

struct Schedule {
  std::string cron;
  std::string zone = "UTC";
};

struct Freshness {
  std::optional<int64_t> warn_after_us;
  std::optional<int64_t> error_after_us;
};

struct Source {
  std::string name;
  bool is_push = false;  // rows are sent to us; `files` then says that they are JSON
  FilesConnector files;  // other connectors join as further members behind a variant
  std::optional<Schedule> schedule;
  Freshness freshness;
  Contract contract;
  std::vector<std::string>
      key;  // of `load: snapshot`: what makes a row the same row in the next file
  Location key_location;
  bool is_static = false;  // true for all time: joined without a known time
  Documentation doc;
  Location location;
  std::string text;  // the YAML document as written
};

// ---- times --------------------------------------------------------------------------------------

// event_time: a column, or `always`.
struct EventTime {
  bool always = false;
  std::string column;
  Location location;
};

// known_at: column | event_time | arrival | {delay: d} | {snapshot: column, else: arrival}
struct KnownAt {
  enum class Kind { kColumn, kEventTime, kArrival, kDelay, kSnapshot } kind = Kind::kEventTime;
  std::string column;
  int64_t delay_us = 0;
  Location location;
};

// ---- table --------------------------------------------------------------------------------------

struct Check {
  enum class Kind {
    kNotNull,
    kUnique,
    kReferences,
    kIn,
    kBetween,
    kMatches,
    kExpect,
    kRowCount,
    kEqualRows,
    kFresh
  };
  Kind kind = Kind::kExpect;
  std::string name;                  // as given, else made from kind and columns
  std::vector<std::string> columns;  // not_null, unique; the one column of in, between, matches
  // references: {column: zone.table.column}
  std::vector<std::pair<std::string, std::string>> references;
  std::vector<Literal> values;    // in; between and row_count as two literals
  std::string pattern;            // matches
  ExpressionText expect;          // expect
  std::string other_table;        // equal_rows
  std::optional<int64_t> age_us;  // fresh
  std::optional<ExpressionText> where;
  std::optional<double> mostly;
  Severity severity = Severity::kError;
  Location location;
};

struct DropRule {
  std::string name;
  ExpressionText when;
  Location location;
};

struct Table {
  enum class Zone { kProcessing, kCurated };
  enum class Mode { kAppend, kMerge, kReplace };
  enum class Rows { kOnePerInput, kAtMostOne, kMany };

  std::string name;
  Zone zone = Zone::kProcessing;
  std::optional<std::string> each;  // full name of the driver, e.g. "landing.flights"
  Location each_location;
  std::string sql;        // variables already replaced
  Location sql_location;  // of the first line of the SQL text
  Mode mode = Mode::kAppend;
  std::vector<std::string> key;
  std::vector<std::string> order_by;
  Rows rows = Rows::kOnePerInput;
  std::vector<DropRule> drop;
  std::vector<Check> checks;
  bool is_static = false;
  std::vector<std::string> allow_current;  // short or full names
  std::optional<EventTime> event_time;
  std::optional<KnownAt> known_at;
  Documentation doc;
  Location location;
  std::string text;  // the YAML document as written

  std::string FullName() const;  // "processing.flights"
};

// ---- entity, view, service ----------------------------------------------------------------------

struct KeyColumn {
  std::string name;
  std::shared_ptr<arrow::DataType> type;
  std::string type_text;
  Location location;
};

struct Entity {
  std::string name;
  std::vector<KeyColumn> keys;
  Documentation doc;
  Location location;
  std::string text;  // the YAML document as written
};

enum class AggregateKind {
  kCount,
  kCountDistinct,
  kSum,
  kMean,
  kMin,
  kMax,
  kStddev,
  kVariance,
  kFirst,
  kLast,
  kLastN,
  kQuantile,
  kTopN,
};

struct AggregateText {
  AggregateKind kind = AggregateKind::kCount;
  int64_t n = 0;       // last_n, top_n
  double q = 0;        // quantile
  std::string suffix;  // as part of generated names: "mean", "p95", "last_3"
};

struct Window {
  std::string text;  // as written, part of the feature's name
  int64_t length_us = 0;
  int64_t hop_us = 0;  // 0 = exact; the default hop is filled in
};

// One feature with its final name within the view; `aggregates` x `windows` lists are expanded,
// in the order written (aggregates outer, windows inner).
struct Feature {
  enum class Kind { kAsOf, kAggregate, kExpression };
  std::string name;  // "arr_delay_1h", "temp", "delay_per_100_miles"
  Kind kind = Kind::kAsOf;
  std::string of;  // the table's column; "" for a count of rows
  AggregateText aggregate;
  std::optional<Window> window;              // kAggregate
  std::optional<ExpressionText> where;       // the feature's own
  std::optional<ExpressionText> expression;  // kExpression
  std::optional<Literal> default_value;
  Documentation doc;
  Location location;
};

// inputs: {delay: delays_by_carrier.arr_delay_1h}
struct ViewInput {
  std::string name;
  std::string view;
  std::string feature;
  Location location;
};

struct FeatureView {
  std::string name;
  // Of a view over a table:
  std::string entity;
  std::map<std::string, std::string> keys;  // entity key -> the table's column; only those renamed
  std::string from;                         // full name of the table
  Location entity_location;
  Location from_location;
  std::optional<EventTime> event_time;  // nullopt: the table's own; still none is an error at plan
  std::optional<KnownAt> known_at;      // nullopt: the table's own, else the default
  std::optional<int64_t> ttl_us;
  std::optional<ExpressionText> where;  // of the view
  bool exclude_at = false;
  bool online = false;
  // Of a view computed when asked (`from` empty):
  std::vector<KeyColumn> request;
  std::vector<ViewInput> inputs;

  std::vector<Feature> features;
  Documentation doc;
  Location location;
  std::string text;  // the YAML document as written

  bool on_request() const { return from.empty(); }
  const Feature* FindFeature(const std::string& feature) const;
};

// One entry of a service's list.
struct ServiceEntry {
  std::string view;
  std::vector<std::string> only;            // feature names, in the order wanted; empty: all
  std::map<std::string, std::string> keys;  // entity key -> spine column; only those renamed
  std::string prefix;
  std::map<std::string, std::string> as;  // feature -> final name
  Location location;
};

struct FeatureService {
  std::string name;
  std::vector<ServiceEntry> entries;
  Documentation doc;
  Location location;
  std::string text;  // the YAML document as written
};

// ---- project ------------------------------------------------------------------------------------

// How to reach a lake that is no folder; references unresolved. "" or nullopt: the environment and
// the store's own configuration decide.
struct LakeAccess {
  std::string endpoint;
  std::string region;
  std::optional<bool> path_style;
  std::string profile;
};

// What is logged of served vectors, for `icecore verify`.
struct ServedLogSettings {
  double fraction = 0.01;  // of keys; 0: nothing is logged
  int64_t max_mib = 256;   // of all its files together
};

// What one server takes and how long it waits; nullopt: as docs/http.md has it.
struct ServeLimits {
  std::optional<int64_t> workers;      // requests that wait for a store at the same time
  std::optional<int64_t> rows;         // of a call
  std::optional<int64_t> body_mib;     // of a request
  std::optional<int64_t> connections;  // at the same time
  std::optional<int64_t> waiting;      // requests, for a worker
  std::optional<int64_t> request_us;   // from its first byte to its last
  std::optional<int64_t> answer_us;    // from there to its answer
  std::optional<int64_t> idle_us;      // between requests of a connection
  std::optional<int64_t> drain_us;     // of what is under way when the server is stopped
};

// How `icecore serve` answers; what the command line says comes before. References unresolved,
// paths relative to the project. "": not said.
struct ServeSettings {
  std::string http;      // "ADDRESS:PORT"
  std::string tls_cert;  // PEM, the server's certificate first, then those between it and the root
  std::string tls_key;   // PEM
  std::string tokens = ".icecore/tokens";
  ServeLimits limits;         // icecore.yaml only
  bool insecure = false;      // command line only
  bool log_requests = false;  // command line only
  Location location;
};

// How to reach an online store that is no folder; references unresolved. "": not said.
struct OnlineAccess {
  std::string username;
  std::string password;
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
  std::string endpoint;
  std::string profile;
};

struct Project {
  std::string root;  // absolute folder
  std::string name;
  int language = 1;
  std::string lake = "lake";  // a folder or s3://BUCKET[/PREFIX]
  LakeAccess lake_access;
  std::string catalog = ".icecore/catalog.db";
  std::string online = "lmdb:.icecore/online";
  int64_t memory_bytes = int64_t{1} << 30;  // what a training set may hold at once, about
  int64_t feature_log_rows = 100'000;       // views over tables from so many rows on get a log
  ServeSettings serve;
  OnlineAccess online_access;
  std::optional<int64_t> now_us;
  ServedLogSettings served_log;
  std::map<std::string, std::string> variables;
  Location location;

  std::vector<Source> sources;
  std::vector<Table> tables;
  std::vector<Entity> entities;
  std::vector<FeatureView> views;
  std::vector<FeatureService> services;
  std::vector<TrainingSet> training_sets;
  std::vector<DefinitionTest> tests;

  const Source* FindSource(const std::string& name) const;
  const Table* FindTable(const std::string& full_name) const;  // "processing.x"
  const Entity* FindEntity(const std::string& name) const;
  const FeatureView* FindView(const std::string& name) const;
  const FeatureService* FindService(const std::string& name) const;
  const TrainingSet* FindTrainingSet(const std::string& name) const;
};

// What decides the bytes a definition produces, as SHA-256 hex of a canonical text; documentation,
// owners, tags and locations are left out.
std::string Fingerprint(const Source& source);
std::string Fingerprint(const Table& table);
std::string Fingerprint(const FeatureView& view, const Entity* entity);
// Of what decides which rows the view's features are computed from, under which keys, and when each
// counts: not the features themselves, nor what is applied when they are read (ttl, defaults).
std::string RowsFingerprint(const FeatureView& view, const Entity* entity);
std::string Fingerprint(const FeatureService& service);
std::string Fingerprint(const TrainingSet& set);
std::string Fingerprint(const DefinitionTest& test);

}  // namespace icecore::spec
