#pragma once
// SQLite's C API as Status and RAII. The only header that includes sqlite3.h.

#include <arrow/result.h>
#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "icecore/base/error.h"

namespace icecore::catalog {

struct SqliteCloser {
  void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};

// A result code as a Status: busy and locked kUnavailable, damaged and foreign files kCorrupt,
// permissions kDenied, a full disk kUnavailable. `what` says what was being done.
arrow::Status SqliteError(sqlite3* db, int code, std::string_view what);

// One prepared statement, used once: bind in order, then step. Borrows the connection.
class Statement {
 public:
  static arrow::Result<Statement> Prepare(sqlite3* db, const char* sql);

  // The next parameter. Text is copied.
  Statement& Bind(int64_t value);
  Statement& Bind(std::string_view text);

  // True while there is a row.
  arrow::Result<bool> Step();
  // For statements without rows.
  arrow::Status Run();

  int64_t Int(int column) const;
  std::string Text(int column) const;

 private:
  Statement(sqlite3* db, sqlite3_stmt* statement) : db_(db), statement_(statement) {}

  sqlite3* db_;
  std::unique_ptr<sqlite3_stmt, SqliteCloser> statement_;
  int bound_ = 0;
  int bind_code_ = SQLITE_OK;
};

// Statements without parameters and rows.
arrow::Status Execute(sqlite3* db, const char* sql);

// BEGIN IMMEDIATE … COMMIT; rolled back unless committed.
class Transaction {
 public:
  static arrow::Result<Transaction> Begin(sqlite3* db);
  Transaction(Transaction&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  arrow::Status Commit();

 private:
  explicit Transaction(sqlite3* db) : db_(db) {}
  sqlite3* db_;  // null once committed or moved from
};

}  // namespace icecore::catalog
