// Names between definitions.

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "icecore/base/suggest.h"
#include "icecore/base/text.h"
#include "icecore/spec/parse_internal.h"

namespace icecore::spec {
namespace {

using Names = std::vector<std::string>;

// What SQL can read, by full name.
Names ReadableNames(const Project& project) {
  Names names;
  names.reserve(project.sources.size() + project.tables.size());
  for (const Source& source : project.sources) {
    names.push_back("landing." + source.name);
  }
  for (const Table& table : project.tables) {
    names.push_back(table.FullName());
  }
  return names;
}

// landing.x_raw stands for landing.x, history.x for the table or source x.
bool IsReadable(const Names& readable, const std::string& name) {
  if (base::Contains(readable, name)) {
    return true;
  }
  if (name.starts_with("landing.") && name.ends_with("_raw")) {
    return base::Contains(readable, name.substr(0, name.size() - 4));
  }
  constexpr std::string_view kHistory = "history.";
  return name.starts_with(kHistory) &&
         std::any_of(readable.begin(), readable.end(), [&](const std::string& full) {
           return full.substr(full.find('.') + 1) == name.substr(kHistory.size());
         });
}

// The full name that the short one of `name` has, else the nearest.
std::string Suggestion(const std::string& name, const Names& readable) {
  const std::string short_name = name.substr(name.find('.') + 1);
  for (const std::string& candidate : readable) {
    if (candidate.substr(candidate.find('.') + 1) == short_name) {
      return "; did you mean '" + candidate + "'?";
    }
  }
  return base::DidYouMean(name, readable);
}

template <typename Thing, typename NameOf>
void CheckUnique(const std::vector<Thing>& things, const std::string& kind, NameOf name_of,
                 base::Diagnostics* diagnostics) {
  std::map<std::string, const Thing*> first;
  for (const Thing& thing : things) {
    const std::string name = name_of(thing);
    if (thing.name.empty()) {
      continue;
    }
    const auto [found, is_new] = first.emplace(name, &thing);
    if (!is_new) {
      diagnostics->Error(thing.location, kind + " '" + name + "' is defined twice; first in " +
                                             found->second->location.ToString());
    }
  }
}

void CheckDuplicates(const Project& project, base::Diagnostics* diagnostics) {
  const auto plain = [](const auto& thing) { return thing.name; };
  CheckUnique(project.sources, "source", plain, diagnostics);
  CheckUnique(
      project.tables, "table", [](const Table& table) { return table.FullName(); }, diagnostics);
  CheckUnique(project.entities, "entity", plain, diagnostics);
  CheckUnique(project.views, "feature_view", plain, diagnostics);
  CheckUnique(project.services, "feature_service", plain, diagnostics);
  CheckUnique(project.training_sets, "training_set", plain, diagnostics);
  CheckUnique(project.tests, "test", plain, diagnostics);
  for (const TrainingSet& set : project.training_sets) {
    if (const FeatureService* service = project.FindService(set.name)) {
      diagnostics->Error(set.location, "training_set '" + set.name +
                                           "' takes the name of the feature_service in " +
                                           service->location.ToString() +
                                           "; `icecore training-set` would not know which is "
                                           "meant, so rename it");
    }
  }
  for (const Source& source : project.sources) {
    if (source.name.ends_with("_raw") &&
        project.FindSource(source.name.substr(0, source.name.size() - 4))) {
      diagnostics->Error(source.location,
                         "source '" + source.name + "' takes the name of the raw rows of '" +
                             source.name.substr(0, source.name.size() - 4) + "'; rename it");
    }
  }
}

void CheckReferences(const Table& table, const Check& check, const Names& readable,
                     base::Diagnostics* diagnostics) {
  const std::string what = "table '" + table.name + "': check '" + check.name + "'";
  for (const auto& [column, target] : check.references) {
    const size_t dot = target.rfind('.');
    const std::string other = target.substr(0, dot);
    if (dot == std::string::npos || other.find('.') == std::string::npos) {
      diagnostics->Error(check.location, what + ": '" + target +
                                             "' must be zone.table.column, as in "
                                             "landing.airports.faa");
    } else if (!IsReadable(readable, other)) {
      diagnostics->Error(check.location,
                         what + ": no table '" + other + "'" + Suggestion(other, readable));
    }
  }
  if (check.kind == Check::Kind::kEqualRows && !check.other_table.empty() &&
      !IsReadable(readable, check.other_table)) {
    diagnostics->Error(check.location, what + ": no table '" + check.other_table + "'" +
                                           Suggestion(check.other_table, readable));
  }
}

void CheckTable(const Table& table, const Names& readable, base::Diagnostics* diagnostics) {
  const std::string what = "table '" + table.name + "'";
  if (table.each && !IsReadable(readable, *table.each)) {
    diagnostics->Error(table.each_location, what + ": 'each': no table '" + *table.each + "'" +
                                                Suggestion(*table.each, readable));
  }
  if (table.each && *table.each == table.FullName()) {
    diagnostics->Error(table.each_location, what + ": 'each' is the table itself");
  }
  for (const Check& check : table.checks) {
    CheckReferences(table, check, readable, diagnostics);
  }
  for (const std::string& name : table.allow_current) {
    const bool is_short = name.find('.') == std::string::npos;
    const bool is_known = is_short ? std::any_of(readable.begin(), readable.end(),
                                                 [&](const std::string& full) {
                                                   return full.substr(full.find('.') + 1) == name;
                                                 })
                                   : IsReadable(readable, name);
    if (!is_known) {
      diagnostics->Error(table.location, what + ": 'allow_current': no table '" + name + "'" +
                                             Suggestion(name, readable));
    }
  }
}

void CheckTableView(const Project& project, const FeatureView& view, const Names& readable,
                    base::Diagnostics* diagnostics) {
  const std::string what = "feature_view '" + view.name + "'";
  if (!project.FindTable(view.from)) {
    Names tables;
    tables.reserve(project.tables.size());
    for (const Table& table : project.tables) {
      tables.push_back(table.FullName());
    }
    const std::string why = base::Contains(readable, view.from)
                                ? ": a view reads a processing or curated table, not '"
                                : ": 'from': no table '";
    diagnostics->Error(view.from_location,
                       what + why + view.from + "'" + Suggestion(view.from, tables));
  }
  const std::vector<std::string> entities = NamesOf(project.entities);
  const Entity* entity = project.FindEntity(view.entity);
  if (!entity) {
    diagnostics->Error(view.entity_location, what + ": no entity '" + view.entity + "'" +
                                                 base::DidYouMean(view.entity, entities));
    return;
  }
  const std::vector<std::string> keys = NamesOf(entity->keys);
  for (const auto& [key, column] : view.keys) {
    if (!base::Contains(keys, key)) {
      diagnostics->Error(view.location, what + ": 'keys': entity '" + entity->name +
                                            "' has no key '" + key + "'" +
                                            base::DidYouMean(key, keys));
    }
  }
}

void CheckInputs(const Project& project, const FeatureView& view, base::Diagnostics* diagnostics) {
  const std::vector<std::string> views = NamesOf(project.views);
  for (const ViewInput& input : view.inputs) {
    const std::string what = "feature_view '" + view.name + "': input '" + input.name + "'";
    const FeatureView* source = project.FindView(input.view);
    if (!source) {
      diagnostics->Error(input.location, what + ": no feature_view '" + input.view + "'" +
                                             base::DidYouMean(input.view, views));
    } else if (source->on_request()) {
      diagnostics->Error(input.location, what + ": '" + input.view +
                                             "' is itself computed when asked; an input is a "
                                             "feature of a view over a table");
    } else if (!source->FindFeature(input.feature)) {
      const std::vector<std::string> features = NamesOf(source->features);
      diagnostics->Error(input.location, what + ": feature_view '" + input.view +
                                             "' has no feature '" + input.feature + "'" +
                                             base::DidYouMean(input.feature, features));
    }
  }
}

}  // namespace

void CheckProject(const Project& project, base::Diagnostics* diagnostics) {
  CheckDuplicates(project, diagnostics);
  const Names readable = ReadableNames(project);
  for (const Table& table : project.tables) {
    CheckTable(table, readable, diagnostics);
  }
  for (const FeatureView& view : project.views) {
    if (view.on_request()) {
      CheckInputs(project, view, diagnostics);
    } else {
      CheckTableView(project, view, readable, diagnostics);
    }
  }
  for (const FeatureService& service : project.services) {
    CheckService(project, service, diagnostics);
  }
  CheckTrainingSets(project, diagnostics);
  CheckTests(project, diagnostics);
}

}  // namespace icecore::spec
