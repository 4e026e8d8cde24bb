#pragma once
// Rows that a test gives, as a table of a lake.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>

#include "icecore/pipeline/workspace.h"
#include "icecore/spec/test_definition.h"

namespace icecore::pipeline {

// A value as written, as an array of one element; kInvalidDefinition at the value where it is none
// of the type.
arrow::Result<std::shared_ptr<arrow::Array>> GivenValue(
    const spec::TestValue& value, const std::shared_ptr<arrow::DataType>& type);

// Writes a table that has these rows and no others, as generation 1. `table`: its columns,
// envelope included. A column that a row leaves out is null; `_seq` counts from 1 in the order
// given; `_arrived_at` may be given, else it is `arrived_at_us`. An unknown column and a value that
// is none of the column's type are kInvalidDefinition where they stand.
arrow::Status WriteGiven(const Workspace& workspace, const spec::TestTable& given,
                         const std::shared_ptr<arrow::Schema>& table, int64_t arrived_at_us);

}  // namespace icecore::pipeline
