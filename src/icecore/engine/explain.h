#pragma once
// `icecore explain`: the rows, table versions and definitions behind one value.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/feature/key_trace.h"
#include "icecore/pipeline/analysis.h"
#include "icecore/pipeline/workspace.h"

namespace icecore::engine {

using NamedTexts = std::vector<std::pair<std::string, std::string>>;

struct ExplainRequest {
  std::string service;
  std::string feature;  // its name in the service, or VIEW.FEATURE
  NamedTexts keys;
  NamedTexts request;
  std::optional<int64_t> at_us;  // else the project's clock
};

// One feature of a view over a table.
struct ExplainedFeature {
  std::string view;
  std::string feature;
  base::Location location;    // of the feature's definition
  int64_t since_version = 0;  // of the catalog: where this definition of the view began
  std::string fingerprint;
  std::string says;   // the definition in words: "mean of arr_delay_min over 7d, hop 1h"
  std::string times;  // "event_time: outcome_known_at, known_at: outcome_known_at"
  NamedTexts key;     // of the entity
  std::string table;  // whose rows it reads
  int64_t table_version = 0;
  int64_t table_generation = 0;
  int64_t seq_up_to = 0;
  feature::FeatureTrace trace;
  std::shared_ptr<arrow::Array> value;  // with the default; one element
  bool is_default = false;
};

// An input of an expression.
struct ExplainedInput {
  std::string name;
  std::string from;  // "view.carrier.delay_1d", or "request"
  int feature = -1;  // index into Explanation::features
  std::string value;
};

struct Explanation {
  std::string service;
  std::string name;  // of the feature in the service
  int64_t at_us = 0;
  std::shared_ptr<arrow::Array> value;  // one element: what a training set has for key and time
  state::ValueStatus status = state::ValueStatus::kNull;
  // Of a feature computed when asked; "" else.
  std::string view;
  std::string expression;
  base::Location expression_location;
  std::vector<ExplainedInput> inputs;
  // The feature itself, or those that the expression reads.
  std::vector<ExplainedFeature> features;
};

// What a training set gives for (key, t), with everything behind it. kInternal where the rows
// explained do not give that value, bit for bit.
arrow::Result<Explanation> ExplainFeature(const pipeline::Workspace& workspace,
                                          const pipeline::AnalysedProject& project,
                                          const ExplainRequest& request);

}  // namespace icecore::engine
