#pragma once
// Errors of DuckDB as errors of Icecore: code, message without decoration, place in the user's
// file.

#include <arrow/status.h>

#include <string>
#include <string_view>

#include "icecore/base/error.h"

namespace icecore::sql {

// Where in a SQL text something is wrong. line and column count from 1; 0 = DuckDB did not say.
struct SqlError {
  base::ErrorCode code = base::ErrorCode::kInvalidDefinition;
  int line = 0;
  int column = 0;
  std::string message;  // DuckDB's, without its class prefix and its LINE ... ^ picture
};

// Splits an error message of DuckDB. `sql` is the text that was run; the position is within it.
SqlError ParseSqlError(std::string_view duckdb_message, std::string_view sql);

// The place at byte `offset` of a SQL text that begins at `text_starts_at`.
base::Location LocationOfOffset(const base::Location& text_starts_at, std::string_view sql,
                                size_t offset);
// The place `line`, `column` of a SQL text that begins at `text_starts_at`.
base::Location LocationInSql(const base::Location& text_starts_at, int line, int column);

// The error as a status at its place; without a file "line L, column C: message".
arrow::Status SqlErrorStatus(const SqlError& error, const base::Location& text_starts_at);

}  // namespace icecore::sql
