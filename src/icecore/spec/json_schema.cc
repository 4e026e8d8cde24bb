// The JSON Schema of the definitions. Kept beside the parser: a key that is added there is added
// here.

#include "icecore/spec/parse.h"

namespace icecore::spec {
namespace {

constexpr char kShared[] = R"json(
  "variable": {"type": "string", "pattern": "\\{\\{ *[A-Za-z0-9_]+ *\\}\\}"},
  "name": {"anyOf": [{"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_]*$"}, {"$ref": "#/$defs/variable"}]},
  "bool": {"anyOf": [{"type": "boolean"}, {"$ref": "#/$defs/variable"}]},
  "duration": {"description": "A whole number and a unit: 90s, 15m, 26h, 7d",
    "anyOf": [{"type": "string", "pattern": "^[0-9]+(us|ms|s|m|h|d)$"}, {"$ref": "#/$defs/variable"}]},
  "number": {"anyOf": [{"type": "number"}, {"$ref": "#/$defs/variable"}]},
  "value": {"type": ["string", "number", "boolean"]},
  "text": {"type": ["string", "number", "boolean"]},
  "texts": {"anyOf": [{"$ref": "#/$defs/text"}, {"type": "array", "items": {"$ref": "#/$defs/text"}}]},
  "tags": {"$ref": "#/$defs/texts", "description": "Words to select by, as in tag:daily"},
  "description": {"$ref": "#/$defs/text", "description": "For readers; changes no fingerprint"},
  "owner": {"$ref": "#/$defs/text", "description": "Who answers for it"},
  "deprecated": {"$ref": "#/$defs/bool", "description": "Still works, should no longer be used"},
  "unit": {"$ref": "#/$defs/text", "description": "Unit of the values"},
  "classify": {"$ref": "#/$defs/text", "description": "Class of the data, for policies"},
  "expression": {"type": "string", "minLength": 1, "description": "In the expression language (docs/expressions.md)"},
  "severity": {"enum": ["warn", "error", "fail"],
    "description": "warn: pass and count; error: quarantine, or stop the commit; fail: stop the run"},
  "type": {"type": "string", "description": "bool, int8 to int64, uint8 to uint64, float32, float64, decimal(p,s), string, binary, date, time, timestamp, local_timestamp, list<T>, struct<a: T>, map<K,V>, embedding(n)"},
  "bounds": {"type": "array", "items": {"type": ["string", "number", "boolean", "null"]}, "minItems": 2, "maxItems": 2,
    "description": "[least, greatest], both included"},
  "names_to_names": {"type": "object", "additionalProperties": {"$ref": "#/$defs/text"}},
  "event_time": {"$ref": "#/$defs/text",
    "description": "When it happened: a column, or always for facts without time"},
  "known_at": {"description": "When it was known",
    "anyOf": [
      {"type": "string", "description": "event_time, arrival or a column"},
      {"type": "object", "additionalProperties": false, "required": ["delay"],
       "properties": {"delay": {"$ref": "#/$defs/duration", "description": "event_time plus this"}}},
      {"type": "object", "additionalProperties": false, "required": ["snapshot"],
       "properties": {"snapshot": {"$ref": "#/$defs/text"}, "else": {"const": "arrival"}}}]},
  "key_columns": {"type": "array", "items": {"type": "object", "additionalProperties": false, "required": ["name", "type"],
    "properties": {"name": {"$ref": "#/$defs/text"}, "type": {"$ref": "#/$defs/type"},
      "description": {"$ref": "#/$defs/description"}, "owner": {"$ref": "#/$defs/owner"}, "tags": {"$ref": "#/$defs/tags"},
      "deprecated": {"$ref": "#/$defs/deprecated"}, "unit": {"$ref": "#/$defs/unit"}, "classify": {"$ref": "#/$defs/classify"}}}},
  "windows": {"description": "Lengths, as they end the feature's name",
    "anyOf": [{"$ref": "#/$defs/duration"}, {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/duration"}}]},
  "hop": {"$ref": "#/$defs/duration",
    "description": "Step of the window's tail; 0s is exact; default 5m below 12h, 1h below 12d, else 1d"},
  "aggregate": {"type": "string",
    "pattern": "^(count|count_distinct|sum|mean|min|max|stddev|variance|first|last|quantile *\\( *[0-9.eE+-]+ *\\)|(last|top)_n *\\( *[0-9]+ *\\))$",
    "description": "count count_distinct sum mean min max stddev variance first last last_n(n) quantile(q) top_n(n)"},
)json";

constexpr char kProject[] = R"json(
  "project": {"type": "object", "additionalProperties": false, "required": ["project"],
    "description": "icecore.yaml",
    "properties": {
      "language": {"const": 1}, "project": {"$ref": "#/$defs/text", "description": "The project's name"},
      "lake": {"description": "Where the tables are: a folder, or s3://BUCKET/PREFIX", "anyOf": [{"type": "string"},
        {"type": "object", "additionalProperties": false, "required": ["url"], "properties": {
          "url": {"type": "string", "description": "s3://BUCKET/PREFIX"},
          "endpoint": {"type": "string", "description": "http(s)://HOST:PORT of a store that is not AWS"},
          "region": {"type": "string"},
          "path_style": {"$ref": "#/$defs/bool", "description": "The bucket stands in the path; true where an endpoint is given"},
          "profile": {"type": "string", "description": "Of ~/.aws/credentials and ~/.aws/config"}}}]},
      "catalog": {"type": "string", "description": "File of the history"},
      "online": {"description": "The online store: lmdb:FOLDER, redis://HOST:PORT, rediss://HOST:PORT, dynamodb://REGION/PREFIX", "anyOf": [{"type": "string"},
        {"type": "object", "additionalProperties": false, "required": ["url"], "properties": {
          "url": {"type": "string", "description": "As above"},
          "username": {"type": "string", "description": "Redis: the user to log in as"},
          "password": {"type": "string", "description": "Redis: ${NAME} or ${file:PATH}"},
          "ca_file": {"type": "string", "description": "rediss: PEM of who signed the server's certificate; default: the system's"},
          "cert_file": {"type": "string", "description": "rediss: PEM of our own certificate"},
          "key_file": {"type": "string", "description": "rediss: PEM of its key"},
          "endpoint": {"type": "string", "description": "DynamoDB: http(s)://HOST:PORT of an endpoint that is not AWS"},
          "profile": {"type": "string", "description": "DynamoDB: of ~/.aws/credentials and ~/.aws/config"}}}]},
      "memory": {"type": "string", "pattern": "^[0-9]+(MB|GB)$", "description": "What a training set or a fresh online load may hold at once, about: 1GB"},
      "feature_log_rows": {"type": "integer", "minimum": 0, "description": "Views over tables from so many rows on get a clustered log: 100000"},
      "serve": {"type": "object", "additionalProperties": false, "description": "How `icecore serve` answers",
        "dependentRequired": {"tls_cert": ["tls_key"], "tls_key": ["tls_cert"]}, "properties": {
          "http": {"type": "string", "description": "ADDRESS:PORT"},
          "tls_cert": {"type": "string", "description": "PEM file: the certificate, then those up to the root"},
          "tls_key": {"type": "string", "description": "PEM file: its private key"},
          "tokens": {"type": "string", "description": "File of access tokens; .icecore/tokens"},
          "limits": {"type": "object", "additionalProperties": false, "description": "What a server takes, and how long it waits", "properties": {
            "workers": {"type": "integer", "minimum": 1, "maximum": 256, "description": "Requests that wait for a store at the same time; by default half the cores (2 to 16), 16 for Redis and DynamoDB"},
            "rows": {"type": "integer", "minimum": 1, "maximum": 1000000, "description": "Of a call: 10000"},
            "body_mib": {"type": "integer", "minimum": 1, "maximum": 1024, "description": "Of a request: 4"},
            "connections": {"type": "integer", "minimum": 1, "maximum": 100000, "description": "At the same time: 1024"},
            "waiting": {"type": "integer", "minimum": 1, "maximum": 100000, "description": "Requests that wait for a worker: 256"},
            "request": {"type": "string", "description": "From the first byte of a request to its last: 10s"},
            "answer": {"type": "string", "description": "From the last byte of a request to its answer: 10s"},
            "idle": {"type": "string", "description": "Between requests of a connection: 60s"},
            "drain": {"type": "string", "description": "For what is under way when the server is stopped: 15s"}}}}},
      "now": {"type": "string", "description": "The project's clock stands here; for examples, tests and replays"},
      "served_log": {"type": "object", "additionalProperties": false, "description": "What is logged of served vectors, for icecore verify",
        "properties": {
          "fraction": {"type": "number", "minimum": 0, "maximum": 1, "description": "Of keys; default 0.01, 0 logs nothing"},
          "max_mib": {"type": "integer", "minimum": 1, "description": "Of all its files together; default 256"}}},
      "variables": {"type": "object", "additionalProperties": {"$ref": "#/$defs/value"},
        "description": "Values for {{name}} in YAML values and SQL"},
      "description": {"$ref": "#/$defs/description"}, "owner": {"$ref": "#/$defs/owner"}}},
)json";

constexpr char kSource[] = R"json(
  "files": {"type": "object", "additionalProperties": false, "required": ["path"],
    "properties": {
      "path": {"type": "string", "description": "A glob, relative to the project; files are taken in path order"},
      "format": {"enum": ["csv", "tsv", "json", "parquet", "arrow", "delta"]},
      "member": {"type": "string", "description": "Inside zip files, a glob"},
      "null_values": {"$ref": "#/$defs/texts", "description": "Texts that mean null"},
      "delimiter": {"type": "string"}, "quote": {"type": "string"}, "escape": {"type": "string"},
      "header": {"$ref": "#/$defs/bool"}, "encoding": {"enum": ["utf-8", "latin-1", "iso-8859-1", "windows-1252"]},
      "skip_rows": {"type": "integer", "minimum": 0},
      "load": {"enum": ["append", "snapshot"], "description": "append: files add up; snapshot: each file is the whole truth"},
      "on_change": {"enum": ["error", "append", "continue"], "description": "When a known path has new bytes"},
      "settle": {"$ref": "#/$defs/duration", "description": "A file younger than this waits"}}},
  "column": {"type": "object", "additionalProperties": false, "required": ["name"],
    "properties": {
      "name": {"$ref": "#/$defs/text"}, "type": {"$ref": "#/$defs/type"},
      "required": {"$ref": "#/$defs/bool", "description": "Null breaks the contract"},
      "matches": {"type": "string", "description": "A regular expression, searched in the value"},
      "between": {"$ref": "#/$defs/bounds"},
      "in": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/value"}},
      "zone": {"type": "string", "description": "Time zone of a naive or text timestamp"},
      "ambiguous": {"enum": ["error", "earlier", "later"]}, "severity": {"$ref": "#/$defs/severity"},
      "description": {"$ref": "#/$defs/description"}, "owner": {"$ref": "#/$defs/owner"}, "tags": {"$ref": "#/$defs/tags"},
      "deprecated": {"$ref": "#/$defs/deprecated"}, "unit": {"$ref": "#/$defs/unit"}, "classify": {"$ref": "#/$defs/classify"}}},
  "rule": {"type": "object", "additionalProperties": false, "required": ["name", "expect"],
    "properties": {"name": {"$ref": "#/$defs/text"}, "expect": {"$ref": "#/$defs/expression"},
      "severity": {"$ref": "#/$defs/severity"}, "description": {"$ref": "#/$defs/description"}}},
  "contract": {"type": "object", "additionalProperties": false,
    "properties": {
      "new_columns": {"enum": ["evolve", "ignore", "reject"]},
      "columns": {"type": "array", "items": {"$ref": "#/$defs/column"}},
      "rules": {"type": "array", "items": {"$ref": "#/$defs/rule"}}}},
  "source": {"type": "object", "additionalProperties": false, "required": ["source", "from"],
    "description": "Data that come in, and what each row must keep",
    "properties": {
      "source": {"$ref": "#/$defs/name"},
      "from": {"type": "object", "additionalProperties": false, "minProperties": 1, "maxProperties": 1,
        "properties": {"files": {"$ref": "#/$defs/files"},
          "push": {"type": "object", "additionalProperties": false,
            "description": "Rows are sent to us: icecore push, POST /push"}}},
      "schedule": {"type": "object", "additionalProperties": false, "required": ["cron"],
        "properties": {"cron": {"type": "string"}, "zone": {"type": "string"}}},
      "freshness": {"type": "object", "additionalProperties": false,
        "properties": {"warn_after": {"$ref": "#/$defs/duration"}, "error_after": {"$ref": "#/$defs/duration"}}},
      "contract": {"$ref": "#/$defs/contract"},
      "key": {"$ref": "#/$defs/texts", "description": "Of load: snapshot: what makes a row the same row in the next file"},
      "static": {"$ref": "#/$defs/bool", "description": "True for all time: joined without a known time"},
      "description": {"$ref": "#/$defs/description"}, "owner": {"$ref": "#/$defs/owner"}, "tags": {"$ref": "#/$defs/tags"},
      "deprecated": {"$ref": "#/$defs/deprecated"}}},
)json";

constexpr char kTable[] = R"json(
  "check": {"type": "object", "additionalProperties": false,
    "oneOf": [{"required": ["not_null"]}, {"required": ["unique"]}, {"required": ["references"]}, {"required": ["in"]},
      {"required": ["between"]}, {"required": ["matches"]}, {"required": ["expect"]}, {"required": ["row_count"]},
      {"required": ["equal_rows"]}, {"required": ["fresh"]}],
    "properties": {
      "not_null": {"$ref": "#/$defs/texts"}, "unique": {"$ref": "#/$defs/texts"},
      "references": {"$ref": "#/$defs/names_to_names", "description": "{column: zone.table.column}"},
      "in": {"type": "object", "minProperties": 1, "maxProperties": 1,
        "additionalProperties": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/value"}}},
      "between": {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": {"$ref": "#/$defs/bounds"}},
      "matches": {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": {"type": "string"}},
      "expect": {"$ref": "#/$defs/expression"},
      "row_count": {"anyOf": [{"type": "integer"}, {"$ref": "#/$defs/bounds"}, {"$ref": "#/$defs/variable"}]},
      "equal_rows": {"type": "string", "description": "A table with as many rows"},
      "fresh": {"$ref": "#/$defs/duration"},
      "name": {"$ref": "#/$defs/text"}, "severity": {"$ref": "#/$defs/severity"},
      "mostly": {"$ref": "#/$defs/number", "description": "The share of rows that must pass"},
      "where": {"$ref": "#/$defs/expression"}, "description": {"$ref": "#/$defs/description"}}},
  "table": {"type": "object", "additionalProperties": false, "required": ["table", "zone", "sql", "mode"],
    "description": "A table made by SQL",
    "properties": {
      "table": {"$ref": "#/$defs/name"}, "zone": {"enum": ["processing", "curated"]},
      "each": {"type": "string", "description": "The driver: the table whose new rows the SQL is applied to"},
      "sql": {"type": "string", "minLength": 1, "description": "SQL, or file:NAME.sql beside this file"},
      "mode": {"enum": ["append", "merge", "replace"]},
      "key": {"$ref": "#/$defs/texts"}, "order_by": {"$ref": "#/$defs/texts", "description": "The greatest wins"},
      "rows": {"enum": ["one_per_input", "at_most_one", "many"]},
      "drop": {"type": "array", "items": {"type": "object", "additionalProperties": false, "required": ["name", "when"],
        "properties": {"name": {"$ref": "#/$defs/text"}, "when": {"$ref": "#/$defs/expression"}, "description": {"$ref": "#/$defs/description"}}}},
      "checks": {"type": "array", "items": {"$ref": "#/$defs/check"}},
      "static": {"$ref": "#/$defs/bool"}, "allow_current": {"$ref": "#/$defs/texts"},
      "event_time": {"$ref": "#/$defs/event_time"}, "known_at": {"$ref": "#/$defs/known_at"},
      "description": {"$ref": "#/$defs/description"}, "owner": {"$ref": "#/$defs/owner"}, "tags": {"$ref": "#/$defs/tags"},
      "deprecated": {"$ref": "#/$defs/deprecated"}}},
)json";

constexpr char kView[] = R"json(
  "entity": {"type": "object", "additionalProperties": false, "required": ["entity", "keys"],
    "description": "What features are about, and its key",
    "properties": {"entity": {"$ref": "#/$defs/name"}, "keys": {"$ref": "#/$defs/key_columns"},
      "description": {"$ref": "#/$defs/description"}, "owner": {"$ref": "#/$defs/owner"}, "tags": {"$ref": "#/$defs/tags"},
      "deprecated": {"$ref": "#/$defs/deprecated"}}},
  "feature": {"anyOf": [
    {"type": "string", "description": "A column of the table, as of t"},
    {"type": "object", "additionalProperties": false, "anyOf": [{"required": ["name"]}, {"required": ["of"]}],
      "properties": {
        "name": {"$ref": "#/$defs/text"}, "of": {"$ref": "#/$defs/text", "description": "A column of the table"},
        "aggregate": {"$ref": "#/$defs/aggregate"},
        "aggregates": {"anyOf": [{"$ref": "#/$defs/aggregate"}, {"type": "array", "items": {"$ref": "#/$defs/aggregate"}}]},
        "windows": {"$ref": "#/$defs/windows"}, "hop": {"$ref": "#/$defs/hop"}, "where": {"$ref": "#/$defs/expression"},
        "default": {"type": ["string", "number", "boolean", "null"], "description": "Replaces null at the very end"},
        "description": {"$ref": "#/$defs/description"}, "owner": {"$ref": "#/$defs/owner"}, "tags": {"$ref": "#/$defs/tags"},
        "deprecated": {"$ref": "#/$defs/deprecated"}, "unit": {"$ref": "#/$defs/unit"}, "classify": {"$ref": "#/$defs/classify"}}}]},
  "request_feature": {"type": "object", "additionalProperties": false, "required": ["name", "expression"],
    "properties": {"name": {"$ref": "#/$defs/text"}, "expression": {"$ref": "#/$defs/expression"},
      "default": {"type": ["string", "number", "boolean", "null"]},
      "description": {"$ref": "#/$defs/description"}, "owner": {"$ref": "#/$defs/owner"}, "tags": {"$ref": "#/$defs/tags"},
      "deprecated": {"$ref": "#/$defs/deprecated"}, "unit": {"$ref": "#/$defs/unit"}, "classify": {"$ref": "#/$defs/classify"}}},
  "feature_view": {"type": "object", "additionalProperties": false, "required": ["feature_view", "entity", "from", "features"],
    "description": "Features of one entity, from one table",
    "properties": {
      "feature_view": {"type": "string", "description": "The name; {entity} in it makes one view per entity"},
      "entity": {"$ref": "#/$defs/texts"}, "from": {"type": "string", "description": "zone.table"},
      "keys": {"$ref": "#/$defs/names_to_names", "description": "{entity key: column of the table}"},
      "event_time": {"$ref": "#/$defs/event_time"}, "known_at": {"$ref": "#/$defs/known_at"},
      "ttl": {"$ref": "#/$defs/duration", "description": "Older values are null"},
      "where": {"$ref": "#/$defs/expression", "description": "Rows that count"},
      "exclude_at": {"$ref": "#/$defs/bool", "description": "e < t instead of e <= t"},
      "online": {"$ref": "#/$defs/bool", "description": "Keep it in the online store"},
      "windows": {"$ref": "#/$defs/windows"}, "hop": {"$ref": "#/$defs/hop"},
      "features": {"type": "array", "items": {"$ref": "#/$defs/feature"}},
      "description": {"$ref": "#/$defs/description"}, "owner": {"$ref": "#/$defs/owner"}, "tags": {"$ref": "#/$defs/tags"},
      "deprecated": {"$ref": "#/$defs/deprecated"}}},
  "request_view": {"type": "object", "additionalProperties": false, "required": ["feature_view", "features"],
    "anyOf": [{"required": ["request"]}, {"required": ["inputs"]}],
    "description": "Features computed when asked, from request data and other features",
    "properties": {
      "feature_view": {"$ref": "#/$defs/name"}, "request": {"$ref": "#/$defs/key_columns"},
      "inputs": {"anyOf": [{"$ref": "#/$defs/names_to_names"}, {"type": "array", "items": {"type": "string"}}],
        "description": "{name: view.feature}, or a list of features under their own names"},
      "features": {"type": "array", "items": {"$ref": "#/$defs/request_feature"}},
      "description": {"$ref": "#/$defs/description"}, "owner": {"$ref": "#/$defs/owner"}, "tags": {"$ref": "#/$defs/tags"},
      "deprecated": {"$ref": "#/$defs/deprecated"}}},
)json";

constexpr char kService[] = R"json(
  "feature_service": {"type": "object", "additionalProperties": false, "required": ["feature_service", "features"],
    "description": "The features of one model, in order",
    "properties": {
      "feature_service": {"$ref": "#/$defs/name"},
      "features": {"type": "array", "minItems": 1, "items": {"anyOf": [
        {"type": "string", "description": "view, or view.feature"},
        {"type": "object", "additionalProperties": false, "required": ["view"],
          "properties": {
            "view": {"type": "string"}, "only": {"$ref": "#/$defs/texts", "description": "These, in this order"},
            "keys": {"$ref": "#/$defs/names_to_names", "description": "{entity key: column of the spine}"},
            "prefix": {"$ref": "#/$defs/text", "description": "Before every name that as does not give"},
            "as": {"$ref": "#/$defs/names_to_names", "description": "{feature: other name}"}}}]}},
      "description": {"$ref": "#/$defs/description"}, "owner": {"$ref": "#/$defs/owner"}, "tags": {"$ref": "#/$defs/tags"},
      "deprecated": {"$ref": "#/$defs/deprecated"}}}
)json";

constexpr char kTrainingSet[] = R"json(,
  "bound": {"anyOf": [{"type": "string", "pattern": "^<=? *[0-9]{4}-[0-9]{2}-[0-9]{2}"}, {"$ref": "#/$defs/variable"}],
    "description": "< TIME or <= TIME"},
  "training_set": {"type": "object", "additionalProperties": false, "required": ["training_set", "service", "spine"],
    "description": "Rows, their features as they were known, and their label: icecore training-set NAME",
    "properties": {
      "training_set": {"$ref": "#/$defs/name"}, "service": {"$ref": "#/$defs/text", "description": "The feature service"},
      "spine": {"description": "The rows asked about", "anyOf": [
        {"type": "string", "minLength": 1, "description": "SQL over the zones, or file:NAME.sql beside this file"},
        {"type": "object", "additionalProperties": false, "required": ["file"], "properties": {
          "file": {"type": "string", "description": "A .parquet, .csv or .arrow file, relative to the project"}}}]},
      "label": {"type": "object", "additionalProperties": false, "required": ["column"], "properties": {
        "column": {"$ref": "#/$defs/text", "description": "A column of the spine"},
        "known_at": {"$ref": "#/$defs/text", "description": "The column that says when the label was known"},
        "mature_after": {"$ref": "#/$defs/duration", "description": "A row's label counts this long after its event_timestamp"}}},
      "cut": {"$ref": "#/$defs/text", "description": "Labels known later are pending; default: now"},
      "sample": {"type": "object", "additionalProperties": false, "required": ["fraction", "by"], "properties": {
        "fraction": {"$ref": "#/$defs/number", "description": "Above 0, at most 1"},
        "by": {"$ref": "#/$defs/texts", "description": "Columns that are hashed: rows equal in them stay together"},
        "seed": {"anyOf": [{"type": "integer"}, {"$ref": "#/$defs/variable"}]}}},
      "split": {"type": "object", "additionalProperties": false, "required": ["train"], "properties": {
        "by": {"$ref": "#/$defs/text", "description": "A column of times; default event_timestamp"},
        "train": {"$ref": "#/$defs/bound"}, "valid": {"$ref": "#/$defs/bound"}, "test": {"$ref": "#/$defs/bound"},
        "gap": {"$ref": "#/$defs/duration", "description": "Left out after each bound that another part follows"}}},
      "description": {"$ref": "#/$defs/description"}, "owner": {"$ref": "#/$defs/owner"}, "tags": {"$ref": "#/$defs/tags"},
      "deprecated": {"$ref": "#/$defs/deprecated"}}},
  "test": {"type": "object", "additionalProperties": false, "required": ["test", "given", "ask", "expect"],
    "description": "Rows, a question and its answer: icecore test",
    "properties": {
      "test": {"$ref": "#/$defs/name"},
      "given": {"type": "object", "description": "{zone.table: rows}; other tables are empty, or computed from these",
        "additionalProperties": {"type": "array", "items": {"type": "object"}}},
      "ask": {"type": "object", "required": ["service", "at"], "description": "service, at, and the keys and request data",
        "properties": {"service": {"$ref": "#/$defs/text"}, "at": {"$ref": "#/$defs/text", "description": "The time asked for"}}},
      "expect": {"type": "object", "minProperties": 1, "description": "{feature: value}"},
      "description": {"$ref": "#/$defs/description"}, "owner": {"$ref": "#/$defs/owner"}, "tags": {"$ref": "#/$defs/tags"},
      "deprecated": {"$ref": "#/$defs/deprecated"}}}
)json";

constexpr char kHead[] = R"json({
"$schema": "https://json-schema.org/draft/2020-12/schema",
"title": "Icecore definitions, language 1",
"description": "One YAML document: icecore.yaml, or a definition whose first key is its kind",
"anyOf": [{"$ref": "#/$defs/project"}, {"$ref": "#/$defs/source"}, {"$ref": "#/$defs/table"}, {"$ref": "#/$defs/entity"},
  {"$ref": "#/$defs/feature_view"}, {"$ref": "#/$defs/request_view"}, {"$ref": "#/$defs/feature_service"},
  {"$ref": "#/$defs/training_set"}, {"$ref": "#/$defs/test"}, {"type": "null"}],
"$defs": {)json";

}  // namespace

std::string JsonSchema() {
  return std::string(kHead) + kShared + kProject + kSource + kTable + kView + kService +
         kTrainingSet + "}\n}\n";
}

}  // namespace icecore::spec
