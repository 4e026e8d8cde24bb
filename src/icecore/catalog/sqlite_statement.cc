#include "icecore/catalog/sqlite_statement_internal.h"

#include <utility>

namespace icecore::catalog {
namespace {

base::ErrorCode CodeOfSqlite(int code) {
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_NOMEM:
      return base::ErrorCode::kUnavailable;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
      return base::ErrorCode::kCorrupt;
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY:
      return base::ErrorCode::kDenied;
    default:
      return base::ErrorCode::kInternal;
  }
}

}  // namespace

arrow::Status SqliteError(sqlite3* db, int code, std::string_view what) {
  std::string message = "catalog: " + std::string(what) + ": ";
  message += db ? sqlite3_errmsg(db) : sqlite3_errstr(code);
  const base::ErrorCode error = CodeOfSqlite(code);
  if (error == base::ErrorCode::kCorrupt) {
    message += "; the catalog holds history only: move the file away, then apply again";
  }
  return base::MakeError(error, std::move(message));
}

arrow::Result<Statement> Statement::Prepare(sqlite3* db, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v2(db, sql, -1, &statement, nullptr);
  if (code != SQLITE_OK) {
    return SqliteError(db, code, "prepare");
  }
  return Statement(db, statement);
}

Statement& Statement::Bind(int64_t value) {
  const int code = sqlite3_bind_int64(statement_.get(), ++bound_, value);
  bind_code_ = bind_code_ == SQLITE_OK ? code : bind_code_;
  return *this;
}

Statement& Statement::Bind(std::string_view text) {
  const char* data = text.data() ? text.data() : "";  // null would bind NULL
  const int code = sqlite3_bind_text64(statement_.get(), ++bound_, data, text.size(),
                                       SQLITE_TRANSIENT, SQLITE_UTF8);
  bind_code_ = bind_code_ == SQLITE_OK ? code : bind_code_;
  return *this;
}

arrow::Result<bool> Statement::Step() {
  if (bind_code_ != SQLITE_OK) {
    return SqliteError(db_, bind_code_, "bind");
  }
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) {
    return true;
  }
  if (code == SQLITE_DONE) {
    return false;
  }
  return SqliteError(db_, code, "step");
}

arrow::Status Statement::Run() { return Step().status(); }

int64_t Statement::Int(int column) const { return sqlite3_column_int64(statement_.get(), column); }

std::string Statement::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  const int size = sqlite3_column_bytes(statement_.get(), column);
  return text ? std::string(text, static_cast<size_t>(size)) : std::string();
}

arrow::Status Execute(sqlite3* db, const char* sql) {
  const int code = sqlite3_exec(db, sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? arrow::Status::OK() : SqliteError(db, code, "execute");
}

arrow::Result<Transaction> Transaction::Begin(sqlite3* db) {
  ARROW_RETURN_NOT_OK(Execute(db, "BEGIN IMMEDIATE"));
  return Transaction(db);
}

Transaction::~Transaction() {
  if (db_) {
    sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);  // nothing to report it to
  }
}

arrow::Status Transaction::Commit() {
  ARROW_RETURN_NOT_OK(Execute(db_, "COMMIT"));
  db_ = nullptr;
  return arrow::Status::OK();
}

}  // namespace icecore::catalog
