// Any bytes as an answer of S3: no crash; a page that says there is more has a token.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "icecore/lake/s3/s3_xml_internal.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto page = icecore::lake::ParseListPage(bytes);
  if (page.ok() && page->truncated && page->next_token.empty()) {
    std::abort();
  }
  const auto uploads = icecore::lake::ParseUploadsPage(bytes);
  if (uploads.ok() && uploads->truncated && uploads->next_key.empty()) {
    std::abort();
  }
  const auto id = icecore::lake::ParseUploadId(bytes);
  if (id.ok() && id->empty()) {
    std::abort();
  }
  static_cast<void>(icecore::lake::ParseErrorBody(bytes));
  return 0;
}
