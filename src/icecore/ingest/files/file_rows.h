#pragma once
// One file: kept byte for byte in the lake, then read from there as rows.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "icecore/ingest/files/manifest.h"
#include "icecore/ingest/files/plan.h"
#include "icecore/ingest/sealer.h"
#include "icecore/spec/model.h"

namespace icecore::lake {
class ObjectStore;
}  // namespace icecore::lake

namespace icecore::ingest {

// Envelope columns that come with every row read from a file, after the user's columns, in this
// order. _file (utf8, not null): path, "x.zip/member" within a zip. _row (int64, not null): from 1
// within it. _problem (utf8): why the row could not be read as such; then all user columns are null
// and _raw (binary) holds the row's bytes without its line end.
inline constexpr std::string_view kFileColumn = "_file";
inline constexpr std::string_view kRowColumn = "_row";
inline constexpr std::string_view kProblemColumn = "_problem";
inline constexpr std::string_view kRawColumn = "_raw";

// Limits on outside data; beyond them a file is refused with kLimit.
inline constexpr int64_t kMaxFieldBytes = int64_t{64} << 20;    // of one csv field
inline constexpr int64_t kMaxRecordBytes = int64_t{256} << 20;  // of one csv record or JSON line
inline constexpr int64_t kMaxColumns = 10'000;
// Batches end at whichever comes first.
inline constexpr int64_t kBatchRows = 1 << 16;
inline constexpr int64_t kBatchBytes = int64_t{32} << 20;

struct FileProgress {
  std::string_view path;
  int64_t bytes = 0;  // of stored bytes read so far; an estimate for columnar files
  int64_t total_bytes = 0;
  int64_t rows = 0;
};
using ProgressCallback = std::function<void(const FileProgress&)>;

// Where originals go and what watches the reading. Pointers are borrowed and outlive the readers.
struct FileReadOptions {
  // nullptr: nothing is kept and the file itself is read, to look at it before anything lands;
  // facts have no digest then.
  lake::ObjectStore* store = nullptr;
  std::string table_path;          // of the landing table, relative to the store's root
  const Sealer* sealer = nullptr;  // nullptr: IdentitySealer()
  ProgressCallback progress;       // may be empty; called once a batch
  std::vector<std::string>
      column_names;  // of csv with `header: false`; empty: column_1, column_2, …
};

// Rows of one planned file, in order. Not thread safe.
class FileRows {
 public:
  virtual ~FileRows() = default;

  // Columns of the next batch; known before the first Next (a header without rows has columns too).
  // It may differ between the members of one zip file.
  virtual const std::shared_ptr<arrow::Schema>& schema() const = 0;
  // nullptr at the end. Any error means that nothing of this file may be committed: kBadInput for
  // bytes that are not what they are declared to be, with file and line.
  virtual arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next() = 0;
  // The file's entry for the manifest, but for first_seq and batch. Valid after Next gave nullptr.
  virtual KnownFile facts() const = 0;
  // Rows whose _problem is not null, so far.
  virtual int64_t problem_rows() const = 0;
};

// Copies the file into `_files/<digest>` below the table unless it is there, and opens the copy:
// the rows are those of exactly these bytes, whatever happens to the file meanwhile. `source` is
// copied. A file that changes during the copy, or has changed since it was planned, is kConflict:
// it waits for the next run. The original of a file that is refused afterwards stays in `_files`
// without an entry in any manifest. Text formats give utf8 columns, values as received (no
// conversion of nulls, no trimming); parquet and arrow their own types, with dictionaries decoded
// and large and view types made plain.
arrow::Result<std::unique_ptr<FileRows>> OpenFile(const spec::Source& source,
                                                  const PlannedFile& file,
                                                  const FileReadOptions& options,
                                                  std::stop_token stop);

// The path of an original, relative to the landing table: "_files/<digest>".
std::string OriginalPath(const std::string& digest);

}  // namespace icecore::ingest
