#pragma once
// `icecore compare`: a view as defined now against the same view as an older version of the catalog
// had it, over one spine.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "icecore/pipeline/analysis.h"
#include "icecore/pipeline/workspace.h"

namespace icecore::engine {

struct CompareRequest {
  std::string view;
  int64_t version = 0;     // of the catalog
  std::string spine_path;  // a file, or
  std::shared_ptr<arrow::Table> spine;
  int64_t examples = 5;  // of each feature
};

struct ValueExample {
  std::string key;  // "carrier=UA"
  std::string time;
  std::string before;
  std::string now;
};

struct FeatureDifference {
  std::string feature;
  enum class Kind { kBoth, kAdded, kRemoved, kOtherType } kind = Kind::kBoth;
  std::string before_type;  // of kOtherType
  std::string now_type;
  // Of kBoth:
  int64_t rows = 0;
  int64_t different = 0;       // bit for bit
  int64_t null_before = 0;     // a value now
  int64_t null_now = 0;        // a value before
  bool is_number = false;      // the two below are of rows where both have finite values
  double max_difference = 0;   // absolute
  double mean_difference = 0;  // absolute, over the rows that differ
  std::vector<ValueExample> examples;
};

struct CompareReport {
  std::string view;
  int64_t version = 0;
  bool same_definition = false;  // by fingerprint
  int64_t rows = 0;
  std::vector<FeatureDifference> features;  // as defined now, then those that are gone
};

// The definitions of the project's files, applied or not, against those of the version; both over
// today's tables, as it was known at each row's time. kNotFound: the version has no such view.
arrow::Result<CompareReport> CompareView(const pipeline::Workspace& workspace,
                                         const pipeline::AnalysedProject& project,
                                         const CompareRequest& request);

}  // namespace icecore::engine
