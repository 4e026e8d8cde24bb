#pragma once
// What must hold for the parsers on any bytes: run by the fuzz targets, and by unit tests on the
// corpus.

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "icecore/ingest/files/csv_parser.h"
#include "icecore/ingest/files/encoding.h"
#include "icecore/ingest/files/json_object.h"

namespace icecore::ingest {

inline void Require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

// Records of the whole text; the window grows by `step` bytes (0: all at once). Empty where a quote
// is not closed.
inline std::vector<std::vector<std::string>> CsvRecords(std::string_view text, size_t step,
                                                        const CsvParser& parser) {
  std::vector<std::vector<std::string>> records;
  CsvRecord record;
  size_t begin = 0;
  size_t end = step == 0 ? text.size() : 0;
  while (begin < text.size()) {
    if (end <= begin) {
      end = std::min(text.size(), begin + step);
    }
    const std::string_view window = text.substr(begin, end - begin);
    const CsvParser::Outcome outcome = parser.Next(window, end == text.size(), &record);
    if (outcome == CsvParser::Outcome::kUnclosed) {
      Require(end == text.size() && record.open_quote && *record.open_quote < window.size());
      return {};
    }
    if (outcome == CsvParser::Outcome::kNeedMore) {
      Require(end < text.size());
      end = std::min(text.size(), end + step);
      continue;
    }
    Require(record.consumed > 0 && record.consumed <= window.size());
    Require(record.raw.size() <= record.consumed && !record.fields.empty() && record.lines > 0);
    records.emplace_back(record.fields.begin(), record.fields.end());
    records.back().push_back(std::string(record.raw));
    begin += record.consumed;
  }
  return records;
}

// However the bytes arrive, the records are the same. The first byte chooses the dialect.
inline void CheckCsv(std::string_view bytes) {
  if (bytes.empty()) {
    return;
  }
  const auto choice = static_cast<unsigned char>(bytes[0]);
  CsvDialect dialect;
  dialect.delimiter = (choice & 1) != 0 ? '\t' : ',';
  dialect.quote = (choice & 2) != 0 ? '\0' : '"';
  if ((choice & 4) != 0) {
    dialect.escape = (choice & 8) != 0 ? '"' : '\\';
  }
  const CsvParser parser(dialect);
  const std::string_view text = bytes.substr(1);
  const auto whole = CsvRecords(text, 0, parser);
  Require(CsvRecords(text, 1, parser) == whole);
  Require(CsvRecords(text, 3, parser) == whole);
}

// Members lie within the text; UTF-8 stays UTF-8; an object is one again after its members were put
// together anew.
inline void CheckJson(std::string_view bytes) {
  std::vector<JsonMember> members;
  const std::string in_array = "[" + std::string(bytes) + "]";
  if (SplitJsonArray(in_array, bytes.size() + 1, &members).empty()) {
    for (const JsonMember& element : members) {
      Require(element.text.data() >= in_array.data() &&
              element.text.data() + element.text.size() <= in_array.data() + in_array.size());
    }
  }
  if (!SplitJsonObject(bytes, &members).empty()) {
    return;
  }
  std::string again = "{";
  std::string decoded;
  for (const JsonMember& member : members) {
    Require(member.text.data() >= bytes.data() &&
            member.text.data() + member.text.size() <= bytes.data() + bytes.size());
    DecodeJsonString(member.key, &decoded);
    Require(!IsUtf8(bytes) || IsUtf8(decoded));
    const bool text = member.kind == JsonMember::Kind::kString;
    if (text) {
      DecodeJsonString(member.text, &decoded);
      Require(!IsUtf8(bytes) || IsUtf8(decoded));
    }
    again += (again.size() == 1 ? "\"" : ",\"") + std::string(member.key) + "\":";
    again += text ? "\"" + std::string(member.text) + "\"" : std::string(member.text);
  }
  again += "}";
  std::vector<JsonMember> second;
  Require(SplitJsonObject(again, &second).empty() && second.size() == members.size());
  for (size_t i = 0; i < members.size(); ++i) {
    Require(second[i].key == members[i].key && second[i].text == members[i].text &&
            second[i].kind == members[i].kind);
  }
}

}  // namespace icecore::ingest
