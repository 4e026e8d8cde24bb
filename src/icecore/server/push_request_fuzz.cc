// Any bytes as the body of POST /push and POST /write-to-online-store: an error, or rows one a
// line, which are JSON objects to who looks through them again.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "icecore/server/push_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string body(reinterpret_cast<const char*>(data), size);
  for (const bool write : {false, true}) {
    const auto push = icecore::server::ParsePush(body, write, 1 << 20, 100);
    if (!push.ok()) continue;
    const std::string& lines = push->rows.lines.text();
    if (push->rows.source.empty() && push->rows.view.empty()) std::abort();
    if (push->rows.lines.count() > 100) std::abort();
    if (push->rows.lines.empty() != lines.empty()) std::abort();
    if (lines.empty()) continue;
    const auto again = icecore::ingest::CheckedRows::Of(lines);
    if (!again.ok() || again->text() != lines) std::abort();
    if (again->count() != push->rows.lines.count()) std::abort();
  }
  return 0;
}
