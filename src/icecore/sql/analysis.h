#pragma once
// What a user's SQL reads and gives, found before it runs: tables, driver, whether it is row-wise,
// output types, lineage, and the rewritten texts that the engine runs. Works on DuckDB's own parse
// tree (json_serialize_sql) and a bind over empty tables; see design page "spec", section table.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "icecore/base/error.h"

namespace icecore::sql {

// A table that SQL may name.
struct TableSchema {
  std::string full_name;                   // "landing.flights"
  std::shared_ptr<arrow::Schema> columns;  // user columns and envelope columns (those begin with _)
  bool is_static = false;                  // true for all time: takes no part in known_at
  // The column that holds its known time, beside _known_at and _arrived_at; as-of joins use it.
  // Where a table has a column _in_force_from (history.x: its _known_at, null for versions that
  // were overtaken before they were known), a join as-of compares it in the place of _known_at, so
  // that it finds the greatest version known, not the last that came.
  std::optional<std::string> known_at_column;
  bool is_foreign = false;  // not ours: columns that begin with _ are in `*` like any other
};

struct AnalysisRequest {
  std::string sql;
  base::Location location;              // where the first line of the SQL text stands
  std::vector<TableSchema> tables;      // all that exist: landing.x, landing.x_raw, history.w, …
  std::optional<std::string> each;      // the driver, full name
  bool row_wise_required = false;       // append and merge: breaking a row-wise rule is an error
  std::set<std::string> allow_current;  // full or short names that need no as-of join
  bool allow_envelope = true;           // columns like _seq may be named; false: an error
  // The result becomes a table: its column names must differ and must not begin with _.
  bool for_table = true;
};

// An input column that an output column is computed from.
struct ColumnSource {
  std::string table;  // full name
  std::string column;
  friend bool operator==(const ColumnSource&, const ColumnSource&) = default;
  friend auto operator<=>(const ColumnSource&, const ColumnSource&) = default;
};

struct Analysis {
  std::vector<std::string> tables;        // full names as read, in order of first mention
  std::optional<std::string> driver;      // full name; set when row_wise
  bool row_wise = false;                  // every output row comes from one row of the driver
  std::vector<std::string> not_row_wise;  // why not, a sentence each
  bool uses_run_time = false;             // calls run_time()
  std::shared_ptr<arrow::Schema> output;  // the user's columns; null when there are errors
  std::vector<std::vector<ColumnSource>> sources;  // per output column, sorted, without repeats
  // The user's columns, stars without columns that begin with _.
  std::string plain_sql;
  // As plain_sql, then _seq (of the driver row), _op if the driver has it, and _arrived_at: the
  // greatest over all rows that met, static tables excepted. "" unless row_wise.
  std::string row_wise_sql;
  base::Diagnostics diagnostics;  // errors and warnings with file:line
};

// A Status is returned only for faults that are not the SQL's (no memory, a bug); what is wrong
// with the SQL is in Analysis::diagnostics, and then `output`, `plain_sql` and `row_wise_sql` are
// empty. Thread-safe; needs no session of the caller.
arrow::Result<Analysis> Analyse(const AnalysisRequest& request);

}  // namespace icecore::sql
