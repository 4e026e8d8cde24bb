#pragma once
// Rows found by their key. Sixteen bytes a row beside the keys themselves, which rest in one Arrow
// array.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace icecore::pipeline {

// The columns' values of each row as bytes that are equal where the keys are
// (state/ordered_bytes.h).
arrow::Result<std::shared_ptr<arrow::BinaryArray>> KeyBytes(
    const arrow::RecordBatch& rows, const std::vector<std::string>& columns);

// Per row whether a part of its key is null.
arrow::Result<std::vector<bool>> NullKeys(const arrow::RecordBatch& rows,
                                          const std::vector<std::string>& columns);

// Immutable, thread safe.
class KeyIndex {
 public:
  // A key may occur more than once: groups are numbered by the first row that has them.
  explicit KeyIndex(std::shared_ptr<arrow::BinaryArray> keys);

  int64_t num_groups() const { return static_cast<int64_t>(first_rows_.size()); }
  // Of a row given to the constructor.
  int64_t GroupOf(int64_t row) const { return groups_[static_cast<size_t>(row)]; }
  int64_t FirstRow(int64_t group) const { return first_rows_[static_cast<size_t>(group)]; }
  // -1: no row has the key.
  int64_t Find(std::string_view key) const;

 private:
  std::shared_ptr<arrow::BinaryArray> keys_;
  std::vector<std::pair<uint64_t, int64_t>> hashes_;  // hash and group, sorted; a group once
  std::vector<int64_t> groups_;                       // by row
  std::vector<int64_t> first_rows_;                   // by group
};

}  // namespace icecore::pipeline
