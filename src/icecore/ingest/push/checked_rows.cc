#include "icecore/ingest/push/checked_rows.h"

#include <algorithm>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/ingest/files/encoding.h"

namespace icecore::ingest {
namespace {

using base::ErrorCode;
using base::MakeError;

// JSON as it was written, on one line: line ends stand between its tokens only.
void AppendOnOneLine(std::string_view value, std::string* out) {
  const size_t begin = out->size();
  out->append(value);
  for (const char end : {'\n', '\r'}) {
    std::replace(out->begin() + static_cast<std::ptrdiff_t>(begin), out->end(), end, ' ');
  }
}

void AppendQuoted(std::string_view between_quotes, std::string* out) {
  out->push_back('"');
  out->append(between_quotes);
  out->push_back('"');
}

}  // namespace

arrow::Result<CheckedRows> CheckedRows::Of(std::string_view text) {
  std::vector<JsonMember> members;
  CheckedRows rows;
  rows.text_.reserve(text.size() + 1);
  for (int64_t line_number = 1; !text.empty(); ++line_number) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) {
      line.remove_suffix(1);
    }
    if (line.find_first_not_of(" \t") == std::string_view::npos) continue;
    const std::string problem =
        IsUtf8(line) ? SplitJsonObject(line, &members) : std::string("not UTF-8");
    if (!problem.empty()) {
      return MakeError(ErrorCode::kBadInput,
                       "line " + std::to_string(line_number) + ": not a JSON object: " + problem);
    }
    rows.text_.append(line).push_back('\n');
    ++rows.count_;
  }
  if (rows.empty()) return NoRows();
  return rows;
}

arrow::Status CheckedRows::NoRows() {
  return MakeError(ErrorCode::kBadInput, "no rows: one JSON object a line is expected");
}

bool CheckedRows::AddObject(const JsonMember& object) {
  if (object.kind != JsonMember::Kind::kContainer || !object.text.starts_with('{')) return false;
  AppendOnOneLine(object.text, &text_);
  text_.push_back('\n');
  ++count_;
  return true;
}

void CheckedRows::AddMember(std::string_view key, const JsonMember& value) {
  text_.push_back(in_row_ ? ',' : '{');
  in_row_ = true;
  AppendQuoted(key, &text_);
  text_.push_back(':');
  if (value.kind == JsonMember::Kind::kString) {
    AppendQuoted(value.text, &text_);
  } else {
    AppendOnOneLine(value.text, &text_);
  }
}

void CheckedRows::EndRow() {
  text_ += in_row_ ? "}\n" : "{}\n";
  in_row_ = false;
  ++count_;
}

}  // namespace icecore::ingest
