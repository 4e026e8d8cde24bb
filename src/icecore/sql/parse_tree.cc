#include "icecore/base/text.h"
#include "icecore/sql/parse_tree_internal.h"

#include <limits>

#include "icecore/base/error.h"
#include "icecore/sql/sql_types.h"

namespace icecore::sql {
namespace {

constexpr uint64_t kNoOffset = std::numeric_limits<uint64_t>::max();

std::optional<size_t> OwnOffset(const Json& node) {
  const auto found = node.find("query_location");
  if (found == node.end() || !found->is_number_unsigned()) return std::nullopt;
  const auto offset = found->get<uint64_t>();
  if (offset == kNoOffset) return std::nullopt;
  return offset;
}

ParsedSelect Failed(std::string error) {
  ParsedSelect parsed;
  parsed.error = std::move(error);
  return parsed;
}

}  // namespace

ParsedSelect ParseSelect(Database& database, const std::string& sql) {
  if (sql.find('\0') != std::string::npos) return Failed("the text holds a zero byte");
  auto text =
      database.Text("SELECT CAST(json_serialize_sql(" + QuoteLiteral(sql) + ") AS VARCHAR)");
  if (!text.ok()) return Failed(text.status().message());
  ParsedSelect parsed;
  parsed.document = Json::parse(*text, nullptr, false);
  const Json& document = parsed.document;
  if (document.is_discarded() || !document.is_object()) {
    return Failed("DuckDB's parse tree cannot be read");
  }
  if (document.value("error", true)) {
    parsed.error = TextMember(document, "error_message");
    if (TextMember(document, "error_type") == "not implemented") {
      parsed.error = "one SELECT statement is allowed, and nothing else (nor PIVOT)";
    }
    const std::string position = TextMember(document, "position");
    if (!position.empty()) parsed.error_offset = std::strtoull(position.c_str(), nullptr, 10);
    return parsed;
  }
  const auto statements = document.find("statements");
  if (statements == document.end() || !statements->is_array() || statements->empty()) {
    return Failed("the text holds no statement");
  }
  if (statements->size() != 1) return Failed("one SELECT statement is allowed, not several");
  return parsed;
}

arrow::Result<std::string> TreeToSql(Database& database, const Json& document) {
  return database.Text("SELECT json_deserialize_sql(CAST(" + QuoteLiteral(document.dump()) +
                       " AS JSON))");
}

std::optional<size_t> OffsetOf(const Json& node) {
  if (node.is_object()) {
    if (auto own = OwnOffset(node)) return own;
  } else if (!node.is_array()) {
    return std::nullopt;
  }
  std::optional<size_t> first;
  for (const auto& child : node) {
    const auto offset = OffsetOf(child);
    if (offset && (!first || *offset < *first)) first = offset;
  }
  return first;
}

// Lengths beyond reason are thrown although exceptions are off.
Json JsonOfCbor(std::string_view bytes) {
  try {
    return Json::from_cbor(bytes, true, false);
  } catch (const Json::exception&) {
    return Json(Json::value_t::discarded);
  }
}

const Json& Member(const Json& node, const char* name) {
  static const Json kNothing;
  const auto found = node.find(name);
  return found == node.end() ? kNothing : *found;
}

std::string TextMember(const Json& node, const char* name) {
  const auto found = node.find(name);
  return found != node.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string NameMember(const Json& node, const char* name) {
  return base::LowerText(TextMember(node, name));
}

Json ColumnRefNode(const std::vector<std::string>& names, const std::string& alias) {
  return Json{{"class", "COLUMN_REF"},
              {"type", "COLUMN_REF"},
              {"alias", alias},
              {"query_location", kNoOffset},
              {"column_names", names}};
}

Json FunctionNode(const std::string& name, Json children, const std::string& alias) {
  return Json{{"class", "FUNCTION"},
              {"type", "FUNCTION"},
              {"alias", alias},
              {"query_location", kNoOffset},
              {"function_name", name},
              {"schema", ""},
              {"children", std::move(children)},
              {"filter", nullptr},
              {"order_bys", Json{{"type", "ORDER_MODIFIER"}, {"orders", Json::array()}}},
              {"distinct", false},
              {"is_operator", false},
              {"export_state", false},
              {"catalog", ""}};
}

Json TrueNode() {
  return Json{{"class", "CONSTANT"},
              {"type", "VALUE_CONSTANT"},
              {"alias", ""},
              {"query_location", kNoOffset},
              {"value", Json{{"type", Json{{"id", "BOOLEAN"}, {"type_info", nullptr}}},
                             {"is_null", false},
                             {"value", true}}}};
}

}  // namespace icecore::sql
