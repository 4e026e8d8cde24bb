#include "icecore/sql/analysis.h"

#include <arrow/type.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "icecore/base/id.h"
#include "icecore/base/suggest.h"
#include "icecore/base/text.h"
#include "icecore/sql/analysis_database_internal.h"
#include "icecore/sql/memo_internal.h"
#include "icecore/sql/result_internal.h"
#include "icecore/sql/sql_error.h"
#include "icecore/sql/sql_types.h"
#include "icecore/sql/tree_binder_internal.h"

namespace icecore::sql {
namespace {

using base::ErrorCode;
using base::MakeError;

std::pair<std::string, std::string> SplitName(const std::string& full_name) {
  const size_t dot = full_name.find('.');
  if (dot == std::string::npos) return {"main", full_name};
  return {full_name.substr(0, dot), full_name.substr(dot + 1)};
}

// Empty tables of the declared names and types, to bind against: those that the text reads, as a
// project may have hundreds.
arrow::Status CreateTables(const std::vector<TableReference>& references, Database* database) {
  std::set<const TableSchema*> created;
  std::string script;
  for (const TableReference& reference : references) {
    const TableSchema& table = *reference.table;
    if (!created.insert(&table).second) continue;
    const auto [schema, name] = SplitName(table.full_name);
    const auto columns = DuckDbColumns(table.columns->fields());
    if (!columns.ok()) return base::WithContext(columns.status(), "table " + table.full_name);
    script += "CREATE SCHEMA IF NOT EXISTS " + QuoteIdentifier(schema) + ";";
    script += "CREATE TABLE " + QuoteIdentifier(schema) + "." + QuoteIdentifier(name) + " (" +
              *columns + ");";
  }
  return base::WithContext(database->Execute(script), "analysis of SQL");
}

// The same for every text: what DuckDB's own functions do, and the tree of a star with a filter.
struct Grammar {
  FunctionRules functions;
  Json columns_lambda;
};

arrow::Result<Grammar> LoadGrammar(Database* database) {
  Grammar grammar;
  ARROW_ASSIGN_OR_RAISE(grammar.functions, FunctionRules::Load(*database));
  ParsedSelect star = ParseSelect(*database, "SELECT COLUMNS(lambda c: regexp_matches(c, 'x'))");
  if (!star.error.empty()) return MakeError(ErrorCode::kInternal, star.error);
  grammar.columns_lambda = Root(star.document)["select_list"][0]["expr"];
  return grammar;
}

// Loaded once in a process.
arrow::Result<const Grammar*> TheGrammar(Database* database) {
  static std::mutex mutex;
  static const Grammar* known = nullptr;
  const std::lock_guard lock(mutex);
  if (known == nullptr) {
    ARROW_ASSIGN_OR_RAISE(Grammar grammar, LoadGrammar(database));
    known = new Grammar(std::move(grammar));
  }
  return known;
}

bool IsAllowedCurrent(const AnalysisRequest& request, const std::string& full_name) {
  return request.allow_current.contains(full_name) ||
         request.allow_current.contains(SplitName(full_name).second);
}

// One analysis, step by step; every step stops when the text is already known to be wrong.
class Analyser {
 public:
  Analyser(const AnalysisRequest& request, Database* database, const Grammar& grammar)
      : request_(request), database_(database), grammar_(grammar) {}

  arrow::Result<Analysis> Run() {
    const ParsedSelect parsed = ParseSelect(*database_, request_.sql);
    const size_t reserved = base::LowerText(request_.sql).find("_icecore_");
    if (!parsed.error.empty()) {
      Error(parsed.error_offset, "SQL: " + parsed.error);
    } else if (reserved != std::string::npos) {
      Error(reserved, "names that begin with _icecore_ are Icecore's own");
    } else {
      ARROW_RETURN_NOT_OK(BindPlain(parsed.document));
      ARROW_RETURN_NOT_OK(BindRowWise(parsed.document));
    }
    if (analysis_.diagnostics.has_errors()) {
      analysis_.output = nullptr;
      analysis_.sources.clear();
      analysis_.plain_sql.clear();
      analysis_.row_wise_sql.clear();
    }
    return std::move(analysis_);
  }

 private:
  base::Location At(std::optional<size_t> offset) const {
    return offset ? LocationOfOffset(request_.location, request_.sql, *offset) : request_.location;
  }
  void Error(std::optional<size_t> offset, std::string message) {
    analysis_.diagnostics.Error(At(offset), std::move(message));
  }

  TreeBinder MakeBinder(const TableSchema* driver) const {
    return TreeBinder({&request_, &grammar_.functions, grammar_.columns_lambda, driver});
  }

  arrow::Status BindPlain(Json document);
  arrow::Status BindOutput();
  void CheckTableColumns(const Json& root);
  void SetSources(const NodeInfo& top);

  arrow::Status BindRowWise(Json document);
  const TableSchema* ChooseDriver(std::string* problem) const;
  void FindDriverTwice(const TableSchema& driver, std::vector<Violation>* violations) const;
  void WarnOfCurrentTables(const TableSchema& driver);
  // A broken rule: an error where row-wise SQL is asked for, else a remark.
  void NotRowWise(std::optional<size_t> offset, const std::string& why);

  const AnalysisRequest& request_;
  Database* const database_;
  const Grammar& grammar_;
  NodeInfo plain_;
  std::set<std::pair<std::optional<size_t>, std::string>> broken_;
  Analysis analysis_;
};

arrow::Status Analyser::BindPlain(Json document) {
  TreeBinder binder = MakeBinder(nullptr);
  plain_ = binder.BindTop(Root(document));
  analysis_.diagnostics.Append(binder.diagnostics());
  analysis_.uses_run_time = binder.uses_run_time();
  std::stable_sort(plain_.references.begin(), plain_.references.end(),
                   [](const TableReference& a, const TableReference& b) {
                     return a.offset.value_or(0) < b.offset.value_or(0);
                   });
  for (const TableReference& reference : plain_.references) {
    auto& tables = analysis_.tables;
    if (std::find(tables.begin(), tables.end(), reference.table->full_name) == tables.end()) {
      tables.push_back(reference.table->full_name);
    }
  }
  if (analysis_.diagnostics.has_errors()) return arrow::Status::OK();
  ARROW_RETURN_NOT_OK(CreateTables(plain_.references, database_));
  ARROW_ASSIGN_OR_RAISE(analysis_.plain_sql, TreeToSql(*database_, document));
  ARROW_RETURN_NOT_OK(BindOutput());
  if (analysis_.diagnostics.has_errors()) return arrow::Status::OK();
  if (request_.for_table) CheckTableColumns(Root(document));
  SetSources(plain_);
  return arrow::Status::OK();
}

arrow::Status Analyser::BindOutput() {
  PreparedSelect statement;
  const std::string error = PreparedSelect::Prepare(*database_, analysis_.plain_sql, &statement);
  if (error.empty()) {
    auto schema = OutputSchema(statement.get());
    if (schema.ok()) {
      analysis_.output = *schema;
    } else {
      Error(std::nullopt, schema.status().message());
    }
    return arrow::Status::OK();
  }
  // The user's own text gives the place; where it binds (its stars differ), only the message helps.
  const std::string own_error = PreparedSelect::Prepare(*database_, request_.sql, &statement);
  const bool own = !own_error.empty();
  const SqlError parsed = ParseSqlError(own ? own_error : error, own ? request_.sql : "");
  if (parsed.code == ErrorCode::kInternal) return MakeError(ErrorCode::kInternal, parsed.message);
  analysis_.diagnostics.Error(
      own ? LocationInSql(request_.location, parsed.line, parsed.column) : request_.location,
      "SQL: " + parsed.message);
  return arrow::Status::OK();
}

void Analyser::CheckTableColumns(const Json& root) {
  const auto& fields = analysis_.output->fields();
  const bool aligned =
      TextMember(root, "type") == "SELECT_NODE" && root["select_list"].size() == fields.size();
  std::map<std::string, int> seen;
  for (size_t i = 0; i < fields.size(); ++i) {
    const std::string& name = fields[i]->name();
    std::optional<size_t> offset;
    if (aligned) {
      offset = OffsetOf(root["select_list"][i]);
    }
    if (IsHiddenName(name)) {
      Error(offset,
            "the column '" + name + "' begins with _, which is Icecore's own; name it with `as`");
    }
    if (seen[base::LowerText(name)]++ == 1) {
      Error(offset, "two columns are called '" + name +
                        "'; rename one with `as`, or leave it out "
                        "of the star with `* exclude (" +
                        name + ")`");
    }
  }
}

void Analyser::SetSources(const NodeInfo& top) {
  const size_t count = static_cast<size_t>(analysis_.output->num_fields());
  analysis_.sources.resize(count);
  Sources all;
  for (const BoundColumn& column : top.columns) {
    all.insert(column.sources.begin(), column.sources.end());
  }
  const bool exact = top.columns.size() == count;
  for (size_t i = 0; i < count; ++i) {
    const Sources& sources = exact ? top.columns[i].sources : all;
    analysis_.sources[i].assign(sources.begin(), sources.end());
  }
}

void Analyser::NotRowWise(std::optional<size_t> offset, const std::string& why) {
  auto& reasons = analysis_.not_row_wise;
  if (std::find(reasons.begin(), reasons.end(), why) == reasons.end()) reasons.push_back(why);
  // A WITH entry used twice breaks its rule once.
  if (request_.row_wise_required && broken_.emplace(offset, why).second) Error(offset, why);
}

const TableSchema* Analyser::ChooseDriver(std::string* problem) const {
  std::vector<const TableSchema*> all;
  std::vector<const TableSchema*> candidates;
  const auto add = [](std::vector<const TableSchema*>* to, const TableSchema* table) {
    if (std::find(to->begin(), to->end(), table) == to->end()) to->push_back(table);
  };
  for (const TableReference& reference : plain_.references) {
    if (reference.in_expression) continue;
    add(&all, reference.table);
    if (!reference.table->is_static && !reference.as_of) add(&candidates, reference.table);
  }
  if (request_.each) {
    for (const TableSchema* table : all) {
      if (base::LowerText(table->full_name) == base::LowerText(*request_.each)) return table;
    }
    *problem = "each: '" + *request_.each + "' is not a table that the SQL reads in FROM" +
               base::DidYouMean(*request_.each, analysis_.tables);
    return nullptr;
  }
  if (candidates.size() == 1) return candidates[0];
  if (candidates.empty() && all.size() == 1) return all[0];
  if (all.empty()) {
    *problem = "the SQL reads no table, so no row drives it; use `mode: replace`";
    return nullptr;
  }
  const auto& listed = candidates.empty() ? all : candidates;
  *problem = "which table drives the SQL? Say `each:` with one of ";
  for (size_t i = 0; i < listed.size(); ++i) {
    *problem += (i == 0 ? "" : i + 1 == listed.size() ? " or " : ", ") + listed[i]->full_name;
  }
  return nullptr;
}

void Analyser::FindDriverTwice(const TableSchema& driver,
                               std::vector<Violation>* violations) const {
  int count = 0;
  for (const TableReference& reference : plain_.references) {
    if (reference.table == &driver && ++count == 2) {
      violations->push_back(
          {reference.offset, "the driver " + driver.full_name + " a second time"});
    }
  }
}

void Analyser::WarnOfCurrentTables(const TableSchema& driver) {
  std::set<const TableSchema*> warned;
  for (const TableReference& reference : plain_.references) {
    const TableSchema* table = reference.table;
    if (table == &driver || table->is_static || reference.in_expression) continue;
    if (reference.as_of && reference.known_as_of) continue;
    if (IsAllowedCurrent(request_, table->full_name) || !warned.insert(table).second) continue;
    const std::string short_name = SplitName(table->full_name).second;
    analysis_.diagnostics.Warning(
        At(reference.offset),
        reference.as_of ? table->full_name +
                              " is joined as-of, but not on its known time: compare its "
                              "_known_at, or say `allow_current: [" +
                              short_name + "]`"
                        : table->full_name +
                              " is read as it is at the time of the run: join it as-of on its "
                              "_known_at, declare it `static: true`, or say `allow_current: [" +
                              short_name + "]`");
  }
}

arrow::Status Analyser::BindRowWise(Json document) {
  if (analysis_.diagnostics.has_errors()) return arrow::Status::OK();
  std::string problem;
  const TableSchema* driver = ChooseDriver(&problem);
  std::vector<Violation> violations = plain_.violations;
  if (driver != nullptr) {
    TreeBinder binder = MakeBinder(driver);
    violations = binder.BindTop(Root(document)).violations;
    FindDriverTwice(*driver, &violations);
    if (driver->columns->GetFieldIndex("_seq") < 0) {
      problem = driver->full_name + " has no _seq, so it cannot drive row-wise SQL";
    }
  }
  for (const Violation& violation : violations) {
    NotRowWise(violation.offset,
               violation.message + " is not row-wise; take it out, or use `mode: replace`");
  }
  if (!problem.empty()) NotRowWise(std::nullopt, problem);
  if (!analysis_.not_row_wise.empty()) return arrow::Status::OK();

  analysis_.driver = driver->full_name;
  ARROW_ASSIGN_OR_RAISE(analysis_.row_wise_sql, TreeToSql(*database_, document));
  PreparedSelect statement;
  const std::string error = PreparedSelect::Prepare(*database_, analysis_.row_wise_sql, &statement);
  if (!error.empty()) {
    NotRowWise(std::nullopt, "the SQL is not row-wise (" + ParseSqlError(error, "").message +
                                 "); use `mode: replace`");
    analysis_.row_wise_sql.clear();
    analysis_.driver.reset();
    return arrow::Status::OK();
  }
  analysis_.row_wise = true;
  if (request_.row_wise_required) WarnOfCurrentTables(*driver);
  return arrow::Status::OK();
}

void AppendText(std::string_view text, std::string* out) {
  *out += std::to_string(text.size());
  *out += ':';
  *out += text;
}

// A digest of all that an analysis depends on; "" where a schema cannot be told by a text.
std::string QuestionOf(const AnalysisRequest& request) {
  std::string question;
  AppendText(request.sql, &question);
  AppendText(request.location.file, &question);
  AppendText(request.each.value_or("\n"), &question);
  for (const int64_t part :
       {static_cast<int64_t>(request.location.line), static_cast<int64_t>(request.location.column),
        static_cast<int64_t>(request.row_wise_required),
        static_cast<int64_t>(request.allow_envelope), static_cast<int64_t>(request.for_table),
        static_cast<int64_t>(request.allow_current.size())}) {
    AppendText(std::to_string(part), &question);
  }
  for (const std::string& name : request.allow_current) AppendText(name, &question);
  for (const TableSchema& table : request.tables) {
    const std::string& columns = table.columns->fingerprint();
    if (columns.empty()) return "";
    AppendText(table.full_name, &question);
    AppendText(columns, &question);
    AppendText(table.is_static ? "static" : "", &question);
    AppendText(table.known_at_column.value_or("\n"), &question);
    AppendText(table.is_foreign ? "foreign" : "", &question);
  }
  return base::Sha256Hex(question);
}

}  // namespace

Memo<Analysis>& KnownAnalyses() {
  static auto* const known = new Memo<Analysis>;
  return *known;
}

arrow::Result<Analysis> Analyse(const AnalysisRequest& request) {
  for (const TableSchema& table : request.tables) {
    if (table.columns == nullptr || table.columns->num_fields() == 0) {
      return MakeError(ErrorCode::kInternal, "the table " + table.full_name + " has no columns");
    }
  }
  std::string question = QuestionOf(request);
  if (const auto before = KnownAnalyses().Find(question)) return *before;
  try {
    ARROW_ASSIGN_OR_RAISE(const AnalysisDatabase database, AnalysisDatabase::Lend());
    ARROW_ASSIGN_OR_RAISE(const Grammar* grammar, TheGrammar(&*database));
    ARROW_ASSIGN_OR_RAISE(Analysis analysis, Analyser(request, &*database, *grammar).Run());
    if (!question.empty()) KnownAnalyses().Keep(std::move(question), analysis);
    return analysis;
  } catch (const Json::exception& exception) {
    return MakeError(ErrorCode::kInternal,
                     std::string("DuckDB's parse tree is not as expected: ") + exception.what());
  }
}

}  // namespace icecore::sql
