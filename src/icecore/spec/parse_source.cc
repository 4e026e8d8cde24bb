#include <arrow/type.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "icecore/base/suggest.h"
#include "icecore/spec/parse_internal.h"

namespace icecore::spec {
namespace {

using Format = FilesConnector::Format;

const std::vector<std::string>& FormatNames() {
  static const std::vector<std::string> names = {"csv", "tsv", "json", "parquet", "arrow", "delta"};
  return names;
}

const std::vector<std::string>& LaterConnectors() {
  static const std::vector<std::string> names = {"adbc",         "kafka",     "kinesis", "pubsub",
                                                 "postgres_cdc", "mysql_cdc", "rest",    "webhook"};
  return names;
}

std::optional<Format> FormatOfPath(std::string_view path) {
  for (const char* packing : {".gz", ".zst", ".zip"}) {
    if (path.ends_with(packing)) {
      path.remove_suffix(std::string_view(packing).size());
    }
  }
  const std::pair<const char*, Format> endings[] = {
      {".csv", Format::kCsv},    {".tsv", Format::kTsv},     {".json", Format::kJson},
      {".jsonl", Format::kJson}, {".ndjson", Format::kJson}, {".parquet", Format::kParquet},
      {".arrow", Format::kArrow}};
  for (const auto& [ending, format] : endings) {
    if (path.ends_with(ending)) {
      return format;
    }
  }
  return std::nullopt;
}

void ReadFormat(MapReader* reader, FilesConnector* files) {
  if (const auto choice = reader->TakeChoice("format", FormatNames())) {
    files->format = static_cast<Format>(*choice);
  } else if (!reader->Has("format") && !files->path.empty()) {
    const auto format = FormatOfPath(files->path);
    if (!format) {
      reader->Error(reader->location(), "'format' is missing, and the path does not tell it");
    }
    files->format = format.value_or(Format::kCsv);
  }
}

std::optional<char> TakeChar(MapReader* reader, std::string_view key) {
  const auto text = reader->TakeText(key);
  if (!text) {
    return std::nullopt;
  }
  if (*text == "\\t") {
    return '\t';
  }
  if (text->size() != 1 || *text == "\n" || *text == "\r") {
    reader->ErrorAt(key,
                    "'" + std::string(key) + "' must be one ASCII character, got '" + *text + "'");
    return std::nullopt;
  }
  return (*text)[0];
}

// Keys that only text with separators has.
void ReadCsvKeys(MapReader* reader, FilesConnector* files) {
  const bool is_csv = files->format == Format::kCsv || files->format == Format::kTsv;
  files->delimiter = files->format == Format::kTsv ? '\t' : ',';
  for (const char* key : {"delimiter", "quote", "escape", "header", "skip_rows"}) {
    if (!is_csv && reader->Has(key)) {
      reader->ErrorAt(key, "'" + std::string(key) + "' is for csv and tsv only");
    }
  }
  files->delimiter = TakeChar(reader, "delimiter").value_or(files->delimiter);
  files->quote = TakeChar(reader, "quote").value_or('"');
  files->escape = TakeChar(reader, "escape");
  files->header = reader->TakeBool("header", true);
  if (const auto rows = reader->TakeInt("skip_rows")) {
    if (*rows < 0) {
      reader->ErrorAt("skip_rows", "'skip_rows' must not be negative");
    }
    files->skip_rows = std::max<int64_t>(*rows, 0);
  }
  if (files->delimiter == files->quote) {
    reader->Error(reader->location(), "'delimiter' and 'quote' are the same character");
  }
}

void ReadTextKeys(MapReader* reader, FilesConnector* files) {
  const bool is_text = files->format == Format::kCsv || files->format == Format::kTsv ||
                       files->format == Format::kJson;
  if (!is_text && reader->Has("encoding")) {
    reader->ErrorAt("encoding", "'encoding' is for csv, tsv and json only");
  }
  static const std::vector<std::string> encodings = {"utf-8", "latin-1", "iso-8859-1",
                                                     "windows-1252"};
  if (const auto choice = reader->TakeChoice("encoding", encodings)) {
    files->encoding = encodings[*choice];
  }
  if (reader->Has("null_values")) {
    if (!is_text) {
      reader->ErrorAt("null_values", "'null_values' is for csv, tsv and json only");
    }
    files->null_values = reader->TakeTexts("null_values");
  } else {
    reader->Take("null_values");
  }
}

FilesConnector ReadFiles(const YamlValue& value, const std::string& what,
                         base::Diagnostics* diagnostics) {
  FilesConnector files;
  files.location = value.location;
  MapReader reader(value, what + ": 'files'", diagnostics);
  if (value.kind != YamlValue::Kind::kMap) {
    return files;
  }
  files.path = reader.RequireText("path");
  ReadFormat(&reader, &files);
  files.member = reader.TakeText("member");
  ReadCsvKeys(&reader, &files);
  ReadTextKeys(&reader, &files);
  if (const auto load = reader.TakeChoice("load", {"append", "snapshot"})) {
    files.load = *load == 0 ? FilesConnector::Load::kAppend : FilesConnector::Load::kSnapshot;
  }
  if (const auto change = reader.TakeChoice("on_change", {"error", "append", "continue"})) {
    files.on_change = static_cast<FilesConnector::OnChange>(*change);
    if (files.load == FilesConnector::Load::kSnapshot) {
      reader.ErrorAt("on_change", "'on_change' is for 'load: append' only");
    }
  }
  if (files.format == Format::kDelta) {
    for (const char* key : {"member", "on_change", "settle"}) {
      if (reader.Has(key)) {
        reader.ErrorAt(key, "'" + std::string(key) + "' is not for format delta");
      }
    }
  }
  files.settle_us = reader.TakeDuration("settle").value_or(0);
  reader.Finish();
  return files;
}

void ReadFrom(MapReader* reader, Source* source, base::Diagnostics* diagnostics) {
  const YamlValue* from = reader->Take("from");
  if (!from) {
    reader->Error(reader->location(),
                  "'from' is missing: say where the data come from, as in "
                  "from: {files: {path: \"data/*.csv\", format: csv}}");
    return;
  }
  if (from->kind != YamlValue::Kind::kMap || from->entries.size() != 1) {
    reader->Error(from->location, "'from' must name one connector, as in {files: {path: …}}");
    return;
  }
  const YamlEntry& connector = from->entries[0];
  if (connector.key == "files") {
    source->files = ReadFiles(connector.value, reader->what(), diagnostics);
    return;
  }
  if (connector.key == "push") {
    MapReader settings(connector.value, reader->what() + ": 'push'", diagnostics);
    settings.Finish();
    source->is_push = true;
    source->files.format = Format::kJson;
    source->files.location = connector.location;
    return;
  }
  const std::vector<std::string>& later = LaterConnectors();
  if (std::find(later.begin(), later.end(), connector.key) != later.end()) {
    reader->Error(connector.location,
                  "connector '" + connector.key + "' is not supported by this version");
    return;
  }
  std::vector<std::string> known = later;
  known.insert(known.end(), {"files", "push"});
  reader->Error(connector.location, "unknown connector '" + connector.key + "'" +
                                        base::DidYouMean(connector.key, known));
}

// The n of "embedding(n)".
std::optional<int64_t> EmbeddingLength(std::string_view type_text) {
  constexpr std::string_view kPrefix = "embedding(";
  if (!type_text.starts_with(kPrefix)) {
    return std::nullopt;
  }
  type_text.remove_prefix(kPrefix.size());
  type_text.remove_prefix(std::min(type_text.find_first_not_of(' '), type_text.size()));
  int64_t length = 0;
  const auto [end, error] =
      std::from_chars(type_text.data(), type_text.data() + type_text.size(), length);
  return error == std::errc() ? std::optional<int64_t>(length) : std::nullopt;
}

void ReadZone(MapReader* reader, ColumnContract* column) {
  column->zone = reader->TakeText("zone");
  if (const auto choice = reader->TakeChoice("ambiguous", {"error", "earlier", "later"})) {
    column->ambiguous = static_cast<ColumnContract::Ambiguous>(*choice);
    if (!column->zone) {
      reader->ErrorAt("ambiguous", "'ambiguous' needs 'zone'");
    }
  }
  const bool is_instant = column->type && column->type->id() == arrow::Type::TIMESTAMP &&
                          column->type_text == "timestamp";
  if (column->zone && !is_instant) {
    reader->ErrorAt("zone", "'zone' is for columns of type timestamp only");
  }
}

ColumnContract ReadColumn(const YamlValue& value, const std::string& what,
                          base::Diagnostics* diagnostics) {
  ColumnContract column;
  column.location = value.location;
  const YamlEntry* name = value.Find("name");
  MapReader reader(value, what + ": column" + (name ? " '" + name->value.text + "'" : ""),
                   diagnostics);
  if (value.kind != YamlValue::Kind::kMap) {
    return column;
  }
  column.name = reader.RequireText("name");
  if (column.name.starts_with('_')) {
    reader.ErrorAt("name", "names that begin with '_' belong to Icecore");
  }
  if (const auto type = reader.TakeText("type")) {
    column.type_text = *type;
    column.type = ReadType(*type, reader.LocationOf("type"), reader.what(), diagnostics);
    column.embedding_length = EmbeddingLength(*type);
  }
  column.required = reader.TakeBool("required", false);
  column.matches = reader.TakeText("matches");
  if (const YamlValue* bounds = reader.Take("between")) {
    column.between = ReadBounds(*bounds, reader.what() + ": 'between'", diagnostics);
  }
  if (const std::vector<YamlValue>* values = reader.TakeList("in")) {
    column.in = ReadLiterals(*values, reader.what() + ": 'in'", diagnostics);
    if (values->empty()) {
      reader.ErrorAt("in", "'in' is empty: no value could pass");
    }
  }
  ReadZone(&reader, &column);
  column.severity = ReadSeverity(&reader).value_or(Severity::kError);
  column.doc = reader.TakeDocumentation(true);
  reader.Finish();
  return column;
}

ContractRule ReadRule(const YamlValue& value, const std::string& what,
                      base::Diagnostics* diagnostics) {
  ContractRule rule;
  rule.location = value.location;
  MapReader reader(value, what + ": 'rules'", diagnostics);
  if (value.kind != YamlValue::Kind::kMap) {
    return rule;
  }
  rule.name = reader.RequireText("name");
  if (!reader.Has("expect")) {
    reader.Error(value.location, "'expect' is missing");
  }
  rule.expect = reader.TakeExpression("expect").value_or(ExpressionText{"", value.location});
  rule.severity = ReadSeverity(&reader).value_or(Severity::kError);
  reader.TakeText("description");
  reader.Finish();
  return rule;
}

Contract ReadContract(const YamlValue& value, const std::string& source_what,
                      base::Diagnostics* diagnostics) {
  Contract contract;
  contract.location = value.location;
  MapReader reader(value, source_what + ": 'contract'", diagnostics);
  if (value.kind != YamlValue::Kind::kMap) {
    return contract;
  }
  if (const auto choice = reader.TakeChoice("new_columns", {"evolve", "ignore", "reject"})) {
    contract.new_columns = static_cast<Contract::NewColumns>(*choice);
  }
  const auto has_name = [](const auto& things, const std::string& name) {
    return std::any_of(things.begin(), things.end(),
                       [&](const auto& thing) { return thing.name == name; });
  };
  if (const std::vector<YamlValue>* items = reader.TakeList("columns")) {
    for (const YamlValue& item : *items) {
      ColumnContract column = ReadColumn(item, source_what, diagnostics);
      if (!column.name.empty() && has_name(contract.columns, column.name)) {
        reader.Error(item.location, "column '" + column.name + "' is given twice");
        continue;
      }
      contract.columns.push_back(std::move(column));
    }
  }
  if (const std::vector<YamlValue>* items = reader.TakeList("rules")) {
    for (const YamlValue& item : *items) {
      ContractRule rule = ReadRule(item, source_what, diagnostics);
      if (!rule.name.empty() && has_name(contract.rules, rule.name)) {
        reader.Error(item.location, "rule '" + rule.name + "' is given twice");
        continue;
      }
      contract.rules.push_back(std::move(rule));
    }
  }
  reader.Finish();
  return contract;
}

std::optional<Schedule> ReadSchedule(const YamlValue& value, const std::string& what,
                                     base::Diagnostics* diagnostics) {
  MapReader reader(value, what + ": 'schedule'", diagnostics);
  if (value.kind != YamlValue::Kind::kMap) {
    return std::nullopt;
  }
  Schedule schedule;
  schedule.cron = reader.RequireText("cron");
  schedule.zone = reader.TakeText("zone").value_or("UTC");
  int fields = 0;
  bool in_field = false;
  for (const char c : schedule.cron) {
    const bool is_space = c == ' ';
    fields += !is_space && !in_field ? 1 : 0;
    in_field = !is_space;
  }
  if (!schedule.cron.empty() && fields != 5) {
    reader.ErrorAt("cron", "'cron' must have five fields (minute hour day month weekday), got '" +
                               schedule.cron + "'");
  }
  reader.Finish();
  return schedule;
}

Freshness ReadFreshness(const YamlValue& value, const std::string& what,
                        base::Diagnostics* diagnostics) {
  Freshness freshness;
  MapReader reader(value, what + ": 'freshness'", diagnostics);
  if (value.kind == YamlValue::Kind::kMap) {
    freshness.warn_after_us = reader.TakeDuration("warn_after");
    freshness.error_after_us = reader.TakeDuration("error_after");
    reader.Finish();
  }
  return freshness;
}

// Rows may come before anybody can look at them: nothing is there to infer types from.
void CheckPushContract(const Source& source, MapReader* reader) {
  if (!source.is_push) {
    return;
  }
  if (source.contract.columns.empty()) {
    reader->Error(source.files.location,
                  "a source of pushes needs a contract with its columns and their types");
  }
  for (const ColumnContract& column : source.contract.columns) {
    if (column.type_text.empty() && !column.name.empty()) {
      reader->Error(column.location, "column '" + column.name +
                                         "' needs a 'type': a source of pushes has nothing to "
                                         "infer it from");
    }
  }
}

}  // namespace

void ParseSource(const YamlDocument& document, ParseContext* context) {
  base::Diagnostics* diagnostics = context->diagnostics;
  const YamlEntry& first = document.root.entries[0];
  Source source;
  source.location = first.location;
  source.text = document.text;
  MapReader reader(document.root, "source '" + first.value.text + "'", diagnostics);
  source.name = reader.RequireText("source");
  CheckName(source.name, first.location, "source", diagnostics);
  ReadFrom(&reader, &source, diagnostics);
  if (const YamlValue* value = reader.Take("schedule")) {
    source.schedule = ReadSchedule(*value, reader.what(), diagnostics);
  }
  if (const YamlValue* value = reader.Take("freshness")) {
    source.freshness = ReadFreshness(*value, reader.what(), diagnostics);
  }
  if (const YamlValue* value = reader.Take("contract")) {
    source.contract = ReadContract(*value, reader.what(), diagnostics);
  }
  CheckPushContract(source, &reader);
  source.key_location = reader.LocationOf("key");
  source.key = reader.TakeTexts("key");
  if (!source.key.empty() && source.files.load != FilesConnector::Load::kSnapshot) {
    reader.ErrorAt("key",
                   "'key' of a source is for 'load: snapshot': what makes a row the same row "
                   "in the next file");
  }
  source.is_static = reader.TakeBool("static", false);
  source.doc = reader.TakeDocumentation(false);
  reader.Finish();
  context->project->sources.push_back(std::move(source));
}

}  // namespace icecore::spec
