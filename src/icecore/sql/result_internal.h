#pragma once
// DuckDB's result types and chunks as Arrow types and batches (the rules stand in session.h).

#include <duckdb.h>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>
#include <string>

#include "icecore/sql/database_internal.h"

namespace icecore::sql {

// The columns of a bound SELECT. kUnsupported, naming column and type, for what has no Arrow type.
arrow::Result<std::shared_ptr<arrow::Schema>> OutputSchema(duckdb_prepared_statement statement);

// Turns chunks of one result into batches of `schema`, which is OutputSchema of its statement.
class ChunkConverter {
 public:
  static arrow::Result<std::unique_ptr<ChunkConverter>> Make(duckdb_connection connection,
                                                             duckdb_prepared_statement statement,
                                                             std::shared_ptr<arrow::Schema> schema);
  ~ChunkConverter();
  ChunkConverter(const ChunkConverter&) = delete;
  ChunkConverter& operator=(const ChunkConverter&) = delete;

  // Copies nothing where the types agree. kBadInput for an integer sum beyond int64.
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Convert(duckdb_data_chunk chunk);

 private:
  ChunkConverter() = default;
  duckdb_arrow_options options_ = nullptr;
  std::shared_ptr<arrow::Schema> stored_schema_;
  std::shared_ptr<arrow::Schema> schema_;
};

}  // namespace icecore::sql
