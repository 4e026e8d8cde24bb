#include "icecore/sql/function_rules_internal.h"

namespace icecore::sql {
namespace {

const std::set<std::string>& ClockFunctions() {
  static const std::set<std::string> names = {"now",
                                              "today",
                                              "current_date",
                                              "current_time",
                                              "current_timestamp",
                                              "localtime",
                                              "localtimestamp",
                                              "get_current_time",
                                              "get_current_timestamp",
                                              "transaction_timestamp",
                                              "ago",
                                              "age"};
  return names;
}

// They read the session, its settings or its surroundings; beyond what DuckDB calls volatile.
const std::set<std::string>& SessionFunctions() {
  static const std::set<std::string> names = {"getvariable",
                                              "getenv",
                                              "current_setting",
                                              "current_database",
                                              "current_schema",
                                              "current_schemas",
                                              "current_catalog",
                                              "current_query",
                                              "current_user",
                                              "current_role",
                                              "session_user",
                                              "user",
                                              "txid_current",
                                              "in_search_path",
                                              "version",
                                              "get_block_size",
                                              "current_transaction_id",
                                              "current_query_id",
                                              "current_connection_id",
                                              "write_log",
                                              "stats",
                                              "sleep_ms",
                                              "setseed",
                                              "nextval",
                                              "currval",
                                              "add_parquet_key"};
  return names;
}

// Macros of DuckDB that aggregate, which its list of functions does not say.
const std::set<std::string>& AggregateMacros() {
  static const std::set<std::string> names = {"weighted_avg",
                                              "wavg",
                                              "geomean",
                                              "geometric_mean",
                                              "json_group_array",
                                              "json_group_object",
                                              "json_group_structure"};
  return names;
}

bool IsSystemMacro(const std::string& name) {
  if (name.starts_with("pg_")) return name != "pg_typeof";
  return name.starts_with("inet_") || (name.starts_with("has_") && name.ends_with("_privilege"));
}

}  // namespace

arrow::Result<FunctionRules> FunctionRules::Load(Database& database) {
  FunctionRules rules;
  ARROW_ASSIGN_OR_RAISE(
      auto rows,
      database.Rows("SELECT DISTINCT function_name, function_type FROM duckdb_functions() "
                    "WHERE function_type = 'aggregate' OR (function_type = 'scalar' AND "
                    "stability IN ('VOLATILE', 'CONSISTENT_WITHIN_QUERY'))"));
  for (const auto& row : rows) {
    (row[1] == "aggregate" ? rules.aggregates_ : rules.volatile_).insert(row[0]);
  }
  rules.aggregates_.insert(AggregateMacros().begin(), AggregateMacros().end());
  rules.volatile_.erase("error");  // volatile only so that it is not folded away
  return rules;
}

std::string FunctionRules::WhyRefused(const std::string& name, size_t argument_count) const {
  if (name == "age" && argument_count != 1) return "";
  if (ClockFunctions().contains(name)) {
    return "'" + name + "' reads the clock; use run_time(), which is fixed for a run and recorded";
  }
  if (SessionFunctions().contains(name) || IsSystemMacro(name)) {
    return "'" + name + "' reads the session and is not allowed";
  }
  if (volatile_.contains(name)) {
    return "'" + name +
           "' changes from call to call, so the same rows could not be made again; "
           "derive the value from columns (e.g. hash(…)) or use run_time()";
  }
  return "";
}

std::string FunctionRules::WhyTableFunctionRefused(const std::string& name) {
  if (name == "unnest" || name == "range" || name == "generate_series") return "";
  return "the table function '" + name +
         "' is not allowed: SQL reads tables by name (landing.x, processing.y, …), and of "
         "functions "
         "unnest, range and generate_series";
}

bool FunctionRules::IsValueKeyword(const std::string& name) {
  static const std::set<std::string> names = {
      "current_date",   "current_time",    "current_timestamp", "localtime",
      "localtimestamp", "current_user",    "current_role",      "session_user",
      "user",           "current_catalog", "current_schema"};
  return names.contains(name);
}

}  // namespace icecore::sql
