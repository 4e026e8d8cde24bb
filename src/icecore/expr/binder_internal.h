#pragma once
// Tree -> typed operators against a schema.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <string>
#include <vector>

#include "icecore/expr/operators_internal.h"
#include "icecore/expr/syntax_internal.h"

namespace icecore::expr {

// columns: those of the tree, in order of first use; operators refer to them by position. `source`
// outlives the result.
arrow::Result<OperatorPtr> BindTree(const SourceText& source, const Node& root,
                                    const arrow::Schema& schema,
                                    const std::vector<std::string>& columns);

}  // namespace icecore::expr
