#pragma once
// The card beside a training set: what it was made of, so that it can be made again, and what is to
// be known about it. Bytes: docs/formats/training-card.md.

#include <arrow/result.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "icecore/feature/spine_label.h"
#include "icecore/feature/training_set.h"
#include "icecore/pipeline/feature_ages.h"
#include "icecore/pipeline/pinned_tables.h"
#include "icecore/spec/model.h"

namespace icecore::pipeline {

struct FeatureCard {
  std::string name;
  std::string from;  // "view.airport_weather.temp"
  std::string type;
  int64_t rows = 0;
  int64_t nulls = 0;  // before defaults
  int64_t expired = 0;
  std::optional<FeatureAge> age;  // of as-of features
  // Against everything known: values that differ, and by how much on average (numbers).
  std::optional<int64_t> leaked;
  std::optional<double> leaked_mean_difference;
};

struct TrainingCard {
  std::string icecore_version;
  std::string training_set;  // "" of a service with a spine of its own
  std::string definition;    // fingerprint of the training set; "" without one
  std::string service;
  std::string service_fingerprint;  // ServiceFingerprint
  int64_t definition_version = 0;   // of the catalog
  int64_t made_at_us = 0;           // the machine's clock
  int64_t now_us = 0;               // the project's clock
  feature::KnowledgeCut known_at;
  std::optional<int64_t> cut_us;  // of labels
  std::string spine_from;         // "sql", or the file as named
  std::string spine_digest;
  int64_t spine_rows = 0;
  int64_t sampled_out = 0;
  std::optional<feature::LabelCounts> labels;
  std::map<std::string, int64_t> split;  // rows by part
  std::vector<CardInput> inputs;
  std::vector<FeatureCard> features;
  std::string file;  // name of the set's file, without its folder
  int64_t rows = 0;
  int64_t columns = 0;
  std::string digest;  // of the set's rows
};

// "train.parquet" -> "train.parquet.card.json".
std::string CardPath(const std::string& set_path);

std::string ToJson(const TrainingCard& card);
// kBadInput for what is no card, kUnsupported for a card of a later format.
arrow::Result<TrainingCard> CardFromJson(const std::string& text);

// Of the service and of everything that decides its values: the features that it takes of its views
// and of their inputs', the views' entities, filters and ttl, the times they take from their
// tables. A feature that it does not take changes nothing.
arrow::Result<std::string> ServiceFingerprint(const spec::Project& project,
                                              const spec::FeatureService& service);

}  // namespace icecore::pipeline
