#pragma once
// Walks a parse tree with the tables' columns at hand: resolves names, applies the star rule, finds
// what is not row-wise, and in row-wise mode carries the hidden columns up to the top.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/sql/analysis.h"
#include "icecore/sql/function_rules_internal.h"
#include "icecore/sql/parse_tree_internal.h"

namespace icecore::sql {

using Sources = std::set<ColumnSource>;

struct BoundColumn {
  std::string name;  // as written; "" where DuckDB makes one up from the expression
  Sources sources;
};

// Something in FROM that has columns.
struct Relation {
  std::string alias;   // lower case; "" = cannot be named
  std::string schema;  // lower case; of a table without alias
  std::vector<BoundColumn> columns;
  bool partial = false;  // there may be columns that we do not know
};

// A table as mentioned.
struct TableReference {
  const TableSchema* table = nullptr;
  std::optional<size_t> offset;
  bool as_of = false;          // on the right of an ASOF join
  bool known_as_of = false;    // … and on its known time
  bool in_expression = false;  // in a subquery of an expression
};

struct Violation {
  std::optional<size_t> offset;
  std::string message;
};

// The hidden columns as seen from one FROM or query node: nodes that name them, null where absent.
struct HiddenColumns {
  Json seq;
  Json op;
  std::vector<Json> arrived_at;
};

struct FromInfo {
  std::vector<Relation> relations;
  std::set<std::string> merged;  // lower-case columns that USING made one
  std::vector<TableReference> references;
  HiddenColumns hidden;
  bool dynamic = false;  // reads a table that is not static
  bool has_driver = false;
};

struct NodeInfo {
  std::vector<BoundColumn> columns;
  bool partial = false;
  std::vector<TableReference> references;
  std::vector<Violation> violations;
  bool dynamic = false;
  bool has_driver = false;
  // Row-wise mode: the names under which the node gives its hidden columns, "" where it does not.
  std::string seq_name, op_name, arrived_at_name;
};

// The WITH entries that a node sees.
struct CteEntry {
  Json* body = nullptr;  // {"aliases", "query": {"node"}}
  bool bound = false;
  bool binding = false;
  NodeInfo info;
};
struct CteScope {
  const CteScope* parent = nullptr;
  std::map<std::string, CteEntry>* entries = nullptr;
};

struct Scope {
  const FromInfo* from = nullptr;
  const Scope* parent = nullptr;  // of the query around: correlated and lateral names
  const CteScope* ctes = nullptr;
  NodeInfo* node = nullptr;
  std::map<std::string, Sources> select_aliases;
  std::vector<std::string> lambda_parameters;
};

class TreeBinder {
 public:
  struct Options {
    const AnalysisRequest* request = nullptr;
    const FunctionRules* functions = nullptr;
    Json columns_lambda;  // the tree of COLUMNS(lambda c: regexp_matches(c, 'x'))
    // Row-wise mode when set: the table that drives, carried by hidden columns.
    const TableSchema* driver = nullptr;
  };
  explicit TreeBinder(Options options);

  // Binds and rewrites the whole query. Errors go to diagnostics(), in plain mode only.
  NodeInfo BindTop(Json& root);

  const base::Diagnostics& diagnostics() const { return diagnostics_; }
  bool uses_run_time() const { return uses_run_time_; }
  base::Location LocationOf(std::optional<size_t> offset) const;

 private:
  enum class Level { kTop, kNested };

  bool row_wise_mode() const { return options_.driver != nullptr; }
  void Error(const Json& node, std::string message);
  void Violate(NodeInfo* node, const Json& at, std::string message);

  // tree_binder.cc
  NodeInfo BindNode(Json& node, const CteScope* ctes, const Scope* outer, Level level);
  NodeInfo BindSelect(Json& node, const CteScope* ctes, const Scope* outer, Level level);
  NodeInfo BindSetOperation(Json& node, const CteScope* ctes, const Scope* outer);
  NodeInfo BindRecursive(Json& node, const CteScope* ctes, const Scope* outer);
  void BindModifiers(Json& node, Scope& scope);
  void BindSelectList(Json& node, Scope& scope);
  void FindSelectViolations(const Json& node, NodeInfo* info);
  void AppendHidden(Json& node, const FromInfo& from, Level level, NodeInfo* info);
  const NodeInfo& BindCte(CteEntry& entry, const CteScope* ctes);

  // tree_binder_from.cc
  FromInfo BindFrom(Json& from, const CteScope* ctes, const Scope& lateral);
  FromInfo BindTable(Json& from, const CteScope* ctes, const Scope& lateral);
  FromInfo BindJoin(Json& from, const CteScope* ctes, const Scope& lateral);
  FromInfo BindSubquery(Json& from, const CteScope* ctes, const Scope& lateral);
  FromInfo BindTableFunction(Json& from, const Scope& lateral);
  FromInfo BindValues(Json& from, const Scope& lateral);
  FromInfo RelationOf(const NodeInfo& info, const std::string& alias, const Json& from);
  FromInfo RelationOfTable(const TableSchema& table, const Json& from);
  const TableSchema* FindTable(const Json& from);
  void FindJoinViolations(const Json& from, const FromInfo& left, const FromInfo& right,
                          NodeInfo* node);
  void MarkAsOf(const Json& from, const Scope& joined, FromInfo* right);
  void CompareInForce(Json& node, const Scope& right);

  // tree_binder_expression.cc
  Sources BindExpression(Json& expression, Scope& scope);
  Sources BindChildren(Json& expression, Scope& scope);
  Sources BindFunction(Json& expression, Scope& scope);
  Sources BindSubqueryExpression(Json& expression, Scope& scope);
  Sources BindLambda(Json& expression, Scope& scope);
  Sources BindColumn(const Json& expression, const Scope& scope);
  bool IsHidden(const BoundColumn& column) const;
  // The columns that a star gives; takes the hidden ones out of it.
  std::vector<BoundColumn> BindStar(Json& star, Scope& scope, bool* partial);
  void BindColumnsPattern(Json& star, Scope& scope);

  Options options_;
  std::map<std::string, const TableSchema*> tables_;  // by lower-case full name
  base::Diagnostics diagnostics_;
  bool uses_run_time_ = false;
  int unnamed_count_ = 0;
};

// Columns that begin with _ are not in *.
inline bool IsHiddenName(const std::string& name) { return name.starts_with("_"); }

}  // namespace icecore::sql
