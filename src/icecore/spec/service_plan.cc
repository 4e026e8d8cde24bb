#include "icecore/spec/service_plan.h"

#include <arrow/type.h>
#include <arrow/type_traits.h>

#include <algorithm>
#include <map>

#include "icecore/base/suggest.h"
#include "icecore/spec/parse.h"
#include "icecore/spec/parse_internal.h"

namespace icecore::spec {
namespace {

// Without its place, which the callers that go over the entries add.
arrow::Status Fail(const std::string& message) {
  return base::MakeError(base::ErrorCode::kInvalidDefinition, message);
}

arrow::Result<const FeatureView*> ViewOf(const Project& project, const ServiceEntry& entry) {
  if (const FeatureView* view = project.FindView(entry.view)) {
    return view;
  }
  const std::vector<std::string> names = NamesOf(project.views);
  return Fail("no feature_view '" + entry.view + "'" + base::DidYouMean(entry.view, names));
}

arrow::Result<std::vector<const Feature*>> FeaturesOf(const ServiceEntry& entry,
                                                      const FeatureView& view) {
  std::vector<const Feature*> features;
  const std::vector<std::string> names = NamesOf(view.features);
  for (const Feature& feature : view.features) {
    if (entry.only.empty()) {
      features.push_back(&feature);
    }
  }
  for (const std::string& name : entry.only) {
    const Feature* feature = view.FindFeature(name);
    if (!feature) {
      return Fail("feature_view '" + view.name + "' has no feature '" + name + "'" +
                  base::DidYouMean(name, names));
    }
    features.push_back(feature);
  }
  for (const auto& [name, final_name] : entry.as) {
    const bool is_chosen = std::any_of(features.begin(), features.end(),
                                       [&](const Feature* f) { return f->name == name; });
    if (is_chosen) {
      continue;
    }
    if (view.FindFeature(name)) {
      return Fail("'as' names '" + name + "', which 'only' leaves out");
    }
    return Fail("'as': feature_view '" + view.name + "' has no feature '" + name + "'" +
                base::DidYouMean(name, names));
  }
  return features;
}

arrow::Status CheckKeys(const Project& project, const ServiceEntry& entry,
                        const FeatureView& view) {
  if (entry.keys.empty()) {
    return arrow::Status::OK();
  }
  if (view.on_request()) {
    return Fail("'keys': feature_view '" + view.name +
                "' is computed when asked and has no keys of its own");
  }
  const Entity* entity = project.FindEntity(view.entity);
  if (!entity) {
    return Fail("no entity '" + view.entity + "'");
  }
  const std::vector<std::string> names = NamesOf(entity->keys);
  for (const auto& [key, column] : entry.keys) {
    if (std::find(names.begin(), names.end(), key) == names.end()) {
      return Fail("'keys': entity '" + entity->name + "' has no key '" + key + "'" +
                  base::DidYouMean(key, names));
    }
  }
  return arrow::Status::OK();
}

std::string FinalName(const ServiceEntry& entry, const Feature& feature) {
  const auto given = entry.as.find(feature.name);
  return given != entry.as.end() ? given->second : entry.prefix + feature.name;
}

arrow::Status Clash(const ServiceFeature& feature, const std::string& with) {
  return Fail("'" + feature.view->name + "." + feature.feature->name + "' would be called '" +
              feature.name + "', as is " + with +
              "; give it another name, as in {view: " + feature.view->name +
              ", prefix: " + feature.view->name + "_} or {view: " + feature.view->name + ", as: {" +
              feature.feature->name + ": other_name}}");
}

bool IsInteger(const arrow::DataType& type) { return arrow::is_integer(type.id()); }

// Adds the column, or checks it against the one of that name.
arrow::Status AddColumn(const RequiredColumn& column, std::vector<RequiredColumn>* columns) {
  for (RequiredColumn& other : *columns) {
    if (other.name != column.name) {
      continue;
    }
    if (!other.type || !column.type || other.type->Equals(*column.type)) {
      return arrow::Status::OK();
    }
    if (IsInteger(*other.type) && IsInteger(*column.type)) {
      if (column.type->bit_width() > other.type->bit_width()) {
        other.type = column.type;
      }
      return arrow::Status::OK();
    }
    return Fail("the spine column '" + column.name + "' would be " + TypeText(*other.type) +
                " for one feature_view and " + TypeText(*column.type) +
                " for another; rename one with 'keys'");
  }
  columns->push_back(column);
  return arrow::Status::OK();
}

arrow::Status AddKeys(const Project& project, const FeatureView& view, const ServiceEntry& names,
                      const base::Location& location, std::vector<RequiredColumn>* columns) {
  const Entity* entity = project.FindEntity(view.entity);
  if (!entity) {
    return Fail("no entity '" + view.entity + "'");
  }
  const std::vector<std::string> spine_names = SpineKeysOf(*entity, names);
  for (size_t i = 0; i < spine_names.size(); ++i) {
    ARROW_RETURN_NOT_OK(AddColumn({spine_names[i], entity->keys[i].type, true, location}, columns));
  }
  return arrow::Status::OK();
}

void Report(const FeatureService& service, const ServiceEntry& entry, const arrow::Status& status,
            base::Diagnostics* diagnostics) {
  if (!status.ok()) {
    diagnostics->Error(entry.location,
                       "feature_service '" + service.name + "': " + status.message());
  }
}

arrow::Status AddEntryKeys(const Project& project, const ServiceEntry& entry,
                           std::vector<RequiredColumn>* columns) {
  ARROW_ASSIGN_OR_RAISE(const FeatureView* view, ViewOf(project, entry));
  if (!view->on_request()) {
    return AddKeys(project, *view, entry, entry.location, columns);
  }
  const ServiceEntry own_names;
  for (const ViewInput& input : view->inputs) {
    const FeatureView* source = project.FindView(input.view);
    if (!source || source->on_request()) {
      return Fail("'" + view->name + "' needs '" + input.view + "." + input.feature +
                  "', which is no feature over a table");
    }
    ARROW_RETURN_NOT_OK(AddKeys(project, *source, own_names, entry.location, columns));
  }
  return arrow::Status::OK();
}

arrow::Status AddRequestColumns(const Project& project, const ServiceEntry& entry,
                                std::vector<RequiredColumn>* columns) {
  ARROW_ASSIGN_OR_RAISE(const FeatureView* view, ViewOf(project, entry));
  for (const KeyColumn& column : view->request) {
    ARROW_RETURN_NOT_OK(AddColumn({column.name, column.type, false, entry.location}, columns));
  }
  return arrow::Status::OK();
}

std::vector<RequiredColumn> Columns(const Project& project, const FeatureService& service,
                                    base::Diagnostics* diagnostics) {
  std::vector<RequiredColumn> columns;
  for (const ServiceEntry& entry : service.entries) {
    Report(service, entry, AddEntryKeys(project, entry, &columns), diagnostics);
  }
  if (diagnostics->has_errors()) {
    return columns;  // the same views would be reported again
  }
  for (const ServiceEntry& entry : service.entries) {
    Report(service, entry, AddRequestColumns(project, entry, &columns), diagnostics);
  }
  return columns;
}

// Appends the entry's features, up to one whose name is taken; `taken` holds the index of every
// name.
arrow::Status FlattenEntry(const Project& project, const FeatureService& service, size_t index,
                           std::map<std::string, size_t>* taken,
                           std::vector<ServiceFeature>* flat) {
  const ServiceEntry& entry = service.entries[index];
  ARROW_ASSIGN_OR_RAISE(const FeatureView* view, ViewOf(project, entry));
  ARROW_RETURN_NOT_OK(CheckKeys(project, entry, *view));
  ARROW_ASSIGN_OR_RAISE(const std::vector<const Feature*> features, FeaturesOf(entry, *view));
  for (const Feature* feature : features) {
    ServiceFeature next{FinalName(entry, *feature), view, feature, index};
    const auto [other, is_new] = taken->emplace(next.name, flat->size());
    if (!is_new) {
      const ServiceFeature& first = (*flat)[other->second];
      return Clash(next, "'" + first.view->name + "." + first.feature->name + "'");
    }
    flat->push_back(std::move(next));
  }
  return arrow::Status::OK();
}

// A feature must not be called as a column that the spine needs.
arrow::Status CheckAgainstSpine(const ServiceFeature& feature,
                                const std::vector<RequiredColumn>& columns) {
  if (feature.name == "event_timestamp") {
    return Clash(feature, "the spine's time");
  }
  for (const RequiredColumn& column : columns) {
    if (column.name == feature.name) {
      return Clash(feature,
                   column.is_key ? "a key column of the spine" : "a column of the request");
    }
  }
  return arrow::Status::OK();
}

}  // namespace

std::vector<std::string> SpineKeysOf(const Entity& entity, const ServiceEntry& entry) {
  std::vector<std::string> names;
  names.reserve(entity.keys.size());
  for (const KeyColumn& key : entity.keys) {
    const auto renamed = entry.keys.find(key.name);
    names.push_back(renamed != entry.keys.end() ? renamed->second : key.name);
  }
  return names;
}

std::vector<ServiceFeature> CheckService(const Project& project, const FeatureService& service,
                                         base::Diagnostics* diagnostics) {
  base::Diagnostics found;
  std::vector<ServiceFeature> flat;
  std::map<std::string, size_t> taken;
  for (size_t i = 0; i < service.entries.size(); ++i) {
    Report(service, service.entries[i], FlattenEntry(project, service, i, &taken, &flat), &found);
  }
  if (!found.has_errors()) {
    const std::vector<RequiredColumn> columns = Columns(project, service, &found);
    for (const ServiceFeature& feature : flat) {
      Report(service, service.entries[feature.entry], CheckAgainstSpine(feature, columns), &found);
    }
  }
  diagnostics->Append(found);
  return flat;
}

arrow::Result<std::vector<ServiceFeature>> FlattenService(const Project& project,
                                                          const FeatureService& service) {
  base::Diagnostics diagnostics;
  std::vector<ServiceFeature> flat = CheckService(project, service, &diagnostics);
  ARROW_RETURN_NOT_OK(diagnostics.ToStatus());
  return flat;
}

arrow::Result<std::vector<RequiredColumn>> RequiredColumns(const Project& project,
                                                           const FeatureService& service) {
  base::Diagnostics diagnostics;
  std::vector<RequiredColumn> columns = Columns(project, service, &diagnostics);
  ARROW_RETURN_NOT_OK(diagnostics.ToStatus());
  return columns;
}

}  // namespace icecore::spec
