#pragma once
// One sandboxed DuckDB in memory, fed and read through Arrow.
//
// Use: Open, SetRunTime, Register* (our own statements), Lock, then Query with a text of Analyse.
// After Lock nothing can be registered or set. At any time Query runs one SELECT and nothing else,
// and no file outside the allowed directories, no network and no extension can be reached. A
// session and the readers it hands out belong to one thread at a time; Interrupt alone may come
// from any thread. One query at a time: a reader must be read to its end, closed or destroyed
// before the next Query.
//
// Types of results (DuckDB -> Arrow): TIMESTAMPTZ -> timestamp[us, UTC]; TIMESTAMP ->
// timestamp[us]; TIMESTAMP_NS/_MS/_S -> timestamp of that unit; HUGEINT (a sum of integers) ->
// int64, a value beyond it is kBadInput (inside lists and structs: decimal128(38, 0)); VARCHAR,
// JSON, UUID, ENUM -> utf8; BLOB -> binary; DECIMAL(p, s) -> decimal128(p, s); LIST -> list; ARRAY
// -> fixed_size_list; STRUCT, MAP -> the same; an untyped NULL -> int32. INTERVAL, UHUGEINT, TIME
// with zone, BIT, UNION, BIGNUM: kUnsupported, naming column, type and a cast that helps.

#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "icecore/base/error.h"

namespace icecore::sql {

struct Limits {
  int threads = 2;
  int64_t memory_bytes = int64_t{2} << 30;
  int64_t timeout_ms = 0;  // of one query, from Query to the last batch; 0 = none
  std::string temp_dir;    // where DuckDB spills; "" = it may not spill
};

// A column that a view adds after the declared ones, e.g. {"_known_at", "\"arrived_at\""}.
struct ExtraColumn {
  std::string name;
  std::string sql_expression;  // over the declared columns, by their declared names and types
};

// A relation over Parquet files. Every file may lack columns (they read as null), have more (they
// are not seen), and store a column in another type than declared (it is cast).
struct TableInput {
  std::string schema;                      // "landing"
  std::string name;                        // "flights"
  std::vector<std::string> parquet_files;  // local paths; none: an empty typed relation
  std::shared_ptr<arrow::Schema> columns;  // names, order and types as SQL shall see them
  std::optional<int64_t> seq_after;        // only rows with _seq > this (needs column _seq)
  std::optional<int64_t> seq_up_to;        // only rows with _seq <= this
  std::vector<ExtraColumn> extra_columns;
  std::vector<std::shared_ptr<const void>> holds;  // what must live as long as the session
};

class Session {
 public:
  // Files under `allowed_directories` (absolute) are all that can be read, for the whole life of
  // the session. A table function in SQL could name them too: user SQL goes through Analyse, which
  // refuses those.
  static arrow::Result<std::unique_ptr<Session>> Open(
      const Limits& limits, const std::vector<std::string>& allowed_directories);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  arrow::Status CreateSchema(const std::string& schema);  // does nothing when it exists
  // run_time() in SQL: microseconds since the epoch, UTC. Before it is called run_time() is
  // unknown.
  arrow::Status SetRunTime(int64_t unix_us);
  // Creates (or replaces) the view schema.name; the schema too.
  arrow::Status RegisterParquet(const TableInput& input);
  // Creates (or replaces) a table of these rows; they are copied, so they count against
  // memory_bytes and can be read any number of times in one query.
  arrow::Status RegisterArrow(const std::string& schema, const std::string& name,
                              const std::shared_ptr<arrow::Table>& rows);
  // As RegisterArrow, read to its end here, batch by batch. An error of the reader is the result.
  arrow::Status RegisterReader(const std::string& schema, const std::string& name,
                               const std::shared_ptr<arrow::RecordBatchReader>& rows);
  // SQL of ours (never a user's) over what is registered, as the view schema.name.
  arrow::Status RegisterView(const std::string& schema, const std::string& name,
                             const std::string& select_sql);
  // No file, network or setting from here on. Safe to repeat.
  arrow::Status Lock();

  // One SELECT statement. Errors in the text are kInvalidDefinition with line and column in front
  // of the message when DuckDB gives them; past the deadline kLimit; after Interrupt kUnavailable;
  // out of memory kLimit; a failing cast and the like at run time kBadInput. Batches hold up to
  // some thousand rows and are produced as they are read. The session must outlive the reader.
  arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Query(const std::string& sql);
  arrow::Result<std::shared_ptr<arrow::Table>> QueryTable(const std::string& sql);
  // As Query, with errors placed in the user's file; `text_starts_at` is where `sql` begins.
  arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> QueryAt(
      const std::string& sql, const base::Location& text_starts_at);

  // Stops the running query; safe from any thread, does nothing when none runs.
  void Interrupt();

  // Internal to this module: what the implementation holds.
  struct Impl;

 private:
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace icecore::sql
