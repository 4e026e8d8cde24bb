#pragma once
// Rows taken out of a table and rows put in, as one commit: delete by predicate, delete by key,
// merge. Copy-on-write: a file that loses rows is written anew without them, all others stay.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "icecore/base/clock.h"
#include "icecore/base/id.h"
#include "icecore/lake/object_store.h"
#include "icecore/lake/read_context.h"
#include "icecore/lake/snapshot.h"
#include "icecore/lake/table.h"
#include "icecore/lake/writer.h"

namespace icecore::lake {

// Where a stored row rests.
struct RowPlace {
  int64_t file = 0;  // position in Snapshot::files
  int64_t row = 0;   // in the file as it rests, from 0
};

// Stored rows that were found: files in the snapshot's order, rows as they rest. The three have the
// same length.
struct FoundRows {
  std::shared_ptr<arrow::Table> rows;  // the columns asked for, in the declared types
  std::vector<int64_t> keys;           // the row of the keys' table that each one equals
  std::vector<RowPlace> places;
};

struct RewriteCounts {
  int64_t files_read = 0;     // those that statistics could not rule out
  int64_t files_removed = 0;  // of them, the ones that lost rows
  int64_t rows_removed = 0;
  int64_t rows_copied = 0;  // what else was in these files
  int64_t rows_added = 0;
};

// Gets a batch of the columns it asked for and answers which rows go: true goes; false and null
// stay.
using RowPredicate =
    std::function<arrow::Result<std::shared_ptr<arrow::BooleanArray>>(const arrow::RecordBatch&)>;

// One change of a snapshot. Rows that stay keep all their values, `_seq` too, and their order.
// Nothing is seen before the commit that Finish prepares is made; the files of a rewrite that was
// not finished are deleted where that is possible. Reads with two threads. Not thread safe. What
// is passed to Open must outlive the rewrite.
//
//   auto rewrite = TableRewrite::Open(…);
//   auto found = rewrite->Find(new_rows, {"id"}, {"id", "_op"});   // look at what is there, or
//   rewrite->RemoveKeys(new_rows, {"id"});                         // only take it out
//   rewrite->Append(batch_of_new_rows);
//   rewrite->Finish(&commit); commit.transactions[…] = …; table.CommitTo(*snapshot, commit);
class TableRewrite {
 public:
  // A table that is append-only is kDenied.
  static arrow::Result<std::unique_ptr<TableRewrite>> Open(
      ObjectStore& store, std::shared_ptr<const Snapshot> snapshot, const base::Clock& clock,
      base::Random& random, const WriterOptions& options, const ReadAccess& access);
  virtual ~TableRewrite() = default;

  // Stored rows whose columns `key_columns` equal those of a row of `keys` (which may have more
  // columns, and must have these in the declared types). Null equals null, NaN equals NaN, -0.0
  // equals 0.0. A key that `keys` has twice is kInvalidArgument. Files whose statistics rule all
  // keys out are not opened. The commit will conflict with rows of these keys that others add.
  virtual arrow::Result<FoundRows> Find(const std::shared_ptr<arrow::Table>& keys,
                                        const std::vector<std::string>& key_columns,
                                        const std::vector<std::string>& columns) = 0;

  // Takes rows out; one that is out already stays so.
  virtual arrow::Status Remove(const std::vector<RowPlace>& places) = 0;
  // Find and Remove in one. Returns how many rows went.
  virtual arrow::Result<int64_t> RemoveKeys(const std::shared_ptr<arrow::Table>& keys,
                                            const std::vector<std::string>& key_columns) = 0;
  // Takes out the rows that `predicate` names. `may_match` says by its statistics whether a file
  // can hold such rows; those that cannot are not opened, and rows that others add to such files
  // are no conflict. Empty: every file may.
  virtual arrow::Result<int64_t> RemoveWhere(
      const std::vector<std::string>& columns, const RowPredicate& predicate,
      const std::function<bool(const DataFile&)>& may_match) = 0;

  // Puts rows behind all others, as DataWriter::Write does.
  virtual arrow::Status Append(const std::shared_ptr<arrow::RecordBatch>& batch) = 0;

  // Writes what is to be written and fills adds, removes and what was read into `commit`, which
  // keeps all else that it has. May be called once.
  virtual arrow::Result<RewriteCounts> Finish(Commit* commit) = 0;
};

}  // namespace icecore::lake
