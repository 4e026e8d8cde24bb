#pragma once
// The rows of many files in order, row groups being decoded by several threads at once.

#include <arrow/type_fwd.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "icecore/lake/file_rows_internal.h"

namespace icecore::lake {

struct AheadLimits {
  size_t threads = 2;  // that decode, at least 1
  // Row groups are decoded together up to so many rows: opening a file once more is nothing beside
  // that.
  int64_t piece_rows = 1 << 17;
  // What is decoded and not taken; above that, only what is taken next goes on.
  int64_t bytes = 64 << 20;
};

// The files' rows. Nothing is read before the first batch is asked for, and who lets the reader go
// waits for what is being decoded. Errors come in their place among the rows, as FileRows gives
// them, and stay. Batches that wait are at most one a thread above limits.bytes.
std::shared_ptr<arrow::RecordBatchReader> ReadAhead(RowRequest request, std::vector<DataFile> files,
                                                    AheadLimits limits);

}  // namespace icecore::lake
