#include <algorithm>
#include <utility>

#include "icecore/base/text.h"
#include "icecore/sql/sql_error.h"
#include "icecore/sql/tree_binder_internal.h"

namespace icecore::sql {
namespace {

// References multiply where a WITH entry is used again and again; nobody writes this many.
constexpr size_t kMaxReferences = 10'000;

void Append(const std::vector<TableReference>& from, std::vector<TableReference>* to) {
  if (to->size() + from.size() > kMaxReferences) return;
  to->insert(to->end(), from.begin(), from.end());
}

// Renames the first columns, as "t(a, b)" and "with t(a, b) as" do.
void ApplyColumnAliases(const Json& aliases, NodeInfo* info) {
  if (!aliases.is_array()) return;
  for (size_t i = 0; i < aliases.size(); ++i) {
    if (i >= info->columns.size()) return;
    info->columns[i].name = aliases[i].get<std::string>();
  }
}

std::string OutputName(const Json& item) {
  std::string alias = TextMember(item, "alias");
  if (!alias.empty()) return alias;
  if (TextMember(item, "class") != "COLUMN_REF") return "";
  return item["column_names"].back().get<std::string>();
}

// True where the item may give another number of columns than one.
bool HasStarOrUnnest(const Json& node) {
  if (node.is_object()) {
    if (TextMember(node, "class") == "STAR") return true;
    if (NameMember(node, "function_name") == "unnest") return true;
    if (TextMember(node, "class") == "SUBQUERY") return false;
  } else if (!node.is_array()) {
    return false;
  }
  return std::any_of(node.begin(), node.end(), HasStarOrUnnest);
}

}  // namespace

TreeBinder::TreeBinder(Options options) : options_(std::move(options)) {
  for (const TableSchema& table : options_.request->tables) {
    tables_[base::LowerText(table.full_name)] = &table;
  }
}

base::Location TreeBinder::LocationOf(std::optional<size_t> offset) const {
  const AnalysisRequest& request = *options_.request;
  if (!offset) return request.location;
  return LocationOfOffset(request.location, request.sql, *offset);
}

void TreeBinder::Error(const Json& node, std::string message) {
  if (row_wise_mode()) return;  // the plain pass has said it
  const base::Location location = LocationOf(OffsetOf(node));
  for (const auto& entry : diagnostics_.entries()) {
    if (entry.message == message && entry.location.line == location.line &&
        entry.location.column == location.column) {
      return;
    }
  }
  diagnostics_.Error(location, std::move(message));
}

void TreeBinder::Violate(NodeInfo* node, const Json& at, std::string message) {
  node->violations.push_back({OffsetOf(at), std::move(message)});
}

NodeInfo TreeBinder::BindTop(Json& root) { return BindNode(root, nullptr, nullptr, Level::kTop); }

NodeInfo TreeBinder::BindNode(Json& node, const CteScope* ctes, const Scope* outer, Level level) {
  std::map<std::string, CteEntry> entries;
  const CteScope inner{ctes, &entries};
  const auto cte_map = node.find("cte_map");
  if (cte_map != node.end() && cte_map->is_object()) {
    for (auto& pair : (*cte_map)["map"]) {
      entries[NameMember(pair, "key")].body = &pair["value"];
    }
  }
  const std::string type = TextMember(node, "type");
  NodeInfo info;
  if (type == "SELECT_NODE") {
    info = BindSelect(node, &inner, outer, level);
  } else if (type == "SET_OPERATION_NODE") {
    info = BindSetOperation(node, &inner, outer);
  } else if (type == "RECURSIVE_CTE_NODE") {
    info = BindRecursive(node, &inner, outer);
  } else {
    Error(node, "this form of query (" + type + ") is not supported");
  }
  for (auto& [name, entry] : entries) BindCte(entry, &inner);  // those that nobody used
  return info;
}

NodeInfo TreeBinder::BindSelect(Json& node, const CteScope* ctes, const Scope* outer, Level level) {
  NodeInfo info;
  Scope lateral;
  lateral.parent = outer;
  lateral.ctes = ctes;
  lateral.node = &info;
  const FromInfo from = BindFrom(node["from_table"], ctes, lateral);
  Append(from.references, &info.references);
  info.dynamic = from.dynamic;
  info.has_driver = from.has_driver;

  Scope scope;
  scope.from = &from;
  scope.parent = outer;
  scope.ctes = ctes;
  scope.node = &info;
  BindSelectList(node, scope);
  for (const char* part : {"where_clause", "group_expressions", "having", "qualify"}) {
    BindExpression(node[part], scope);
  }
  BindModifiers(node, scope);
  if (!node["sample"].is_null()) {
    Error(node, "a sample changes from run to run; filter by hash(…) of a key instead");
  }
  FindSelectViolations(node, &info);
  if (row_wise_mode() && info.dynamic) AppendHidden(node, from, level, &info);
  return info;
}

void TreeBinder::BindSelectList(Json& node, Scope& scope) {
  NodeInfo& info = *scope.node;
  for (Json& item : node["select_list"]) {
    const bool is_star = TextMember(item, "class") == "STAR" && item["expr"].is_null();
    if (is_star) {
      for (BoundColumn& column : BindStar(item, scope, &info.partial)) {
        info.columns.push_back(std::move(column));
      }
      continue;
    }
    BoundColumn column{OutputName(item), BindExpression(item, scope)};
    if (HasStarOrUnnest(item)) info.partial = true;
    const std::string alias = NameMember(item, "alias");
    if (!alias.empty()) scope.select_aliases[alias] = column.sources;
    info.columns.push_back(std::move(column));
  }
}

void TreeBinder::BindModifiers(Json& node, Scope& scope) {
  for (Json& modifier : node["modifiers"]) {
    BindChildren(modifier, scope);
    const std::string type = TextMember(modifier, "type");
    const Json& at = OffsetOf(modifier) ? modifier : node;
    if (type == "DISTINCT_MODIFIER") Violate(scope.node, at, "DISTINCT");
    if (type == "ORDER_MODIFIER") Violate(scope.node, at, "ORDER BY");
    if (type.starts_with("LIMIT")) Violate(scope.node, at, "LIMIT");
  }
}

void TreeBinder::FindSelectViolations(const Json& node, NodeInfo* info) {
  const Json& groups = node["group_expressions"];
  if (!groups.empty()) {
    Violate(info, groups, "GROUP BY");
  } else if (TextMember(node, "aggregate_handling") == "FORCE_AGGREGATES" ||
             !node["group_sets"].empty()) {
    Violate(info, node, "GROUP BY");
  }
  if (!node["having"].is_null()) Violate(info, node["having"], "HAVING");
}

NodeInfo TreeBinder::BindSetOperation(Json& node, const CteScope* ctes, const Scope* outer) {
  NodeInfo left = BindNode(node["left"], ctes, outer, Level::kNested);
  NodeInfo right = BindNode(node["right"], ctes, outer, Level::kNested);
  NodeInfo info;
  info.columns = left.columns;
  info.partial = left.partial || right.partial;
  info.dynamic = left.dynamic || right.dynamic;
  info.has_driver = left.has_driver || right.has_driver;
  std::string type = TextMember(node, "setop_type");
  const bool by_name = type == "UNION_BY_NAME";
  for (size_t i = 0; i < right.columns.size(); ++i) {
    BoundColumn* into = i < info.columns.size() && !by_name ? &info.columns[i] : nullptr;
    if (by_name) {
      const auto same =
          std::find_if(info.columns.begin(), info.columns.end(), [&](const BoundColumn& column) {
            return base::LowerText(column.name) == base::LowerText(right.columns[i].name);
          });
      if (same == info.columns.end()) {
        info.columns.push_back(right.columns[i]);
      } else {
        into = &*same;
      }
    }
    if (into)
      into->sources.insert(right.columns[i].sources.begin(), right.columns[i].sources.end());
  }
  Append(left.references, &info.references);
  Append(right.references, &info.references);
  std::replace(type.begin(), type.end(), '_', ' ');
  Violate(&info, node["right"], "a set operation (" + type + ")");
  Scope scope;
  scope.parent = outer;
  scope.ctes = ctes;
  scope.node = &info;
  for (const BoundColumn& column : info.columns) {
    if (!column.name.empty()) scope.select_aliases[base::LowerText(column.name)] = column.sources;
  }
  BindModifiers(node, scope);
  return info;
}

NodeInfo TreeBinder::BindRecursive(Json& node, const CteScope* ctes, const Scope* outer) {
  const std::string name = NameMember(node, "cte_name");
  NodeInfo info = BindNode(node["left"], ctes, outer, Level::kNested);
  Json alias_holder = Json{{"aliases", node["aliases"]}};
  std::map<std::string, CteEntry> entries;
  CteEntry& self = entries[name];
  self.body = &alias_holder;
  self.bound = true;
  self.info = info;
  ApplyColumnAliases(node["aliases"], &self.info);
  self.info.references.clear();
  const CteScope inner{ctes, &entries};
  const NodeInfo right = BindNode(node["right"], &inner, outer, Level::kNested);
  Append(right.references, &info.references);
  for (size_t i = 0; i < std::min(info.columns.size(), right.columns.size()); ++i) {
    info.columns[i].sources.insert(right.columns[i].sources.begin(),
                                   right.columns[i].sources.end());
  }
  info.dynamic = info.dynamic || right.dynamic;
  info.has_driver = info.has_driver || right.has_driver;
  info.seq_name = info.op_name = info.arrived_at_name = "";
  Violate(&info, node, "a recursive query");
  return info;
}

const NodeInfo& TreeBinder::BindCte(CteEntry& entry, const CteScope* ctes) {
  if (entry.bound || entry.binding) return entry.info;
  entry.binding = true;
  entry.info = BindNode((*entry.body)["query"]["node"], ctes, nullptr, Level::kNested);
  ApplyColumnAliases((*entry.body)["aliases"], &entry.info);
  entry.binding = false;
  entry.bound = true;
  return entry.info;
}

void TreeBinder::AppendHidden(Json& node, const FromInfo& from, Level level, NodeInfo* info) {
  Json& list = node["select_list"];
  const std::string prefix = level == Level::kTop ? "_" : "_icecore_";
  const auto append = [&](Json column, const std::string& name) {
    column["alias"] = name;
    list.push_back(std::move(column));
    return name;
  };
  if (!from.hidden.seq.is_null()) info->seq_name = append(from.hidden.seq, prefix + "seq");
  if (!from.hidden.op.is_null()) info->op_name = append(from.hidden.op, prefix + "op");
  const auto& arrived = from.hidden.arrived_at;
  if (arrived.empty()) return;
  Json greatest = arrived[0];
  if (arrived.size() > 1) greatest = FunctionNode("greatest", Json(arrived), "");
  info->arrived_at_name = append(std::move(greatest), prefix + "arrived_at");
}

}  // namespace icecore::sql
