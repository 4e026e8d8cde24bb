#include <algorithm>
#include <utility>

#include "icecore/base/suggest.h"
#include "icecore/spec/parse_internal.h"

namespace icecore::spec {
namespace {

struct CheckWord {
  const char* key;
  Check::Kind kind;
};
constexpr CheckWord kCheckWords[] = {
    {"not_null", Check::Kind::kNotNull},      {"unique", Check::Kind::kUnique},
    {"references", Check::Kind::kReferences}, {"in", Check::Kind::kIn},
    {"between", Check::Kind::kBetween},       {"matches", Check::Kind::kMatches},
    {"expect", Check::Kind::kExpect},         {"row_count", Check::Kind::kRowCount},
    {"equal_rows", Check::Kind::kEqualRows},  {"fresh", Check::Kind::kFresh},
};

// in: {column: [values]}, between: {column: [low, high]}, matches: {column: pattern}
void ReadColumnRule(const YamlValue& value, MapReader* reader, base::Diagnostics* diagnostics,
                    Check* check, const std::string& word) {
  if (value.kind != YamlValue::Kind::kMap || value.entries.size() != 1) {
    reader->Error(value.location,
                  "'" + word + "' must name one column, as in {" + word +
                      (check->kind == Check::Kind::kMatches ? ": {code: \"^[A-Z]+$\"}}"
                                                            : ": {code: [1, 2]}}"));
    return;
  }
  const YamlEntry& entry = value.entries[0];
  const std::string what = reader->what() + ": '" + word + "." + entry.key + "'";
  check->columns = {entry.key};
  if (check->kind == Check::Kind::kMatches) {
    check->pattern = ReadText(entry.value, what, diagnostics).value_or("");
  } else if (check->kind == Check::Kind::kBetween) {
    if (auto bounds = ReadBounds(entry.value, what, diagnostics)) {
      check->values = {std::move(bounds->first), std::move(bounds->second)};
    }
  } else if (entry.value.kind != YamlValue::Kind::kList || entry.value.items.empty()) {
    reader->Error(entry.value.location, "'in' must give a list of values");
  } else {
    check->values = ReadLiterals(entry.value.items, what, diagnostics);
  }
}

// row_count: 10, or [1, 100] where null leaves an end open.
void ReadRowCount(const YamlValue& value, MapReader* reader, base::Diagnostics* diagnostics,
                  Check* check) {
  const std::string what = reader->what() + ": 'row_count'";
  if (value.kind == YamlValue::Kind::kScalar) {
    if (auto literal = ReadLiteral(value, what, diagnostics)) {
      check->values = {*literal, *literal};
    }
  } else if (auto bounds = ReadBounds(value, what, diagnostics)) {
    check->values = {std::move(bounds->first), std::move(bounds->second)};
  }
  for (const Literal& literal : check->values) {
    if (literal.kind != Literal::Kind::kInt && literal.kind != Literal::Kind::kNull) {
      reader->Error(literal.location, "'row_count' must be a whole number or [least, most]");
      break;
    }
  }
}

void ReadCheckSubject(const std::string& word, MapReader* reader, base::Diagnostics* diagnostics,
                      Check* check) {
  switch (check->kind) {
    case Check::Kind::kNotNull:
    case Check::Kind::kUnique:
      check->columns = reader->TakeTexts(word);
      if (check->columns.empty()) {
        reader->ErrorAt(word, "'" + word + "' must name columns");
      }
      return;
    case Check::Kind::kReferences:
      check->references = reader->TakePairs(word);
      if (check->references.empty()) {
        reader->ErrorAt(word, "'references' must be {column: zone.table.column}");
      }
      for (const auto& [column, target] : check->references) {
        check->columns.push_back(column);
      }
      return;
    case Check::Kind::kIn:
    case Check::Kind::kBetween:
    case Check::Kind::kMatches:
      ReadColumnRule(*reader->Take(word), reader, diagnostics, check, word);
      return;
    case Check::Kind::kExpect:
      check->expect = reader->TakeExpression(word).value_or(ExpressionText{"", check->location});
      return;
    case Check::Kind::kRowCount:
      ReadRowCount(*reader->Take(word), reader, diagnostics, check);
      return;
    case Check::Kind::kEqualRows:
      check->other_table = reader->RequireText(word);
      return;
    case Check::Kind::kFresh:
      check->age_us = reader->TakeDuration(word);
      return;
  }
}

// "unique_carrier_flight"; of what names no column the word, with a number from the second on.
std::string NameOfCheck(const std::string& word, const Check& check,
                        const std::vector<Check>& earlier) {
  std::string base = word;
  for (const std::string& column : check.columns) {
    base += "_" + column;
  }
  const auto is_taken = [&](const std::string& name) {
    return std::any_of(earlier.begin(), earlier.end(),
                       [&](const Check& other) { return other.name == name; });
  };
  std::string name = base;
  for (int i = 2; is_taken(name); ++i) {
    name = base + "_" + std::to_string(i);
  }
  return name;
}

void ReadCheck(const YamlValue& value, const std::string& table_what,
               base::Diagnostics* diagnostics, std::vector<Check>* checks) {
  MapReader reader(value, table_what + ": 'checks'", diagnostics);
  if (value.kind != YamlValue::Kind::kMap) {
    return;
  }
  const CheckWord* found = nullptr;
  std::vector<std::string> words;
  for (const CheckWord& word : kCheckWords) {
    words.emplace_back(word.key);
    if (!value.Find(word.key)) {
      continue;
    }
    if (found) {
      reader.ErrorAt(word.key, std::string("one check is one of '") + found->key + "' and '" +
                                   word.key + "'; make them two");
      return;
    }
    found = &word;
  }
  if (!found) {
    const std::string first = value.entries.empty() ? "" : value.entries[0].key;
    reader.Error(value.location, "unknown check '" + first + "'" + base::DidYouMean(first, words));
    return;
  }
  Check check;
  check.kind = found->kind;
  check.location = value.location;
  ReadCheckSubject(found->key, &reader, diagnostics, &check);
  check.where = reader.TakeExpression("where");
  check.mostly = reader.TakeNumber("mostly");
  if (check.mostly && !(*check.mostly > 0 && *check.mostly <= 1)) {
    reader.ErrorAt("mostly", "'mostly' must be above 0 and at most 1");
  }
  check.severity = ReadSeverity(&reader).value_or(Severity::kError);
  reader.TakeText("description");
  check.name = reader.TakeText("name").value_or("");
  for (const Check& other : *checks) {
    if (!check.name.empty() && other.name == check.name) {
      reader.ErrorAt("name", "two checks are called '" + check.name + "'");
    }
  }
  if (check.name.empty()) {
    check.name = NameOfCheck(found->key, check, *checks);
  }
  reader.Finish();
  checks->push_back(std::move(check));
}

void ReadDrop(const std::vector<YamlValue>& items, const std::string& what,
              base::Diagnostics* diagnostics, Table* table) {
  for (const YamlValue& item : items) {
    MapReader reader(item, what + ": 'drop'", diagnostics);
    if (item.kind != YamlValue::Kind::kMap) {
      continue;
    }
    DropRule rule;
    rule.location = item.location;
    rule.name = reader.RequireText("name");
    if (!reader.Has("when")) {
      reader.Error(item.location, "'when' is missing");
    }
    rule.when = reader.TakeExpression("when").value_or(ExpressionText{"", item.location});
    reader.TakeText("description");
    reader.Finish();
    for (const DropRule& other : table->drop) {
      if (other.name == rule.name && !rule.name.empty()) {
        reader.ErrorAt("name", "two drop rules are called '" + rule.name + "'");
      }
    }
    table->drop.push_back(std::move(rule));
  }
}

// mode, key, order_by, rows and each, which depend on one another.
void ReadMode(MapReader* reader, Table* table) {
  if (const auto choice = reader->TakeChoice("mode", {"append", "merge", "replace"})) {
    table->mode = static_cast<Table::Mode>(*choice);
  } else if (!reader->Has("mode")) {
    reader->Error(reader->location(), "'mode' is missing: append, merge or replace");
  }
  table->key = reader->TakeTexts("key");
  table->order_by = reader->TakeTexts("order_by");
  table->each = reader->TakeText("each");
  table->each_location = reader->LocationOf("each");
  const bool is_replace = table->mode == Table::Mode::kReplace;
  table->rows = is_replace ? Table::Rows::kMany : Table::Rows::kOnePerInput;
  if (const auto choice = reader->TakeChoice("rows", {"one_per_input", "at_most_one", "many"})) {
    table->rows = static_cast<Table::Rows>(*choice);
    if (is_replace) {
      reader->ErrorAt("rows", "'rows' is for append and merge; replace computes the whole table");
    }
  }
  if (table->mode == Table::Mode::kMerge && table->key.empty()) {
    reader->Error(reader->location(), "'mode: merge' needs 'key'");
  }
  if (is_replace && table->each) {
    reader->ErrorAt("each", "'each' is for append and merge; replace computes the whole table");
  }
  for (const auto* columns : {&table->key, &table->order_by}) {
    for (size_t i = 0; i < columns->size(); ++i) {
      if (std::find(columns->begin(), columns->begin() + static_cast<std::ptrdiff_t>(i),
                    (*columns)[i]) != columns->begin() + static_cast<std::ptrdiff_t>(i)) {
        reader->ErrorAt(columns == &table->key ? "key" : "order_by",
                        "column '" + (*columns)[i] + "' is given twice");
      }
    }
  }
}

}  // namespace

void ParseTable(const YamlDocument& document, ParseContext* context) {
  base::Diagnostics* diagnostics = context->diagnostics;
  const YamlEntry& first = document.root.entries[0];
  Table table;
  table.location = first.location;
  table.text = document.text;
  MapReader reader(document.root, "table '" + first.value.text + "'", diagnostics);
  table.name = reader.RequireText("table");
  CheckName(table.name, first.location, "table", diagnostics);
  if (const auto zone = reader.TakeChoice("zone", {"processing", "curated"})) {
    table.zone = static_cast<Table::Zone>(*zone);
  } else if (!reader.Has("zone")) {
    reader.Error(reader.location(), "'zone' is missing: processing or curated");
  }
  if (auto sql = ReadSql(&reader, "sql", context)) {
    table.sql = std::move(sql->text);
    table.sql_location = sql->location;
  }
  ReadMode(&reader, &table);
  if (const std::vector<YamlValue>* items = reader.TakeList("drop")) {
    ReadDrop(*items, reader.what(), diagnostics, &table);
  }
  if (const std::vector<YamlValue>* items = reader.TakeList("checks")) {
    for (const YamlValue& item : *items) {
      ReadCheck(item, reader.what(), diagnostics, &table.checks);
    }
  }
  table.is_static = reader.TakeBool("static", false);
  table.allow_current = reader.TakeTexts("allow_current");
  table.event_time = ReadEventTime(&reader);
  table.known_at = ReadKnownAt(&reader, diagnostics);
  table.doc = reader.TakeDocumentation(false);
  reader.Finish();
  context->project->tables.push_back(std::move(table));
}

}  // namespace icecore::spec
