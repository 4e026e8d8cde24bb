#pragma once
// The kind `training_set`: whose features, for which rows, with which label, and how the rows are
// drawn and split. Semantics: docs/language.md, section training_set.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "icecore/spec/model_parts.h"

namespace icecore::spec {

// The rows asked about: a SELECT over the zones, or a file.
struct SpineSource {
  std::string sql;        // variables already replaced; "" where it is a file
  Location sql_location;  // of the first line of the SQL text
  std::string file;       // relative to the project
  Location location;
};

// Columns of the spine. A label is mature `mature_after_us` after its row's event_timestamp.
struct LabelColumn {
  std::string column;
  std::optional<std::string> known_at;
  int64_t mature_after_us = 0;
  Location location;
};

// Keeps the rows whose hash of `by` lies in the lowest `fraction` of all hashes.
struct SampleRule {
  double fraction = 1;
  std::vector<std::string> by;
  int64_t seed = 0;
  Location location;
};

// `train: "< 2013-10-01"`: the rows whose time lies below the bound and above those before it.
struct SplitPart {
  std::string name;  // train, valid, test
  int64_t bound_us = 0;
  bool inclusive = false;  // "<="
};

struct SplitRule {
  std::string by;                // a column of times
  std::vector<SplitPart> parts;  // bounds ascend
  int64_t gap_us = 0;            // left out after the bound of each part that another follows
  Location location;
};

struct TrainingSet {
  std::string name;
  std::string service;
  Location service_location;
  SpineSource spine;
  std::optional<LabelColumn> label;
  std::optional<int64_t> cut_us;  // what was known of labels by then; nullopt: by now
  std::optional<SampleRule> sample;
  std::optional<SplitRule> split;
  Documentation doc;
  Location location;
  std::string text;  // the YAML document as written
};

}  // namespace icecore::spec
