#pragma once
// Record batches into the Parquet files of a table, with Delta statistics.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "icecore/base/clock.h"
#include "icecore/base/id.h"
#include "icecore/lake/object_store.h"
#include "icecore/lake/snapshot.h"

namespace icecore::lake {

struct WriterOptions {
  int64_t row_group_rows = 1 << 20;
  int64_t row_group_bytes = int64_t{128} << 20;  // of Arrow memory
  int64_t file_bytes = int64_t{512} << 20;       // a new file begins above this
  int zstd_level = 1;
  // The table's. Each file holds rows of one value and lacks these columns.
  std::vector<std::string> partition_columns = {};
  // Columns (by their path in Parquet) that are known to hold too many values for a dictionary.
  std::set<std::string> plain_columns = {};
  bool use_threads = true;  // columns are encoded at once, on Arrow's own threads
};

// Files become visible one by one but belong to the table only once a commit adds them; those of a
// writer that is not finished are deleted where that is still possible. Not thread safe.
class DataWriter {
 public:
  // `schema`: declared types, as Snapshot::schema has it (with ids, for the field_ids). All
  // arguments must outlive the writer.
  static arrow::Result<std::unique_ptr<DataWriter>> Open(
      ObjectStore& store, std::string table_path, const std::shared_ptr<arrow::Schema>& schema,
      const base::Clock& clock, base::Random& random, const WriterOptions& options);
  virtual ~DataWriter() = default;

  // Columns by position, in the declared or equivalent types. Rows keep their order. A null in a
  // column that is not nullable is kInvalidArgument and names the column, and so is a partition
  // value that the log cannot hold (an empty text, which means null there).
  virtual arrow::Status Write(const std::shared_ptr<arrow::RecordBatch>& batch) = 0;
  // Closes the last file. No rows: no files. May be called once.
  virtual arrow::Result<std::vector<DataFile>> Finish() = 0;
  virtual int64_t rows() const = 0;
};

}  // namespace icecore::lake
