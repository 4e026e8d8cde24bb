#pragma once
// For tests: a project in a folder of its own, with a lake, whose files the test writes.

#include <arrow/record_batch.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "icecore/base/clock.h"
#include "icecore/ingest/files/file_rows.h"
#include "icecore/ingest/files/plan.h"
#include "icecore/lake/object_store.h"
#include "icecore/spec/model.h"

namespace icecore::ingest {

std::string Gzip(std::string_view bytes);
std::string Zstd(std::string_view bytes);
std::string Zip(const std::vector<std::pair<std::string, std::string>>& members);

// A table of one int64 column `n` and one string column `s`, rows times, as a Parquet file or Arrow
// IPC.
std::string ParquetBytes(int64_t rows);
std::string ArrowFileBytes(int64_t rows);
std::string ArrowStreamBytes(int64_t rows);

// All rows of one file.
struct ReadResult {
  arrow::Status status;
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  std::shared_ptr<arrow::Schema> schema;  // of the first batch to come
  KnownFile facts;
  int64_t problem_rows = 0;

  int64_t rows() const;
  // Row as "a|b|null", user columns only; by index over all batches.
  std::string Row(int64_t index) const;
  // A column's text; "null" for null.
  std::string Cell(const std::string& column, int64_t index) const;
  // Names of the user's columns, with commas.
  std::string Columns() const;
};

class TestProject {
 public:
  TestProject();
  ~TestProject();

  const std::string& root() const { return root_; }
  lake::ObjectStore& store() { return *store_; }
  spec::Source& source() { return source_; }
  FileReadOptions& options() { return options_; }
  base::FixedClock& clock() { return clock_; }
  Manifest& manifest() { return manifest_; }

  void Write(const std::string& path, std::string_view bytes);
  std::string ReadBytes(const std::string& path);
  // Another modification time, the same bytes.
  void Touch(const std::string& path, int64_t mtime_seconds);

  arrow::Result<FilePlan> Plan();
  ReadResult Read(const PlannedFile& file, std::stop_token stop = {});
  // Writes the file, sets the source's path to it, plans and reads it.
  ReadResult ReadOne(const std::string& path, std::string_view bytes);
  // Plans, reads all that is planned and remembers it in manifest().
  arrow::Status Land(std::vector<ReadResult>* results = nullptr);

 private:
  std::string root_;
  std::unique_ptr<lake::ObjectStore> store_;
  spec::Source source_;
  FileReadOptions options_;
  base::FixedClock clock_;
  Manifest manifest_;
};

}  // namespace icecore::ingest
