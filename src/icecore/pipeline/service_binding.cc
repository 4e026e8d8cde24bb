#include "icecore/pipeline/service_binding.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/pipeline/versions.h"
#include "icecore/spec/parse.h"

namespace icecore::pipeline {
namespace {

using base::ErrorCode;
using base::MakeError;

// Every view that a service's entries and their inputs name, on request or over a table.
arrow::Result<std::vector<const spec::FeatureView*>> ViewsOf(const spec::Project& definitions,
                                                             const spec::FeatureService& service) {
  std::vector<const spec::FeatureView*> views;
  const auto add = [&](const std::string& name,
                       const base::Location& location) -> arrow::Result<const spec::FeatureView*> {
    const spec::FeatureView* view = definitions.FindView(name);
    if (view == nullptr) {
      return base::MakeErrorAt(ErrorCode::kInvalidDefinition, location,
                               "feature_service '" + service.name + "': no view '" + name + "'");
    }
    if (std::find(views.begin(), views.end(), view) == views.end()) {
      views.push_back(view);
    }
    return view;
  };
  for (const spec::ServiceEntry& entry : service.entries) {
    ARROW_ASSIGN_OR_RAISE(const spec::FeatureView* view, add(entry.view, entry.location));
    for (const spec::ViewInput& input : view->inputs) {
      ARROW_RETURN_NOT_OK(add(input.view, input.location).status());
    }
  }
  return views;
}

// Of a version of the catalog: the texts of the kinds that may be another today, each once, and the
// fingerprints of their things.
struct PastRecords {
  std::vector<spec::DefinitionText> documents;
  std::map<std::string, std::string> fingerprints;  // by full name
};

arrow::Result<PastRecords> RecordsAt(const Workspace& workspace, int64_t version) {
  ARROW_ASSIGN_OR_RAISE(const auto records, workspace.catalog->GetDefinitions(version));
  PastRecords past;
  std::set<std::string> seen;  // one document may define several things
  for (const catalog::DefinitionRecord& record : records) {
    if (record.kind != "entity" && record.kind != "feature_view" &&
        record.kind != "feature_service") {
      continue;
    }
    past.fingerprints[record.name] = record.fingerprint;
    if (seen.insert(record.text).second) {
      const std::string file = record.location.substr(0, record.location.rfind(':'));
      past.documents.push_back({file + "@" + std::to_string(version), record.text});
    }
  }
  return past;
}

template <typename Thing, typename FingerprintOf>
arrow::Status KeepAsRecorded(const std::string& kind, const PastRecords& past, int64_t version,
                             const FingerprintOf& fingerprint_of, std::vector<Thing>* things) {
  std::erase_if(
      *things, [&](const Thing& thing) { return past.fingerprints.count(kind + thing.name) == 0; });
  for (const Thing& thing : *things) {
    if (fingerprint_of(thing) != past.fingerprints.at(kind + thing.name)) {
      return MakeError(ErrorCode::kInvalidDefinition, kind + thing.name + " of version " +
                                                          std::to_string(version) +
                                                          " is another with today's `variables:`");
    }
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<std::shared_ptr<const feature::BoundView>> BindView(
    const spec::Project& definitions, const AnalysedProject& tables, const spec::FeatureView& view,
    base::Diagnostics* diagnostics, const std::vector<spec::Feature>& kept) {
  const std::shared_ptr<arrow::Schema> schema = tables.SchemaOf(view.from);
  const spec::Entity* entity = definitions.FindEntity(view.entity);
  const ViewTimes times = TimesOf(definitions, view);
  if (schema == nullptr || entity == nullptr || !times.event_time) {
    diagnostics->Error(view.location, "view " + view.name + ": " +
                                          (schema == nullptr   ? "there is no table " + view.from
                                           : entity == nullptr ? "there is no entity " + view.entity
                                                               : "event_time is missing"));
    return nullptr;
  }
  const auto versioned = FindVersionedTable(definitions, view.from);
  const feature::TableVersions versions =
      versioned ? feature::TableVersions{versioned->key, versioned->order_by}
                : feature::TableVersions{};
  return feature::BoundView::Bind(view, *entity, *times.event_time, times.known_at, *schema,
                                  versioned ? &versions : nullptr, diagnostics, kept);
}

arrow::Result<std::shared_ptr<const feature::BoundService>> BindService(
    const spec::Project& definitions, const AnalysedProject& tables,
    const spec::FeatureService& service) {
  base::Diagnostics diagnostics;
  std::map<std::string, std::shared_ptr<const feature::BoundView>> bound;
  ARROW_ASSIGN_OR_RAISE(const auto views, ViewsOf(definitions, service));
  for (const spec::FeatureView* view : views) {
    if (!view->on_request()) {
      ARROW_ASSIGN_OR_RAISE(bound[view->name], BindView(definitions, tables, *view, &diagnostics));
    }
  }
  ARROW_RETURN_NOT_OK(diagnostics.ToStatus());
  const auto find = [&](const std::string& name) {
    const auto found = bound.find(name);
    return found == bound.end() ? nullptr : found->second;
  };
  auto service_bound = feature::BoundService::Bind(definitions, service, find, &diagnostics);
  ARROW_RETURN_NOT_OK(diagnostics.ToStatus());
  return service_bound;
}

arrow::Result<spec::FeatureService> NarrowService(
    const spec::Project& definitions, const spec::FeatureService& service,
    const std::function<bool(const spec::ServiceFeature&)>& keep) {
  ARROW_ASSIGN_OR_RAISE(const auto features, spec::FlattenService(definitions, service));
  spec::FeatureService narrow = service;
  for (spec::ServiceEntry& entry : narrow.entries) {
    entry.only.clear();
  }
  for (const spec::ServiceFeature& feature : features) {
    if (keep(feature)) {
      narrow.entries[feature.entry].only.push_back(feature.feature->name);
    }
  }
  for (spec::ServiceEntry& entry : narrow.entries) {
    std::erase_if(entry.as, [&](const auto& as) {
      return std::find(entry.only.begin(), entry.only.end(), as.first) == entry.only.end();
    });
  }
  std::erase_if(narrow.entries, [](const auto& entry) { return entry.only.empty(); });
  if (narrow.entries.empty()) {
    return MakeError(ErrorCode::kNotFound,
                     "no feature of service " + service.name + " is left to compute");
  }
  return narrow;
}

std::vector<std::string> ViewsBehind(const spec::ServiceFeature& feature) {
  if (!feature.view->on_request()) {
    return {feature.view->name};
  }
  std::vector<std::string> views;
  for (const spec::ViewInput& input : feature.view->inputs) {
    if (std::find(views.begin(), views.end(), input.view) == views.end()) {
      views.push_back(input.view);
    }
  }
  return views;
}

arrow::Result<std::string> ServiceDefinition(const spec::Project& definitions,
                                             const spec::FeatureService& service) {
  std::string text = spec::Fingerprint(service);
  ARROW_ASSIGN_OR_RAISE(const auto views, ViewsOf(definitions, service));
  for (const spec::FeatureView* view : views) {
    text += "/" + spec::Fingerprint(*view, definitions.FindEntity(view->entity));
    if (!view->on_request()) {
      const ViewTimes times = TimesOf(definitions, *view);
      text += "/" + (times.event_time ? times.event_time->column : "") + "/" +
              std::to_string(static_cast<int>(times.known_at.kind)) + "/" + times.known_at.column +
              "/" + std::to_string(times.known_at.delay_us);
    }
  }
  return base::Sha256Hex(text);
}

arrow::Result<spec::Project> DefinitionsAt(const Workspace& workspace, int64_t version) {
  ARROW_ASSIGN_OR_RAISE(const PastRecords past, RecordsAt(workspace, version));
  base::Diagnostics diagnostics;
  spec::Project project = spec::ParseWithin(*workspace.project, past.documents, &diagnostics);
  if (diagnostics.has_errors()) {
    return base::WithContext(
        diagnostics.ToStatus(),
        "definitions of version " + std::to_string(version) + " cannot be read today");
  }
  // Entities have no fingerprint of their own: that of a view holds its entity's keys.
  std::erase_if(project.entities, [&](const spec::Entity& entity) {
    return past.fingerprints.count("entity." + entity.name) == 0;
  });
  ARROW_RETURN_NOT_OK(KeepAsRecorded(
      "view.", past, version,
      [&](const spec::FeatureView& view) {
        return spec::Fingerprint(view, project.FindEntity(view.entity));
      },
      &project.views));
  ARROW_RETURN_NOT_OK(KeepAsRecorded(
      "service.", past, version,
      [](const spec::FeatureService& service) { return spec::Fingerprint(service); },
      &project.services));
  return project;
}

}  // namespace icecore::pipeline
