#pragma once
// Rows by key: which row of a table has the key that a stored row has, and which data files can
// hold one of the keys by their statistics.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "icecore/lake/snapshot.h"

namespace parquet {
class RowGroupMetaData;
}

namespace icecore::lake {

// Immutable once built, thread safe.
class KeyIndex {
 public:
  // `keys` has the columns, in the types of `declared`. Null equals null, NaN equals NaN, -0.0
  // equals 0.0. A key that occurs twice, a column that either lacks, another type, or no columns:
  // kInvalidArgument. Types with children: kUnsupported.
  static arrow::Result<std::shared_ptr<const KeyIndex>> Build(
      const std::shared_ptr<arrow::Table>& keys, const std::vector<std::string>& columns,
      const arrow::Schema& declared);
  virtual ~KeyIndex() = default;

  virtual const std::vector<std::string>& columns() const = 0;
  // Appends to `hits` where rows of the batch have a key: the row plus `first_row`, and the key's
  // row. The batch has the columns by name.
  struct Hit {
    int64_t row = 0;
    int64_t key = 0;
  };
  virtual arrow::Status Probe(const arrow::RecordBatch& batch, int64_t first_row,
                              std::vector<Hit>* hits) const = 0;
  // false: statistics or partition values say that no row of the file has one of the keys.
  virtual bool MayMatch(const DataFile& file) const = 0;
  // As MayMatch, for values of one key column between min and max (in the column's own units),
  // where the column is of whole numbers, dates or instants; true otherwise.
  virtual bool MayMatch(size_t column, int64_t min, int64_t max, bool has_nulls) const = 0;
};

}  // namespace icecore::lake
