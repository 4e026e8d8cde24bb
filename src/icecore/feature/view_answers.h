#pragma once
// A view's features for the labels of a piece of the spine: the few values that were chosen, and
// per label which of them. Values are moved to their labels block by block, when they are written.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "icecore/feature/service.h"

namespace icecore::feature {

// Immutable once filled, thread safe.
struct ViewAnswers {
  static constexpr int32_t kNone = -1;     // no row: null, not found
  static constexpr int32_t kExpired = -2;  // null, expired

  struct Feature {
    std::shared_ptr<arrow::Array> values;
    size_t index = 0;  // into indexes
    // By element of `values`; empty: null where the value is.
    std::vector<state::ValueStatus> statuses;
  };
  std::vector<Feature> features;              // in the view's order
  std::vector<std::vector<int32_t>> indexes;  // by label: an element of `values`, or one of above

  // Of labels [from, from + rows): a column per feature.
  arrow::Result<UseValues> Block(int64_t from, int64_t rows) const;
  int64_t byte_count() const;
};

}  // namespace icecore::feature
