#include <arrow/type.h>

#include "icecore/base/error.h"
#include "icecore/base/text.h"
#include "icecore/sql/parquet_view_internal.h"
#include "icecore/sql/parse_tree_internal.h"
#include "icecore/sql/sql_types.h"

namespace icecore::sql {
namespace {

// File names are taken as they are: DuckDB would read *, ? and [ as a pattern.
std::string EscapeGlob(const std::string& path) {
  std::string escaped;
  for (const char c : path) {
    if (c == '*' || c == '?' || c == '[') {
      escaped += '[';
      escaped += c;
      escaped += ']';
    } else {
      escaped += c;
    }
  }
  return escaped;
}

bool IsTime(const arrow::DataType& type) {
  return type.id() == arrow::Type::TIME32 || type.id() == arrow::Type::TIME64;
}

arrow::Result<std::string> ColumnExpression(const arrow::Field& field,
                                            const std::map<std::string, std::string>& stored) {
  ARROW_ASSIGN_OR_RAISE(const std::string declared, DuckDbTypeOf(*field.type()));
  std::string name = QuoteIdentifier(field.name());
  const auto found = stored.find(base::LowerText(field.name()));
  if (found == stored.end()) return "CAST(NULL AS " + declared + ") AS " + name;
  if (found->second == declared) return name;
  if (IsTime(*field.type()) && found->second == "BIGINT") {
    return "CAST(TIME '00:00:00' + to_microseconds(" + name + ") AS TIME) AS " + name;
  }
  return "CAST(" + name + " AS " + declared + ") AS " + name;
}

arrow::Result<std::string> Columns(const TableInput& input,
                                   const std::map<std::string, std::string>& stored) {
  std::string list;
  for (const auto& field : input.columns->fields()) {
    ARROW_ASSIGN_OR_RAISE(const std::string expression, ColumnExpression(*field, stored));
    if (!list.empty()) list += ", ";
    list += expression;
  }
  return list;
}

std::string WithExtraColumns(const TableInput& input, std::string select) {
  if (input.extra_columns.empty()) return select;
  std::string outer = "SELECT *";
  for (const ExtraColumn& extra : input.extra_columns) {
    outer += ", " + extra.sql_expression + " AS " + QuoteIdentifier(extra.name);
  }
  return outer + " FROM (" + select + ") AS declared";
}

}  // namespace

std::string ReadParquetCall(const std::vector<std::string>& files) {
  std::string call = "read_parquet([";
  for (size_t i = 0; i < files.size(); ++i) {
    if (i > 0) call += ", ";
    call += QuoteLiteral(EscapeGlob(files[i]));
  }
  return call + "], union_by_name = true, hive_partitioning = false, filename = false)";
}

arrow::Result<std::string> ParquetViewSelect(
    const TableInput& input, const std::map<std::string, std::string>& stored_types) {
  ARROW_ASSIGN_OR_RAISE(const std::string columns, Columns(input, stored_types));
  std::string select = "SELECT " + columns + " FROM " + ReadParquetCall(input.parquet_files);
  std::string where;
  if (input.seq_after) where = "\"_seq\" > " + std::to_string(*input.seq_after);
  if (input.seq_up_to) {
    where += where.empty() ? "" : " AND ";
    where += "\"_seq\" <= " + std::to_string(*input.seq_up_to);
  }
  if (!where.empty()) select += " WHERE " + where;
  return WithExtraColumns(input, std::move(select));
}

arrow::Result<std::string> EmptyViewSelect(const TableInput& input) {
  ARROW_ASSIGN_OR_RAISE(const std::string columns, Columns(input, {}));
  return WithExtraColumns(input, "SELECT " + columns + " WHERE false");
}

}  // namespace icecore::sql
