#pragma once
// What a view's position allows, for every store alike.

#include <arrow/status.h>

#include <cstdint>
#include <optional>
#include <string>

#include "icecore/online/store.h"

namespace icecore::online {

// Whether the cells that are held are those that `view` reads and writes.
bool HasSameCells(const StoredView& view, const ViewPosition& held);

// Whether a store that holds the view at `held` (null: never loaded) answers `view` at t: the
// errors of Store::Read.
arrow::Status CheckReadable(const StoredView& view, const ViewPosition* held, int64_t t);

// Whether a load that is not fresh may begin over what is held.
arrow::Status CheckLoad(const StoredView& view, const std::optional<ViewPosition>& held);

// Whether a load of the view may bring it from `held` (nullopt: a new generation) to `next`.
arrow::Status CheckAdvance(const StoredView& view, const std::optional<ViewPosition>& held,
                           const ViewPosition& next);

// Whether a load of the view that goes on with one that was to reach `left` goes where that went.
arrow::Status CheckGoesOn(const StoredView& view, const ViewPosition& left,
                          const ViewPosition& next);

}  // namespace icecore::online
