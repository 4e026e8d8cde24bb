#pragma once
// Rows of a snapshot as Arrow batches.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "icecore/lake/object_store.h"
#include "icecore/lake/predicate.h"
#include "icecore/lake/read_context.h"
#include "icecore/lake/snapshot.h"

namespace icecore::lake {

// Rows with after < _seq <= up_to.
struct SeqRange {
  int64_t after = 0;
  int64_t up_to = INT64_MAX;
};

// Of every file the row groups of the `index`th of `count` parts that have about as many of them.
struct RowGroupShare {
  int index = 0;
  int count = 1;
};

struct ScanOptions {
  std::optional<std::vector<std::string>> columns;  // in this order; nullopt = all of the schema
  std::optional<SeqRange> seq;                      // files and row groups outside are not decoded
  int64_t batch_rows = 1 << 16;                     // at most
  // Files and row groups that surely hold no row that meets all of them are passed over; rows that
  // do not meet them may come all the same.
  Predicates predicates;
  RowGroupShare share;
  // Decoding on several threads; off where scans themselves run beside each other.
  bool use_threads = true;
  // Files of a local store that have so many bytes together are decoded row group by row group at
  // once, and the rows still come in order; the columns of smaller ones are.
  int64_t ahead_from_bytes = 8 << 20;
};

// The batches have the declared types of snapshot.schema, whatever types the files have (see
// docs/formats/delta.md); deleted rows are left out, partition columns put in. Files come in the
// snapshot's order, rows as they rest. Columns and members of structs that an older file lacks are
// null. A column that the schema lacks is
// kNotFound and proposes the nearest. Files are opened one after another while reading; a missing
// or broken one is kCorrupt with its name, from the reader. `store` must outlive the reader; the
// snapshot need not.
arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Scan(ObjectStore& store,
                                                              const Snapshot& snapshot,
                                                              const ScanOptions& options,
                                                              const ReadAccess& access);

// The snapshot's files that may hold rows of the range, in order.
std::vector<DataFile> FilesInRange(const Snapshot& snapshot, const std::optional<SeqRange>& seq);

// Whether the files by themselves give the rows, but for casts to the declared types and for
// columns that older files lack: the table is ours (files of other writers may have other types and
// names), without partition columns, mapped columns and deleted rows.
bool FilesHoldRows(const Snapshot& snapshot);

// A snapshot's files as absolute paths of this machine, in order, for DuckDB; older files may lack
// newer columns (union_by_name). nullopt where the files do not give the declared rows as they are:
// the store is not local, a declared type rests as another one, or FilesHoldRows says no.
std::optional<std::vector<std::string>> LocalFiles(const ObjectStore& store,
                                                   const Snapshot& snapshot);

}  // namespace icecore::lake
