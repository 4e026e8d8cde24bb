#include "icecore/catalog/sqlite_catalog_internal.h"

#include <chrono>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

namespace icecore::catalog {
namespace {

constexpr int kBusyTimeoutMs = 10'000;
constexpr int kWalTries = 100;
constexpr int64_t kApplicationId = 0x49434331;  // "ICC1"
constexpr int64_t kSchemaVersion = 2;

constexpr char kSchema[] = R"sql(
CREATE TABLE thing (
  id INTEGER PRIMARY KEY, uuid TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
  name TEXT NOT NULL UNIQUE, first_version INTEGER NOT NULL);
CREATE TABLE definition_version (
  version INTEGER PRIMARY KEY, applied_at_us INTEGER NOT NULL);
CREATE TABLE definition (
  thing INTEGER NOT NULL REFERENCES thing(id),
  version INTEGER NOT NULL REFERENCES definition_version(version),
  removed INTEGER NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL,
  fingerprint TEXT NOT NULL, location TEXT NOT NULL,
  PRIMARY KEY (thing, version)) WITHOUT ROWID;
CREATE TABLE run (
  id INTEGER PRIMARY KEY AUTOINCREMENT, uuid TEXT NOT NULL UNIQUE, command TEXT NOT NULL,
  definition_version INTEGER NOT NULL, now_us INTEGER NOT NULL,
  started_at_us INTEGER NOT NULL, finished_at_us INTEGER NOT NULL DEFAULT 0,
  status INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '');
CREATE TABLE step (
  id INTEGER PRIMARY KEY AUTOINCREMENT, uuid TEXT NOT NULL UNIQUE,
  run INTEGER NOT NULL REFERENCES run(id), thing INTEGER REFERENCES thing(id),
  name TEXT NOT NULL, kind TEXT NOT NULL, started_at_us INTEGER NOT NULL,
  finished_at_us INTEGER NOT NULL DEFAULT 0, duration_us INTEGER NOT NULL DEFAULT 0,
  status INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '',
  detail TEXT NOT NULL DEFAULT '');
CREATE INDEX step_run ON step(run, id);
CREATE INDEX step_name ON step(name, id);
CREATE TABLE step_count (
  step INTEGER NOT NULL REFERENCES step(id), name TEXT NOT NULL, value INTEGER NOT NULL,
  PRIMARY KEY (step, name)) WITHOUT ROWID;
CREATE TABLE step_table (
  step INTEGER NOT NULL REFERENCES step(id), is_write INTEGER NOT NULL,
  position INTEGER NOT NULL, table_name TEXT NOT NULL, version INTEGER NOT NULL,
  generation INTEGER NOT NULL, seq_begin INTEGER NOT NULL, seq_end INTEGER NOT NULL,
  PRIMARY KEY (step, is_write, position)) WITHOUT ROWID;
PRAGMA application_id = 1229144881;
)sql";

// What version 2 adds to version 1.
constexpr char kUsageSchema[] = R"sql(
CREATE TABLE usage (
  name TEXT NOT NULL, day INTEGER NOT NULL, caller TEXT NOT NULL, requests INTEGER NOT NULL,
  row_count INTEGER NOT NULL, last_used_us INTEGER NOT NULL,
  PRIMARY KEY (name, day, caller)) WITHOUT ROWID;
PRAGMA user_version = 2;
)sql";
static_assert(kApplicationId == 1229144881 && kSchemaVersion == 2, "as in the schemas");

arrow::Result<int64_t> ReadNumber(sqlite3* db, const char* sql) {
  ARROW_ASSIGN_OR_RAISE(Statement statement, Statement::Prepare(db, sql));
  ARROW_ASSIGN_OR_RAISE(const bool has_row, statement.Step());
  return has_row ? statement.Int(0) : 0;
}

// SQLite does not wait for others while it changes the journal mode, so the wait is ours.
arrow::Status UseWriteAheadLog(sqlite3* db) {
  for (int i = 0; i < kWalTries; ++i) {
    const int code = sqlite3_exec(db, "PRAGMA journal_mode = WAL", nullptr, nullptr, nullptr);
    if (code == SQLITE_OK) {
      return arrow::Status::OK();
    }
    if ((code & 0xff) != SQLITE_BUSY && (code & 0xff) != SQLITE_LOCKED) {
      return SqliteError(db, code, "open");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(kBusyTimeoutMs / kWalTries));
  }
  return base::MakeError(base::ErrorCode::kUnavailable,
                         "catalog: another process holds the file; try again");
}

// OK for a catalog of ours and for an empty file, whose version is 0.
arrow::Status CheckIdentity(sqlite3* db, const std::string& path, int64_t* schema_version) {
  // In this order: another process may create the schema between two of the reads.
  ARROW_ASSIGN_OR_RAISE(const int64_t objects,
                        ReadNumber(db, "SELECT count(*) FROM sqlite_master"));
  ARROW_ASSIGN_OR_RAISE(const int64_t application, ReadNumber(db, "PRAGMA application_id"));
  ARROW_ASSIGN_OR_RAISE(const int64_t version, ReadNumber(db, "PRAGMA user_version"));
  *schema_version = 0;
  if (objects == 0 && application == 0) {
    return arrow::Status::OK();
  }
  if (application != kApplicationId) {
    return base::MakeError(base::ErrorCode::kCorrupt,
                           "catalog: '" + path + "' is a database, but not a catalog of Icecore");
  }
  if (version > kSchemaVersion) {
    return base::MakeError(base::ErrorCode::kUnsupported,
                           "catalog: '" + path +
                               "' was written by a newer version of Icecore "
                               "(schema " +
                               std::to_string(version) + ", this one knows " +
                               std::to_string(kSchemaVersion) + ")");
  }
  *schema_version = version;
  return arrow::Status::OK();
}

// Creates the tables that are missing in an empty file or in one of an older version.
arrow::Status BringUpToDate(sqlite3* db, const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(Transaction transaction, Transaction::Begin(db));
  int64_t version = 0;
  ARROW_RETURN_NOT_OK(CheckIdentity(db, path, &version));  // another process may have been first
  if (version < 1) {
    ARROW_RETURN_NOT_OK(Execute(db, kSchema));
  }
  if (version < kSchemaVersion) {
    ARROW_RETURN_NOT_OK(Execute(db, kUsageSchema));
  }
  return transaction.Commit();
}

}  // namespace

arrow::Result<std::unique_ptr<SqliteCatalog>> SqliteCatalog::Open(const std::string& path,
                                                                  base::Random* random) {
  std::error_code error;
  if (const auto folder = std::filesystem::path(path).parent_path(); !folder.empty()) {
    std::filesystem::create_directories(folder, error);  // opening tells what is wrong
  }
  sqlite3* raw = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &raw,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  Connection db(raw);
  const std::string context = "cannot open '" + path + "'";
  if (code != SQLITE_OK) {
    return base::WithContext(SqliteError(raw, code, "open"), context);
  }
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_timeout(raw, kBusyTimeoutMs);
  int64_t version = 0;
  ARROW_RETURN_NOT_OK(base::WithContext(CheckIdentity(raw, path, &version), context));
  ARROW_RETURN_NOT_OK(base::WithContext(UseWriteAheadLog(raw), context));
  // A crash of the machine may lose the newest history, never the file: the lake decides what is
  // true.
  ARROW_RETURN_NOT_OK(Execute(raw, "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON"));
  if (version < kSchemaVersion) {
    ARROW_RETURN_NOT_OK(base::WithContext(BringUpToDate(raw, path), context));
  }
  return std::unique_ptr<SqliteCatalog>(new SqliteCatalog(std::move(db), random));
}

arrow::Result<std::unique_ptr<Catalog>> OpenSqlite(const std::string& path, base::Random* random) {
  ARROW_ASSIGN_OR_RAISE(std::unique_ptr<SqliteCatalog> catalog, SqliteCatalog::Open(path, random));
  return catalog;
}

}  // namespace icecore::catalog
