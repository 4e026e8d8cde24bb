#pragma once
// Which functions user SQL may call, and which make a query other than row-wise.

#include <arrow/result.h>

#include <set>
#include <string>

#include "icecore/sql/database_internal.h"

namespace icecore::sql {

// Names are lower case.
class FunctionRules {
 public:
  // Reads DuckDB's own list of functions.
  static arrow::Result<FunctionRules> Load(Database& database);

  bool IsAggregate(const std::string& name) const { return aggregates_.contains(name); }
  // Why a scalar function or macro is refused, "" when it is allowed (or unknown to us).
  std::string WhyRefused(const std::string& name, size_t argument_count) const;
  // The same for a function in FROM.
  static std::string WhyTableFunctionRefused(const std::string& name);
  // Names that mean a value of the clock or the session when no column has them, e.g. current_date.
  static bool IsValueKeyword(const std::string& name);

 private:
  std::set<std::string> aggregates_;
  std::set<std::string> volatile_;
};

}  // namespace icecore::sql
