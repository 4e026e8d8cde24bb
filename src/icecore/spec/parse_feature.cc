#include <charconv>
#include <utility>

#include "icecore/base/suggest.h"
#include "icecore/base/time.h"
#include "icecore/spec/parse_feature_internal.h"

namespace icecore::spec {
namespace {

constexpr int64_t kMaxListLength = 1000;  // last_n, top_n: a bound on what a state holds

struct AggregateWord {
  const char* word;
  AggregateKind kind;
};
constexpr AggregateWord kPlainAggregates[] = {
    {"count", AggregateKind::kCount},   {"count_distinct", AggregateKind::kCountDistinct},
    {"sum", AggregateKind::kSum},       {"mean", AggregateKind::kMean},
    {"min", AggregateKind::kMin},       {"max", AggregateKind::kMax},
    {"stddev", AggregateKind::kStddev}, {"variance", AggregateKind::kVariance},
    {"first", AggregateKind::kFirst},   {"last", AggregateKind::kLast},
};

std::string_view Trim(std::string_view text) {
  while (text.starts_with(' ')) {
    text.remove_prefix(1);
  }
  while (text.ends_with(' ')) {
    text.remove_suffix(1);
  }
  return text;
}

// 0.95 -> p95, 0.999 -> p99_9, 0.5 -> p50, 1 -> p100: the percentage, its point an underscore.
std::string QuantileSuffix(double q) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, q, std::chars_format::fixed).ptr;
  std::string digits(buffer, end);
  const size_t point = digits.find('.');
  std::string whole = digits.substr(0, point);
  std::string fraction = point == std::string::npos ? "" : digits.substr(point + 1);
  fraction.resize(std::max<size_t>(fraction.size(), 2), '0');
  whole += fraction.substr(0, 2);
  fraction.erase(0, 2);
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size() - 1));
  return "p" + whole + (fraction.empty() ? "" : "_" + fraction);
}

std::vector<std::string> AggregateNames() {
  std::vector<std::string> names = {"quantile(q)", "last_n(n)", "top_n(n)"};
  for (const AggregateWord& word : kPlainAggregates) {
    names.emplace_back(word.word);
  }
  return names;
}

std::optional<AggregateText> ParseList(std::string_view word, std::string_view argument,
                                       std::string* why) {
  int64_t n = 0;
  const auto [end, error] = std::from_chars(argument.data(), argument.data() + argument.size(), n);
  if (error != std::errc() || end != argument.data() + argument.size() || n < 1 ||
      n > kMaxListLength) {
    *why = "'" + std::string(word) + "' needs a whole number from 1 to 1000, as in " +
           std::string(word) + "(3)";
    return std::nullopt;
  }
  const bool is_last = word == "last_n";
  return AggregateText{.kind = is_last ? AggregateKind::kLastN : AggregateKind::kTopN,
                       .n = n,
                       .suffix = (is_last ? "last_" : "top_") + std::to_string(n)};
}

std::optional<AggregateText> ParseQuantile(std::string_view argument, std::string* why) {
  double q = 0;
  const auto [end, error] = std::from_chars(argument.data(), argument.data() + argument.size(), q);
  if (error != std::errc() || end != argument.data() + argument.size() || !(q >= 0 && q <= 1)) {
    *why = "'quantile' needs a number from 0 to 1, as in quantile(0.95)";
    return std::nullopt;
  }
  return AggregateText{.kind = AggregateKind::kQuantile, .q = q, .suffix = QuantileSuffix(q)};
}

std::optional<AggregateText> ParseAggregate(std::string_view text, std::string* why) {
  for (const AggregateWord& word : kPlainAggregates) {
    if (text == word.word) {
      return AggregateText{.kind = word.kind, .suffix = word.word};
    }
  }
  const size_t open = text.find('(');
  const std::string_view word = Trim(text.substr(0, open));
  std::string_view argument;
  if (open != std::string_view::npos && text.ends_with(')')) {
    argument = Trim(text.substr(open + 1, text.size() - open - 2));
  }
  if (word == "last_n" || word == "top_n") {
    return ParseList(word, argument, why);
  }
  if (word == "quantile") {
    return ParseQuantile(argument, why);
  }
  *why = "unknown aggregate '" + std::string(text) + "'" + base::DidYouMean(text, AggregateNames());
  for (const auto& [other, ours] : {std::pair{"avg", "mean"}, std::pair{"std", "stddev"},
                                    std::pair{"median", "quantile(0.5)"}}) {
    if (word == other) {
      *why = "unknown aggregate '" + std::string(text) + "'; it is written '" + ours + "' here";
    }
  }
  return std::nullopt;
}

// `aggregate: x` or `aggregates: [x, y]`.
std::vector<AggregateText> ReadAggregates(MapReader* reader) {
  std::vector<AggregateText> aggregates;
  const char* key = reader->Has("aggregates") ? "aggregates" : "aggregate";
  if (reader->Has("aggregates") && reader->Has("aggregate")) {
    reader->ErrorAt("aggregate", "give 'aggregate' or 'aggregates', not both");
  }
  std::vector<std::string> texts;
  if (const auto text = reader->TakeText("aggregate")) {
    texts.push_back(*text);
  }
  for (std::string& text : reader->TakeTexts("aggregates")) {
    texts.push_back(std::move(text));
  }
  for (const std::string& text : texts) {
    std::string why;
    if (auto aggregate = ParseAggregate(Trim(text), &why)) {
      aggregates.push_back(std::move(*aggregate));
    } else {
      reader->ErrorAt(key, why);
    }
  }
  return aggregates;
}

// The parts that all features of one item share.
struct FeatureItem {
  std::string name;
  std::string of;
  std::optional<ExpressionText> where;
  std::optional<Literal> default_value;
  Documentation doc;
  base::Location location;
};

Feature MakeFeature(const FeatureItem& item, std::string name, Feature::Kind kind) {
  Feature feature;
  feature.name = std::move(name);
  feature.kind = kind;
  feature.of = item.of;
  feature.where = item.where;
  feature.default_value = item.default_value;
  feature.doc = item.doc;
  feature.location = item.location;
  return feature;
}

FeatureItem ReadItem(MapReader* reader, const YamlValue& item, base::Diagnostics* diagnostics) {
  FeatureItem result;
  result.location = item.location;
  result.name = reader->TakeText("name").value_or("");
  result.of = reader->TakeText("of").value_or("");
  result.where = reader->TakeExpression("where");
  if (const YamlValue* value = reader->Take("default")) {
    auto literal = ReadLiteral(*value, reader->what() + ": 'default'", diagnostics);
    if (literal && literal->kind != Literal::Kind::kNull) {
      result.default_value = std::move(literal);
    }
  }
  result.doc = reader->TakeDocumentation(true);
  return result;
}

void CheckFeatureName(const std::string& name, const base::Location& location,
                      const std::string& what, base::Diagnostics* diagnostics) {
  if (name.find('.') != std::string::npos || name.starts_with(' ') || name.ends_with(' ')) {
    diagnostics->Error(location, what + ": '" + name +
                                     "' cannot be the name of a feature: no dots, and no spaces "
                                     "at its ends");
  }
}

// Aggregates outer, windows inner, as written.
void ExpandAggregates(MapReader* reader, const FeatureItem& item,
                      const std::vector<AggregateText>& aggregates,
                      const std::vector<Window>& windows, std::optional<int64_t> hop_us,
                      std::vector<Feature>* features) {
  for (const AggregateText& aggregate : aggregates) {
    if (item.of.empty() && aggregate.kind != AggregateKind::kCount) {
      reader->Error(item.location, "'" + aggregate.suffix + "' needs 'of', the column it is of");
      continue;
    }
    std::string base = item.name;
    if (base.empty() || reader->Has("aggregates")) {
      base = (item.name.empty() ? item.of : item.name) + "_" + aggregate.suffix;
    }
    for (const Window& window : windows) {
      Feature feature = MakeFeature(item, base + "_" + window.text, Feature::Kind::kAggregate);
      feature.aggregate = aggregate;
      feature.window = window;
      feature.window->hop_us = hop_us.value_or(DefaultHop(window.length_us));
      features->push_back(std::move(feature));
    }
  }
}

std::string ItemWhat(const YamlValue& item, const std::string& view_what) {
  for (const char* key : {"name", "of"}) {
    if (const YamlEntry* entry = item.Find(key);
        entry && entry->value.kind == YamlValue::Kind::kScalar) {
      return view_what + ": feature '" + entry->value.text + "'";
    }
  }
  return view_what + ": feature";
}

}  // namespace

int64_t DefaultHop(int64_t window_us) {
  if (window_us < 12 * base::kMicrosPerHour) {
    return 5 * base::kMicrosPerMinute;
  }
  return window_us < 12 * base::kMicrosPerDay ? base::kMicrosPerHour : base::kMicrosPerDay;
}

std::vector<Window> ReadWindows(MapReader* reader, base::Diagnostics* diagnostics) {
  std::vector<Window> windows;
  const YamlValue* value = reader->Take("windows");
  if (!value) {
    return windows;
  }
  std::vector<YamlValue> items = value->items;
  if (value->kind == YamlValue::Kind::kScalar) {
    items = {*value};
  } else if (value->kind != YamlValue::Kind::kList || items.empty()) {
    reader->Error(value->location, "'windows' must be a list of durations such as [1d, 7d]");
  }
  for (const YamlValue& item : items) {
    const std::string what = reader->what() + ": 'windows'";
    const auto text = ReadText(item, what, diagnostics);
    if (!text) {
      continue;
    }
    if (text->starts_with("session(")) {
      reader->Error(item.location, "session windows are not supported by this version");
      continue;
    }
    const auto length = ReadDuration(*text, item.location, what, diagnostics);
    if (length && *length == 0) {
      reader->Error(item.location, "a window must be longer than 0");
    } else if (length) {
      windows.push_back({*text, *length, 0});
    }
  }
  return windows;
}

std::optional<int64_t> ReadHop(MapReader* reader) { return reader->TakeDuration("hop"); }

void ReadTableFeature(const YamlValue& item, const std::string& view_what,
                      const FeatureDefaults& defaults, base::Diagnostics* diagnostics,
                      std::vector<Feature>* features) {
  if (item.kind == YamlValue::Kind::kScalar) {
    CheckFeatureName(item.text, item.location, view_what, diagnostics);
    if (item.text.empty()) {
      diagnostics->Error(item.location, view_what + ": the name of a feature must not be empty");
    }
    FeatureItem plain;
    plain.of = item.text;
    plain.location = item.location;
    features->push_back(MakeFeature(plain, item.text, Feature::Kind::kAsOf));
    return;
  }
  MapReader reader(item, ItemWhat(item, view_what), diagnostics);
  if (item.kind != YamlValue::Kind::kMap) {
    return;
  }
  FeatureItem parts = ReadItem(&reader, item, diagnostics);
  CheckFeatureName(parts.name, item.location, view_what, diagnostics);
  const bool is_aggregate = reader.Has("aggregate") || reader.Has("aggregates");
  const std::vector<AggregateText> aggregates = ReadAggregates(&reader);
  std::vector<Window> windows = ReadWindows(&reader, diagnostics);
  const std::optional<int64_t> hop = ReadHop(&reader);
  if (reader.Has("expression")) {
    reader.ErrorAt("expression", "'expression' is for views without 'from', computed when asked");
  }
  reader.Take("expression");
  reader.Finish();
  if (parts.name.empty() && parts.of.empty()) {
    reader.Error(item.location, "'name' is missing");
    return;
  }
  if (!is_aggregate) {
    for (const char* key : {"windows", "hop"}) {
      if (reader.Has(key)) {
        reader.ErrorAt(key, "'" + std::string(key) + "' needs 'aggregate'");
      }
    }
    if (parts.of.empty()) {
      parts.of = parts.name;
    }
    std::string name = parts.name.empty() ? parts.of : parts.name;
    features->push_back(MakeFeature(parts, std::move(name), Feature::Kind::kAsOf));
    return;
  }
  if (!reader.Has("windows")) {
    windows = defaults.windows;
    if (windows.empty()) {
      reader.Error(item.location,
                   "an aggregate needs 'windows', here or as the view's default, as in [1d, 7d]");
    }
  }
  ExpandAggregates(&reader, parts, aggregates, windows, hop ? hop : defaults.hop_us, features);
}

void ReadRequestFeature(const YamlValue& item, const std::string& view_what,
                        base::Diagnostics* diagnostics, std::vector<Feature>* features) {
  MapReader reader(item, ItemWhat(item, view_what), diagnostics);
  if (item.kind != YamlValue::Kind::kMap) {
    return;
  }
  for (const char* key : {"of", "aggregate", "aggregates", "windows", "hop", "where"}) {
    if (reader.Has(key)) {
      reader.ErrorAt(
          key, "'" + std::string(key) + "' is for views over a table; this one has no 'from'");
    }
    reader.Take(key);
  }
  FeatureItem parts = ReadItem(&reader, item, diagnostics);
  parts.of.clear();
  parts.where.reset();
  parts.name = reader.RequireText("name");
  CheckFeatureName(parts.name, item.location, view_what, diagnostics);
  if (!reader.Has("expression")) {
    reader.Error(item.location, "'expression' is missing");
  }
  auto expression = reader.TakeExpression("expression");
  reader.Finish();
  Feature feature = MakeFeature(parts, parts.name, Feature::Kind::kExpression);
  feature.expression = std::move(expression);
  features->push_back(std::move(feature));
}

}  // namespace icecore::spec
