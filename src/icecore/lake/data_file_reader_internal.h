#pragma once
// One data file of a snapshot, row group by row group, in the declared types.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "icecore/lake/key_index_internal.h"
#include "icecore/lake/object_store.h"
#include "icecore/lake/snapshot.h"

namespace icecore::lake {

// For tables that we may write: no deletion vectors, no mapped columns. Not thread safe.
class DataFileReader {
 public:
  // `store` and `snapshot` must outlive the reader. A missing or broken file, or one with other
  // rows than the log says, is kCorrupt with its name, here and later. `use_threads`: columns are
  // decoded on Arrow's threads, which must then not be waiting for this one.
  static arrow::Result<std::unique_ptr<DataFileReader>> Open(ObjectStore& store,
                                                             const Snapshot& snapshot,
                                                             const DataFile& file,
                                                             bool use_threads);
  virtual ~DataFileReader() = default;

  virtual int row_groups() const = 0;
  virtual int64_t rows_of(int row_group) const = 0;
  // false: the row group's own statistics rule all keys out.
  virtual bool MayMatch(int row_group, const KeyIndex& keys) const = 0;
  // Paths of columns for which the file's writer found a dictionary of no use.
  virtual std::set<std::string> PlainColumns() const = 0;
  // Batches of the fields, which are the snapshot's or some of them; what the file lacks is null,
  // partition columns have the file's value. All rows of the group, in order.
  virtual arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Read(
      int row_group, const std::shared_ptr<arrow::Schema>& fields) = 0;
};

}  // namespace icecore::lake
