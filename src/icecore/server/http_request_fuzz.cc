// Any bytes as the body of POST /v1/features: an error or a request, never a crash; and what is
// read in one pass is what the parser of all JSON, which reads tickets too, makes of it.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "icecore/server/plain_request.h"
#include "icecore/server/request_json.h"

namespace {

using Columns = std::vector<icecore::server::RequestValues>;

bool AreSame(const Columns& a, const Columns& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.name == y.name && x.values == y.values;
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static icecore::server::FeatureRequestParser parser(1 << 20, 100);
  const std::string body(reinterpret_cast<const char*>(data), size);
  const auto request = parser.Parse(body);
  if (request.ok() && (request->service.empty() || request->num_rows > 100)) {
    std::abort();
  }
  const auto plain = icecore::server::ReadPlainRequest(body, 100);
  if (!plain) return 0;
  icecore::server::TicketOptions ignored;
  const auto all = parser.ParseTicket(body, &ignored);
  if (all.ok() != request.ok()) std::abort();
  if (!all.ok()) return 0;
  const bool same = plain->service == all->service && AreSame(plain->entities, all->entities) &&
                    AreSame(plain->request, all->request) && request->num_rows == all->num_rows &&
                    !all->at_us;
  if (!same) std::abort();
  return 0;
}
