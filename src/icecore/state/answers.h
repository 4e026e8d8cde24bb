#pragma once
// How a chosen row and a window's state become answers, whatever kept them.

#include <optional>
#include <string_view>

#include "icecore/state/view_plan.h"
#include "icecore/state/view_state.h"

namespace icecore::state {

// t - e > ttl.
bool IsExpired(const ViewLayout& layout, int64_t event_time, int64_t t);

// The answers of one window for all features that read it.
arrow::Status AppendWindow(const ViewPlan& plan, const WindowRead& read, const SlotState& window,
                           VectorSink* sink);

// The answers of the as-of features of `set` at t. `order`: of the row chosen, or null;
// `encoded(place)`: its value, encoded, by index into set.values.
template <typename Encoded>
arrow::Status AppendAsOf(const ViewPlan& plan, const AsOfSet& set, int64_t t, const RowOrder* order,
                         VectorSink* sink, const Encoded& encoded) {
  const bool expired = order != nullptr && IsExpired(plan.layout, order->event_time, t);
  std::optional<int64_t> event_time;
  if (order != nullptr && !plan.layout.always) event_time = order->event_time;
  for (const AsOfSet::Member& member : set.members) {
    if (order == nullptr || expired) {
      ARROW_RETURN_NOT_OK(sink->AppendNull(
          member.feature, expired ? ValueStatus::kExpired : ValueStatus::kNotFound, event_time));
      continue;
    }
    const auto place = static_cast<size_t>(member.place);
    const auto value = static_cast<size_t>(set.values[place]);
    ARROW_RETURN_NOT_OK(
        sink->AppendEncoded(member.feature, *plan.codecs[value], encoded(place), event_time));
  }
  return arrow::Status::OK();
}

// Errors of times that go back.
arrow::Status CannotGoBack(int64_t advanced_to, int64_t t);
arrow::Status NoLongerAnswers(int64_t advanced_to, int64_t t);

}  // namespace icecore::state
