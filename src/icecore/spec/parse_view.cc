#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "icecore/spec/parse_feature_internal.h"
#include "icecore/spec/parse_internal.h"

namespace icecore::spec {
namespace {

constexpr std::string_view kTemplate = "{entity}";

std::string Replaced(std::string text, const std::string& entity) {
  for (size_t at = text.find(kTemplate); at != std::string::npos;
       at = text.find(kTemplate, at + entity.size())) {
    text.replace(at, kTemplate.size(), entity);
  }
  return text;
}

// "view.feature"
bool SplitFeature(const std::string& text, std::string* view, std::string* feature) {
  const size_t dot = text.find('.');
  if (dot == std::string::npos || dot == 0 || dot + 1 == text.size()) {
    return false;
  }
  *view = text.substr(0, dot);
  *feature = text.substr(dot + 1);
  return true;
}

void AddInput(MapReader* reader, const std::string& name, const YamlValue& value,
              base::Diagnostics* diagnostics, FeatureView* view) {
  const auto text = ReadText(value, reader->what() + ": 'inputs'", diagnostics);
  if (!text) {
    return;
  }
  ViewInput input;
  input.location = value.location;
  if (!SplitFeature(*text, &input.view, &input.feature)) {
    reader->Error(value.location,
                  "an input is one feature, as in view_name.feature_name, got '" + *text + "'");
    return;
  }
  input.name = name.empty() ? input.feature : name;
  view->inputs.push_back(std::move(input));
}

// A map {name: view.feature} or a list [view.feature].
void ReadInputs(MapReader* reader, base::Diagnostics* diagnostics, FeatureView* view) {
  const YamlValue* value = reader->Take("inputs");
  if (!value) {
    return;
  }
  if (value->kind != YamlValue::Kind::kMap && value->kind != YamlValue::Kind::kList) {
    reader->Error(value->location, "'inputs' must be {name: view.feature} or [view.feature]");
  }
  for (const YamlEntry& entry : value->entries) {
    AddInput(reader, entry.key, entry.value, diagnostics, view);
  }
  for (const YamlValue& item : value->items) {
    AddInput(reader, "", item, diagnostics, view);
  }
  std::vector<std::string> names = NamesOf(view->request);
  for (const ViewInput& input : view->inputs) {
    if (std::find(names.begin(), names.end(), input.name) != names.end()) {
      reader->Error(input.location, "two inputs are called '" + input.name +
                                        "'; name them, as in {other_name: " + input.view + "." +
                                        input.feature + "}");
    }
    names.push_back(input.name);
  }
}

void CheckFeatureNames(const std::string& what, const FeatureView& view,
                       base::Diagnostics* diagnostics) {
  std::set<std::string_view> names;
  for (const Feature& feature : view.features) {
    if (!names.insert(feature.name).second) {
      diagnostics->Error(feature.location, what + ": two features are called '" + feature.name +
                                               "'; give one another name");
    }
  }
}

void ReadTableView(MapReader* reader, base::Diagnostics* diagnostics, FeatureView* view) {
  for (const auto& [entity_key, column] : reader->TakePairs("keys")) {
    view->keys[entity_key] = column;
  }
  view->event_time = ReadEventTime(reader);
  view->known_at = ReadKnownAt(reader, diagnostics);
  view->ttl_us = reader->TakeDuration("ttl");
  view->where = reader->TakeExpression("where");
  view->exclude_at = reader->TakeBool("exclude_at", false);
  view->online = reader->TakeBool("online", false);
  FeatureDefaults defaults;
  defaults.windows = ReadWindows(reader, diagnostics);
  defaults.hop_us = ReadHop(reader);
  if (const std::vector<YamlValue>* items = reader->TakeList("features")) {
    for (const YamlValue& item : *items) {
      ReadTableFeature(item, reader->what(), defaults, diagnostics, &view->features);
    }
  }
  const bool has_windows =
      std::any_of(view->features.begin(), view->features.end(),
                  [](const Feature& feature) { return feature.window.has_value(); });
  if (view->event_time && view->event_time->always) {
    if (view->ttl_us) {
      reader->ErrorAt("ttl", "'event_time: always' has no 'ttl': a fact without time has no age");
    }
    if (has_windows) {
      reader->ErrorAt("event_time",
                      "'event_time: always' has no windows: a fact without time is in none");
    }
  }
}

void ReadRequestView(MapReader* reader, base::Diagnostics* diagnostics, FeatureView* view) {
  view->request = ReadKeyColumns(reader, "request", diagnostics);
  ReadInputs(reader, diagnostics, view);
  if (const std::vector<YamlValue>* items = reader->TakeList("features")) {
    for (const YamlValue& item : *items) {
      ReadRequestFeature(item, reader->what(), diagnostics, &view->features);
    }
  }
}

// Keys that only the other kind of view has are named as such, not as unknown.
void RefuseKeys(MapReader* reader, const std::vector<std::string>& keys, const std::string& why) {
  for (const std::string& key : keys) {
    if (reader->Has(key)) {
      reader->ErrorAt(key, "'" + key + "' " + why);
    }
    reader->Take(key);
  }
}

// Appends the view once per entity.
void AddPerEntity(MapReader* reader, const std::vector<std::string>& entities,
                  const FeatureView& view, ParseContext* context) {
  const bool is_template = view.name.find(kTemplate) != std::string::npos;
  if (!is_template && entities.size() > 1) {
    reader->ErrorAt("entity",
                    "a list of entities needs {entity} in the view's name, as in "
                    "feature_view: \"" +
                        view.name + "_by_{entity}\"");
    return;
  }
  if (entities.empty()) {
    return;
  }
  for (size_t i = 0; i < entities.size(); ++i) {
    if (std::find(entities.begin(), entities.begin() + static_cast<std::ptrdiff_t>(i),
                  entities[i]) != entities.begin() + static_cast<std::ptrdiff_t>(i)) {
      reader->ErrorAt("entity", "entity '" + entities[i] + "' is given twice");
      continue;
    }
    FeatureView copy = view;
    copy.entity = entities[i];
    copy.name = Replaced(copy.name, entities[i]);
    copy.doc.description = Replaced(copy.doc.description, entities[i]);
    for (Feature& feature : copy.features) {
      feature.doc.description = Replaced(feature.doc.description, entities[i]);
    }
    CheckName(copy.name, copy.location, "feature_view", context->diagnostics);
    context->project->views.push_back(std::move(copy));
  }
}

}  // namespace

void ParseEntity(const YamlDocument& document, ParseContext* context) {
  const YamlEntry& first = document.root.entries[0];
  Entity entity;
  entity.location = first.location;
  entity.text = document.text;
  MapReader reader(document.root, "entity '" + first.value.text + "'", context->diagnostics);
  entity.name = reader.RequireText("entity");
  CheckName(entity.name, first.location, "entity", context->diagnostics);
  if (!reader.Has("keys")) {
    reader.Error(reader.location(), "'keys' is missing, as in keys: [{name: id, type: int64}]");
  }
  entity.keys = ReadKeyColumns(&reader, "keys", context->diagnostics);
  if (entity.keys.empty() && reader.Has("keys")) {
    reader.ErrorAt("keys", "'keys' names no column");
  }
  entity.doc = reader.TakeDocumentation(false);
  reader.Finish();
  context->project->entities.push_back(std::move(entity));
}

void ParseFeatureView(const YamlDocument& document, ParseContext* context) {
  base::Diagnostics* diagnostics = context->diagnostics;
  const YamlEntry& first = document.root.entries[0];
  FeatureView view;
  view.location = first.location;
  view.text = document.text;
  MapReader reader(document.root, "feature_view '" + first.value.text + "'", diagnostics);
  view.name = reader.RequireText("feature_view");
  view.doc = reader.TakeDocumentation(false);
  reader.Unsupported({"age", "valid_to"});
  const bool is_request = !reader.Has("from") && (reader.Has("request") || reader.Has("inputs"));
  std::vector<std::string> entities;
  if (is_request) {
    RefuseKeys(&reader,
               {"entity", "keys", "event_time", "known_at", "ttl", "where", "exclude_at", "online",
                "windows", "hop", "from"},
               "is for views over a table; this one has 'request' or 'inputs' and no 'from'");
    ReadRequestView(&reader, diagnostics, &view);
  } else {
    RefuseKeys(&reader, {"request", "inputs"}, "is for views without 'from', computed when asked");
    if (!reader.Has("from")) {
      reader.Error(reader.location(),
                   "'from' is missing: the table it reads, or 'request' and 'inputs' for a view "
                   "computed when asked");
    }
    view.from = reader.TakeText("from").value_or("");
    view.from_location = reader.LocationOf("from");
    view.entity_location = reader.LocationOf("entity");
    entities = reader.TakeTexts("entity");
    if (entities.empty()) {
      reader.Error(reader.location(), "'entity' is missing");
    }
    ReadTableView(&reader, diagnostics, &view);
  }
  if (!reader.Has("features")) {
    reader.Error(reader.location(), "'features' is missing");
  }
  reader.Finish();
  CheckFeatureNames(reader.what(), view, diagnostics);
  if (is_request) {
    CheckName(view.name, view.location, "feature_view", diagnostics);
    context->project->views.push_back(std::move(view));
  } else {
    AddPerEntity(&reader, entities, view, context);
  }
}

}  // namespace icecore::spec
