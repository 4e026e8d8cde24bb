#pragma once
// Databases in which SQL is parsed and bound, never run. One costs more to open than most analyses
// do, so those that wait are lent again.

#include <arrow/result.h>

#include <memory>
#include <string>

#include "icecore/sql/database_internal.h"

namespace icecore::sql {

// A database of the caller's own until it is destroyed; what was made in it is undone then.
// Outside access is off, and run_time() is known. Thread-safe.
class AnalysisDatabase {
 public:
  static arrow::Result<AnalysisDatabase> Lend();
  AnalysisDatabase(AnalysisDatabase&&) = default;
  AnalysisDatabase& operator=(AnalysisDatabase&&) = delete;
  ~AnalysisDatabase();

  Database& operator*() const { return *database_; }
  Database* operator->() const { return database_.get(); }

 private:
  explicit AnalysisDatabase(std::unique_ptr<Database> database) : database_(std::move(database)) {}
  std::unique_ptr<Database> database_;
};

}  // namespace icecore::sql
