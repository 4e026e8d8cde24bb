#pragma once
// Rows by (key, e, a, s) and labels by (key, t), as the sweep walks them.

#include <arrow/result.h>

#include <cstdint>
#include <vector>

#include "icecore/feature/sweep.h"

namespace icecore::feature {

// Items by key: those of key k lie at positions [starts[k], starts[k + 1]). Keys below 0 are left
// out.
struct ByKey {
  // By position; empty where every item already lies at its position, within its key too.
  std::vector<uint32_t> items;
  std::vector<int64_t> starts;

  bool as_given() const { return items.empty(); }
  int64_t ItemAt(int64_t position) const {
    return items.empty() ? position : int64_t{items[static_cast<size_t>(position)]};
  }
};

// Rows that are given in order stay where they are, at the cost of one comparison each. Others are
// grouped by key, by counting; SortRows puts each key in order. kLimit beyond 2^32 - 1 rows.
arrow::Result<ByKey> GroupRows(const SweepRows& rows, bool always, int64_t key_count);
arrow::Result<ByKey> GroupLabels(const SweepLabels& labels, int64_t key_count);

// Orders the rows (labels) of one key, at positions [begin, end). Several threads may sort several
// keys.
void SortRows(const SweepRows& rows, bool always, int64_t begin, int64_t end, ByKey* order);
void SortLabels(const SweepLabels& labels, int64_t begin, int64_t end, ByKey* order);

}  // namespace icecore::feature
