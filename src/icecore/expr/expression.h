#pragma once
// The expression language of where, expect, rules, when and expression: parsed, typed against a
// schema, evaluated over Arrow batches. Single-row evaluation is a batch of one row, so batch,
// stream and request give the same bits. Language: docs/expressions.md.
//
// Null is three-valued; comparisons with NaN are false; division by zero is null; `/` gives
// float64; a decimal literal is float64; integer overflow is an error.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>
#include <string>
#include <vector>

#include "icecore/base/error.h"

namespace icecore::expr {

class Expression {
 public:
  virtual ~Expression() = default;

  // The columns read, each once, in order of first use (`event_timestamp` included when used).
  virtual const std::vector<std::string>& columns() const = 0;
  virtual const std::shared_ptr<arrow::DataType>& type() const = 0;

  // batch holds at least columns(), found by name, of the types given to Bind. The result has
  // batch.num_rows() elements of type(). Thread safe.
  virtual arrow::Result<std::shared_ptr<arrow::Array>> Evaluate(
      const arrow::RecordBatch& batch) const = 0;
};

// Parses `text` and types it against `schema`. Errors are kInvalidDefinition at `location` (line
// within a multi-line text added), name the token or column, and propose the nearest column or
// function. Nesting is bounded (200).
arrow::Result<std::unique_ptr<Expression>> Bind(const std::string& text,
                                                const base::Location& location,
                                                const arrow::Schema& schema);

// As Bind; the result must be bool, else an error.
arrow::Result<std::unique_ptr<Expression>> BindPredicate(const std::string& text,
                                                         const base::Location& location,
                                                         const arrow::Schema& schema);

// The columns that `text` reads, without types; a syntax error as in Bind.
arrow::Result<std::vector<std::string>> ColumnsOf(const std::string& text,
                                                  const base::Location& location);

}  // namespace icecore::expr
