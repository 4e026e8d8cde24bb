#include "icecore/sql/analysis_database_internal.h"

#include <mutex>
#include <utility>
#include <vector>

namespace icecore::sql {
namespace {

constexpr size_t kMaxWaiting = 2;  // an idle one holds some megabytes

struct Waiting {
  std::mutex mutex;
  std::vector<std::unique_ptr<Database>> databases;
};

// Never destroyed: nobody waits for DuckDB to close at the end of the program.
Waiting& TheWaiting() {
  static auto* const waiting = new Waiting;
  return *waiting;
}

arrow::Result<std::unique_ptr<Database>> TakeOrOpen() {
  {
    Waiting& waiting = TheWaiting();
    const std::lock_guard lock(waiting.mutex);
    if (!waiting.databases.empty()) {
      std::unique_ptr<Database> database = std::move(waiting.databases.back());
      waiting.databases.pop_back();
      return database;
    }
  }
  ARROW_ASSIGN_OR_RAISE(auto database, Database::Open(1));
  ARROW_RETURN_NOT_OK(
      database->Execute("SET enable_external_access = false;"
                        "CREATE MACRO run_time() AS make_timestamptz(CAST(0 AS BIGINT))"));
  return database;
}

}  // namespace

arrow::Result<AnalysisDatabase> AnalysisDatabase::Lend() {
  ARROW_ASSIGN_OR_RAISE(auto database, TakeOrOpen());
  ARROW_RETURN_NOT_OK(database->Execute("BEGIN TRANSACTION"));
  return AnalysisDatabase(std::move(database));
}

AnalysisDatabase::~AnalysisDatabase() {
  // One that cannot undo what was done in it is closed.
  if (database_ == nullptr || !database_->Execute("ROLLBACK").ok()) return;
  Waiting& waiting = TheWaiting();
  const std::lock_guard lock(waiting.mutex);
  if (waiting.databases.size() < kMaxWaiting) waiting.databases.push_back(std::move(database_));
}

}  // namespace icecore::sql
