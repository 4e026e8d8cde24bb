#include "icecore/ingest/files/encoding.h"

#include <arrow/util/utf8.h>

#include <cstdint>

#include "icecore/base/error.h"
#include "icecore/base/text.h"

namespace icecore::ingest {
namespace {

// 0x80–0x9F of windows-1252 (WHATWG Encoding Standard, index windows-1252).
constexpr uint16_t kWindowsHigh[32] = {
    0x20AC, 0x0081, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x008D, 0x017D, 0x008F, 0x0090, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x009D, 0x017E, 0x0178};

}  // namespace

arrow::Result<Encoding> ParseEncoding(std::string_view name) {
  const std::string lower = base::LowerText(name);
  if (lower == "utf-8" || lower == "utf8") {
    return Encoding::kUtf8;
  }
  if (lower == "latin-1" || lower == "latin1" || lower == "iso-8859-1") {
    return Encoding::kLatin1;
  }
  if (lower == "windows-1252" || lower == "cp1252") {
    return Encoding::kWindows1252;
  }
  return base::MakeError(base::ErrorCode::kUnsupported,
                         "encoding '" + std::string(name) +
                             "' is not known; known are utf-8, latin-1 and windows-1252");
}

void Transcode(std::string_view bytes, Encoding encoding, std::string* utf8) {
  utf8->clear();
  if (encoding == Encoding::kUtf8) {
    utf8->assign(bytes);
    return;
  }
  for (const char c : bytes) {
    uint32_t code = static_cast<unsigned char>(c);
    if (encoding == Encoding::kWindows1252 && code >= 0x80 && code < 0xA0) {
      code = kWindowsHigh[code - 0x80];
    }
    if (code < 0x80) {
      utf8->push_back(c);
    } else if (code < 0x800) {
      utf8->push_back(static_cast<char>(0xC0 | (code >> 6)));
      utf8->push_back(static_cast<char>(0x80 | (code & 0x3F)));
    } else {
      utf8->push_back(static_cast<char>(0xE0 | (code >> 12)));
      utf8->push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3F)));
      utf8->push_back(static_cast<char>(0x80 | (code & 0x3F)));
    }
  }
}

bool IsUtf8(std::string_view bytes) {
  static const bool initialised = (arrow::util::InitializeUTF8(), true);
  return initialised && arrow::util::ValidateUTF8(bytes);
}

}  // namespace icecore::ingest
