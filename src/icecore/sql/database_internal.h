#pragma once
// The one place that owns DuckDB's C handles. Every other file of the module borrows them.

#include <duckdb.h>

#include <arrow/result.h>
#include <arrow/status.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace icecore::sql {

// An in-memory database with one connection.
class Database {
 public:
  // Starts with extensions that load themselves switched off and the session in UTC.
  static arrow::Result<std::unique_ptr<Database>> Open(int threads);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Runs statements of ours. An error is a kInternal status with DuckDB's message.
  arrow::Status Execute(const std::string& sql);
  // All values as text, row by row, "" for NULL; small results only.
  arrow::Result<std::vector<std::vector<std::string>>> Rows(const std::string& sql);
  // The one value of a query of one row and column.
  arrow::Result<std::string> Text(const std::string& sql);

  duckdb_connection connection() const { return connection_; }
  // How many have used it, whoever asks among them.
  int CountUse() { return ++uses_; }

 private:
  Database() = default;
  duckdb_database database_ = nullptr;
  duckdb_connection connection_ = nullptr;
  int uses_ = 0;
};

// A SELECT, parsed and bound. Empty until Prepare succeeded.
class PreparedSelect {
 public:
  PreparedSelect() = default;
  PreparedSelect(PreparedSelect&& other) noexcept
      : statement_(std::exchange(other.statement_, nullptr)) {}
  PreparedSelect& operator=(PreparedSelect&& other) noexcept;
  ~PreparedSelect();

  // "" and *out filled, or DuckDB's message as it came ("Binder Error: ..."). A text of several
  // statements, or of one that is not a SELECT, is a "Permission Error: ...".
  static std::string Prepare(Database& database, const std::string& sql, PreparedSelect* out);
  duckdb_prepared_statement get() const { return statement_; }

 private:
  duckdb_prepared_statement statement_ = nullptr;
};

}  // namespace icecore::sql
