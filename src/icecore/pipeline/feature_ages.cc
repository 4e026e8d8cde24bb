#include "icecore/pipeline/feature_ages.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/feature/time_column.h"
#include "icecore/pipeline/versions.h"
#include "icecore/spec/service_plan.h"

namespace icecore::pipeline {
namespace {

// Of an entry of the service in the shadow.
std::string PrefixOf(size_t entry) { return "icecore_age_" + std::to_string(entry) + "_"; }

std::string TextOf(const std::optional<spec::ExpressionText>& where) {
  return where ? where->text : "";
}

// The shadow's feature that is the event time of the row chosen under this filter.
std::string TimeUnder(const std::optional<spec::ExpressionText>& where, const std::string& column,
                      spec::FeatureView* shadow) {
  for (const spec::Feature& time : shadow->features) {
    if (TextOf(time.where) == TextOf(where)) {
      return time.name;
    }
  }
  spec::Feature time;
  time.name = "event_time_" + std::to_string(shadow->features.size());
  time.of = column;
  time.where = where;
  shadow->features.push_back(time);
  return time.name;
}

// A shadow view; null where it has no event time.
arrow::Result<std::shared_ptr<const feature::BoundView>> BindTimes(const spec::Project& definitions,
                                                                   const AnalysedProject& project,
                                                                   const spec::FeatureView& view) {
  const ViewTimes times = TimesOf(definitions, view);
  const auto schema = project.SchemaOf(view.from);
  const spec::Entity* entity = definitions.FindEntity(view.entity);
  if (!times.event_time || times.event_time->always || !schema || entity == nullptr) {
    return nullptr;
  }
  const auto versioned = FindVersionedTable(definitions, view.from);
  const feature::TableVersions versions =
      versioned ? feature::TableVersions{versioned->key, versioned->order_by}
                : feature::TableVersions{};
  base::Diagnostics diagnostics;
  ARROW_ASSIGN_OR_RAISE(
      auto bound, feature::BoundView::Bind(view, *entity, *times.event_time, times.known_at,
                                           *schema, versioned ? &versions : nullptr, &diagnostics));
  ARROW_RETURN_NOT_OK(diagnostics.ToStatus());
  return bound;
}

// Adds t - e of the rows that have both.
arrow::Status AddAges(const arrow::Array& chosen, const arrow::Array& asked,
                      std::vector<int64_t>* ages) {
  ARROW_ASSIGN_OR_RAISE(const auto events, feature::ToMicros(chosen, feature::Rounding::kUp));
  ARROW_ASSIGN_OR_RAISE(const auto times, feature::ToMicros(asked, feature::Rounding::kDown));
  for (int64_t row = 0; row < events->length(); ++row) {
    if (events->IsValid(row) && times->IsValid(row)) {
      ages->push_back(times->Value(row) - events->Value(row));
    }
  }
  return arrow::Status::OK();
}

// Changes their order.
FeatureAge Summary(std::vector<int64_t>* ages) {
  const auto middle = ages->begin() + static_cast<std::ptrdiff_t>((ages->size() - 1) / 2);
  std::nth_element(ages->begin(), middle, ages->end());
  FeatureAge age;
  age.median_us = *middle;
  age.min_us = *std::min_element(ages->begin(), ages->end());
  age.max_us = *std::max_element(ages->begin(), ages->end());
  return age;
}

// The service over the same views, each with its event time in the place of its as-of features: one
// time per filter of its features.
struct Shadow {
  spec::FeatureService service;
  std::map<std::string, spec::FeatureView> views;
  std::map<std::string, std::string> columns;  // by as-of feature: whose age is its own

  Shadow(const spec::Project& definitions, const spec::FeatureService& original,
         const std::vector<spec::ServiceFeature>& features) {
    service.name = original.name;
    std::set<size_t> entries;
    for (const spec::ServiceFeature& feature : features) {
      if (feature.feature->kind != spec::Feature::Kind::kAsOf) {
        continue;
      }
      const spec::ServiceEntry& entry = original.entries[feature.entry];
      const auto [view, added] = views.try_emplace(entry.view, *feature.view);
      if (added) {
        view->second.features.clear();
      }
      const ViewTimes times = TimesOf(definitions, *feature.view);
      const std::string column = times.event_time ? times.event_time->column : "";
      columns[feature.name] =
          PrefixOf(feature.entry) + TimeUnder(feature.feature->where, column, &view->second);
      if (entries.insert(feature.entry).second) {
        service.entries.push_back({entry.view, {}, entry.keys, PrefixOf(feature.entry), {}, {}});
      }
    }
  }
};

}  // namespace

arrow::Result<std::map<std::string, FeatureAge>> AgesOf(
    const Workspace& workspace, const AnalysedProject& project, const spec::FeatureService& service,
    const std::shared_ptr<arrow::Table>& spine, const feature::KnowledgeCut& cut,
    const TablePins& pins, const feature::TrainingSetOptions& options) {
  const spec::Project& definitions = *workspace.project;
  ARROW_ASSIGN_OR_RAISE(const auto features, spec::FlattenService(definitions, service));
  Shadow shadow(definitions, service, features);
  // Clustered logs are of the views as they are defined: the log must know that these are others.
  spec::Project asked = definitions;
  asked.views.clear();
  std::map<std::string, std::shared_ptr<const feature::BoundView>> bound;
  for (const auto& [name, view] : shadow.views) {
    ARROW_ASSIGN_OR_RAISE(bound[name], BindTimes(definitions, project, view));
    asked.views.push_back(view);
  }
  std::erase_if(shadow.service.entries, [&](const auto& entry) { return !bound[entry.view]; });
  std::map<std::string, FeatureAge> ages;
  if (shadow.service.entries.empty()) {
    return ages;
  }
  base::Diagnostics diagnostics;
  ARROW_ASSIGN_OR_RAISE(const auto times,
                        feature::BoundService::Bind(
                            asked, shadow.service,
                            [&](const std::string& name) { return bound[name]; }, &diagnostics));
  ARROW_RETURN_NOT_OK(diagnostics.ToStatus());
  Workspace shadowed = workspace;
  shadowed.project = &asked;
  LakeFeatureLog log(shadowed, pins);
  ARROW_ASSIGN_OR_RAISE(
      const auto reader,
      feature::OpenTrainingSet(*times, std::make_shared<arrow::TableBatchReader>(spine), cut, &log,
                               options));
  std::map<std::string, std::vector<int64_t>> by_column;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const auto rows, reader->Next());
    if (rows == nullptr) break;
    const auto asked_at = rows->GetColumnByName(feature::kEventTimestamp);
    for (const feature::OutputFeature& time : times->outputs()) {
      ARROW_RETURN_NOT_OK(
          AddAges(*rows->GetColumnByName(time.name), *asked_at, &by_column[time.name]));
    }
  }
  for (const auto& [feature, column] : shadow.columns) {
    if (std::vector<int64_t>& all = by_column[column]; !all.empty()) {
      ages[feature] = Summary(&all);
    }
  }
  return ages;
}

}  // namespace icecore::pipeline
