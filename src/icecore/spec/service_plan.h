#pragma once
// A feature service as the flat list of features it answers, and what a caller must bring.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "icecore/spec/model.h"

namespace icecore::spec {

// One column of a service's answer. Pointers borrow from the Project.
struct ServiceFeature {
  std::string name;  // final: `as`, else prefix + feature name
  const FeatureView* view = nullptr;
  const Feature* feature = nullptr;
  size_t entry = 0;  // index into FeatureService::entries: entries differ in keys
};

// All features of the service, in declared order. Views and features that do not exist, names in
// `only`, `as` and `keys` that the view lacks, and two features of one final name are
// kInvalidDefinition at the entry; the last proposes `prefix` or `as`.
arrow::Result<std::vector<ServiceFeature>> FlattenService(const Project& project,
                                                          const FeatureService& service);

// A column of the spine, and a name in the online request.
struct RequiredColumn {
  std::string name;
  std::shared_ptr<arrow::DataType> type;
  bool is_key = false;  // else request data
  Location location;    // of the service's entry that asks for it
};

// Spine columns, each once, in order of first use: entity keys after `keys:` of the entry, the keys
// that inputs of request views need (under the entity's own names), then request columns. One name
// with two types is kInvalidDefinition, but integers of two widths are the wider.
arrow::Result<std::vector<RequiredColumn>> RequiredColumns(const Project& project,
                                                           const FeatureService& service);

// The spine columns that hold the entity's key for one entry, in the entity's order.
std::vector<std::string> SpineKeysOf(const Entity& entity, const ServiceEntry& entry);

}  // namespace icecore::spec
