#pragma once
// One view's features for many labels: per key, rows by the time they become active and labels by
// t, in one pass forward, as the stream does it. Yields a row index where a feature is a value of
// one row, so that nothing wide moves until the end.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <vector>

#include "icecore/state/view_plan.h"
#include "icecore/state/view_state.h"

namespace icecore::feature {

// Rows that may matter, in any order.
struct SweepRows {
  state::PreparedRows rows;
  std::vector<int64_t> keys;         // per row; >= 0
  std::vector<int64_t> activations;  // per row: first t that sees it
  // Of a table with versions, per row: first t that no longer sees it (state::kForever: none).
  // Empty elsewhere: nothing ends.
  std::vector<int64_t> untils;
};

struct SweepLabels {
  std::vector<int64_t> keys;   // -1: matches nothing
  std::vector<int64_t> times;  // t
};

// One column per feature, one element per label, in the labels' order. Event times stay empty.
// `key_count` bounds the keys of rows and labels.
arrow::Result<std::vector<state::VectorSink::Column>> Sweep(const state::ViewPlan& plan,
                                                            const SweepRows& rows,
                                                            const SweepLabels& labels,
                                                            int64_t key_count);

}  // namespace icecore::feature
