#pragma once
// What rows hold, as one digest: independent of batches, files and compression, so that it tells
// whether two tables are equal bit for bit. Bytes: docs/formats/training-card.md, "Digests".

#include <arrow/status.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "icecore/base/id.h"

namespace icecore::feature {

// Not thread safe. Rows are added in order, batch by batch.
class TableDigest {
 public:
  explicit TableDigest(std::shared_ptr<arrow::Schema> schema);
  ~TableDigest();

  // Whether columns of this type have a form; unions, run-ends and coded values inside others lack
  // one.
  static bool Takes(const arrow::DataType& type);

  // kInternal when the batch is of another schema; kUnsupported for types without a form.
  arrow::Status Add(const arrow::RecordBatch& batch);
  arrow::Status Add(const arrow::Table& table);
  // "sha256:" and 64 hex digits; nothing is added afterwards.
  std::string Finish();
  // That of the first `columns` alone, as if the rows had no others.
  std::string FinishFirst(size_t columns);

 private:
  struct Column;
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<std::unique_ptr<Column>> columns_;
  int64_t rows_ = 0;
};

}  // namespace icecore::feature
