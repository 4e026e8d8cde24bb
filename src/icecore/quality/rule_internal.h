#pragma once
// The column rules of contracts and checks as expressions, so that there is one engine for all.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>
#include <string>
#include <vector>

#include "icecore/expr/expression.h"
#include "icecore/quality/breaks_internal.h"
#include "icecore/spec/model.h"

namespace icecore::quality {

// "a" -> "\"a\"", for names inside expressions.
std::string QuoteName(const std::string& name);

// Expressions over one column; literals are read as the column's type. kInvalidDefinition at the
// location where a literal cannot be of it.
arrow::Result<std::string> InText(const std::string& column, const arrow::DataType& type,
                                  const std::vector<spec::Literal>& values,
                                  const base::Location& location);
// A null literal leaves that end open.
arrow::Result<std::string> BetweenText(const std::string& column, const arrow::DataType& type,
                                       const spec::Literal& low, const spec::Literal& high,
                                       const base::Location& location);
arrow::Result<std::string> MatchesText(const std::string& column, const arrow::DataType& type,
                                       const std::string& pattern, const base::Location& location);

// A predicate that breaks a row where it is false; null passes.
struct Rule {
  std::string name;
  std::string column;  // "" of rules over several
  std::string expected;
  spec::Severity severity = spec::Severity::kError;
  std::unique_ptr<expr::Expression> predicate;
};

// The rows where the predicate is false, ascending.
arrow::Result<std::vector<int64_t>> FalseRows(const expr::Expression& predicate,
                                              const arrow::RecordBatch& rows);
// 1 where it is true.
arrow::Result<std::vector<uint8_t>> TrueRows(const expr::Expression& predicate,
                                             const arrow::RecordBatch& rows);

}  // namespace icecore::quality
