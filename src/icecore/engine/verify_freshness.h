#pragma once
// Rows that had become visible when a vector was served but that its position did not hold yet:
// how far the store was behind, apart from whether it was right.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "icecore/feature/service.h"
#include "icecore/online/served_log.h"
#include "icecore/pipeline/pinned_log.h"

namespace icecore::engine {

struct ViewFreshness;

// Not thread safe.
class FreshnessCounter {
 public:
  // Vectors of one position, and where the views' logs of that generation are.
  arrow::Status Add(const pipeline::Workspace& workspace, const feature::BoundService& service,
                    const online::ServedVectors& vectors,
                    const std::map<std::string, pipeline::LogPin>& pins);
  // By view, in order of their names.
  std::vector<ViewFreshness> Result() const;

 private:
  struct Behind {
    std::set<int64_t> rows;  // by _seq
    int64_t vectors = 0;
    int64_t greatest_age_us = 0;
  };
  arrow::Status AddUse(const pipeline::Workspace& workspace, const feature::ViewUse& use,
                       const online::ServedVectors& vectors, const online::ViewPosition& position,
                       const pipeline::LogPin& pin);

  std::map<std::string, Behind> views_;
};

}  // namespace icecore::engine
