#include "icecore/server/content_encoding.h"

#include <arrow/util/compression.h>

#include <algorithm>
#include <memory>

namespace icecore::server {
namespace {

// Speed before size: what is saved on the wire must not be lost in computing.
constexpr int kLevel = 1;

std::string_view Trim(std::string_view text) {
  const size_t begin = std::min(text.find_first_not_of(" \t"), text.size());
  text.remove_prefix(begin);
  return text.substr(0, text.find_last_not_of(" \t") + 1);
}

bool EqualsIgnoringCase(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(), [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + ('a' - 'A')) : a) == b;
  });
}

// ";q=0", ";q=0.000" and nothing else.
bool IsRefused(std::string_view parameters) {
  const size_t equals = parameters.find('=');
  if (equals == parameters.npos || !EqualsIgnoringCase(Trim(parameters.substr(0, equals)), "q")) {
    return false;
  }
  const std::string_view weight = Trim(parameters.substr(equals + 1));
  return !weight.empty() && weight.find_first_not_of("0.") == weight.npos;
}

}  // namespace

std::string_view ContentEncodingName(ContentEncoding encoding) {
  return encoding == ContentEncoding::kZstd   ? "zstd"
         : encoding == ContentEncoding::kGzip ? "gzip"
                                              : "";
}

ContentEncoding ChooseContentEncoding(std::string_view accept_encoding) {
  bool gzip = false;
  bool gzip_refused = false;
  bool any = false;
  bool zstd = false;
  while (!accept_encoding.empty()) {
    const size_t comma = accept_encoding.find(',');
    const std::string_view item = accept_encoding.substr(0, comma);
    accept_encoding.remove_prefix(comma == item.npos ? accept_encoding.size() : comma + 1);
    const size_t semicolon = item.find(';');
    const std::string_view name = Trim(item.substr(0, semicolon));
    const bool refused = semicolon != item.npos && IsRefused(item.substr(semicolon + 1));
    if (EqualsIgnoringCase(name, "gzip") || EqualsIgnoringCase(name, "x-gzip")) {
      gzip = !refused;
      gzip_refused = refused;
    } else if (EqualsIgnoringCase(name, "zstd")) {
      zstd = !refused;
    } else if (name == "*") {
      any = !refused;
    }
  }
  return zstd                             ? ContentEncoding::kZstd
         : gzip || (any && !gzip_refused) ? ContentEncoding::kGzip
                                          : ContentEncoding::kIdentity;
}

arrow::Result<std::string> Encode(ContentEncoding encoding, std::string_view text) {
  if (encoding == ContentEncoding::kIdentity) {
    return std::string(text);
  }
  const auto kind =
      encoding == ContentEncoding::kZstd ? arrow::Compression::ZSTD : arrow::Compression::GZIP;
  ARROW_ASSIGN_OR_RAISE(const std::unique_ptr<arrow::util::Codec> codec,
                        arrow::util::Codec::Create(kind, kLevel));
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  const auto size = static_cast<int64_t>(text.size());
  std::string out(static_cast<size_t>(codec->MaxCompressedLen(size, bytes)), '\0');
  ARROW_ASSIGN_OR_RAISE(const int64_t written,
                        codec->Compress(size, bytes, static_cast<int64_t>(out.size()),
                                        reinterpret_cast<uint8_t*>(out.data())));
  out.resize(static_cast<size_t>(written));
  return out;
}

}  // namespace icecore::server
