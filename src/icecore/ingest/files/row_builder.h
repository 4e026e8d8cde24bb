#pragma once
// Batches of text rows: utf8 user columns, then the envelope of files.

#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace icecore::ingest {

// "" when the names can be the user's columns of one file, else why not: the same name twice (case
// does not tell names apart in the lake and in SQL), a name that begins as those of the envelope,
// too many.
std::string CheckColumnNames(const std::vector<std::string>& names);

// The given fields with the envelope columns of files behind them.
std::shared_ptr<arrow::Schema> WithFileEnvelope(
    const std::vector<std::shared_ptr<arrow::Field>>& user);

// Not thread safe.
class RowBuilder {
 public:
  // Rows are numbered from from_row + 1.
  RowBuilder(const std::vector<std::string>& columns, std::string file, int64_t from_row);

  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }
  size_t columns() const { return values_.size(); }

  // One call per column, in any order, then EndRow.
  arrow::Status Value(size_t column, std::string_view utf8);
  arrow::Status Null(size_t column) { return values_[column]->AppendNull(); }
  arrow::Status EndRow();
  // A whole row.
  arrow::Status Problem(std::string_view problem, std::string_view raw);

  // The batch is as large as a batch should be.
  bool full() const;
  // What is held, or nullptr where that is no row.
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Flush();

  int64_t rows() const { return rows_; }
  int64_t problem_rows() const { return problem_rows_; }

 private:
  const std::string file_;
  const int64_t from_row_;
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<std::unique_ptr<arrow::StringBuilder>> values_;
  arrow::Int64Builder row_numbers_;
  arrow::StringBuilder problems_;
  arrow::BinaryBuilder raw_;
  int64_t bytes_ = 0;  // held
  int64_t rows_ = 0;
  int64_t problem_rows_ = 0;
};

// `batch` (user columns) with the envelope of files behind; rows numbered from first_row.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> AddFileEnvelope(
    const arrow::RecordBatch& batch, const std::shared_ptr<arrow::Schema>& schema,
    const std::string& file, int64_t first_row);

}  // namespace icecore::ingest
