#include "icecore/online/position_checks.h"

#include "icecore/base/error.h"
#include "icecore/base/time.h"

namespace icecore::online {

using base::ErrorCode;
using base::MakeError;

arrow::Status CheckReadable(const StoredView& view, const ViewPosition* held, int64_t t) {
  if (held == nullptr) {
    return MakeError(ErrorCode::kNotFound, "view " + view.name +
                                               " is not in the online store; run 'icecore "
                                               "materialize " +
                                               view.name + "' first");
  }
  if (held->fingerprint != view.fingerprint) {
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

arrow::Status CheckAdvance(const std::string& view, const std::string& fingerprint,
                           const std::optional<ViewPosition>& held, const ViewPosition& next) {
  if (next.fingerprint != fingerprint) {
    return MakeError(ErrorCode::kInternal,
                     "the load of view " + view + " was begun with another fingerprint");
  }
  if (next.applied_until < next.applied_at) {
    return MakeError(ErrorCode::kInternal,
                     "view " + view + ": applied_until lies before applied_at");
  }
  if (!held.has_value()) return arrow::Status::OK();
  if (held->fingerprint != next.fingerprint) {
    return MakeError(ErrorCode::kConflict,
                     "view " + view + " was loaded with another definition meanwhile");
  }
  if (next.applied_at < held->applied_at || next.applied_until < held->applied_until) {
    return MakeError(ErrorCode::kInvalidArgument,
                     "view " + view + " holds what was known at " +
                         base::FormatInstantShort(held->applied_at) + " and cannot go back to " +
                         base::FormatInstantShort(next.applied_at) +
                         "; use a later time, or materialize with --full");
  }
  if (next.seq < held->seq) {
    return MakeError(ErrorCode::kConflict, "view " + view + " already holds rows up to _seq " +
                                               std::to_string(held->seq));
  }
  return arrow::Status::OK();
}

}  // namespace icecore::online
