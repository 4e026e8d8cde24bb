#pragma once
// Some of a batch of prepared rows.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "icecore/state/view_state.h"

namespace icecore::state {

// The rows at `indices` (no nulls), in that order, copied.
arrow::Result<PreparedRows> TakeRows(const PreparedRows& rows, const arrow::Int64Array& indices);

}  // namespace icecore::state
