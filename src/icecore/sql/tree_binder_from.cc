#include <arrow/type.h>
#include <algorithm>

#include "icecore/base/suggest.h"
#include "icecore/base/text.h"
#include "icecore/sql/tree_binder_internal.h"

namespace icecore::sql {
namespace {

constexpr char kInForceFrom[] = "_in_force_from";

// The name that SQL gives a relation of this node when it has no alias.
std::string AliasOr(const Json& from, const std::string& name) {
  const std::string alias = TextMember(from, "alias");
  return alias.empty() ? name : alias;
}

void Rename(const Json& from, Relation* relation) {
  const auto aliases = from.find("column_name_alias");
  if (aliases == from.end() || !aliases->is_array()) return;
  for (size_t i = 0; i < aliases->size() && i < relation->columns.size(); ++i) {
    relation->columns[i].name = (*aliases)[i].get<std::string>();
  }
}

void CollectColumnRefs(const Json& node, std::vector<const Json*>* out) {
  if (node.is_object() && TextMember(node, "class") == "COLUMN_REF") out->push_back(&node);
  if (!node.is_structured()) return;
  for (const Json& child : node) CollectColumnRefs(child, out);
}

// The comparisons < <= > >= of a condition, at its top level of ANDs.
void CollectInequalities(const Json& condition, std::vector<const Json*>* out) {
  if (!condition.is_object()) return;
  const std::string type = TextMember(condition, "type");
  if (type == "CONJUNCTION_AND") {
    for (const Json& child : condition["children"]) CollectInequalities(child, out);
  } else if (type.starts_with("COMPARE_GREATERTHAN") || type.starts_with("COMPARE_LESSTHAN")) {
    out->push_back(&condition);
  }
}

}  // namespace

FromInfo TreeBinder::BindFrom(Json& from, const CteScope* ctes, const Scope& lateral) {
  const std::string type = TextMember(from, "type");
  const auto sample = from.find("sample");
  if (sample != from.end() && !sample->is_null()) {
    Error(from, "a sample changes from run to run; filter by hash(…) of a key instead");
  }
  if (type == "BASE_TABLE") return BindTable(from, ctes, lateral);
  if (type == "JOIN") return BindJoin(from, ctes, lateral);
  if (type == "SUBQUERY") return BindSubquery(from, ctes, lateral);
  if (type == "TABLE_FUNCTION") return BindTableFunction(from, lateral);
  if (type == "EXPRESSION_LIST") return BindValues(from, lateral);
  if (type == "EMPTY") return {};
  if (type == "PIVOT") {
    Error(from, "PIVOT and UNPIVOT are not supported; use aggregates with filter (where …)");
  } else {
    Error(from, "this form of FROM (" + type + ") is not allowed");
  }
  return {};
}

const TableSchema* TreeBinder::FindTable(const Json& from) {
  const std::string schema = TextMember(from, "schema_name");
  const std::string name = TextMember(from, "table_name");
  const std::string catalog = TextMember(from, "catalog_name");
  std::string full = schema.empty() ? name : schema + "." + name;
  if (!catalog.empty()) full = catalog + "." + full;
  const auto found = tables_.find(base::LowerText(full));
  if (found != tables_.end()) return found->second;
  std::vector<std::string> full_names;
  std::vector<std::string> same_short_name;
  for (const auto& [key, table] : tables_) {
    full_names.push_back(table->full_name);
    if (schema.empty() && key.ends_with("." + base::LowerText(name))) {
      same_short_name.push_back(table->full_name);
    }
  }
  std::string message = "there is no table '" + full + "'";
  if (schema.empty() && name.find_first_of("./*") != std::string::npos) {
    message = "'" + name + "' is not a table: SQL cannot read files; land it with a source";
  } else if (!same_short_name.empty()) {
    message += "; tables are named with their zone: ";
    for (size_t i = 0; i < same_short_name.size(); ++i) {
      message += (i > 0 ? " or '" : "'") + same_short_name[i] + "'";
    }
  } else {
    message += base::DidYouMean(full, full_names);
  }
  Error(from, std::move(message));
  return nullptr;
}

FromInfo TreeBinder::BindTable(Json& from, const CteScope* ctes, const Scope& lateral) {
  if (!from["at_clause"].is_null()) Error(from, "AT (…) is not supported on a table");
  const std::string name = NameMember(from, "table_name");
  if (TextMember(from, "schema_name").empty() && TextMember(from, "catalog_name").empty()) {
    for (const CteScope* scope = ctes; scope != nullptr; scope = scope->parent) {
      const auto found = scope->entries->find(name);
      if (found == scope->entries->end() || found->second.binding) continue;
      const NodeInfo& info = BindCte(found->second, scope);
      if (info.dynamic) {
        auto& violations = lateral.node->violations;
        violations.insert(violations.end(), info.violations.begin(), info.violations.end());
      }
      return RelationOf(info, AliasOr(from, TextMember(from, "table_name")), from);
    }
  }
  const TableSchema* table = FindTable(from);
  return table ? RelationOfTable(*table, from) : FromInfo{};
}

FromInfo TreeBinder::RelationOfTable(const TableSchema& table, const Json& from) {
  FromInfo info;
  Relation relation;
  relation.alias = base::LowerText(AliasOr(from, TextMember(from, "table_name")));
  if (TextMember(from, "alias").empty()) relation.schema = NameMember(from, "schema_name");
  for (const auto& field : table.columns->fields()) {
    relation.columns.push_back({field->name(), {ColumnSource{table.full_name, field->name()}}});
  }
  Rename(from, &relation);
  const bool is_driver = options_.driver == &table;
  info.dynamic = !table.is_static || is_driver;
  info.has_driver = is_driver;
  std::vector<std::string> qualifier;
  if (!relation.schema.empty()) qualifier.push_back(TextMember(from, "schema_name"));
  qualifier.push_back(AliasOr(from, TextMember(from, "table_name")));
  const auto column = [&](const char* name) -> Json {
    const int index = table.columns->GetFieldIndex(name);
    if (index < 0) return nullptr;
    std::vector<std::string> names = qualifier;
    names.push_back(relation.columns[static_cast<size_t>(index)].name);
    return ColumnRefNode(names, "");
  };
  if (is_driver) {
    info.hidden.seq = column("_seq");
    info.hidden.op = column("_op");
  }
  if (info.dynamic) {
    Json arrived = column("_arrived_at");
    if (arrived.is_null()) arrived = column("_known_at");
    if (!arrived.is_null()) info.hidden.arrived_at.push_back(std::move(arrived));
  }
  info.references.push_back({&table, OffsetOf(from), false, false, false});
  info.relations.push_back(std::move(relation));
  return info;
}

FromInfo TreeBinder::RelationOf(const NodeInfo& node, const std::string& alias, const Json& from) {
  FromInfo info;
  Relation relation;
  relation.alias = base::LowerText(alias);
  relation.columns = node.columns;
  relation.partial = node.partial;
  Rename(from, &relation);
  const auto hidden = [&](const std::string& name) -> Json {
    if (name.empty()) return nullptr;
    relation.columns.push_back({name, {}});
    return ColumnRefNode({alias, name}, "");
  };
  info.hidden.seq = hidden(node.seq_name);
  info.hidden.op = hidden(node.op_name);
  Json arrived = hidden(node.arrived_at_name);
  if (!arrived.is_null()) info.hidden.arrived_at.push_back(std::move(arrived));
  info.dynamic = node.dynamic;
  info.has_driver = node.has_driver;
  info.references = node.references;
  info.relations.push_back(std::move(relation));
  return info;
}

FromInfo TreeBinder::BindSubquery(Json& from, const CteScope* ctes, const Scope& lateral) {
  const NodeInfo info = BindNode(from["subquery"]["node"], ctes, &lateral, Level::kNested);
  if (info.dynamic) {
    auto& violations = lateral.node->violations;
    violations.insert(violations.end(), info.violations.begin(), info.violations.end());
  }
  if (TextMember(from, "alias").empty()) {
    from["alias"] = "_icecore_t" + std::to_string(++unnamed_count_);
  }
  return RelationOf(info, TextMember(from, "alias"), from);
}

FromInfo TreeBinder::BindTableFunction(Json& from, const Scope& lateral) {
  Json& function = from["function"];
  const std::string name = NameMember(function, "function_name");
  const std::string refusal = FunctionRules::WhyTableFunctionRefused(name);
  if (!refusal.empty()) {
    Error(from, refusal);
    return {};
  }
  Scope scope = lateral;
  const Sources sources = BindChildren(function["children"], scope);
  FromInfo info;
  Relation relation;
  relation.alias = base::LowerText(AliasOr(from, name));
  relation.columns.push_back({name, sources});
  // unnest of structs gives more columns than one; the alias may stand for the single column.
  relation.partial = name == "unnest";
  Rename(from, &relation);
  info.relations.push_back(std::move(relation));
  return info;
}

FromInfo TreeBinder::BindValues(Json& from, const Scope& lateral) {
  FromInfo info;
  Relation relation;
  relation.alias = base::LowerText(AliasOr(from, "valueslist"));
  Scope scope = lateral;
  for (Json& row : from["values"]) {
    for (size_t i = 0; i < row.size(); ++i) {
      if (i >= relation.columns.size()) relation.columns.push_back({"col" + std::to_string(i), {}});
      const Sources sources = BindExpression(row[i], scope);
      relation.columns[i].sources.insert(sources.begin(), sources.end());
    }
  }
  Rename(from, &relation);
  info.relations.push_back(std::move(relation));
  return info;
}

FromInfo TreeBinder::BindJoin(Json& from, const CteScope* ctes, const Scope& lateral) {
  FromInfo left = BindFrom(from["left"], ctes, lateral);
  Scope beside;
  beside.from = &left;
  beside.parent = &lateral;
  beside.ctes = ctes;
  beside.node = lateral.node;
  FromInfo right = BindFrom(from["right"], ctes, beside);

  FromInfo joined;
  joined.relations = left.relations;
  joined.relations.insert(joined.relations.end(), right.relations.begin(), right.relations.end());
  Scope scope;
  scope.from = &joined;
  scope.parent = &lateral;
  scope.ctes = ctes;
  scope.node = lateral.node;
  if (from.contains("condition")) BindExpression(from["condition"], scope);
  const std::string join_type = TextMember(from, "join_type");
  const std::string ref_type = TextMember(from, "ref_type");
  if (ref_type == "NATURAL") {
    Error(from, "a NATURAL join would also compare the columns that begin with _; use using (…)");
  }
  if (!TextMember(from, "alias").empty()) Error(from, "an alias of a whole join is not supported");
  if (ref_type == "ASOF") {
    MarkAsOf(from, scope, &right);
    Scope on_the_right;
    on_the_right.from = &right;
    if (from.contains("condition")) CompareInForce(from["condition"], on_the_right);
  }
  FindJoinViolations(from, left, right, lateral.node);
  // As text, "a, b join c" binds otherwise than the tree says; an inner join keeps its place.
  if (ref_type == "CROSS") {
    from["ref_type"] = "REGULAR";
    from["condition"] = TrueNode();
  }

  joined.merged = left.merged;
  joined.merged.insert(right.merged.begin(), right.merged.end());
  for (const Json& column : from["using_columns"]) {
    joined.merged.insert(base::LowerText(column.get<std::string>()));
  }
  joined.dynamic = left.dynamic || right.dynamic;
  joined.has_driver = left.has_driver || right.has_driver;
  joined.references = left.references;
  joined.references.insert(joined.references.end(), right.references.begin(),
                           right.references.end());
  joined.hidden = left.hidden;
  if (join_type == "SEMI" || join_type == "ANTI") {
    joined.relations = left.relations;  // the right side's rows cannot be named
    return joined;
  }
  if (joined.hidden.seq.is_null()) joined.hidden.seq = right.hidden.seq;
  if (joined.hidden.op.is_null()) joined.hidden.op = right.hidden.op;
  joined.hidden.arrived_at.insert(joined.hidden.arrived_at.end(), right.hidden.arrived_at.begin(),
                                  right.hidden.arrived_at.end());
  return joined;
}

void TreeBinder::FindJoinViolations(const Json& from, const FromInfo& left, const FromInfo& right,
                                    NodeInfo* node) {
  if (!left.dynamic && !right.dynamic) return;
  const std::string join_type = TextMember(from, "join_type");
  const std::string ref_type = TextMember(from, "ref_type");
  if (join_type == "RIGHT" || join_type == "FULL" || join_type == "OUTER") {
    Violate(node, from, "a " + join_type + " join");
  }
  if (ref_type == "POSITIONAL") Violate(node, from, "a POSITIONAL join");
  const bool one_sided =
      join_type == "LEFT" || join_type == "SEMI" || join_type == "ANTI" || ref_type == "ASOF";
  if (one_sided && right.has_driver) {
    Violate(node, from,
            "the driver " + options_.driver->full_name + " on the right of a " +
                (ref_type == "ASOF" ? "ASOF" : join_type) + " join (it must stand on the left)");
  }
}

// A log of versions has rows that were overtaken before they were known; of them a join as-of must
// not see the last that came, so it compares the time from which a version was in force.
void TreeBinder::CompareInForce(Json& node, const Scope& right) {
  if (!node.is_structured()) return;
  if (!node.is_object() || TextMember(node, "class") != "COLUMN_REF") {
    for (Json& child : node) CompareInForce(child, right);
    return;
  }
  if (base::LowerText(node["column_names"].back().get<std::string>()) != "_known_at") return;
  Json in_force = node;
  in_force["column_names"].back() = kInForceFrom;
  if (!BindColumn(node, right).empty() && !BindColumn(in_force, right).empty()) {
    node = std::move(in_force);
  }
}

void TreeBinder::MarkAsOf(const Json& from, const Scope& joined, FromInfo* right) {
  std::vector<const Json*> columns;
  std::vector<const Json*> inequalities;
  if (from.contains("condition")) CollectInequalities(from["condition"], &inequalities);
  for (const Json* inequality : inequalities) CollectColumnRefs(*inequality, &columns);
  Sources sources;
  for (const Json* column : columns) sources.merge(BindColumn(*column, joined));
  if (!from["using_columns"].empty()) {
    const std::string last = base::LowerText(from["using_columns"].back().get<std::string>());
    for (const Relation& relation : right->relations) {
      for (const BoundColumn& column : relation.columns) {
        if (base::LowerText(column.name) == last) {
          sources.insert(column.sources.begin(), column.sources.end());
        }
      }
    }
  }
  for (TableReference& reference : right->references) {
    reference.as_of = true;
    const auto& known_at = reference.table->known_at_column;
    const bool known = std::any_of(sources.begin(), sources.end(), [&](const ColumnSource& source) {
      return source.table == reference.table->full_name &&
             (source.column == "_known_at" || source.column == "_arrived_at" ||
              (known_at && base::LowerText(source.column) == base::LowerText(*known_at)));
    });
    reference.known_as_of = reference.known_as_of || known;
  }
}

}  // namespace icecore::sql
