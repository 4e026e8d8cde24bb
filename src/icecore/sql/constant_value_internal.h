#pragma once
// Constants of the parse tree as values of a column's type.

#include <arrow/type_fwd.h>

#include <memory>

#include "icecore/sql/parse_tree_internal.h"

namespace icecore::sql {

// The value with which DuckDB compares a column of this type when the query has this node beside
// it; null where the node is no constant, or where that is not sure to be the same value.
std::shared_ptr<arrow::Scalar> ConstantFor(const Json& node,
                                           const std::shared_ptr<arrow::DataType>& type);

}  // namespace icecore::sql
