#include "icecore/server/push_json.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "icecore/base/error.h"

namespace icecore::server {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kMaxDepth = 32;

arrow::Result<Json> ParseBounded(const std::string& body) {
  bool too_deep = false;
  const auto look = [&](int depth, Json::parse_event_t, Json&) {
    too_deep = too_deep || depth > kMaxDepth;
    return !too_deep;
  };
  Json document = Json::parse(body, look, /*allow_exceptions=*/false);
  if (too_deep) {
    return FieldError("body", "nested too deeply");
  }
  if (document.is_discarded() || !document.is_object()) {
    return FieldError("body", "expected a JSON object");
  }
  return document;
}

arrow::Result<std::string> TextOf(const Json& document, const char* field) {
  const auto found = document.find(field);
  if (found == document.end() || !found->is_string() ||
      found->get_ref<const std::string&>().empty()) {
    return FieldError(field, "expected a name");
  }
  return found->get<std::string>();
}

arrow::Status TooMany(const std::string& field, int64_t max_rows) {
  return base::MakeError(base::ErrorCode::kLimit, "'" + field + "': more than " +
                                                      std::to_string(max_rows) +
                                                      " rows in one request; push in several");
}

// Bytes that are not UTF-8 were refused by the parser.
std::string LineOf(const Json& row) {
  return row.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

// Objects, one a line.
arrow::Result<std::string> LinesOfRows(const Json& document, int64_t max_rows) {
  const auto rows = document.find("rows");
  if (rows == document.end() || !rows->is_array()) {
    return FieldError("rows", "expected a list of objects");
  }
  if (static_cast<int64_t>(rows->size()) > max_rows) {
    return TooMany("rows", max_rows);
  }
  std::string lines;
  for (size_t i = 0; i < rows->size(); ++i) {
    if (!(*rows)[i].is_object()) {
      return FieldError("rows[" + std::to_string(i) + "]", "expected an object");
    }
    lines += LineOf((*rows)[i]);
  }
  return lines;
}

// Columns of one length, turned to rows.
arrow::Result<std::string> LinesOfColumns(const Json& document, int64_t max_rows) {
  const auto columns = document.find("df");
  if (columns == document.end() || !columns->is_object() || columns->empty()) {
    return FieldError("df", "expected an object of columns, each a list of values");
  }
  size_t count = 0;
  for (auto column = columns->begin(); column != columns->end(); ++column) {
    const std::string field = "df." + column.key();
    if (!column->is_array()) {
      return FieldError(field, "expected a list of values");
    }
    if (static_cast<int64_t>(column->size()) > max_rows) {
      return TooMany(field, max_rows);
    }
    if (column != columns->begin() && column->size() != count) {
      return FieldError(field, "has " + std::to_string(column->size()) + " values, the first has " +
                                   std::to_string(count) + "; columns must be of one length");
    }
    count = column->size();
  }
  std::string lines;
  for (size_t row = 0; row < count; ++row) {
    Json object = Json::object();
    for (auto column = columns->begin(); column != columns->end(); ++column) {
      object[column.key()] = (*column)[row];
    }
    lines += LineOf(object);
  }
  return lines;
}

// Rows reach the lake and the store both; who wants one of them alone is told.
arrow::Status CheckTo(const Json& document) {
  const auto to = document.find("to");
  if (to == document.end() || *to == "online" || *to == "online_and_offline") {
    return arrow::Status::OK();
  }
  return FieldError("to",
                    "expected \"online\" or \"online_and_offline\": rows reach the lake and the "
                    "online store, both");
}

}  // namespace

arrow::Result<ParsedPush> ParsePush(const std::string& body, bool write, int64_t max_body_bytes,
                                    int64_t max_rows) {
  if (static_cast<int64_t>(body.size()) > max_body_bytes) {
    return base::MakeError(base::ErrorCode::kLimit,
                           "the body is longer than " + std::to_string(max_body_bytes) + " bytes");
  }
  ParsedPush push;
  push.form = write ? PushForm::kFeastWrite : PushForm::kFeast;
  ARROW_ASSIGN_OR_RAISE(const Json document, ParseBounded(body));
  if (write) {
    ARROW_ASSIGN_OR_RAISE(push.rows.view, TextOf(document, "feature_view_name"));
  } else if (document.contains("push_source_name")) {
    ARROW_ASSIGN_OR_RAISE(push.rows.source, TextOf(document, "push_source_name"));
    ARROW_RETURN_NOT_OK(CheckTo(document));
  } else {
    push.form = PushForm::kOurs;
    ARROW_ASSIGN_OR_RAISE(push.rows.source, TextOf(document, "source"));
    ARROW_ASSIGN_OR_RAISE(push.rows.lines, LinesOfRows(document, max_rows));
    return push;
  }
  ARROW_ASSIGN_OR_RAISE(push.rows.lines, LinesOfColumns(document, max_rows));
  if (write) {
    for (const auto& [name, values] : document.at("df").items()) {
      push.rows.columns.push_back(name);
    }
  }
  return push;
}

}  // namespace icecore::server
