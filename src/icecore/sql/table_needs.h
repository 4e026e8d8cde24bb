#pragma once
// What a SELECT needs of the tables it reads, so that their readers leave the rest alone: which
// columns, and conditions that every row which may matter meets.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>
#include <string>
#include <vector>

#include "icecore/sql/analysis.h"

namespace icecore::sql {

// A comparison as SQL means it: a null meets none.
struct ColumnCondition {
  enum class Op { kEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual, kIsNull, kIsNotNull };
  std::string column;  // as the table spells it
  Op op = Op::kIsNotNull;
  std::shared_ptr<arrow::Scalar> value;  // of the column's type; null for kIsNull and kIsNotNull
};

struct TableNeeds {
  std::vector<std::string> columns;  // in the table's order; at least one
  std::vector<ColumnCondition> conditions;
};

// Of each of the tables. The query's answer is the same where a table has these columns only, and
// where rows that fail one of its conditions are left out; the query itself still filters, so rows
// that come all the same do no harm. `sql`: the plain_sql of an analysis without errors over these
// tables. Conditions come from WHERE: comparisons of columns with constants (BETWEEN and IN too)
// that are met together, over tables that are read once and whose rows the joins do not keep
// unasked. What is not understood needs everything.
arrow::Result<std::vector<TableNeeds>> NeedsOf(const std::string& sql,
                                               const std::vector<TableSchema>& tables);

}  // namespace icecore::sql
