// Any bytes as the body of POST /v1/features: an error or a request, never a crash.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "icecore/server/request_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static icecore::server::FeatureRequestParser parser(1 << 20, 100);
  const std::string body(reinterpret_cast<const char*>(data), size);
  const auto request = parser.Parse(body);
  if (request.ok() && (request->service.empty() || request->num_rows > 100)) {
    std::abort();
  }
  return 0;
}
