#pragma once
// The forms of Feast's Python feature server: what its clients send and expect. docs/http.md.

#include <arrow/result.h>

#include <cstdint>
#include <string>

#include "icecore/server/feature_service_api.h"

namespace icecore::server {

struct FeastRequest {
  // `service`, or `features` as "VIEW:FEATURE"; all columns in `entities`, lists of one length.
  FeatureRequest request;
  bool full_feature_names = false;  // VIEW__FEATURE in the answer
};

// The body of POST /get-online-features. Unknown fields are skipped, as Feast does. A FieldError
// names what is wrong; bodies and rows above the bounds are kLimit. Thread safe.
arrow::Result<FeastRequest> ParseFeastRequest(const std::string& body, int64_t max_body_bytes,
                                              int64_t max_rows);

// Keys first, as they were sent, then features. Instants are seconds since 1970; NaN and the
// infinities, for which JSON has no form, are null.
arrow::Status AppendFeastResponse(const FeastRequest& request, const FeatureResponse& response,
                                  std::string* out);

// What a kNotFound is about.
enum class Missing { kService, kView, kPushSource };

// A FieldError as FastAPI has it; what is not found as Feast's own exception, which its client
// raises again; all else as text.
void AppendFeastError(const arrow::Status& status, Missing missing, std::string* out);

}  // namespace icecore::server
