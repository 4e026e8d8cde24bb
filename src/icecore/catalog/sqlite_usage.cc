// Who used what: one row per day, name and caller, raised in place.

#include <utility>

#include "icecore/catalog/sqlite_catalog_internal.h"

namespace icecore::catalog {

arrow::Status SqliteCatalog::AddUsage(int64_t day, const std::vector<Usage>& usage) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(Transaction transaction, Transaction::Begin(db_.get()));
  for (const Usage& one : usage) {
    ARROW_ASSIGN_OR_RAISE(
        Statement upsert,
        Statement::Prepare(
            db_.get(),
            "INSERT INTO usage (name, day, caller, requests, row_count, last_used_us) "
            "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name, day, caller) DO UPDATE SET "
            "requests = requests + excluded.requests, row_count = row_count + excluded.row_count, "
            "last_used_us = max(last_used_us, excluded.last_used_us)"));
    upsert.Bind(one.name).Bind(day).Bind(one.caller).Bind(one.requests).Bind(one.rows);
    ARROW_RETURN_NOT_OK(upsert.Bind(one.last_used_us).Run());
  }
  return transaction.Commit();
}

arrow::Result<std::vector<Usage>> SqliteCatalog::UsageSince(const std::string& name,
                                                            int64_t first_day) {
  const std::lock_guard<std::mutex> lock(mutex_);
  // '/' is the byte after '.': the range holds the names that begin with "NAME.".
  ARROW_ASSIGN_OR_RAISE(
      Statement statement,
      Statement::Prepare(
          db_.get(),
          "SELECT name, caller, sum(requests), sum(row_count), max(last_used_us) FROM usage "
          "WHERE (name = ?1 OR (name > ?1 || '.' AND name < ?1 || '/')) AND day >= ?2 "
          "GROUP BY name, caller ORDER BY name, caller"));
  statement.Bind(name).Bind(first_day);
  std::vector<Usage> usage;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const bool has_row, statement.Step());
    if (!has_row) {
      return usage;
    }
    usage.push_back({statement.Text(0), statement.Text(1), statement.Int(2), statement.Int(3),
                     statement.Int(4)});
  }
}

arrow::Result<int64_t> SqliteCatalog::ForgetUsageBefore(int64_t first_day) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(Statement forget,
                        Statement::Prepare(db_.get(), "DELETE FROM usage WHERE day < ?"));
  ARROW_RETURN_NOT_OK(forget.Bind(first_day).Run());
  return sqlite3_changes64(db_.get());
}

}  // namespace icecore::catalog
