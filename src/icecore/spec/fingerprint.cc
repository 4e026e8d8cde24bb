#include <bit>
#include <cctype>
#include <string_view>

#include "icecore/base/id.h"
#include "icecore/spec/model.h"

namespace icecore::spec {
namespace {

// A text in which every part carries its length, so that no two lists of parts give the same text.
class Canonical {
 public:
  explicit Canonical(std::string_view kind) { Add(kind); }

  void Add(std::string_view text) {
    text_ += std::to_string(text.size());
    text_ += ':';
    text_ += text;
  }
  void Add(std::string_view key, std::string_view value) {
    Add(key);
    Add(value);
  }
  void Add(std::string_view key, int64_t value) { Add(key, std::to_string(value)); }
  void Add(std::string_view key, const std::vector<std::string>& values) {
    Add(key, static_cast<int64_t>(values.size()));
    for (const std::string& value : values) {
      Add(value);
    }
  }
  template <typename Enum>
  void AddEnum(std::string_view key, Enum value) {
    Add(key, static_cast<int64_t>(value));
  }
  // The kind counts: 1 and "1" are two values.
  void Add(std::string_view key, const Literal& value) {
    Add(key, std::to_string(static_cast<int>(value.kind)) + value.string_value);
  }

  std::string Finish() const { return base::Sha256Hex(text_); }

 private:
  std::string text_;
};

// Copies the quoted text that begins at `begin` and returns the position after it.
size_t CopyQuoted(std::string_view sql, size_t begin, std::string* out) {
  const char quote = sql[begin];
  size_t end = begin + 1;
  while (end < sql.size() && sql[end] != quote) {
    ++end;  // a doubled quote is the end of one text and the begin of the next
  }
  end = end < sql.size() ? end + 1 : end;
  *out += sql.substr(begin, end - begin);
  return end;
}

// After "--" to the end of the line, after "/*" to "*/"; else `at`.
size_t SkipComment(std::string_view sql, size_t at) {
  if (sql.substr(at, 2) == "--") {
    return std::min(sql.find('\n', at), sql.size());
  }
  if (sql.substr(at, 2) == "/*") {
    const size_t end = sql.find("*/", at + 2);
    return end == std::string_view::npos ? sql.size() : end + 2;
  }
  return at;
}

// SQL without comments and with one space for any white space, so that its layout rebuilds nothing.
// Text with dollar quotes stays as it is.
std::string PlainSql(std::string_view sql) {
  if (sql.find('$') != std::string_view::npos) {
    return std::string(sql);
  }
  std::string out;
  bool space = false;
  size_t at = 0;
  while (at < sql.size()) {
    const size_t after_comment = SkipComment(sql, at);
    if (after_comment != at || std::isspace(static_cast<unsigned char>(sql[at])) != 0) {
      at = after_comment != at ? after_comment : at + 1;
      space = true;
      continue;
    }
    if (space && !out.empty()) {
      out += ' ';
    }
    space = false;
    if (sql[at] == '\'' || sql[at] == '"') {
      at = CopyQuoted(sql, at, &out);
    } else {
      out += sql[at++];
    }
  }
  return out;
}

void AddTimes(const std::optional<EventTime>& event_time, const std::optional<KnownAt>& known_at,
              Canonical* text) {
  if (event_time) {
    text->Add("event_time", event_time->always ? "always" : "column " + event_time->column);
  }
  if (known_at) {
    text->AddEnum("known_at", known_at->kind);
    text->Add(known_at->column);
    text->Add("delay", known_at->delay_us);
  }
}

void AddColumn(const ColumnContract& column, Canonical* text) {
  text->Add("column", column.name);
  text->Add("type", column.type_text);
  text->Add("required", int64_t{column.required});
  if (column.matches) {
    text->Add("matches", *column.matches);
  }
  if (column.between) {
    text->Add("low", column.between->first);
    text->Add("high", column.between->second);
  }
  for (const Literal& value : column.in) {
    text->Add("in", value);
  }
  text->Add("zone", column.zone.value_or(""));
  text->AddEnum("ambiguous", column.ambiguous);
  text->AddEnum("severity", column.severity);
}

void AddCheck(const Check& check, Canonical* text) {
  text->AddEnum("check", check.kind);
  text->Add("name", check.name);
  text->Add("columns", check.columns);
  for (const auto& [column, target] : check.references) {
    text->Add(column, target);
  }
  for (const Literal& value : check.values) {
    text->Add("value", value);
  }
  text->Add("pattern", check.pattern);
  text->Add("expect", check.expect.text);
  text->Add("other", check.other_table);
  text->Add("age", check.age_us.value_or(-1));
  text->Add("where", check.where ? check.where->text : "");
  text->Add("mostly", check.mostly ? std::to_string(*check.mostly) : "");
  text->AddEnum("severity", check.severity);
}

void AddKeys(const FeatureView& view, const Entity* entity, Canonical* text) {
  if (entity == nullptr) return;
  for (const KeyColumn& key : entity->keys) {
    const auto renamed = view.keys.find(key.name);
    text->Add("key", renamed != view.keys.end() ? renamed->second : key.name);
    text->Add("type", key.type_text);
  }
}

void AddFeature(const Feature& feature, Canonical* text) {
  text->Add("feature", feature.name);
  text->AddEnum("kind", feature.kind);
  text->Add("of", feature.of);
  if (feature.kind == Feature::Kind::kAggregate) {
    text->Add("aggregate", feature.aggregate.suffix);
  }
  if (feature.window) {
    text->Add("window", feature.window->length_us);
    text->Add("hop", feature.window->hop_us);
  }
  text->Add("where", feature.where ? feature.where->text : "");
  text->Add("expression", feature.expression ? feature.expression->text : "");
  if (feature.default_value) {
    text->Add("default", *feature.default_value);
  }
}

}  // namespace

std::string Fingerprint(const Source& source) {
  Canonical text("source 1");
  const FilesConnector& files = source.files;
  text.Add("path", files.path);
  text.AddEnum("format", files.format);
  text.Add("member", files.member.value_or(""));
  text.Add("null_values", files.null_values);
  text.Add("delimiter", std::string(1, files.delimiter));
  text.Add("quote", std::string(1, files.quote));
  text.Add("escape", files.escape ? std::string(1, *files.escape) : "");
  text.Add("header", int64_t{files.header});
  text.Add("encoding", files.encoding);
  text.Add("skip_rows", files.skip_rows);
  text.AddEnum("load", files.load);
  if (source.is_push) {
    text.Add("push", int64_t{1});
  }
  if (!source.key.empty()) {
    text.Add("key", source.key);
  }
  text.AddEnum("new_columns", source.contract.new_columns);
  for (const ColumnContract& column : source.contract.columns) {
    AddColumn(column, &text);
  }
  for (const ContractRule& rule : source.contract.rules) {
    text.Add("rule", rule.name);
    text.Add("expect", rule.expect.text);
    text.AddEnum("severity", rule.severity);
  }
  text.Add("static", int64_t{source.is_static});
  return text.Finish();
}

std::string Fingerprint(const Table& table) {
  Canonical text("table 1");
  text.Add("name", table.FullName());
  text.Add("each", table.each.value_or(""));
  text.Add("sql", PlainSql(table.sql));
  text.AddEnum("mode", table.mode);
  text.Add("key", table.key);
  text.Add("order_by", table.order_by);
  text.AddEnum("rows", table.rows);
  for (const DropRule& rule : table.drop) {
    text.Add("drop", rule.name);
    text.Add("when", rule.when.text);
  }
  for (const Check& check : table.checks) {
    if (check.severity != Severity::kWarn) {  // a warning keeps every row
      AddCheck(check, &text);
    }
  }
  text.Add("static", int64_t{table.is_static});
  AddTimes(table.event_time, table.known_at, &text);
  return text.Finish();
}

std::string Fingerprint(const FeatureView& view, const Entity* entity) {
  Canonical text("feature_view 1");
  AddKeys(view, entity, &text);
  text.Add("from", view.from);
  AddTimes(view.event_time, view.known_at, &text);
  text.Add("ttl", view.ttl_us.value_or(-1));
  text.Add("where", view.where ? view.where->text : "");
  text.Add("exclude_at", int64_t{view.exclude_at});
  for (const KeyColumn& column : view.request) {
    text.Add("request", column.name);
    text.Add("type", column.type_text);
  }
  for (const ViewInput& input : view.inputs) {
    text.Add("input", input.name);
    text.Add(input.view, input.feature);
  }
  for (const Feature& feature : view.features) {
    AddFeature(feature, &text);
  }
  return text.Finish();
}

std::string RowsFingerprint(const FeatureView& view, const Entity* entity) {
  Canonical text("rows of a feature_view 1");
  AddKeys(view, entity, &text);
  text.Add("from", view.from);
  AddTimes(view.event_time, view.known_at, &text);
  text.Add("where", view.where ? view.where->text : "");
  text.Add("exclude_at", int64_t{view.exclude_at});
  return text.Finish();
}

std::string Fingerprint(const FeatureService& service) {
  Canonical text("feature_service 1");
  for (const ServiceEntry& entry : service.entries) {
    text.Add("entry", entry.view);
    text.Add("only", entry.only);
    for (const auto& [key, column] : entry.keys) {
      text.Add("key", key);
      text.Add(column);
    }
    text.Add("prefix", entry.prefix);
    for (const auto& [feature, name] : entry.as) {
      text.Add("as", feature);
      text.Add(name);
    }
  }
  return text.Finish();
}

std::string Fingerprint(const TrainingSet& set) {
  Canonical text("training_set 1");
  text.Add("service", set.service);
  text.Add("sql", PlainSql(set.spine.sql));
  text.Add("file", set.spine.file);
  if (set.label) {
    text.Add("label", set.label->column);
    text.Add("known_at", set.label->known_at.value_or(""));
    text.Add("mature_after", set.label->mature_after_us);
  }
  if (set.cut_us) {
    text.Add("cut", *set.cut_us);
  }
  if (set.sample) {
    text.Add("fraction", std::bit_cast<int64_t>(set.sample->fraction));
    text.Add("by", set.sample->by);
    text.Add("seed", set.sample->seed);
  }
  if (set.split) {
    text.Add("split", set.split->by);
    text.Add("gap", set.split->gap_us);
    for (const SplitPart& part : set.split->parts) {
      text.Add(part.name, part.bound_us);
      text.Add("inclusive", int64_t{part.inclusive});
    }
  }
  return text.Finish();
}

std::string Fingerprint(const DefinitionTest& test) {
  Canonical text("test 1");
  const auto add = [&](const std::vector<TestValue>& values) {
    text.Add("values", static_cast<int64_t>(values.size()));
    for (const TestValue& value : values) {
      text.Add(value.name, value.is_null ? "null" : value.is_json ? "json" : "text");
      text.Add(value.text);
    }
  };
  for (const TestTable& table : test.given) {
    text.Add("given", table.name);
    for (const auto& row : table.rows) {
      add(row);
    }
  }
  text.Add("service", test.service);
  text.Add("at", test.at_us);
  add(test.ask);
  add(test.expect);
  return text.Finish();
}

}  // namespace icecore::spec
