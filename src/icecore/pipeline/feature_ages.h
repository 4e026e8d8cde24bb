#pragma once
// How old the values of as-of features are.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "icecore/feature/training_set.h"
#include "icecore/pipeline/analysis.h"
#include "icecore/pipeline/lake_feature_log.h"
#include "icecore/pipeline/workspace.h"

namespace icecore::pipeline {

// t - e of the rows chosen, in microseconds; rows without a value (none, expired) have no age.
struct FeatureAge {
  int64_t min_us = 0;
  int64_t median_us = 0;  // the lower one of two
  int64_t max_us = 0;
};

// By the final name of each as-of feature of the service that has an age: those of views without
// time (`always`) and without any value have none. The rows chosen are found as for the features
// themselves, under their own filters, with the view's event time in the place of their values;
// 8 bytes are held per value that has an age.
arrow::Result<std::map<std::string, FeatureAge>> AgesOf(
    const Workspace& workspace, const AnalysedProject& project, const spec::FeatureService& service,
    const std::shared_ptr<arrow::Table>& spine, const feature::KnowledgeCut& cut,
    const TablePins& pins, const feature::TrainingSetOptions& options);

}  // namespace icecore::pipeline
