#include "icecore/sql/sql_error.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace icecore::sql {
namespace {

using base::ErrorCode;

// DuckDB's error classes, as they stand in front of its messages.
constexpr std::array<std::pair<std::string_view, ErrorCode>, 17> kClasses = {{
    {"Parser Error", ErrorCode::kInvalidDefinition},
    {"Syntax Error", ErrorCode::kInvalidDefinition},
    {"Binder Error", ErrorCode::kInvalidDefinition},
    {"Catalog Error", ErrorCode::kInvalidDefinition},
    {"Permission Error", ErrorCode::kDenied},
    {"Not implemented Error", ErrorCode::kUnsupported},
    {"Conversion Error", ErrorCode::kBadInput},
    {"Out of Range Error", ErrorCode::kBadInput},
    {"Invalid Input Error", ErrorCode::kBadInput},
    {"Constraint Error", ErrorCode::kBadInput},
    {"Mismatch Type Error", ErrorCode::kInvalidDefinition},
    {"Invalid type Error", ErrorCode::kInvalidDefinition},
    {"Out of Memory Error", ErrorCode::kLimit},
    {"INTERRUPT Error", ErrorCode::kUnavailable},
    {"IO Error", ErrorCode::kUnavailable},
    {"HTTP Error", ErrorCode::kDenied},
    {"Missing Extension Error", ErrorCode::kUnsupported},
}};

void TrimRight(std::string* text) {
  while (!text->empty() && (text->back() == '\n' || text->back() == ' ')) text->pop_back();
}

// The line number `line` (from 1) of a text.
std::string_view LineOf(std::string_view text, int line) {
  for (int i = 1; i < line; ++i) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

// Reads "LINE 3:   bbb from t\n          ^": the picture shows a part of the line when it is long.
void ReadPicture(std::string_view picture, std::string_view sql, SqlError* error) {
  picture.remove_prefix(std::string_view("LINE ").size());
  const size_t colon = picture.find(": ");
  if (colon == std::string_view::npos) return;
  const std::string_view digits = picture.substr(0, colon);
  if (std::from_chars(digits.data(), digits.data() + digits.size(), error->line).ec !=
      std::errc()) {
    return;
  }
  const size_t line_end = picture.find('\n');
  if (line_end == std::string_view::npos) return;
  const size_t prefix = std::string_view("LINE ").size() + colon + 2;
  std::string_view shown = picture.substr(colon + 2, line_end - colon - 2);
  const size_t caret = picture.find('^', line_end);
  if (caret == std::string_view::npos) return;
  size_t column = caret - line_end - 1;
  if (column < prefix) return;
  column -= prefix;
  if (shown.starts_with("...")) {
    shown.remove_prefix(3);
    column = column >= 3 ? column - 3 : 0;
  }
  if (shown.ends_with("...")) shown.remove_suffix(3);
  const size_t at = LineOf(sql, error->line).find(shown);
  if (at != std::string_view::npos) error->column = static_cast<int>(at + column) + 1;
}

}  // namespace

SqlError ParseSqlError(std::string_view duckdb_message, std::string_view sql) {
  SqlError error;
  error.code = ErrorCode::kInternal;
  for (const auto& [name, code] : kClasses) {
    if (duckdb_message.starts_with(name) && duckdb_message.substr(name.size()).starts_with(": ")) {
      error.code = code;
      duckdb_message.remove_prefix(name.size() + 2);
      break;
    }
  }
  const size_t picture = duckdb_message.find("\nLINE ");
  if (picture != std::string_view::npos) {
    ReadPicture(duckdb_message.substr(picture + 1), sql, &error);
    duckdb_message = duckdb_message.substr(0, picture);
  }
  error.message = std::string(duckdb_message);
  TrimRight(&error.message);
  const size_t stack = error.message.find("\n\nStack Trace");
  if (stack != std::string::npos) error.message.resize(stack);
  for (size_t at = error.message.find('\n'); at != std::string::npos;
       at = error.message.find('\n', at)) {
    const size_t end = error.message.find_first_not_of('\n', at);
    error.message.replace(at, end - at, error.message[at == 0 ? 0 : at - 1] == '!' ? " " : "; ");
  }
  return error;
}

base::Location LocationInSql(const base::Location& text_starts_at, int line, int column) {
  base::Location location = text_starts_at;
  if (line <= 0) return location;
  if (text_starts_at.line > 0 || text_starts_at.file.empty()) {
    location.line = std::max(text_starts_at.line, 1) + line - 1;
  } else {
    location.line = line;
  }
  location.column = line == 1 && text_starts_at.column > 0 && column > 0
                        ? text_starts_at.column + column - 1
                        : column;
  return location;
}

base::Location LocationOfOffset(const base::Location& text_starts_at, std::string_view sql,
                                size_t offset) {
  if (offset > sql.size()) return text_starts_at;
  const std::string_view before = sql.substr(0, offset);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const size_t line_start = before.rfind('\n');
  const size_t column = line_start == std::string_view::npos ? offset : offset - line_start - 1;
  return LocationInSql(text_starts_at, static_cast<int>(line), static_cast<int>(column) + 1);
}

arrow::Status SqlErrorStatus(const SqlError& error, const base::Location& text_starts_at) {
  if (!text_starts_at.file.empty()) {
    const base::Location at = LocationInSql(text_starts_at, error.line, error.column);
    return base::MakeErrorAt(error.code, at, error.message);
  }
  if (error.line > 0) {
    return base::MakeError(error.code, "line " + std::to_string(error.line) + ", column " +
                                           std::to_string(error.column) + ": " + error.message);
  }
  return base::MakeError(error.code, error.message);
}

}  // namespace icecore::sql
