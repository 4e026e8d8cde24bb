#include <algorithm>
#include <utility>

#include "icecore/spec/parse_internal.h"

namespace icecore::spec {
namespace {

ServiceEntry ReadShortEntry(const YamlValue& item) {
  ServiceEntry entry;
  entry.location = item.location;
  const size_t dot = item.text.find('.');
  entry.view = item.text.substr(0, dot);
  if (dot != std::string::npos) {
    entry.only = {item.text.substr(dot + 1)};
  }
  return entry;
}

ServiceEntry ReadLongEntry(const YamlValue& item, const std::string& what,
                           base::Diagnostics* diagnostics) {
  ServiceEntry entry;
  entry.location = item.location;
  MapReader reader(item, what + ": 'features'", diagnostics);
  entry.view = reader.RequireText("view");
  entry.only = reader.TakeTexts("only");
  if (reader.Has("only") && entry.only.empty()) {
    reader.ErrorAt("only", "'only' names no feature");
  }
  for (const auto& [entity_key, column] : reader.TakePairs("keys")) {
    entry.keys[entity_key] = column;
  }
  entry.prefix = reader.TakeText("prefix").value_or("");
  for (const auto& [feature, name] : reader.TakePairs("as")) {
    entry.as[feature] = name;
  }
  reader.Finish();
  return entry;
}

}  // namespace

void ParseFeatureService(const YamlDocument& document, ParseContext* context) {
  base::Diagnostics* diagnostics = context->diagnostics;
  const YamlEntry& first = document.root.entries[0];
  FeatureService service;
  service.location = first.location;
  service.text = document.text;
  MapReader reader(document.root, "feature_service '" + first.value.text + "'", diagnostics);
  service.name = reader.RequireText("feature_service");
  CheckName(service.name, first.location, "feature_service", diagnostics);
  if (!reader.Has("features")) {
    reader.Error(reader.location(), "'features' is missing");
  }
  if (const std::vector<YamlValue>* items = reader.TakeList("features")) {
    if (items->empty()) {
      reader.ErrorAt("features", "'features' is empty");
    }
    for (const YamlValue& item : *items) {
      if (item.kind == YamlValue::Kind::kScalar) {
        service.entries.push_back(ReadShortEntry(item));
      } else if (item.kind == YamlValue::Kind::kMap) {
        service.entries.push_back(ReadLongEntry(item, reader.what(), diagnostics));
      } else {
        reader.Error(item.location, "an entry must be a view, view.feature, or {view: …, only: …}");
      }
    }
  }
  service.doc = reader.TakeDocumentation(false);
  reader.Finish();
  context->project->services.push_back(std::move(service));
}

}  // namespace icecore::spec
