#pragma once
// Answers made smaller on the way.

#include <arrow/result.h>

#include <string>
#include <string_view>

namespace icecore::server {

enum class ContentEncoding { kIdentity, kGzip, kZstd };

// "gzip", "zstd"; "" for kIdentity.
std::string_view ContentEncodingName(ContentEncoding encoding);

// The best that the Accept-Encoding header allows: zstd, else gzip, else none. An encoding of
// weight 0 is refused; "*" allows gzip, which everybody reads.
ContentEncoding ChooseContentEncoding(std::string_view accept_encoding);

arrow::Result<std::string> Encode(ContentEncoding encoding, std::string_view text);

}  // namespace icecore::server
