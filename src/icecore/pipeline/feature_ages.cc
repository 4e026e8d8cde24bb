#include "icecore/pipeline/feature_ages.h"

#include <arrow/array.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/feature/time_column.h"
#include "icecore/pipeline/versions.h"
#include "icecore/spec/service_plan.h"

namespace icecore::pipeline {
namespace {

constexpr char kFeature[] = "event_time";

std::string PrefixOf(size_t entry) { return "icecore_age_" + std::to_string(entry) + "_"; }

// The view with its event time as its one feature; null where it has none.
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

arrow::Result<std::vector<int64_t>> Ages(const arrow::ChunkedArray& chosen,
                                         const arrow::ChunkedArray& asked) {
  std::vector<std::shared_ptr<arrow::Int64Array>> times;
  for (const auto& chunk : asked.chunks()) {
    ARROW_ASSIGN_OR_RAISE(auto micros, feature::ToMicros(*chunk, feature::Rounding::kDown));
    times.push_back(std::move(micros));
  }
  std::vector<int64_t> ages;
  size_t part = 0;
  int64_t at = 0;
  for (const auto& chunk : chosen.chunks()) {
    ARROW_ASSIGN_OR_RAISE(const auto events, feature::ToMicros(*chunk, feature::Rounding::kUp));
    for (int64_t row = 0; row < events->length(); ++row, ++at) {
      while (at >= times[part]->length()) {
        ++part;
        at = 0;
      }
      if (events->IsValid(row) && times[part]->IsValid(at)) {
        ages.push_back(times[part]->Value(at) - events->Value(row));
      }
    }
  }
  return ages;
}

FeatureAge Summary(std::vector<int64_t> ages) {
  const auto middle = ages.begin() + static_cast<std::ptrdiff_t>((ages.size() - 1) / 2);
  std::nth_element(ages.begin(), middle, ages.end());
  FeatureAge age;
  age.median_us = *middle;
  age.min_us = *std::min_element(ages.begin(), ages.end());
  age.max_us = *std::max_element(ages.begin(), ages.end());
  return age;
}

}  // namespace

arrow::Result<std::map<std::string, FeatureAge>> AgesOf(const Workspace& workspace,
                                                        const AnalysedProject& project,
                                                        const spec::FeatureService& service,
                                                        const std::shared_ptr<arrow::Table>& spine,
                                                        const feature::KnowledgeCut& cut,
                                                        const TablePins& pins) {
  const spec::Project& definitions = *workspace.project;
  ARROW_ASSIGN_OR_RAISE(const auto features, spec::FlattenService(definitions, service));
  std::set<size_t> entries;  // that have as-of features
  for (const spec::ServiceFeature& feature : features) {
    if (feature.feature->kind == spec::Feature::Kind::kAsOf) {
      entries.insert(feature.entry);
    }
  }
  // The same service over the same views, each with its event time as its only feature.
  spec::Project shadow;
  shadow.entities = definitions.entities;
  spec::FeatureService asked;
  asked.name = service.name;
  std::map<std::string, std::shared_ptr<const feature::BoundView>> bound;
  for (const size_t index : entries) {
    const spec::ServiceEntry& entry = service.entries[index];
    if (!bound.contains(entry.view)) {
      spec::FeatureView view = *definitions.FindView(entry.view);
      const ViewTimes times = TimesOf(definitions, view);
      spec::Feature time;
      time.name = kFeature;
      time.of = times.event_time ? times.event_time->column : "";
      view.features = {std::move(time)};
      ARROW_ASSIGN_OR_RAISE(bound[entry.view], BindTimes(definitions, project, view));
      shadow.views.push_back(std::move(view));
    }
    if (bound[entry.view]) {
      asked.entries.push_back({entry.view, {kFeature}, entry.keys, PrefixOf(index), {}, {}});
    }
  }
  std::map<std::string, FeatureAge> ages;
  if (asked.entries.empty()) {
    return ages;
  }
  base::Diagnostics diagnostics;
  ARROW_ASSIGN_OR_RAISE(
      const auto times,
      feature::BoundService::Bind(
          shadow, asked, [&](const std::string& name) { return bound[name]; }, &diagnostics));
  ARROW_RETURN_NOT_OK(diagnostics.ToStatus());
  LakeFeatureLog log(workspace, pins);
  ARROW_ASSIGN_OR_RAISE(const auto set, feature::BuildTrainingSet(*times, spine, cut, &log));
  std::map<size_t, FeatureAge> by_entry;
  for (const size_t index : entries) {
    const auto chosen = set.table->GetColumnByName(PrefixOf(index) + kFeature);
    if (chosen) {
      ARROW_ASSIGN_OR_RAISE(auto all, Ages(*chosen, *spine->GetColumnByName("event_timestamp")));
      if (!all.empty()) {
        by_entry[index] = Summary(std::move(all));
      }
    }
  }
  for (const spec::ServiceFeature& feature : features) {
    const auto age = by_entry.find(feature.entry);
    if (feature.feature->kind == spec::Feature::Kind::kAsOf && age != by_entry.end()) {
      ages[feature.name] = age->second;
    }
  }
  return ages;
}

}  // namespace icecore::pipeline
