#include <utility>

#include "icecore/base/json_text.h"
#include "icecore/base/time.h"
#include "icecore/spec/parse_internal.h"

namespace icecore::spec {
namespace {

// A list or map as JSON. Scalars that are no text keep their form.
void AppendJson(const YamlValue& value, std::string* out) {
  switch (value.kind) {
    case YamlValue::Kind::kNull:
      *out += "null";
      return;
    case YamlValue::Kind::kScalar: {
      base::Diagnostics ignored;
      const auto literal = ReadLiteral(value, "", &ignored);
      if (literal &&
          (literal->kind == Literal::Kind::kInt || literal->kind == Literal::Kind::kFloat ||
           literal->kind == Literal::Kind::kBool)) {
        *out += value.text;
      } else {
        base::AppendJsonString(value.text, out);
      }
      return;
    }
    case YamlValue::Kind::kList:
      *out += '[';
      for (size_t i = 0; i < value.items.size(); ++i) {
        *out += i == 0 ? "" : ",";
        AppendJson(value.items[i], out);
      }
      *out += ']';
      return;
    case YamlValue::Kind::kMap:
      *out += '{';
      for (size_t i = 0; i < value.entries.size(); ++i) {
        *out += i == 0 ? "" : ",";
        base::AppendJsonString(value.entries[i].key, out);
        *out += ':';
        AppendJson(value.entries[i].value, out);
      }
      *out += '}';
      return;
  }
}

TestValue ReadValue(const YamlEntry& entry) {
  TestValue value;
  value.name = entry.key;
  value.location = entry.location;
  value.is_null = entry.value.kind == YamlValue::Kind::kNull;
  value.is_json =
      entry.value.kind == YamlValue::Kind::kList || entry.value.kind == YamlValue::Kind::kMap;
  if (value.is_json) {
    AppendJson(entry.value, &value.text);
  } else {
    value.text = entry.value.text;
  }
  return value;
}

void ReadGiven(MapReader* reader, DefinitionTest* test) {
  const YamlValue* given = reader->Take("given");
  if (!given) {
    reader->Error(reader->location(), "'given' is missing");
    return;
  }
  if (given->kind != YamlValue::Kind::kMap) {
    reader->Error(given->location,
                  "'given' must be a map of tables to rows, as in "
                  "{processing.flights: [{carrier: UA}]}");
    return;
  }
  for (const YamlEntry& entry : given->entries) {
    TestTable table;
    table.name = entry.key;
    table.location = entry.location;
    if (entry.value.kind != YamlValue::Kind::kList) {
      reader->Error(entry.location, "the rows of '" + entry.key +
                                        "' must be a list, as in "
                                        "[{carrier: UA}]; [] for none");
      continue;
    }
    for (const YamlValue& item : entry.value.items) {
      if (item.kind != YamlValue::Kind::kMap) {
        reader->Error(item.location, "a row of '" + entry.key + "' must be {column: value}");
        continue;
      }
      std::vector<TestValue>& row = table.rows.emplace_back();
      for (const YamlEntry& cell : item.entries) {
        row.push_back(ReadValue(cell));
      }
    }
    test->given.push_back(std::move(table));
  }
}

void ReadAsk(MapReader* reader, base::Diagnostics* diagnostics, DefinitionTest* test) {
  const YamlValue* ask = reader->Take("ask");
  test->service_location = reader->LocationOf("ask");
  if (!ask || ask->kind != YamlValue::Kind::kMap) {
    reader->Error(test->service_location,
                  ask ? "'ask' must be {service: …, at: TIME, key: value}" : "'ask' is missing");
    return;
  }
  MapReader map(*ask, reader->what() + ": 'ask'", diagnostics);
  test->service = map.RequireText("service");
  test->service_location = map.LocationOf("service");
  const std::string at = map.RequireText("at");
  const auto instant = base::ParseInstant(at);
  if (instant.ok()) {
    test->at_us = *instant;
  } else if (!at.empty()) {
    map.ErrorAt("at", "'at' must be a time such as 2013-12-01T12:00:00Z, got '" + at + "'");
  }
  for (const YamlEntry& entry : ask->entries) {
    if (entry.key != "service" && entry.key != "at") {
      test->ask.push_back(ReadValue(entry));
    }
  }
}

void ReadExpect(MapReader* reader, DefinitionTest* test) {
  const YamlValue* expect = reader->Take("expect");
  if (!expect || expect->kind != YamlValue::Kind::kMap || expect->entries.empty()) {
    reader->Error(reader->LocationOf("expect"),
                  expect ? "'expect' must be {feature: value}" : "'expect' is missing");
    return;
  }
  for (const YamlEntry& entry : expect->entries) {
    test->expect.push_back(ReadValue(entry));
  }
}

}  // namespace

void ParseTestKind(const YamlDocument& document, ParseContext* context) {
  const YamlEntry& first = document.root.entries[0];
  DefinitionTest test;
  test.location = first.location;
  test.text = document.text;
  MapReader reader(document.root, "test '" + first.value.text + "'", context->diagnostics);
  test.name = reader.RequireText("test");
  CheckName(test.name, first.location, "test", context->diagnostics);
  ReadGiven(&reader, &test);
  ReadAsk(&reader, context->diagnostics, &test);
  ReadExpect(&reader, &test);
  test.doc = reader.TakeDocumentation(false);
  reader.Finish();
  context->project->tests.push_back(std::move(test));
}

}  // namespace icecore::spec
