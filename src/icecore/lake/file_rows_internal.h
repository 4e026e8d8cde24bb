#pragma once
// The rows of one data file, as the table declares them.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "icecore/lake/object_store.h"
#include "icecore/lake/pruning.h"
#include "icecore/lake/row_ranges.h"
#include "icecore/lake/scan.h"
#include "icecore/lake/snapshot.h"

namespace icecore::lake {

// What is wanted of every file of a table.
struct RowRequest {
  ObjectStore* store = nullptr;
  std::string table_path;
  ColumnMapping mapping = ColumnMapping::kNone;
  std::vector<std::string> partition_columns;
  std::shared_ptr<arrow::Schema> columns;   // wanted, of declared types
  std::shared_ptr<arrow::Field> seq_field;  // the table's _seq; nullptr without one
  std::optional<SeqRange> seq;              // needs seq_field
  int64_t batch_rows = 1 << 16;
  std::shared_ptr<const Pruner> pruner;  // nullptr: every row group may hold wanted rows
  RowGroupShare share;
  bool use_threads = true;  // Arrow's, for columns
};

// The columns by name, in that order; all for nullopt. What the schema lacks is kNotFound and
// proposes the nearest.
arrow::Result<std::shared_ptr<arrow::Schema>> ProjectColumns(
    const Snapshot& snapshot, const std::optional<std::vector<std::string>>& columns);
// Asks the policy and tells the audit.
arrow::Status CheckRead(const Snapshot& snapshot, const arrow::Schema& schema,
                        const ReadAccess& access);
// All rows of the snapshot's files.
RowRequest RequestFor(ObjectStore& store, const Snapshot& snapshot,
                      std::shared_ptr<arrow::Schema> columns);

// One file: what the log says of it, and which of its rows.
struct FilePart {
  DataFile file;                  // its deletion vector is applied
  std::optional<RowRanges> only;  // then only these of them
};

// Reads one file after the other; not thread safe.
class FileRows {
 public:
  virtual ~FileRows() = default;

  // Opens the file and reads its footer and deletion vector. What goes wrong, here and in Next, is
  // kCorrupt with the file's name, unless the store is not there or a thing is kUnsupported. The
  // request must outlive the rows.
  static arrow::Result<std::unique_ptr<FileRows>> Open(const RowRequest& request, FilePart part);

  // The next rows, at least one; nullptr at the end.
  virtual arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next() = 0;

  // Rows of each of the row groups that may hold wanted ones, in order.
  virtual const std::vector<int64_t>& group_rows() const = 0;
  // Wanted rows of those groups [first, end) alone, by a reader of its own, which shares this one's
  // footer and deletion vector and may be used on another thread.
  virtual arrow::Result<std::unique_ptr<FileRows>> OfGroups(size_t first, size_t end) const = 0;
};

}  // namespace icecore::lake
