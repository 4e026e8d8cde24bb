// Any bytes as the bitmap of a deletion vector, and as its Base85 text: rows in ascending order, no
// more than asked for, or an error.

#include <cstdlib>
#include <string_view>

#include "icecore/lake/deletion_vector.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr int64_t kMaxRows = 1 << 20;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto rows = icecore::lake::ParseDeletionBitmap(bytes, kMaxRows);
  if (rows.ok()) {
    int64_t last = -1;
    int64_t count = 0;
    for (const auto& range : rows->ranges()) {
      if (range.first <= last || range.end <= range.first) {
        std::abort();
      }
      last = range.end;
      count += range.end - range.first;
    }
    if (count != rows->count() || count > kMaxRows) {
      std::abort();
    }
  }
  const auto decoded = icecore::lake::DecodeZ85(bytes);
  if (decoded.ok() && decoded->size() != size / 5 * 4) {
    std::abort();
  }
  return 0;
}
