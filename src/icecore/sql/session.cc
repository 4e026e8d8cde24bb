#include "icecore/sql/session.h"

#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <atomic>
#include <map>
#include <set>
#include <utility>

#include "icecore/base/text.h"
#include "icecore/sql/database_internal.h"
#include "icecore/sql/idle_databases_internal.h"
#include "icecore/sql/lent_stream_internal.h"
#include "icecore/sql/parquet_view_internal.h"
#include "icecore/sql/parse_tree_internal.h"
#include "icecore/sql/query_deadline_internal.h"
#include "icecore/sql/result_internal.h"
#include "icecore/sql/sql_error.h"
#include "icecore/sql/sql_types.h"

namespace icecore::sql {
namespace {

using base::ErrorCode;
using base::MakeError;

// Rows of a batch handed out; DuckDB's own chunks of 2,048 rows are joined up to it.
constexpr int64_t kBatchRows = int64_t{16} * 2048;

std::string QualifiedName(const std::string& schema, const std::string& name) {
  return QuoteIdentifier(schema) + "." + QuoteIdentifier(name);
}

// Keeps the error of a reader that DuckDB reads, which would tell only its text.
class WatchedReader final : public arrow::RecordBatchReader {
 public:
  explicit WatchedReader(std::shared_ptr<arrow::RecordBatchReader> rows) : rows_(std::move(rows)) {}
  std::shared_ptr<arrow::Schema> schema() const override { return rows_->schema(); }
  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    if (status_.ok()) status_ = rows_->ReadNext(batch);
    return status_;
  }
  const arrow::Status& status() const { return status_; }

 private:
  const std::shared_ptr<arrow::RecordBatchReader> rows_;
  arrow::Status status_;
};

}  // namespace

struct Session::Impl {
  ~Impl();

  Limits limits;
  std::string settings;                            // of the database
  std::set<std::string> schemas;                   // that were made in it
  std::atomic<bool> spoiled{false};                // a statement failed in it
  std::vector<std::shared_ptr<const void>> holds;  // before database: they must go after it
  std::unique_ptr<Database> database;
  std::unique_ptr<QueryDeadline> deadline;  // after database: it must go first
  std::atomic<bool> interrupted{false};
  bool locked = false;
  bool query_running = false;

  arrow::Status CheckOpen() const {
    if (!locked) return arrow::Status::OK();
    return MakeError(ErrorCode::kDenied, "the SQL session is locked: nothing can be registered");
  }
  // What stopped a query, or DuckDB's own message.
  arrow::Status QueryError(const std::string& duckdb_message, const std::string& sql,
                           const base::Location& text_starts_at);
};

namespace {

// What a database must be opened with; nothing of it can be changed later.
std::string SettingsOf(const Limits& limits, const std::vector<std::string>& directories) {
  std::string settings = "session\n" + std::to_string(limits.threads) + "\n" +
                         std::to_string(limits.memory_bytes) + "\n" + limits.temp_dir;
  for (const std::string& directory : directories) settings += "\n" + directory;
  return settings;
}

arrow::Result<std::unique_ptr<Database>> OpenSandbox(const Limits& limits,
                                                     const std::vector<std::string>& directories) {
  ARROW_ASSIGN_OR_RAISE(auto database, Database::Open(limits.threads));
  ARROW_RETURN_NOT_OK(
      database->Execute("SET memory_limit = '" + std::to_string(limits.memory_bytes) + "B'"));
  ARROW_RETURN_NOT_OK(database->Execute("SET temp_directory = " + QuoteLiteral(limits.temp_dir)));
  // The loop plan for small probe sides goes wrong when their size is not known: quadratic time.
  ARROW_RETURN_NOT_OK(database->Execute("SET asof_loop_join_threshold = 0"));
  // A view is bound anew by every query, and binding reads each file's footer.
  ARROW_RETURN_NOT_OK(database->Execute("SET parquet_metadata_cache = true"));
  std::string list;
  for (const std::string& directory : directories) {
    list += (list.empty() ? "" : ", ") + QuoteLiteral(directory);
  }
  if (!list.empty()) {
    ARROW_RETURN_NOT_OK(database->Execute("SET allowed_directories = [" + list + "]"));
  }
  ARROW_RETURN_NOT_OK(database->Execute("SET enable_external_access = false"));
  // Nobody but us sets or registers anything: what users write runs through PreparedSelect.
  ARROW_RETURN_NOT_OK(database->Execute("SET lock_configuration = true"));
  return database;
}

// Reads one streaming result. Ends the query when it is read out or destroyed.
class ResultReader final : public arrow::RecordBatchReader {
 public:
  ResultReader(Session::Impl* session, std::string sql, base::Location text_starts_at)
      : session_(session), sql_(std::move(sql)), text_starts_at_(std::move(text_starts_at)) {
    session_->query_running = true;
  }
  ~ResultReader() override { End(); }

  arrow::Status Start() {
    session_->interrupted = false;
    const int64_t timeout_ms = session_->limits.timeout_ms;
    if (timeout_ms > 0) session_->deadline->Arm(timeout_ms);
    const std::string error = PreparedSelect::Prepare(*session_->database, sql_, &statement_);
    if (!error.empty()) return session_->QueryError(error, sql_, text_starts_at_);
    ARROW_ASSIGN_OR_RAISE(schema_, OutputSchema(statement_.get()));
    ARROW_ASSIGN_OR_RAISE(converter_, ChunkConverter::Make(session_->database->connection(),
                                                           statement_.get(), schema_));
    has_result_ = true;
    if (duckdb_execute_prepared_streaming(statement_.get(), &result_) != DuckDBSuccess) {
      return ResultError();
    }
    return arrow::Status::OK();
  }

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* out) override {
    out->reset();
    if (ended_) return arrow::Status::OK();
    arrow::RecordBatchVector parts;
    int64_t rows = 0;
    while (rows < kBatchRows) {
      auto next = NextChunk();
      if (!next.ok()) {
        End();
        return next.status();
      }
      if (*next == nullptr) {
        End();
        break;
      }
      rows += (*next)->num_rows();
      parts.push_back(std::move(*next));
    }
    if (parts.empty()) return arrow::Status::OK();
    if (parts.size() == 1) {
      *out = std::move(parts[0]);
      return arrow::Status::OK();
    }
    return arrow::ConcatenateRecordBatches(parts).Value(out);
  }

  arrow::Status Close() override {
    End();
    return arrow::Status::OK();
  }

 private:
  // Null at the end.
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> NextChunk() {
    if (session_->interrupted || session_->deadline->Expired()) {
      return session_->QueryError("INTERRUPT Error: Interrupted!", sql_, text_starts_at_);
    }
    duckdb_data_chunk chunk = duckdb_fetch_chunk(result_);
    if (chunk == nullptr) {
      if (duckdb_result_error(&result_) != nullptr) return ResultError();
      return nullptr;
    }
    auto batch = converter_->Convert(chunk);
    duckdb_destroy_data_chunk(&chunk);
    return batch;
  }

  arrow::Status ResultError() {
    const char* message = duckdb_result_error(&result_);
    return session_->QueryError(message && *message ? message : "Internal Error: no message", sql_,
                                text_starts_at_);
  }

  void End() {
    if (ended_) return;
    ended_ = true;
    session_->deadline->Disarm();
    converter_.reset();
    if (has_result_) duckdb_destroy_result(&result_);
    statement_ = PreparedSelect();
    session_->query_running = false;
  }

  Session::Impl* const session_;
  const std::string sql_;
  const base::Location text_starts_at_;
  PreparedSelect statement_;
  std::shared_ptr<arrow::Schema> schema_;
  std::unique_ptr<ChunkConverter> converter_;
  duckdb_result result_{};
  bool has_result_ = false;
  bool ended_ = false;
};

arrow::Status CheckParquetInput(const TableInput& input) {
  if (input.columns == nullptr || input.columns->num_fields() == 0) {
    return MakeError(ErrorCode::kInvalidArgument,
                     input.schema + "." + input.name + " is registered without columns");
  }
  if ((input.seq_after || input.seq_up_to) && input.columns->GetFieldIndex("_seq") < 0) {
    return MakeError(ErrorCode::kInvalidArgument,
                     input.schema + "." + input.name + " has no column _seq to read a range of");
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Status Session::Impl::QueryError(const std::string& duckdb_message, const std::string& sql,
                                        const base::Location& text_starts_at) {
  spoiled = true;
  SqlError error = ParseSqlError(duckdb_message, sql);
  if (duckdb_message.starts_with("INTERRUPT")) {
    if (deadline->Expired()) {
      error.code = ErrorCode::kLimit;
      error.message =
          "the query took longer than its limit of " + std::to_string(limits.timeout_ms) + " ms";
    } else {
      error.message = "the query was interrupted";
    }
  }
  return SqlErrorStatus(error, text_starts_at);
}

// A database in which all went well is cleared for the next session of the same settings.
Session::Impl::~Impl() {
  deadline.reset();
  if (database == nullptr || spoiled || schemas.contains("main")) return;
  std::string script = "DROP MACRO IF EXISTS run_time;";
  for (const std::string& schema : schemas) {
    script += "DROP SCHEMA IF EXISTS " + QuoteIdentifier(schema) + " CASCADE;";
  }
  // It keeps footers and blocks of every file that was read through it, also of those that nobody
  // reads again; with a stream of small files that is what a process would grow by.
  constexpr int kMostUses = 100;
  if (database->CountUse() >= kMostUses) return;
  if (database->Execute(script).ok()) LeaveIdle(settings, std::move(database));
}

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::~Session() = default;

arrow::Result<std::unique_ptr<Session>> Session::Open(
    const Limits& limits, const std::vector<std::string>& allowed_directories) {
  if (limits.threads < 1 || limits.memory_bytes < 1) {
    return MakeError(ErrorCode::kInvalidArgument, "a SQL session needs a thread and memory");
  }
  auto impl = std::make_unique<Impl>();
  impl->limits = limits;
  impl->settings = SettingsOf(limits, allowed_directories);
  impl->database = TakeIdle(impl->settings);
  if (impl->database == nullptr) {
    ARROW_ASSIGN_OR_RAISE(impl->database, OpenSandbox(limits, allowed_directories));
  }
  impl->deadline = std::make_unique<QueryDeadline>(impl->database->connection());
  return std::unique_ptr<Session>(new Session(std::move(impl)));
}

arrow::Status Session::CreateSchema(const std::string& schema) {
  ARROW_RETURN_NOT_OK(impl_->CheckOpen());
  impl_->schemas.insert(schema);
  return impl_->database->Execute("CREATE SCHEMA IF NOT EXISTS " + QuoteIdentifier(schema));
}

arrow::Status Session::SetRunTime(int64_t unix_us) {
  ARROW_RETURN_NOT_OK(impl_->CheckOpen());
  return impl_->database->Execute("CREATE OR REPLACE MACRO run_time() AS make_timestamptz(CAST(" +
                                  std::to_string(unix_us) + " AS BIGINT))");
}

arrow::Status Session::RegisterParquet(const TableInput& input) {
  ARROW_RETURN_NOT_OK(CheckParquetInput(input));
  impl_->holds.insert(impl_->holds.end(), input.holds.begin(), input.holds.end());
  std::string select;
  if (input.parquet_files.empty()) {
    ARROW_ASSIGN_OR_RAISE(select, EmptyViewSelect(input));
  } else {
    ARROW_ASSIGN_OR_RAISE(auto rows, impl_->database->Rows("DESCRIBE SELECT * FROM " +
                                                           ReadParquetCall(input.parquet_files)));
    std::map<std::string, std::string> stored_types;
    for (const auto& row : rows) {
      stored_types[base::LowerText(row[0])] = row[1];
    }
    ARROW_ASSIGN_OR_RAISE(select, ParquetViewSelect(input, stored_types));
  }
  return RegisterView(input.schema, input.name, select);
}

arrow::Status Session::RegisterView(const std::string& schema, const std::string& name,
                                    const std::string& select_sql) {
  ARROW_RETURN_NOT_OK(CreateSchema(schema));
  return base::WithContext(
      impl_->database->Execute("CREATE OR REPLACE VIEW " + QualifiedName(schema, name) + " AS " +
                               select_sql),
      "registering " + schema + "." + name);
}

arrow::Status Session::RegisterArrow(const std::string& schema, const std::string& name,
                                     const std::shared_ptr<arrow::Table>& rows) {
  return RegisterReader(schema, name, std::make_shared<arrow::TableBatchReader>(rows));
}

arrow::Status Session::RegisterReader(const std::string& schema, const std::string& name,
                                      const std::shared_ptr<arrow::RecordBatchReader>& rows) {
  ARROW_RETURN_NOT_OK(CreateSchema(schema));
  Database& database = *impl_->database;
  const auto columns = DuckDbColumns(rows->schema()->fields());
  if (!columns.ok()) {
    return base::WithContext(columns.status(), "registering " + schema + "." + name);
  }
  const std::string target = QualifiedName(schema, name);
  ARROW_RETURN_NOT_OK(
      database.Execute("CREATE OR REPLACE TABLE " + target + " (" + *columns + ")"));
  // DuckDB reads an Arrow stream once, so the rows move into a table of its own.
  const auto watched = std::make_shared<WatchedReader>(rows);
  ARROW_ASSIGN_OR_RAISE(auto lent, LentStream::Make(watched));
  arrow::Status status;
  if (duckdb_arrow_scan(database.connection(), "icecore_arrow_rows",
                        reinterpret_cast<duckdb_arrow_stream>(lent->stream())) != DuckDBSuccess) {
    status = MakeError(ErrorCode::kInternal, "DuckDB does not take the Arrow rows of " + target);
  } else {
    status = database.Execute("INSERT INTO " + target + " SELECT * FROM icecore_arrow_rows");
    status &= database.Execute("DROP VIEW icecore_arrow_rows");
  }
  ARROW_RETURN_NOT_OK(watched->status());
  return base::WithContext(status, "registering " + schema + "." + name);
}

arrow::Status Session::Lock() {
  impl_->locked = true;
  return arrow::Status::OK();
}

arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Session::QueryAt(
    const std::string& sql, const base::Location& text_starts_at) {
  if (impl_->query_running) {
    return MakeError(ErrorCode::kInternal,
                     "the last query of this SQL session is still being read");
  }
  auto reader = std::make_shared<ResultReader>(impl_.get(), sql, text_starts_at);
  ARROW_RETURN_NOT_OK(reader->Start());
  return reader;
}

arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Session::Query(const std::string& sql) {
  return QueryAt(sql, base::Location{});
}

arrow::Result<std::shared_ptr<arrow::Table>> Session::QueryTable(const std::string& sql) {
  ARROW_ASSIGN_OR_RAISE(auto reader, Query(sql));
  return reader->ToTable();
}

void Session::Interrupt() {
  impl_->spoiled = true;
  impl_->interrupted = true;
  duckdb_interrupt(impl_->database->connection());
}

}  // namespace icecore::sql
