#pragma once
// Simple conditions on a column, by which files and row groups are passed over.

#include <arrow/type_fwd.h>

#include <memory>
#include <string>
#include <vector>

namespace icecore::lake {

// One condition on a top-level column. Values compare as in SQL: a null is in no order and meets no
// comparison; NaN is greater than every number and equal to itself; text compares by bytes.
struct Predicate {
  enum class Op {
    kEqual,
    kNotEqual,
    kLess,
    kLessOrEqual,
    kGreater,
    kGreaterOrEqual,
    kIsNull,
    kIsNotNull
  };
  std::string column;
  Op op = Op::kIsNotNull;
  // Of the column's declared type, not null; nullptr for kIsNull and kIsNotNull.
  std::shared_ptr<arrow::Scalar> value;
};

// All of them must hold; none: every row.
using Predicates = std::vector<Predicate>;

}  // namespace icecore::lake
