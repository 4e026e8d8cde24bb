#include "icecore/spec/model.h"

namespace icecore::spec {
namespace {

template <typename Thing>
const Thing* FindByName(const std::vector<Thing>& things, const std::string& name) {
  for (const Thing& thing : things) {
    if (thing.name == name) {
      return &thing;
    }
  }
  return nullptr;
}

}  // namespace

std::string Table::FullName() const {
  return (zone == Zone::kCurated ? "curated." : "processing.") + name;
}

const Feature* FeatureView::FindFeature(const std::string& feature) const {
  return FindByName(features, feature);
}

const Source* Project::FindSource(const std::string& source) const {
  return FindByName(sources, source);
}

const Table* Project::FindTable(const std::string& full_name) const {
  for (const Table& table : tables) {
    if (table.FullName() == full_name) {
      return &table;
    }
  }
  return nullptr;
}

const Entity* Project::FindEntity(const std::string& entity) const {
  return FindByName(entities, entity);
}

const FeatureView* Project::FindView(const std::string& view) const {
  return FindByName(views, view);
}

const FeatureService* Project::FindService(const std::string& service) const {
  return FindByName(services, service);
}

const TrainingSet* Project::FindTrainingSet(const std::string& training_set) const {
  return FindByName(training_sets, training_set);
}

}  // namespace icecore::spec
