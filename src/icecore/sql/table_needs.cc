#include "icecore/sql/table_needs.h"

#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/text.h"
#include "icecore/sql/analysis_database_internal.h"
#include "icecore/sql/constant_value_internal.h"
#include "icecore/sql/parse_tree_internal.h"

namespace icecore::sql {
namespace {

using Op = ColumnCondition::Op;

struct TableUse {
  const TableSchema* table = nullptr;
  bool needs_all = false;
  int nodes = 0;     // of the tree that name it
  int mentions = 0;  // those that were understood
  std::vector<ColumnCondition> conditions;
};

// A table where a FROM names it.
struct Mention {
  TableUse* use = nullptr;
  std::string alias;         // lower case
  bool is_filtered = false;  // rows that fail WHERE take part in nothing else
};
using Mentions = std::vector<Mention>;

Op Mirrored(Op op) {
  switch (op) {
    case Op::kLess:
      return Op::kGreater;
    case Op::kLessOrEqual:
      return Op::kGreaterOrEqual;
    case Op::kGreater:
      return Op::kLess;
    case Op::kGreaterOrEqual:
      return Op::kLessOrEqual;
    default:
      return op;
  }
}

std::optional<Op> ComparisonOf(const std::string& type) {
  static const std::map<std::string, Op> kOps = {
      {"COMPARE_EQUAL", Op::kEqual},
      {"COMPARE_LESSTHAN", Op::kLess},
      {"COMPARE_LESSTHANOREQUALTO", Op::kLessOrEqual},
      {"COMPARE_GREATERTHAN", Op::kGreater},
      {"COMPARE_GREATERTHANOREQUALTO", Op::kGreaterOrEqual}};
  const auto found = kOps.find(type);
  return found == kOps.end() ? std::nullopt : std::optional<Op>(found->second);
}

class NeedsFinder {
 public:
  explicit NeedsFinder(const std::vector<TableSchema>& tables) : uses_(tables.size()) {
    for (size_t i = 0; i < tables.size(); ++i) {
      uses_[i].table = &tables[i];
      by_name_[base::LowerText(tables[i].full_name)] = &uses_[i];
    }
  }

  std::vector<TableNeeds> Find(const Json& document) {
    Visit(document);
    std::vector<TableNeeds> needs;
    for (TableUse& use : uses_) {
      TableNeeds& of = needs.emplace_back();
      of.columns = ColumnsOf(use);
      // Read twice, a row that one of the two does without may matter to the other.
      if (use.mentions == 1 && use.nodes == 1) of.conditions = std::move(use.conditions);
    }
    return needs;
  }

 private:
  void Visit(const Json& node) {
    if (!node.is_structured()) return;
    if (!node.is_object()) {
      for (const Json& child : node) Visit(child);
      return;
    }
    const std::string kind = TextMember(node, "class");
    if (kind == "COLUMN_REF") return AddNames(Member(node, "column_names"));
    if (kind == "STAR" || kind == "POSITIONAL_REFERENCE") TakeAll(node);
    const std::string type = TextMember(node, "type");
    if (type == "BASE_TABLE") {
      if (TableUse* use = UseOf(node)) ++use->nodes;
    }
    const bool is_select = type == "SELECT_NODE";
    if (is_select) Enter(node);
    for (const auto& [name, child] : node.items()) {
      if (name == "using_columns") {
        AddNames(child);
      } else {
        Visit(child);
      }
    }
    if (is_select) open_.pop_back();
  }

  void AddNames(const Json& names) {
    if (!names.is_array()) return;
    for (const Json& name : names) {
      if (name.is_string()) names_.insert(base::LowerText(name.get<std::string>()));
    }
    // The name of a table alone is the row as a struct.
    if (!names.empty() && names.back().is_string()) {
      last_names_.insert(base::LowerText(names.back().get<std::string>()));
    }
  }

  // The tables of the FROM that the star is over; one with a name before it may be of a query
  // around this one.
  void TakeAll(const Json& star) {
    const bool is_named = !TextMember(star, "relation_name").empty();
    for (size_t i = is_named || open_.empty() ? 0 : open_.size() - 1; i < open_.size(); ++i) {
      for (const Mention& mention : open_[i]) mention.use->needs_all = true;
    }
  }

  void Enter(const Json& node) {
    Mentions mentions;
    Collect(Member(node, "from_table"), Member(node, "sample").is_null(), &mentions);
    for (const Mention& mention : mentions) {
      ++mention.use->mentions;
      aliases_.emplace_back(mention.alias, mention.use);
    }
    AddConditions(Member(node, "where_clause"), node, mentions);
    open_.push_back(std::move(mentions));
  }

  TableUse* UseOf(const Json& base_table) {
    const auto found = by_name_.find(NameMember(base_table, "schema_name") + "." +
                                     NameMember(base_table, "table_name"));
    return found == by_name_.end() ? nullptr : found->second;
  }

  void Collect(const Json& from, bool is_filtered, Mentions* mentions) {
    const std::string type = TextMember(from, "type");
    if (type == "BASE_TABLE") {
      TableUse* use = UseOf(from);
      if (use == nullptr) return;
      Mention& mention = mentions->emplace_back();
      mention.use = use;
      mention.alias = NameMember(from, TextMember(from, "alias").empty() ? "table_name" : "alias");
      mention.is_filtered = is_filtered;
      if (!Member(from, "column_name_alias").empty()) {  // by position
        use->needs_all = true;
        mention.is_filtered = false;
      }
    } else if (type == "JOIN") {
      const std::string ref = TextMember(from, "ref_type");
      const std::string join = TextMember(from, "join_type");
      const bool is_plain = is_filtered && (ref == "REGULAR" || ref == "CROSS");
      const bool is_inner = join == "INNER";
      // Of a left join the left side's rows pass WHERE or are gone; the right side's absence shows.
      const bool keeps_left = join == "LEFT" || join == "SEMI" || join == "ANTI";
      Collect(Member(from, "left"), is_plain && (is_inner || keeps_left), mentions);
      Collect(Member(from, "right"), is_plain && is_inner, mentions);
    }
  }

  void AddConditions(const Json& condition, const Json& select, const Mentions& mentions) {
    if (!condition.is_object()) return;
    const std::string type = TextMember(condition, "type");
    if (type == "CONJUNCTION_AND") {
      for (const Json& child : Member(condition, "children")) {
        AddConditions(child, select, mentions);
      }
    } else if (const auto op = ComparisonOf(type)) {
      AddComparison(Member(condition, "left"), *op, Member(condition, "right"), select, mentions);
      AddComparison(Member(condition, "right"), Mirrored(*op), Member(condition, "left"), select,
                    mentions);
    } else if (type == "COMPARE_BETWEEN") {
      AddComparison(Member(condition, "input"), Op::kGreaterOrEqual, Member(condition, "lower"),
                    select, mentions);
      AddComparison(Member(condition, "input"), Op::kLessOrEqual, Member(condition, "upper"),
                    select, mentions);
    } else if (type == "OPERATOR_IS_NULL" || type == "OPERATOR_IS_NOT_NULL") {
      const Op is = type == "OPERATOR_IS_NULL" ? Op::kIsNull : Op::kIsNotNull;
      const Json& children = Member(condition, "children");
      if (children.size() != 1) return;
      for (const auto& [use, field] : ColumnsMeant(children[0], select, mentions)) {
        use->conditions.push_back({field->name(), is, nullptr});
      }
    } else if (type == "COMPARE_IN" && Member(condition, "children").size() == 2) {
      AddComparison(Member(condition, "children")[0], Op::kEqual, Member(condition, "children")[1],
                    select, mentions);
    }
  }

  void AddComparison(const Json& column, Op op, const Json& constant, const Json& select,
                     const Mentions& mentions) {
    for (const auto& [use, field] : ColumnsMeant(column, select, mentions)) {
      auto value = ConstantFor(constant, field->type());
      if (value != nullptr) use->conditions.push_back({field->name(), op, std::move(value)});
    }
  }

  using Column = std::pair<TableUse*, std::shared_ptr<arrow::Field>>;

  // The columns of filtered tables that the node is, several where a join merged them.
  static std::vector<Column> ColumnsMeant(const Json& node, const Json& select,
                                          const Mentions& mentions) {
    std::vector<Column> columns;
    if (!node.is_object() || TextMember(node, "class") != "COLUMN_REF") return columns;
    const Json& names = Member(node, "column_names");
    if (!names.is_array() || names.empty() || names.size() > 2) return columns;
    const std::string name = base::LowerText(names.back().get<std::string>());
    if (names.size() == 1 && IsGivenName(select, name)) return columns;
    for (const Mention& mention : mentions) {
      if (!mention.is_filtered ||
          (names.size() == 2 && base::LowerText(names[0].get<std::string>()) != mention.alias)) {
        continue;
      }
      for (const auto& field : mention.use->table->columns->fields()) {
        if (base::LowerText(field->name()) == name) columns.emplace_back(mention.use, field);
      }
    }
    return columns;
  }

  // Whether the SELECT calls one of its own expressions so: WHERE may mean that.
  static bool IsGivenName(const Json& select, const std::string& name) {
    const Json& items = Member(select, "select_list");
    return std::any_of(items.begin(), items.end(), [&](const Json& item) {
      const Json& names = Member(item, "column_names");
      const bool is_column = names.is_array() && !names.empty() && names.back().is_string() &&
                             base::LowerText(names.back().get<std::string>()) == name;
      return !is_column && NameMember(item, "alias") == name;
    });
  }

  std::vector<std::string> ColumnsOf(TableUse& use) const {
    const auto is_row = [&](const auto& alias) {
      return alias.second == &use && last_names_.count(alias.first) > 0;
    };
    const bool needs_all = use.needs_all || use.nodes != use.mentions ||
                           std::any_of(aliases_.begin(), aliases_.end(), is_row);
    std::vector<std::string> columns;
    const auto& fields = use.table->columns->fields();
    for (const auto& field : fields) {
      if (needs_all || names_.count(base::LowerText(field->name())) > 0)
        columns.push_back(field->name());
    }
    if (!columns.empty() || fields.empty()) return columns;
    // Rows are counted all the same: by a column that costs little.
    const auto narrow = std::find_if(fields.begin(), fields.end(), [](const auto& field) {
      return arrow::is_fixed_width(field->type()->id());
    });
    return {narrow == fields.end() ? fields.front()->name() : (*narrow)->name()};
  }

  std::vector<TableUse> uses_;
  std::map<std::string, TableUse*> by_name_;
  std::vector<Mentions> open_;  // of the query nodes around the one at hand
  std::vector<std::pair<std::string, TableUse*>> aliases_;
  std::set<std::string> names_;       // all parts of names of columns
  std::set<std::string> last_names_;  // what may be a row
};

}  // namespace

arrow::Result<std::vector<TableNeeds>> NeedsOf(const std::string& sql,
                                               const std::vector<TableSchema>& tables) {
  ARROW_ASSIGN_OR_RAISE(const AnalysisDatabase database, AnalysisDatabase::Lend());
  const ParsedSelect parsed = ParseSelect(*database, sql);
  if (!parsed.error.empty()) {
    return base::MakeError(base::ErrorCode::kInternal,
                           "a text of the analysis does not parse: " + parsed.error);
  }
  return NeedsFinder(tables).Find(parsed.document);
}

}  // namespace icecore::sql
