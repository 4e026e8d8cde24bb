#pragma once
// Spines and results as files: Parquet, CSV or Arrow IPC, by extension; whole, or batch by batch.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>

namespace icecore::engine {

// .parquet, .csv (types inferred, header line), .arrow (file or stream). A missing file is
// kNotFound, another extension kInvalidArgument, unreadable bytes kBadInput; each names the file.
arrow::Result<std::shared_ptr<arrow::Table>> ReadRows(const std::string& path);

// The same, batch by batch: of Parquet no more than a row group is in memory. The types of a CSV
// file of more than 256 MiB are those of its first 64 MiB; a value further on that is not of its
// column's type is kBadInput.
arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> OpenRows(const std::string& path);

// Writes a file beside `path` that takes its place when all is well, in one step. CSV cannot hold
// nested values: kUnsupported names the column. Arrow files hold the values of dictionaries.
class RowWriter {
 public:
  static arrow::Result<std::unique_ptr<RowWriter>> Open(
      const std::shared_ptr<arrow::Schema>& schema, const std::string& path);
  // Without Close: nothing was written.
  virtual ~RowWriter() = default;
  virtual arrow::Status Write(const std::shared_ptr<arrow::RecordBatch>& batch) = 0;
  virtual arrow::Status Close() = 0;
};

// All rows by a RowWriter.
arrow::Status WriteRows(const arrow::Table& rows, const std::string& path);

}  // namespace icecore::engine
