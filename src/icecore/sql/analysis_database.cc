#include "icecore/sql/analysis_database_internal.h"

#include <utility>

#include "icecore/sql/idle_databases_internal.h"

namespace icecore::sql {
namespace {

constexpr char kSettings[] = "analysis";

}  // namespace

arrow::Result<AnalysisDatabase> AnalysisDatabase::Lend() {
  std::unique_ptr<Database> database = TakeIdle(kSettings);
  if (database == nullptr) {
    ARROW_ASSIGN_OR_RAISE(database, Database::Open(1));
    ARROW_RETURN_NOT_OK(
        database->Execute("SET enable_external_access = false;"
                          "CREATE MACRO run_time() AS make_timestamptz(CAST(0 AS BIGINT))"));
  }
  ARROW_RETURN_NOT_OK(database->Execute("BEGIN TRANSACTION"));
  return AnalysisDatabase(std::move(database));
}

AnalysisDatabase::~AnalysisDatabase() {
  // One that cannot undo what was done in it is closed.
  if (database_ == nullptr || !database_->Execute("ROLLBACK").ok()) return;
  LeaveIdle(kSettings, std::move(database_));
}

}  // namespace icecore::sql
