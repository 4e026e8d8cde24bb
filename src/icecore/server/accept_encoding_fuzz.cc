// Any bytes as an Accept-Encoding header: some encoding, never a crash.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "icecore/server/content_encoding.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using icecore::server::ContentEncoding;
  const std::string_view header(reinterpret_cast<const char*>(data), size);
  const auto encoding = icecore::server::ChooseContentEncoding(header);
  const bool says_so = header.find_first_of("*zZgG") != header.npos;
  if (encoding != ContentEncoding::kIdentity && !says_so) std::abort();
  return 0;
}
