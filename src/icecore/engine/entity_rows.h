#pragma once
// Online reads from columns of data: the entities of a request as an Arrow table.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>

#include "icecore/engine/engine.h"

namespace icecore::engine {

// One vector per row of `entities`, which holds the service's key columns and request columns, in
// any order, and no others. Keys of other widths are brought to the key's type, as in training
// sets; a null key matches nothing. kInvalidArgument names a column that is missing, unknown or of
// another type, and the nearest one. Thread safe, as OnlineService::ReadRows.
arrow::Result<VectorRows> ReadEntities(const OnlineService& service, const arrow::Table& entities,
                                       int64_t t_us);

}  // namespace icecore::engine
