#pragma once
// The body of POST /v1/features: JSON to a FeatureRequest. docs/http.md.

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <string>

#include "icecore/server/feature_service_api.h"

namespace icecore::server {

// Keeps its memory between requests; one per thread.
class FeatureRequestParser {
 public:
  // Bodies above `max_body_bytes` and requests of more than `max_rows` rows are kLimit.
  FeatureRequestParser(int64_t max_body_bytes, int64_t max_rows);
  ~FeatureRequestParser();

  // A FieldError naming what is wrong; kInvalidArgument when the bytes are no JSON at all.
  arrow::Result<FeatureRequest> Parse(const std::string& body);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  int64_t max_body_bytes_;
  int64_t max_rows_;
};

}  // namespace icecore::server
