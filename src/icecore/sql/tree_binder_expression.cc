#include <algorithm>

#include "icecore/base/text.h"
#include "icecore/sql/tree_binder_internal.h"

namespace icecore::sql {
namespace {

const BoundColumn* FindColumn(const Relation& relation, const std::string& name) {
  for (const BoundColumn& column : relation.columns) {
    if (base::LowerText(column.name) == name) return &column;
  }
  return nullptr;
}

void AddAll(const Relation& relation, Sources* sources) {
  for (const BoundColumn& column : relation.columns) {
    sources->insert(column.sources.begin(), column.sources.end());
  }
}

// What a column reference means in one FROM.
struct Match {
  bool found = false;
  bool whole_row = false;
  bool hidden = false;
  Sources sources;
};

Match MatchIn(const FromInfo& from, const std::vector<std::string>& names) {
  Match match;
  const auto take = [&](const Relation& relation, const std::string& name) {
    const BoundColumn* column = FindColumn(relation, name);
    if (column == nullptr) return;
    match.found = true;
    match.hidden = match.hidden || IsHiddenName(column->name);
    match.sources.insert(column->sources.begin(), column->sources.end());
  };
  for (const Relation& relation : from.relations) {
    if (names.size() >= 3 && !relation.schema.empty() && relation.schema == names[0] &&
        relation.alias == names[1]) {
      take(relation, names[2]);
    }
    if (names.size() >= 2 && relation.alias == names[0]) take(relation, names[1]);
  }
  if (match.found) return match;
  for (const Relation& relation : from.relations) take(relation, names[0]);
  if (match.found) return match;
  for (const Relation& relation : from.relations) {
    const bool named = relation.alias == names[0];
    if (named && names.size() == 1) match.whole_row = true;
    if ((named && names.size() == 1) || (relation.partial && (named || names.size() == 1))) {
      match.found = true;
      AddAll(relation, &match.sources);
      for (const BoundColumn& column : relation.columns) {
        match.hidden = match.hidden || IsHiddenName(column.name);
      }
    }
  }
  return match;
}

std::vector<std::string> LowerNames(const Json& names) {
  std::vector<std::string> lower;
  for (const Json& name : names) lower.push_back(base::LowerText(name.get<std::string>()));
  return lower;
}

// The members of {"key", "value"} lists such as replace_list; null where it has none of that name.
const Json* ValueOfKey(const Json& pairs, const std::string& lower_name) {
  for (const Json& pair : pairs) {
    const Json& key = pair["key"];
    const std::string name = key.is_string() ? key.get<std::string>() : TextMember(key, "column");
    if (base::LowerText(name) == lower_name) return &pair["value"];
  }
  return nullptr;
}

std::set<std::string> ExcludedNames(const Json& star) {
  std::set<std::string> names;
  for (const Json& name : star["exclude_list"])
    names.insert(base::LowerText(name.get<std::string>()));
  for (const Json& name : star["qualified_exclude_list"]) names.insert(NameMember(name, "column"));
  return names;
}

}  // namespace

Sources TreeBinder::BindChildren(Json& expression, Scope& scope) {
  Sources sources;
  for (Json& child : expression) {
    if (child.is_structured()) sources.merge(BindExpression(child, scope));
  }
  return sources;
}

Sources TreeBinder::BindExpression(Json& expression, Scope& scope) {
  if (expression.is_array()) return BindChildren(expression, scope);
  if (!expression.is_object()) return {};
  const std::string kind = TextMember(expression, "class");
  if (kind == "CONSTANT") return {};
  if (kind == "COLUMN_REF") return BindColumn(expression, scope);
  if (kind == "FUNCTION") return BindFunction(expression, scope);
  if (kind == "SUBQUERY") return BindSubqueryExpression(expression, scope);
  if (kind == "LAMBDA") return BindLambda(expression, scope);
  if (kind == "PARAMETER") {
    Error(expression, "parameters ($1, ?) are not allowed; use {{variables}}");
    return {};
  }
  if (kind == "WINDOW") {
    const std::string name = NameMember(expression, "function_name");
    Violate(scope.node, expression, "the window function '" + name + "'");
    return BindChildren(expression, scope);
  }
  if (kind == "STAR") {
    if (!expression["expr"].is_null()) {
      BindColumnsPattern(expression, scope);
      return BindExpression(expression["expr"], scope);
    }
    Sources sources;
    bool partial = false;
    for (const BoundColumn& column : BindStar(expression, scope, &partial)) {
      sources.insert(column.sources.begin(), column.sources.end());
    }
    return sources;
  }
  return BindChildren(expression, scope);
}

Sources TreeBinder::BindFunction(Json& expression, Scope& scope) {
  const std::string name = NameMember(expression, "function_name");
  if (name == "run_time") uses_run_time_ = true;
  if (options_.functions->IsAggregate(name)) {
    Violate(scope.node, expression, "the aggregate '" + name + "'");
  }
  const std::string refusal = options_.functions->WhyRefused(name, expression["children"].size());
  if (!refusal.empty()) Error(expression, refusal);
  return BindChildren(expression, scope);
}

Sources TreeBinder::BindSubqueryExpression(Json& expression, Scope& scope) {
  Sources sources = BindExpression(expression["child"], scope);
  NodeInfo info = BindNode(expression["subquery"]["node"], scope.ctes, &scope, Level::kNested);
  for (TableReference& reference : info.references) reference.in_expression = true;
  auto& references = scope.node->references;
  references.insert(references.end(), info.references.begin(), info.references.end());
  if (info.dynamic) {
    std::string name;
    for (const TableReference& reference : info.references) {
      if (!reference.table->is_static) name = reference.table->full_name;
    }
    Violate(scope.node, expression,
            "a subquery in an expression over " + name +
                " (join the table instead: left, semi, anti or asof join)");
  }
  if (TextMember(expression, "subquery_type") == "EXISTS") return sources;
  for (const BoundColumn& column : info.columns) {
    sources.insert(column.sources.begin(), column.sources.end());
  }
  return sources;
}

Sources TreeBinder::BindLambda(Json& expression, Scope& scope) {
  // "a -> '$.x'" is parsed as a lambda too, so its left side may be a column after all.
  Sources sources = BindExpression(expression["lhs"], scope);
  const size_t before = scope.lambda_parameters.size();
  const auto add = [&](const Json& parameter) {
    if (TextMember(parameter, "class") == "COLUMN_REF" && parameter["column_names"].size() == 1) {
      scope.lambda_parameters.push_back(
          base::LowerText(parameter["column_names"][0].get<std::string>()));
    }
  };
  const Json& left = expression["lhs"];
  add(left);
  if (left.contains("children")) {
    for (const Json& parameter : left["children"]) add(parameter);
  }
  sources.merge(BindExpression(expression["expr"], scope));
  scope.lambda_parameters.resize(before);
  return sources;
}

Sources TreeBinder::BindColumn(const Json& expression, const Scope& scope) {
  const std::vector<std::string> names = LowerNames(expression["column_names"]);
  if (names.empty()) return {};
  for (const Scope* at = &scope; at != nullptr; at = at->parent) {
    const auto& parameters = at->lambda_parameters;
    if (std::find(parameters.begin(), parameters.end(), names[0]) != parameters.end()) return {};
    Match match;
    if (at->from != nullptr) match = MatchIn(*at->from, names);
    const auto alias = at->select_aliases.find(names[0]);
    if ((!match.found || match.whole_row) && names.size() == 1 &&
        alias != at->select_aliases.end()) {
      return alias->second;
    }
    if (!match.found) continue;
    if (match.whole_row && match.hidden) {
      Error(expression, "the whole row '" + names[0] +
                            "' would hold columns that begin with _; name the columns");
    } else if (match.hidden && !match.whole_row && !options_.request->allow_envelope &&
               IsHiddenName(names.back())) {
      Error(expression, "the column '" + names.back() + "' cannot be used here");
    }
    return match.sources;
  }
  if (names.size() == 1 && FunctionRules::IsValueKeyword(names[0])) {
    Error(expression, options_.functions->WhyRefused(names[0], 0));
  }
  return {};
}

// In tables that are not ours a name that begins with _ is like any other.
bool TreeBinder::IsHidden(const BoundColumn& column) const {
  if (!IsHiddenName(column.name)) return false;
  const auto is_foreign = [&](const ColumnSource& source) {
    const auto& tables = options_.request->tables;
    return std::any_of(tables.begin(), tables.end(), [&](const TableSchema& table) {
      return table.is_foreign && table.full_name == source.table;
    });
  };
  return column.sources.empty() ||
         !std::all_of(column.sources.begin(), column.sources.end(), is_foreign);
}

std::vector<BoundColumn> TreeBinder::BindStar(Json& star, Scope& scope, bool* partial) {
  for (Json& pair : star["replace_list"]) BindExpression(pair["value"], scope);
  std::vector<BoundColumn> columns;
  if (scope.from == nullptr) return columns;
  const std::string relation_name = NameMember(star, "relation_name");
  const std::set<std::string> excluded = ExcludedNames(star);
  std::set<std::string> hidden;
  std::set<std::string> merged_seen;
  bool matched = false;
  for (const Relation& relation : scope.from->relations) {
    if (!relation_name.empty() && relation.alias != relation_name) continue;
    matched = true;
    *partial = *partial || relation.partial;
    for (const BoundColumn& column : relation.columns) {
      const std::string name = base::LowerText(column.name);
      if (excluded.contains(name)) continue;
      if (IsHidden(column)) {
        if (hidden.insert(name).second) star["exclude_list"].push_back(column.name);
        continue;
      }
      if (relation_name.empty() && scope.from->merged.contains(name) &&
          !merged_seen.insert(name).second) {
        continue;
      }
      BoundColumn given = column;
      if (const Json* renamed = ValueOfKey(star["rename_list"], name)) {
        given.name = renamed->get<std::string>();
      }
      if (const Json* replacement = ValueOfKey(star["replace_list"], name)) {
        Json copy = *replacement;
        given.sources = BindExpression(copy, scope);
      }
      columns.push_back(std::move(given));
    }
  }
  if (!matched) {  // the star of a struct column
    *partial = true;
    columns.push_back({"", BindColumn(ColumnRefNode({relation_name}, ""), scope)});
  }
  return columns;
}

void TreeBinder::BindColumnsPattern(Json& star, Scope& scope) {
  Json& pattern = star["expr"];
  if (TextMember(pattern, "class") != "CONSTANT") return;  // a lambda over a star, handled there
  bool partial = false;
  Json plain = star;
  plain["expr"] = nullptr;
  const size_t before = plain["exclude_list"].size();
  BindStar(plain, scope, &partial);
  if (plain["exclude_list"].size() == before) return;
  // COLUMNS('x') -> COLUMNS(lambda c: regexp_matches(c, 'x')) over a star without hidden columns.
  Json filter = options_.columns_lambda;
  filter["children"][1]["expr"]["children"][1] = pattern;
  filter["children"][0]["relation_name"] = star["relation_name"];
  pattern = std::move(filter);
}

}  // namespace icecore::sql
