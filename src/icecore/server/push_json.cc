#include "icecore/server/push_json.h"

#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/ingest/files/encoding.h"
#include "icecore/ingest/files/json_object.h"
#include "icecore/ingest/push/checked_rows.h"

namespace icecore::server {
namespace {

using ingest::JsonMember;

// The members of the body, by name.
class Document {
 public:
  static arrow::Result<Document> Parse(std::string_view body) {
    if (!ingest::IsUtf8(body)) {
      return FieldError("body", "not UTF-8");
    }
    Document document;
    const std::string problem = ingest::SplitJsonObject(body, &document.members_);
    if (!problem.empty()) {
      return FieldError("body", "expected a JSON object: " + problem);
    }
    for (const JsonMember& member : document.members_) {
      document.names_.push_back(NameOf(member));
    }
    return document;
  }

  // nullptr where it is missing; twice is an error.
  arrow::Result<const JsonMember*> Find(const std::string& name) const {
    const JsonMember* found = nullptr;
    for (size_t i = 0; i < members_.size(); ++i) {
      if (names_[i] != name) {
        continue;
      }
      if (found != nullptr) {
        return FieldError(name, "given twice");
      }
      found = &members_[i];
    }
    return found;
  }

  arrow::Result<std::string> Text(const std::string& name) const {
    ARROW_ASSIGN_OR_RAISE(const JsonMember* member, Find(name));
    if (member == nullptr || member->kind != JsonMember::Kind::kString || member->text.empty()) {
      return FieldError(name, "expected a name");
    }
    return TextOf(*member);
  }

  // The text of an object or array; "" where it is neither.
  arrow::Result<std::string_view> Container(const std::string& name) const {
    ARROW_ASSIGN_OR_RAISE(const JsonMember* member, Find(name));
    const bool is_one = member != nullptr && member->kind == JsonMember::Kind::kContainer;
    return is_one ? member->text : std::string_view();
  }

  static std::string NameOf(const JsonMember& member) {
    std::string name(member.key);
    if (member.key_escaped) {
      ingest::DecodeJsonString(member.key, &name);
    }
    return name;
  }

  static std::string TextOf(const JsonMember& member) {
    std::string text(member.text);
    if (member.escaped) {
      ingest::DecodeJsonString(member.text, &text);
    }
    return text;
  }

 private:
  std::vector<JsonMember> members_;
  std::vector<std::string> names_;
};

arrow::Status TooMany(const std::string& field, int64_t max_rows) {
  return base::MakeError(base::ErrorCode::kLimit, "'" + field + "': more than " +
                                                      std::to_string(max_rows) +
                                                      " rows in one request; push in several");
}

// The elements of an array, at most max_rows.
arrow::Status SplitRows(std::string_view array, const std::string& field, const char* expected,
                        int64_t max_rows, std::vector<JsonMember>* elements) {
  if (!array.starts_with('[')) {
    return FieldError(field, expected);
  }
  const std::string problem =
      ingest::SplitJsonArray(array, static_cast<size_t>(max_rows), elements);
  if (!problem.empty()) {
    return FieldError(field, std::string(expected) + ": " + problem);
  }
  return static_cast<int64_t>(elements->size()) > max_rows ? TooMany(field, max_rows)
                                                           : arrow::Status::OK();
}

arrow::Result<ingest::CheckedRows> LinesOfRows(const Document& document, int64_t max_rows) {
  ARROW_ASSIGN_OR_RAISE(const std::string_view array, document.Container("rows"));
  std::vector<JsonMember> rows;
  ARROW_RETURN_NOT_OK(SplitRows(array, "rows", "expected a list of objects", max_rows, &rows));
  ingest::CheckedRows lines;
  lines.Reserve(array.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!lines.AddObject(rows[i])) {
      return FieldError("rows[" + std::to_string(i) + "]", "expected an object");
    }
  }
  return lines;
}

struct Column {
  std::string name;
  std::string_view key;  // as it was written
  std::vector<JsonMember> values;
};

arrow::Result<std::vector<Column>> ColumnsOf(const Document& document, int64_t max_rows) {
  constexpr char kExpected[] = "expected an object of columns, each a list of values";
  ARROW_ASSIGN_OR_RAISE(const std::string_view object, document.Container("df"));
  std::vector<JsonMember> members;
  if (!object.starts_with('{') || !ingest::SplitJsonObject(object, &members).empty() ||
      members.empty()) {
    return FieldError("df", kExpected);
  }
  std::vector<Column> columns;
  std::set<std::string> names;
  for (const JsonMember& member : members) {
    Column column{Document::NameOf(member), member.key, {}};
    const std::string field = "df." + column.name;
    if (!names.insert(column.name).second) {
      return FieldError(field, "given twice");
    }
    const bool is_array = member.kind == JsonMember::Kind::kContainer;
    ARROW_RETURN_NOT_OK(SplitRows(is_array ? member.text : std::string_view(), field,
                                  "expected a list of values", max_rows, &column.values));
    if (!columns.empty() && column.values.size() != columns.front().values.size()) {
      return FieldError(field, "has " + std::to_string(column.values.size()) +
                                   " values, the first has " +
                                   std::to_string(columns.front().values.size()) +
                                   "; columns must be of one length");
    }
    columns.push_back(std::move(column));
  }
  return columns;
}

// Columns of one length, turned to rows.
ingest::CheckedRows LinesOfColumns(const std::vector<Column>& columns) {
  ingest::CheckedRows lines;
  for (size_t row = 0; row < columns.front().values.size(); ++row) {
    for (const Column& column : columns) lines.AddMember(column.key, column.values[row]);
    lines.EndRow();
  }
  return lines;
}

// Rows reach the lake and the store both; who wants one of them alone is told.
arrow::Status CheckTo(const Document& document) {
  ARROW_ASSIGN_OR_RAISE(const JsonMember* to, document.Find("to"));
  if (to == nullptr) {
    return arrow::Status::OK();
  }
  if (to->kind == JsonMember::Kind::kString) {
    const std::string text = Document::TextOf(*to);
    if (text == "online" || text == "online_and_offline") {
      return arrow::Status::OK();
    }
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
  ARROW_ASSIGN_OR_RAISE(const Document document, Document::Parse(body));
  ARROW_ASSIGN_OR_RAISE(const JsonMember* feast_source, document.Find("push_source_name"));
  if (write) {
    ARROW_ASSIGN_OR_RAISE(push.rows.view, document.Text("feature_view_name"));
  } else if (feast_source != nullptr) {
    ARROW_ASSIGN_OR_RAISE(push.rows.source, document.Text("push_source_name"));
    ARROW_RETURN_NOT_OK(CheckTo(document));
  } else {
    push.form = PushForm::kOurs;
    ARROW_ASSIGN_OR_RAISE(push.rows.source, document.Text("source"));
    ARROW_ASSIGN_OR_RAISE(push.rows.lines, LinesOfRows(document, max_rows));
    return push;
  }
  ARROW_ASSIGN_OR_RAISE(const std::vector<Column> columns, ColumnsOf(document, max_rows));
  push.rows.lines = LinesOfColumns(columns);
  if (write) {
    for (const Column& column : columns) {
      push.rows.columns.push_back(column.name);
    }
  }
  return push;
}

}  // namespace icecore::server
