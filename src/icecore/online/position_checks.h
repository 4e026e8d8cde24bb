#pragma once
// What a view's position allows, for every store alike.

#include <arrow/status.h>

#include <cstdint>
#include <optional>
#include <string>

#include "icecore/online/store.h"

namespace icecore::online {

// Whether a store that holds the view at `held` (null: never loaded) answers `view` at t: the
// errors of Store::Read.
arrow::Status CheckReadable(const StoredView& view, const ViewPosition* held, int64_t t);

// Whether a load of the view with `fingerprint` may bring it from `held` (nullopt: a new
// generation) to `next`.
arrow::Status CheckAdvance(const std::string& view, const std::string& fingerprint,
                           const std::optional<ViewPosition>& held, const ViewPosition& next);

}  // namespace icecore::online
