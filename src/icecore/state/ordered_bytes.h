#pragma once
// Rows as bytes whose plain comparison is the rows' order: what decides which version of a table
// key is the greatest (order_by), and which rows are of one table key. One definition for the
// tables and for the views that read them.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace icecore::state {

// Whether columns of this type can be ordered: all that ValueCodec takes but lists, structs and
// maps.
bool CanBeOrdered(const arrow::DataType& type);

// One element per row, never null; the first column decides first. Null is below every value; NaN,
// of which there is one, above every number; -0.0 is 0.0; strings by their UTF-8 bytes, false below
// true. Integers of every signed width give the same bytes. No columns: empty bytes. Bytes:
// docs/formats/state.md.
arrow::Result<std::shared_ptr<arrow::BinaryArray>> OrderedBytes(
    const std::vector<std::shared_ptr<arrow::Array>>& columns, int64_t num_rows);

}  // namespace icecore::state
