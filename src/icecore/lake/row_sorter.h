#pragma once
// Rows in the order of some columns, however many there are: sorted in memory, spilled as sorted
// runs where they are too many, merged while they are read.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "icecore/base/id.h"

namespace icecore::lake {

struct SortOptions {
  std::vector<std::string> columns;  // ascending, as state::OrderedBytes orders them; ties stay
  int64_t memory_bytes = int64_t{256} << 20;  // of rows held at once, about
  std::string scratch_dir;       // absolute local folder for spills; "": everything in memory
  int64_t batch_rows = 1 << 15;  // of the batches that come out, at most
};

// Not thread safe.
class RowSorter {
 public:
  // A column that the schema lacks is kNotFound, one that has no order kUnsupported.
  static arrow::Result<std::unique_ptr<RowSorter>> Open(std::shared_ptr<arrow::Schema> schema,
                                                        SortOptions options, base::Random& random);
  virtual ~RowSorter() = default;

  virtual arrow::Status Write(const std::shared_ptr<arrow::RecordBatch>& batch) = 0;
  // All rows, sorted. May be called once. The reader owns the spills and deletes them.
  virtual arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Finish() = 0;
};

// Readers that are each sorted by `columns`, as one; rows of equal keys in the order of the
// readers. All have the schema. A reader that is not sorted is kInternal.
arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> MergeSorted(
    std::shared_ptr<arrow::Schema> schema,
    std::vector<std::shared_ptr<arrow::RecordBatchReader>> readers,
    const std::vector<std::string>& columns, int64_t batch_rows);

}  // namespace icecore::lake
