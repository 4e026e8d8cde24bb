#pragma once
// The rows of many files in order, row groups being decoded by several threads at once.

#include <arrow/result.h>
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

class ReadAhead {
 public:
  // Nothing is read before the first Next.
  ReadAhead(RowRequest request, std::vector<DataFile> files, AheadLimits limits);
  // Waits for what is being decoded.
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // The next rows, at least one; nullptr at the end. Errors come in their place among the rows, as
  // FileRows gives them. Batches that wait are at most one a thread above limits.bytes.
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next();

 private:
  class Work;
  const std::unique_ptr<Work> work_;
};

}  // namespace icecore::lake
