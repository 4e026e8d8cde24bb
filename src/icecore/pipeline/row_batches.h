#pragma once
// Small pieces over Arrow rows that the steps share.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "icecore/pipeline/workspace.h"
#include "icecore/quality/checks.h"

namespace icecore::pipeline {

// The rows at `indices`, in that order.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> TakeRows(
    const std::shared_ptr<arrow::RecordBatch>& rows, const std::vector<int64_t>& indices);

// The whole table as one batch, sorted by its int64 column `_seq` (stable; no work where it is
// sorted).
arrow::Result<std::shared_ptr<arrow::RecordBatch>> SortedBySeq(
    const std::shared_ptr<arrow::Table>& table);

// Values of an int64 column without nulls.
arrow::Result<std::vector<int64_t>> Int64Column(const arrow::RecordBatch& rows,
                                                const std::string& name);

// Columns by name cast to the schema's types and order; columns that are missing become null.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> Conform(
    const arrow::RecordBatch& rows, const std::shared_ptr<arrow::Schema>& schema);

// All values of one column of a snapshot.
arrow::Result<std::shared_ptr<arrow::Array>> ReadColumn(const Workspace& workspace,
                                                        const lake::Snapshot& snapshot,
                                                        const std::string& column);

// Keys as canonical bytes, so that equal keys are equal strings. A key with a null part is not in
// it.
class KeySet : public quality::KeyLookup {
 public:
  explicit KeySet(std::vector<std::string> columns) : columns_(std::move(columns)) {}

  // Every row of the snapshot.
  arrow::Status AddAll(const Workspace& workspace, const lake::Snapshot& snapshot);
  // Adds each row's key; one answer per row: true where it was there already. Rows with a null part
  // are never there.
  arrow::Result<std::vector<bool>> AddRows(const arrow::RecordBatch& rows);
  arrow::Result<std::vector<bool>> Exists(const arrow::RecordBatch& keys) override;
  // Per row the next row of the same key in `rows`, -1 for the last and for rows with a null part.
  // Looks at `rows` alone and adds nothing.
  arrow::Result<std::vector<int64_t>> NextOfKey(const arrow::RecordBatch& rows) const;

 private:
  // "" for a key with a null part.
  arrow::Result<std::vector<std::string>> Encode(const arrow::RecordBatch& rows) const;

  const std::vector<std::string> columns_;
  std::unordered_set<std::string> keys_;
};

}  // namespace icecore::pipeline
