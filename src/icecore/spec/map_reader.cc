#include "icecore/spec/map_reader_internal.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "icecore/base/suggest.h"
#include "icecore/base/time.h"

namespace icecore::spec {
namespace {

template <typename Number>
bool ParseNumber(std::string_view text, Number* number) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

// Floats as YAML writes them; words such as "infinity" or "nan1" are text.
bool ParseFloat(std::string_view text, double* number) {
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) {
    rest.remove_prefix(1);
  }
  if (rest == ".inf" || rest == "Infinity") {
    *number = negative ? -std::numeric_limits<double>::infinity()
                       : std::numeric_limits<double>::infinity();
    return true;
  }
  if (text == ".nan" || text == "NaN") {
    *number = std::numeric_limits<double>::quiet_NaN();
    return true;
  }
  const bool is_digits =
      !rest.empty() && rest.find_first_not_of("0123456789.eE+-") == std::string_view::npos;
  return is_digits && ParseNumber(text, number);
}

std::string Quoted(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < names.size(); ++i) {
    text += i == 0 ? "" : i + 1 == names.size() ? " or " : ", ";
    text += names[i];
  }
  return text;
}

}  // namespace

MapReader::MapReader(const YamlValue& map, std::string what, base::Diagnostics* diagnostics)
    : map_(map), what_(std::move(what)), diagnostics_(diagnostics) {
  if (map_.kind != YamlValue::Kind::kMap) {
    Error(map_.location, "expected a map of keys, got " + std::string(KindText(map_)));
  }
}

const base::Location& MapReader::LocationOf(std::string_view key) const {
  const YamlEntry* entry = map_.Find(key);
  return entry ? entry->location : map_.location;
}

void MapReader::Error(const base::Location& location, const std::string& message) {
  diagnostics_->Error(location, what_ + ": " + message);
}

void MapReader::ErrorAt(std::string_view key, const std::string& message) {
  Error(LocationOf(key), message);
}

const YamlValue* MapReader::Take(std::string_view key) {
  known_.emplace_back(key);
  const YamlEntry* entry = map_.Find(key);
  return entry ? &entry->value : nullptr;
}

void MapReader::WrongType(std::string_view key, std::string_view expected, const YamlValue& value) {
  std::string got(KindText(value));
  if (value.kind == YamlValue::Kind::kScalar) {
    got = "'" + value.text + "'";
  }
  Error(value.location,
        "'" + std::string(key) + "' must be " + std::string(expected) + ", got " + got);
}

std::optional<std::string> MapReader::TakeText(std::string_view key) {
  const YamlValue* value = Take(key);
  if (!value) {
    return std::nullopt;
  }
  if (value->kind != YamlValue::Kind::kScalar) {
    WrongType(key, "text", *value);
    return std::nullopt;
  }
  return value->text;
}

std::string MapReader::RequireText(std::string_view key) {
  if (!Has(key)) {
    known_.emplace_back(key);
    Error(map_.location, "'" + std::string(key) + "' is missing");
    return "";
  }
  std::string text = TakeText(key).value_or("");
  if (text.empty() && map_.Find(key)->value.kind == YamlValue::Kind::kScalar) {
    ErrorAt(key, "'" + std::string(key) + "' must not be empty");
  }
  return text;
}

bool MapReader::TakeBool(std::string_view key, bool when_absent) {
  const YamlValue* value = Take(key);
  if (!value) {
    return when_absent;
  }
  if (value->kind == YamlValue::Kind::kScalar && !value->quoted &&
      (value->text == "true" || value->text == "false")) {
    return value->text == "true";
  }
  WrongType(key, "true or false", *value);
  return when_absent;
}

std::optional<int64_t> MapReader::TakeInt(std::string_view key) {
  const YamlValue* value = Take(key);
  if (!value) {
    return std::nullopt;
  }
  int64_t number = 0;
  if (value->kind == YamlValue::Kind::kScalar && !value->quoted &&
      ParseNumber(value->text, &number)) {
    return number;
  }
  WrongType(key, "a whole number", *value);
  return std::nullopt;
}

std::optional<double> MapReader::TakeNumber(std::string_view key) {
  const YamlValue* value = Take(key);
  if (!value) {
    return std::nullopt;
  }
  double number = 0;
  if (value->kind == YamlValue::Kind::kScalar && !value->quoted &&
      ParseFloat(value->text, &number)) {
    return number;
  }
  WrongType(key, "a number", *value);
  return std::nullopt;
}

std::optional<int64_t> MapReader::TakeDuration(std::string_view key) {
  const YamlValue* value = Take(key);
  if (!value) {
    return std::nullopt;
  }
  if (value->kind != YamlValue::Kind::kScalar) {
    WrongType(key, "a duration such as 90s, 15m, 26h or 7d", *value);
    return std::nullopt;
  }
  return ReadDuration(value->text, value->location, what_ + ": '" + std::string(key) + "'",
                      diagnostics_);
}

std::optional<ExpressionText> MapReader::TakeExpression(std::string_view key) {
  const YamlValue* value = Take(key);
  if (!value) {
    return std::nullopt;
  }
  if (value->kind != YamlValue::Kind::kScalar || value->text.empty()) {
    WrongType(key, "an expression", *value);
    return std::nullopt;
  }
  return ExpressionText{value->text, value->location};
}

std::vector<std::string> MapReader::TakeTexts(std::string_view key) {
  std::vector<std::string> texts;
  const YamlValue* value = Take(key);
  if (!value) {
    return texts;
  }
  if (value->kind == YamlValue::Kind::kScalar) {
    texts.push_back(value->text);
    return texts;
  }
  if (value->kind != YamlValue::Kind::kList) {
    WrongType(key, "a name or a list of names", *value);
    return texts;
  }
  for (const YamlValue& item : value->items) {
    if (auto text = ReadText(item, what_ + ": '" + std::string(key) + "'", diagnostics_)) {
      texts.push_back(std::move(*text));
    }
  }
  return texts;
}

std::vector<std::pair<std::string, std::string>> MapReader::TakePairs(std::string_view key) {
  std::vector<std::pair<std::string, std::string>> pairs;
  const YamlValue* value = Take(key);
  if (!value) {
    return pairs;
  }
  if (value->kind != YamlValue::Kind::kMap) {
    WrongType(key, "a map such as {name: other_name}", *value);
    return pairs;
  }
  for (const YamlEntry& entry : value->entries) {
    const std::string what = what_ + ": '" + std::string(key) + "." + entry.key + "'";
    const auto text = ReadText(entry.value, what, diagnostics_);
    if (text && (text->empty() || entry.key.empty())) {
      diagnostics_->Error(entry.location, what + ": a name must not be empty");
    } else if (text) {
      pairs.emplace_back(entry.key, *text);
    }
  }
  return pairs;
}

std::optional<size_t> MapReader::TakeChoice(std::string_view key,
                                            const std::vector<std::string>& choices) {
  const YamlValue* value = Take(key);
  if (!value) {
    return std::nullopt;
  }
  if (value->kind != YamlValue::Kind::kScalar) {
    WrongType(key, Quoted(choices), *value);
    return std::nullopt;
  }
  for (size_t i = 0; i < choices.size(); ++i) {
    if (choices[i] == value->text) {
      return i;
    }
  }
  WrongType(key, Quoted(choices), *value);
  return std::nullopt;
}

const std::vector<YamlValue>* MapReader::TakeList(std::string_view key) {
  const YamlValue* value = Take(key);
  if (!value) {
    return nullptr;
  }
  if (value->kind != YamlValue::Kind::kList) {
    WrongType(key, "a list", *value);
    return nullptr;
  }
  return &value->items;
}

void MapReader::Unsupported(const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    if (Has(key)) {
      ErrorAt(key, "'" + key + "' is not supported by this version");
    }
    known_.push_back(key);
  }
}

void MapReader::Finish() {
  for (const YamlEntry& entry : map_.entries) {
    if (std::find(known_.begin(), known_.end(), entry.key) == known_.end()) {
      Error(entry.location,
            "unknown key '" + entry.key + "'" + base::DidYouMean(entry.key, known_));
    }
  }
}

Documentation MapReader::TakeDocumentation(bool with_unit) {
  Documentation doc;
  doc.description = TakeText("description").value_or("");
  doc.owner = TakeText("owner").value_or("");
  doc.tags = TakeTexts("tags");
  doc.deprecated = TakeBool("deprecated", false);
  if (with_unit) {
    doc.unit = TakeText("unit").value_or("");
    doc.classify = TakeText("classify").value_or("");
  }
  return doc;
}

std::optional<std::string> ReadText(const YamlValue& value, const std::string& what,
                                    base::Diagnostics* diagnostics) {
  if (value.kind == YamlValue::Kind::kScalar) {
    return value.text;
  }
  diagnostics->Error(
      value.location,
      what + ": expected text, got " + std::string(KindText(value)) +
          (value.kind == YamlValue::Kind::kNull ? " (the word null as text needs quotes)" : ""));
  return std::nullopt;
}

std::optional<Literal> ReadLiteral(const YamlValue& value, const std::string& what,
                                   base::Diagnostics* diagnostics) {
  Literal literal;
  literal.location = value.location;
  literal.string_value = value.text;
  if (value.kind == YamlValue::Kind::kNull) {
    return literal;
  }
  if (value.kind != YamlValue::Kind::kScalar) {
    diagnostics->Error(value.location,
                       what + ": expected one value, got " + std::string(KindText(value)));
    return std::nullopt;
  }
  literal.kind = Literal::Kind::kString;
  if (value.quoted) {
    return literal;
  }
  if (value.text == "true" || value.text == "false") {
    literal.kind = Literal::Kind::kBool;
    literal.bool_value = value.text == "true";
  } else if (ParseNumber(value.text, &literal.int_value)) {
    literal.kind = Literal::Kind::kInt;
    literal.float_value = static_cast<double>(literal.int_value);
  } else if (ParseFloat(value.text, &literal.float_value)) {
    literal.kind = Literal::Kind::kFloat;
  }
  return literal;
}

std::optional<int64_t> ReadDuration(const std::string& text, const base::Location& location,
                                    const std::string& what, base::Diagnostics* diagnostics) {
  const arrow::Result<int64_t> duration = base::ParseDuration(text);
  if (!duration.ok()) {
    diagnostics->Error(
        location, what + " must be a duration such as 90s, 15m, 26h or 7d, got '" + text + "'");
    return std::nullopt;
  }
  return *duration;
}

}  // namespace icecore::spec
