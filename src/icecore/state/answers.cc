#include "icecore/state/answers.h"

#include <arrow/array/builder_base.h>

#include "icecore/base/error.h"
#include "icecore/base/time.h"

namespace icecore::state {

bool IsExpired(const ViewLayout& layout, int64_t event_time, int64_t t) {
  if (!layout.ttl_us || layout.always) return false;
  // t - e does not fit int64 only where it is far beyond any ttl.
  int64_t age = 0;
  return __builtin_sub_overflow(t, event_time, &age) || age > *layout.ttl_us;
}

arrow::Status AppendWindow(const ViewPlan& plan, const WindowRead& read, const SlotState& window,
                           VectorSink* sink) {
  for (const int feature : read.features) {
    ARROW_ASSIGN_OR_RAISE(arrow::ArrayBuilder* const builder, sink->builder(feature));
    const int64_t nulls = builder->null_count();
    ARROW_RETURN_NOT_OK(window.AppendAs(plan.Answered(feature).aggregate, builder));
    sink->AppendStatus(feature,
                       builder->null_count() > nulls ? ValueStatus::kNull : ValueStatus::kPresent);
  }
  return arrow::Status::OK();
}

arrow::Status CannotGoBack(int64_t advanced_to, int64_t t) {
  return base::MakeError(base::ErrorCode::kInvalidArgument,
                         "a key's state at " + base::FormatInstantShort(advanced_to) +
                             " cannot go back to " + base::FormatInstantShort(t));
}

arrow::Status NoLongerAnswers(int64_t advanced_to, int64_t t) {
  return base::MakeError(base::ErrorCode::kInvalidArgument,
                         "the store has moved on to " + base::FormatInstantShort(advanced_to) +
                             " and no longer answers for " + base::FormatInstantShort(t));
}

}  // namespace icecore::state
