#pragma once
// Text encodings of csv files.

#include <arrow/result.h>

#include <string>
#include <string_view>

namespace icecore::ingest {

enum class Encoding { kUtf8, kLatin1, kWindows1252 };

// utf-8, latin-1 (iso-8859-1), windows-1252 (cp1252), in any case; others are kUnsupported.
arrow::Result<Encoding> ParseEncoding(std::string_view name);

// To UTF-8; every byte of kLatin1 and kWindows1252 has a character (the five that windows-1252
// leaves free become the control characters of their numbers). kUtf8: as it is, unchecked.
void Transcode(std::string_view bytes, Encoding encoding, std::string* utf8);

bool IsUtf8(std::string_view bytes);

}  // namespace icecore::ingest
