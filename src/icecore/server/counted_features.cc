#include "icecore/server/counted_features.h"

#include <string_view>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"

namespace icecore::server {
namespace {

// Features asked for one by one share a series: clients choose their names.
std::string_view SeriesOf(const FeatureRequest& request) {
  return request.service.empty() ? std::string_view("(features)") : request.service;
}

}  // namespace

std::optional<arrow::Result<FeatureResponse>> AskCounted(FeatureApi* api, Metrics* metrics,
                                                         const FeatureRequest& request,
                                                         int64_t deadline_ns) {
  const int64_t begin_ns = base::MonotonicNanos();
  std::optional<arrow::Result<FeatureResponse>> asked =
      deadline_ns == 0 ? api->TryGetFeatures(request) : api->GetFeatures(request, deadline_ns);
  if (!asked) {
    return std::nullopt;
  }
  arrow::Result<FeatureResponse>& response = *asked;
  if (response.ok()) {
    StatusCounts values = {};
    for (const FeatureValues& feature : response->features) {
      for (int64_t row = 0; row < feature.answers.num_rows(); ++row) {
        ++values[static_cast<size_t>(feature.answers.slot(row).status)];
      }
    }
    const bool is_answer = IsAnyRowWhole(*response);
    metrics->CountService(SeriesOf(request), is_answer ? 200 : 500, response->num_rows, values,
                          base::MonotonicNanos() - begin_ns);
    if (!is_answer) metrics->CountStoreError(base::ErrorCodeName(base::ErrorCode::kCorrupt));
    return asked;
  }
  const base::ErrorCode code = base::CodeOf(response.status());
  const unsigned status = static_cast<unsigned>(base::HttpStatusOf(code));
  // A name that no service has makes no series; every other answer comes from one that exists.
  if (status != 404) {
    metrics->CountService(SeriesOf(request), status, 0, {}, base::MonotonicNanos() - begin_ns);
  }
  if (status >= 500) {
    metrics->CountStoreError(base::ErrorCodeName(code));
  }
  return asked;
}

}  // namespace icecore::server
