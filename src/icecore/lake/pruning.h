#pragma once
// Which files and row groups cannot hold a row that meets conditions: by partition values, by the
// log's statistics, by Parquet's. What is not known keeps a file. Delta protocol, "Per-file
// Statistics".

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>
#include <string>
#include <vector>

#include "icecore/lake/predicate.h"
#include "icecore/lake/snapshot.h"

namespace parquet {
class RowGroupMetaData;
}  // namespace parquet

namespace icecore::lake {

// Conditions held against one table. Immutable.
class Pruner {
 public:
  // A column that the schema lacks is kNotFound and proposes the nearest; a value of another type
  // than its column's, a null, or a missing one is kInvalidArgument.
  static arrow::Result<Pruner> Make(const Snapshot& snapshot, const Predicates& predicates);

  // false: no row of the file meets all conditions. A partition value that is none of its type is
  // kCorrupt.
  arrow::Result<bool> MayMatch(const DataFile& file) const;

  // As MayMatch, of a row group. `leaf_of(name)` is the leaf of the column with that physical name
  // in this file, -1 where there is none or it is not the only leaf of its column.
  template <typename LeafOf>
  bool RowGroupMayMatch(const parquet::RowGroupMetaData& group, const LeafOf& leaf_of) const {
    for (const Bound& bound : bounds_) {
      if (!bound.is_partition && !LeafMayMatch(group, leaf_of(bound.physical_name), bound)) {
        return false;
      }
    }
    return true;
  }

 private:
  struct Bound {
    Predicate predicate;
    std::shared_ptr<arrow::DataType> type;
    std::string physical_name;
    bool is_partition = false;
  };

  static bool LeafMayMatch(const parquet::RowGroupMetaData& group, int leaf, const Bound& bound);
  static bool StatisticsMayMatch(const DataFile& file, const Bound& bound);

  std::vector<Bound> bounds_;
};

}  // namespace icecore::lake
