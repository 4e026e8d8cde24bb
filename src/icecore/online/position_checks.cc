#include "icecore/online/position_checks.h"

#include "icecore/base/error.h"
#include "icecore/base/time.h"

namespace icecore::online {

using base::ErrorCode;
using base::MakeError;

bool HasSameCells(const StoredView& view, const ViewPosition& held) {
  return held.cells.empty() ? view.own_cells && held.fingerprint == view.fingerprint
                            : held.cells == view.cells;
}

arrow::Status CheckReadable(const StoredView& view, const ViewPosition* held, int64_t t) {
  if (held == nullptr) {
    return MakeError(ErrorCode::kNotFound, "view " + view.name +
                                               " is not in the online store; run 'icecore "
                                               "materialize " +
                                               view.name + "' first");
  }
  if (held->fingerprint != view.fingerprint || !HasSameCells(view, *held)) {
    return MakeError(ErrorCode::kConflict, "the online store holds view " + view.name +
                                               " by another definition; run 'icecore materialize " +
                                               view.name + "'");
  }
  if (t < held->applied_at) {
    return MakeError(ErrorCode::kInvalidArgument,
                     "view " + view.name + " is asked for " + base::FormatInstantShort(t) +
                         ", but the online store no longer holds what was known before " +
                         base::FormatInstantShort(held->applied_at) +
                         "; ask for that time or later, or use a training set");
  }
  return arrow::Status::OK();
}

arrow::Status CheckLoad(const StoredView& view, const std::optional<ViewPosition>& held) {
  const bool fits = view.extends.empty() ? !held || HasSameCells(view, *held)
                                         : held && held->cells == view.extends;
  if (fits) return arrow::Status::OK();
  return MakeError(ErrorCode::kConflict, "the online store holds view " + view.name +
                                             " by another definition; it needs a fresh load");
}

arrow::Status CheckAdvance(const StoredView& view, const std::optional<ViewPosition>& held,
                           const ViewPosition& next) {
  if (next.fingerprint != view.fingerprint || next.cells != view.cells) {
    return MakeError(ErrorCode::kInternal,
                     "the load of view " + view.name + " was begun with another definition");
  }
  if (next.applied_until < next.applied_at) {
    return MakeError(ErrorCode::kInternal,
                     "view " + view.name + ": applied_until lies before applied_at");
  }
  if (!held.has_value()) return arrow::Status::OK();
  if (!CheckLoad(view, held).ok()) {
    return MakeError(ErrorCode::kConflict,
                     "view " + view.name + " was loaded with another definition meanwhile");
  }
  const bool moves = next.seq != held->seq || next.applied_at != held->applied_at ||
                     next.applied_until != held->applied_until;
  if (!view.extends.empty() && moves) {
    return MakeError(ErrorCode::kConflict,
                     "view " + view.name + " moved on while states were added to it");
  }
  if (next.applied_at < held->applied_at || next.applied_until < held->applied_until) {
    return MakeError(ErrorCode::kInvalidArgument,
                     "view " + view.name + " holds what was known at " +
                         base::FormatInstantShort(held->applied_at) + " and cannot go back to " +
                         base::FormatInstantShort(next.applied_at) +
                         "; use a later time, or materialize with --full");
  }
  if (next.seq < held->seq) {
    return MakeError(ErrorCode::kConflict, "view " + view.name + " already holds rows up to _seq " +
                                               std::to_string(held->seq));
  }
  return arrow::Status::OK();
}

arrow::Status CheckGoesOn(const StoredView& view, const ViewPosition& left,
                          const ViewPosition& next) {
  if (left.seq == next.seq && left.applied_at == next.applied_at &&
      left.applied_until == next.applied_until) {
    return arrow::Status::OK();
  }
  return base::MakeError(base::ErrorCode::kInternal,
                         "the load of view " + view.name + " was begun for another position");
}

}  // namespace icecore::online
