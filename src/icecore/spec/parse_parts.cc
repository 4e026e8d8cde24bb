#include <arrow/type.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <utility>

#include "icecore/base/suggest.h"
#include "icecore/spec/parse.h"
#include "icecore/spec/parse_internal.h"
#include "icecore/spec/text_file_internal.h"

namespace icecore::spec {
namespace {

constexpr std::string_view kFilePrefix = "file:";

KnownAt KnownAtOfWord(const std::string& word, const base::Location& location) {
  KnownAt known_at;
  known_at.location = location;
  if (word == "event_time") {
    known_at.kind = KnownAt::Kind::kEventTime;
  } else if (word == "arrival") {
    known_at.kind = KnownAt::Kind::kArrival;
  } else {
    known_at.kind = KnownAt::Kind::kColumn;
    known_at.column = word;
  }
  return known_at;
}

}  // namespace

void CheckName(const std::string& name, const base::Location& location, const std::string& what,
               base::Diagnostics* diagnostics) {
  if (name.empty()) {
    return;  // reported as missing
  }
  const bool is_word = std::all_of(name.begin(), name.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
  });
  if (!is_word || std::isalpha(static_cast<unsigned char>(name[0])) == 0) {
    diagnostics->Error(location, what + ": '" + name +
                                     "' cannot be a name: a letter first, then letters, digits "
                                     "and underscores");
  }
}

std::optional<EventTime> ReadEventTime(MapReader* reader) {
  const base::Location location = reader->LocationOf("event_time");
  const auto text = reader->TakeText("event_time");
  if (!text) {
    return std::nullopt;
  }
  EventTime time;
  time.location = location;
  time.always = *text == "always";
  time.column = time.always ? "" : *text;
  return time;
}

std::optional<KnownAt> ReadKnownAt(MapReader* reader, base::Diagnostics* diagnostics) {
  const YamlValue* value = reader->Take("known_at");
  if (!value) {
    return std::nullopt;
  }
  if (value->kind == YamlValue::Kind::kScalar) {
    return KnownAtOfWord(value->text, value->location);
  }
  if (value->kind != YamlValue::Kind::kMap) {
    reader->Error(value->location,
                  "'known_at' must be a column, event_time, arrival, {delay: 2h} or "
                  "{snapshot: column, else: arrival}");
    return std::nullopt;
  }
  MapReader map(*value, reader->what() + ": 'known_at'", diagnostics);
  KnownAt known_at;
  known_at.location = value->location;
  if (map.Has("snapshot")) {
    known_at.kind = KnownAt::Kind::kSnapshot;
    known_at.column = map.RequireText("snapshot");
    map.TakeChoice("else", {"arrival"});
  } else {
    known_at.kind = KnownAt::Kind::kDelay;
    if (!map.Has("delay")) {
      map.Error(value->location, "'delay' is missing");
    }
    known_at.delay_us = map.TakeDuration("delay").value_or(0);
  }
  map.Finish();
  return known_at;
}

std::optional<Severity> ReadSeverity(MapReader* reader) {
  const auto choice = reader->TakeChoice("severity", {"warn", "error", "fail"});
  if (!choice) {
    return std::nullopt;
  }
  return *choice == 0 ? Severity::kWarn : *choice == 1 ? Severity::kError : Severity::kFail;
}

std::shared_ptr<arrow::DataType> ReadType(const std::string& text, const base::Location& location,
                                          const std::string& what, base::Diagnostics* diagnostics) {
  arrow::Result<std::shared_ptr<arrow::DataType>> type = ParseType(text);
  if (!type.ok()) {
    diagnostics->Error(location, what + ": " + type.status().message());
    return nullptr;
  }
  return *type;
}

std::vector<KeyColumn> ReadKeyColumns(MapReader* reader, std::string_view key,
                                      base::Diagnostics* diagnostics) {
  std::vector<KeyColumn> columns;
  const std::vector<YamlValue>* items = reader->TakeList(key);
  if (!items) {
    return columns;
  }
  for (const YamlValue& item : *items) {
    MapReader map(item, reader->what() + ": '" + std::string(key) + "'", diagnostics);
    if (item.kind != YamlValue::Kind::kMap) {
      continue;
    }
    KeyColumn column;
    column.location = item.location;
    column.name = map.RequireText("name");
    column.type_text = map.RequireText("type");
    if (!column.type_text.empty()) {
      column.type = ReadType(column.type_text, map.LocationOf("type"), map.what(), diagnostics);
    }
    map.TakeDocumentation(true);
    map.Finish();
    const bool is_twice = std::any_of(columns.begin(), columns.end(), [&](const KeyColumn& other) {
      return other.name == column.name;
    });
    if (is_twice && !column.name.empty()) {
      map.ErrorAt("name", "'" + column.name + "' is given twice");
      continue;
    }
    columns.push_back(std::move(column));
  }
  return columns;
}

std::optional<SqlText> ReadSql(MapReader* reader, const std::string& key, ParseContext* context) {
  const YamlValue* value = reader->Take(key);
  if (!value) {
    reader->Error(reader->location(), "'" + key + "' is missing");
    return std::nullopt;
  }
  if (value->kind != YamlValue::Kind::kScalar || value->text.empty()) {
    reader->Error(value->location, "'" + key + "' must be SQL text or file:NAME.sql");
    return std::nullopt;
  }
  if (!value->text.starts_with(kFilePrefix)) {
    return SqlText{value->text, {value->location.file, value->location.line, 1}};
  }
  const std::string path =
      SiblingPath(value->location.file, value->text.substr(kFilePrefix.size()));
  SqlText sql{"", {path, 1, 1}};
  if (context->root.empty()) {
    reader->Error(value->location, "SQL in a file cannot be read here");
    return sql;
  }
  const auto text = ReadTextFile((std::filesystem::path(context->root) / path).string());
  if (!text.ok()) {
    reader->Error(value->location, "'" + key + "': " + text.status().message());
    return sql;
  }
  sql.text = SubstituteText(*text, sql.location, context->variables, context->diagnostics);
  if (sql.text.find_first_not_of(" \t\r\n") == std::string::npos) {
    reader->Error(value->location, "'" + key + "': the file '" + path + "' is empty");
  }
  return sql;
}

std::optional<std::pair<Literal, Literal>> ReadBounds(const YamlValue& value,
                                                      const std::string& what,
                                                      base::Diagnostics* diagnostics) {
  if (value.kind != YamlValue::Kind::kList || value.items.size() != 2) {
    diagnostics->Error(value.location, what + " must be two values such as [0, 100]");
    return std::nullopt;
  }
  auto low = ReadLiteral(value.items[0], what, diagnostics);
  auto high = ReadLiteral(value.items[1], what, diagnostics);
  if (!low || !high) {
    return std::nullopt;
  }
  const auto is_number = [](const Literal& literal) {
    return literal.kind == Literal::Kind::kInt || literal.kind == Literal::Kind::kFloat;
  };
  if (is_number(*low) && is_number(*high) && low->float_value > high->float_value) {
    diagnostics->Error(value.location, what + ": the lower bound " + low->string_value +
                                           " is above the upper bound " + high->string_value);
  }
  return std::make_pair(std::move(*low), std::move(*high));
}

std::vector<Literal> ReadLiterals(const std::vector<YamlValue>& items, const std::string& what,
                                  base::Diagnostics* diagnostics) {
  std::vector<Literal> literals;
  for (const YamlValue& item : items) {
    auto literal = ReadLiteral(item, what, diagnostics);
    if (!literal) {
      continue;
    }
    if (literal->kind == Literal::Kind::kNull) {
      diagnostics->Error(item.location,
                         what + ": null cannot be a value here (the word null needs quotes)");
      continue;
    }
    literals.push_back(std::move(*literal));
  }
  return literals;
}

}  // namespace icecore::spec
