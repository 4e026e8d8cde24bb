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

// Rows that may matter, in any order; fastest in the order of (key, e, a, s). Values that no
// feature reads may be null pointers.
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

// How the work is cut and done; no answer depends on it.
struct SweepOptions {
  int64_t task_rows = int64_t{1} << 16;  // about what one thread takes at a time
  int64_t pieces_of_hot_key = 1;         // a key of many tasks' weight is cut into, by time
  bool by_ranges = true;                 // false: every key the general way
};

// One column per feature, one element per label, in the labels' order. Event times stay empty.
// `key_count` bounds the keys of rows and labels. Runs on all cores. Rows that are given by
// (key, e, a, s), as a clustered log has them, are neither sorted nor moved; labels by (key, t)
// likewise. Beside its input and output it holds 4 bytes a row that is not given in order, and per
// core about `task_rows` rows, or the rows that a piece of a hot key can reach. kLimit beyond
// 2^32 - 2 rows or labels.
arrow::Result<std::vector<state::VectorSink::Column>> Sweep(const state::ViewPlan& plan,
                                                            const SweepRows& rows,
                                                            const SweepLabels& labels,
                                                            int64_t key_count);
arrow::Result<std::vector<state::VectorSink::Column>> Sweep(const state::ViewPlan& plan,
                                                            const SweepRows& rows,
                                                            const SweepLabels& labels,
                                                            int64_t key_count,
                                                            const SweepOptions& options);

}  // namespace icecore::feature
