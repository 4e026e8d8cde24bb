#include "icecore/base/error.h"
#include "icecore/sql/database_internal.h"
#include "icecore/sql/sql_types.h"

namespace icecore::sql {
namespace {

using base::ErrorCode;
using base::MakeError;

// Frees a result however the scope is left.
struct ScopedResult {
  duckdb_result result{};
  ~ScopedResult() { duckdb_destroy_result(&result); }
};

struct ScopedStatements {
  duckdb_extracted_statements statements = nullptr;
  ~ScopedStatements() { duckdb_destroy_extracted(&statements); }
};

// Binding alone has effects for some statements (EXPORT makes its folder) and PRAGMA turns into a
// SELECT, so the kind is asked of the parser first. A text with a syntax error passes: the next
// step says it with its place, and runs nothing.
std::string WhyNotSelect(Database& database, const std::string& sql) {
  const auto kind = database.Text("SELECT coalesce(json_extract_string(json_serialize_sql(" +
                                  QuoteLiteral(sql) + "), '$.error_type'), '')");
  if (!kind.ok()) return kind.status().message();
  if (kind->empty() || *kind == "parser") return "";
  return "Permission Error: only SELECT is allowed";
}

}  // namespace

arrow::Result<std::unique_ptr<Database>> Database::Open(int threads) {
  std::unique_ptr<Database> self(new Database);
  duckdb_config config = nullptr;
  if (duckdb_create_config(&config) != DuckDBSuccess) {
    return MakeError(ErrorCode::kInternal, "DuckDB: no configuration");
  }
  const std::pair<const char*, std::string> options[] = {
      {"threads", std::to_string(threads)},      {"autoload_known_extensions", "false"},
      {"autoinstall_known_extensions", "false"}, {"allow_community_extensions", "false"},
      {"allow_persistent_secrets", "false"},     {"preserve_insertion_order", "true"},
  };
  arrow::Status configured;
  for (const auto& [name, value] : options) {
    if (duckdb_set_config(config, name, value.c_str()) != DuckDBSuccess) {
      configured = MakeError(ErrorCode::kInternal, std::string("DuckDB knows no option ") + name);
    }
  }
  char* message = nullptr;
  if (configured.ok() &&
      duckdb_open_ext(nullptr, &self->database_, config, &message) != DuckDBSuccess) {
    configured = MakeError(ErrorCode::kInternal,
                           std::string("DuckDB does not open: ") + (message ? message : ""));
    duckdb_free(message);
  }
  duckdb_destroy_config(&config);
  ARROW_RETURN_NOT_OK(configured);
  if (duckdb_connect(self->database_, &self->connection_) != DuckDBSuccess) {
    return MakeError(ErrorCode::kInternal, "DuckDB does not connect");
  }
  ARROW_RETURN_NOT_OK(self->Execute("SET TimeZone = 'UTC'"));
  return self;
}

Database::~Database() {
  if (connection_ != nullptr) duckdb_disconnect(&connection_);
  if (database_ != nullptr) duckdb_close(&database_);
}

arrow::Status Database::Execute(const std::string& sql) {
  ScopedResult scoped;
  if (duckdb_query(connection_, sql.c_str(), &scoped.result) != DuckDBSuccess) {
    const char* message = duckdb_result_error(&scoped.result);
    return MakeError(ErrorCode::kInternal, message ? message : "DuckDB failed without a message");
  }
  return arrow::Status::OK();
}

arrow::Result<std::vector<std::vector<std::string>>> Database::Rows(const std::string& sql) {
  ScopedResult scoped;
  if (duckdb_query(connection_, sql.c_str(), &scoped.result) != DuckDBSuccess) {
    const char* message = duckdb_result_error(&scoped.result);
    return MakeError(ErrorCode::kInternal, message ? message : "DuckDB failed without a message");
  }
  const idx_t row_count = duckdb_row_count(&scoped.result);
  const idx_t column_count = duckdb_column_count(&scoped.result);
  std::vector<std::vector<std::string>> rows(row_count);
  for (idx_t row = 0; row < row_count; ++row) {
    for (idx_t column = 0; column < column_count; ++column) {
      char* value = duckdb_value_varchar(&scoped.result, column, row);
      rows[row].emplace_back(value ? value : "");
      duckdb_free(value);
    }
  }
  return rows;
}

arrow::Result<std::string> Database::Text(const std::string& sql) {
  ARROW_ASSIGN_OR_RAISE(auto rows, Rows(sql));
  if (rows.size() != 1 || rows[0].size() != 1) {
    return MakeError(ErrorCode::kInternal, "expected one value of: " + sql);
  }
  return std::move(rows[0][0]);
}

PreparedSelect& PreparedSelect::operator=(PreparedSelect&& other) noexcept {
  if (statement_ != nullptr) duckdb_destroy_prepare(&statement_);
  statement_ = std::exchange(other.statement_, nullptr);
  return *this;
}

PreparedSelect::~PreparedSelect() {
  if (statement_ != nullptr) duckdb_destroy_prepare(&statement_);
}

std::string PreparedSelect::Prepare(Database& database, const std::string& sql,
                                    PreparedSelect* out) {
  if (sql.find('\0') != std::string::npos) return "Parser Error: the text holds a zero byte";
  std::string refusal = WhyNotSelect(database, sql);
  if (!refusal.empty()) return refusal;
  const duckdb_connection connection = database.connection();
  ScopedStatements extracted;
  const idx_t count = duckdb_extract_statements(connection, sql.c_str(), &extracted.statements);
  if (count == 0) {
    const char* message = duckdb_extract_statements_error(extracted.statements);
    return message && *message ? message : "Parser Error: the text holds no statement";
  }
  if (count > 1) return "Permission Error: one SELECT statement is allowed, not several";
  PreparedSelect prepared;
  if (duckdb_prepare_extracted_statement(connection, extracted.statements, 0,
                                         &prepared.statement_) != DuckDBSuccess) {
    const char* message = duckdb_prepare_error(prepared.statement_);
    return message && *message ? message : "Internal Error: DuckDB gave no message";
  }
  if (duckdb_prepared_statement_type(prepared.statement_) != DUCKDB_STATEMENT_TYPE_SELECT) {
    return "Permission Error: only SELECT is allowed";
  }
  if (duckdb_nparams(prepared.statement_) != 0) {
    return "Permission Error: parameters ($1, ?) are not allowed";
  }
  *out = std::move(prepared);
  return "";
}

}  // namespace icecore::sql
