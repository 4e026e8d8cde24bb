#pragma once
// The body of POST /v1/features: JSON to a FeatureRequest. docs/http.md.

#include <arrow/result.h>

#include <cstdint>
#include <string>

#include "icecore/server/feature_service_api.h"

namespace icecore::server {

// What a Flight ticket says beside the request.
struct TicketOptions {
  bool has_entities = false;
  bool statuses = false;     // wanted as columns
  bool event_times = false;  // wanted as columns
};

// Thread safe. Stops at the first byte that does not fit: depth and rows are bounded before
// anything is stored. (Not simdjson: libparquet exports symbols of another version of it.)
class FeatureRequestParser {
 public:
  // Bodies above `max_body_bytes` and requests of more than `max_rows` rows are kLimit.
  FeatureRequestParser(int64_t max_body_bytes, int64_t max_rows)
      : max_body_bytes_(max_body_bytes), max_rows_(max_rows) {}

  // A FieldError naming what is wrong; kInvalidArgument when the bytes are no JSON at all.
  arrow::Result<FeatureRequest> Parse(const std::string& body) const;
  // As Parse, and "statuses" and "event_times" may be true or false. Without "entities" it is a
  // request of no rows: they come by themselves, and then "request" may not stand there either.
  arrow::Result<FeatureRequest> ParseTicket(const std::string& ticket,
                                            TicketOptions* options) const;

  int64_t max_body_bytes() const { return max_body_bytes_; }
  int64_t max_rows() const { return max_rows_; }

 private:
  arrow::Result<FeatureRequest> Read(const std::string& text, TicketOptions* options) const;

  int64_t max_body_bytes_;
  int64_t max_rows_;
};

}  // namespace icecore::server
