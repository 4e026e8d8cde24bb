// Any bytes as the body of POST /get-online-features: an error or a request, never a crash.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "icecore/server/feast_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string body(reinterpret_cast<const char*>(data), size);
  const auto feast = icecore::server::ParseFeastRequest(body, 1 << 20, 100);
  if (!feast.ok()) {
    std::string out;
    icecore::server::AppendFeastError(feast.status(), icecore::server::Missing::kView, &out);
    return out.empty() ? std::abort(), 0 : 0;
  }
  const auto& request = feast->request;
  for (const auto& column : request.entities) {
    if (static_cast<int64_t>(column.values.size()) != request.num_rows) std::abort();
  }
  if (request.num_rows > 100 || (request.service.empty() == request.features.empty())) std::abort();
  return 0;
}
