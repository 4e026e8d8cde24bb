#pragma once
// Answers as JSON text, written straight into a buffer. docs/http.md.

#include <arrow/result.h>

#include <string>
#include <string_view>
#include <vector>

#include "icecore/server/feature_service_api.h"

namespace icecore::server {

// kInternal when a feature does not have num_rows elements, kUnsupported for a type without a form.
arrow::Status AppendFeatureResponse(std::string_view service, const FeatureResponse& response,
                                    std::string* out);
// {"error":{…},"errors":[…]}: of an answer without a whole row.
void AppendFailedResponse(const FeatureResponse& response, std::string* out);
void AppendService(const ServiceDescription& service, std::string* out);
void AppendServices(const std::vector<ServiceDescription>& services, std::string* out);
void AppendPushAnswer(const PushAnswer& answer, std::string* out);
// {"error":{"code":…,"message":…,"field":…}}; field only where it is not empty.
void AppendError(std::string_view code, std::string_view message, std::string_view field,
                 std::string* out);
// As AppendError, with the scope that a token must have.
void AppendAccessError(std::string_view code, std::string_view message, std::string_view scope,
                       std::string* out);

}  // namespace icecore::server
