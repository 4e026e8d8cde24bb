#pragma once
// SQL text <-> DuckDB's parse tree as JSON.

#include <arrow/result.h>

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "icecore/sql/database_internal.h"

namespace icecore::sql {

using Json = nlohmann::json;

// A tree, or why there is none.
struct ParsedSelect {
  Json document;      // as json_serialize_sql gives it; Root() is its one query node
  std::string error;  // "" when parsed
  std::optional<size_t> error_offset;
};

ParsedSelect ParseSelect(Database& database, const std::string& sql);

// The query node of a document of one SELECT.
inline Json& Root(Json& document) { return document["statements"][0]["node"]; }

arrow::Result<std::string> TreeToSql(Database& database, const Json& document);

// The byte in the SQL text that a node, or its first child with a place, comes from.
std::optional<size_t> OffsetOf(const Json& node);

// A member of a node; null where absent.
const Json& Member(const Json& node, const char* name);
// Members of a node; "" where absent or null.
std::string TextMember(const Json& node, const char* name);
// The same in lower case: SQL names ignore case.
std::string NameMember(const Json& node, const char* name);
// Bytes of CBOR; discarded where they are none.
Json JsonOfCbor(std::string_view bytes);

// Nodes that the rewriting adds.
Json ColumnRefNode(const std::vector<std::string>& names, const std::string& alias);
Json FunctionNode(const std::string& name, Json children, const std::string& alias);
Json TrueNode();

}  // namespace icecore::sql
