#include "icecore/pipeline/table_inputs.h"

#include <algorithm>

#include "icecore/base/text.h"
#include "icecore/pipeline/landing.h"
#include "icecore/sql/mentioned_tables.h"

namespace icecore::pipeline {
namespace {

constexpr char kHistory[] = "history.";

// Every table of the lake by its name in lower case: SQL ignores case.
std::map<std::string, std::string> Spellings(const spec::Project& project) {
  std::map<std::string, std::string> spellings;
  const auto add = [&spellings](const std::string& name) {
    spellings[base::LowerText(name)] = name;
  };
  for (const spec::Source& source : project.sources) {
    add(kHistory + source.name);
    add(AcceptedTableName(source));
    add(RawTableName(source));
    add(QuarantineName(source.name));
  }
  for (const spec::Table& table : project.tables) {
    add(table.FullName());
    add(kHistory + table.name);
    add(QuarantineName(table.name));
  }
  return spellings;
}

arrow::Result<std::map<std::string, std::vector<std::string>>> TablesOfTexts(
    const spec::Project& project, const std::vector<std::string>& names,
    const std::vector<std::string>& texts) {
  ARROW_ASSIGN_OR_RAISE(auto mentioned, sql::MentionedTables(texts));
  const auto spellings = Spellings(project);
  std::map<std::string, std::vector<std::string>> tables;
  for (size_t i = 0; i < mentioned.size(); ++i) {
    for (std::string& name : mentioned[i]) {
      if (const auto known = spellings.find(name); known != spellings.end()) {
        name = known->second;
      }
    }
    tables[names[i]] = std::move(mentioned[i]);
  }
  return tables;
}

}  // namespace

arrow::Result<std::map<std::string, std::vector<std::string>>> TablesOfSql(
    const spec::Project& project) {
  std::vector<std::string> names;
  std::vector<std::string> texts;
  for (const spec::Table& table : project.tables) {
    names.push_back(table.FullName());
    texts.push_back(table.sql);
  }
  return TablesOfTexts(project, names, texts);
}

arrow::Result<std::map<std::string, std::vector<std::string>>> TablesOfSpines(
    const spec::Project& project) {
  std::vector<std::string> names;
  std::vector<std::string> texts;
  for (const spec::TrainingSet& set : project.training_sets) {
    names.push_back(set.name);
    texts.push_back(set.spine.sql);
  }
  return TablesOfTexts(project, names, texts);
}

std::vector<std::string> TablesOfChecks(const spec::Table& table) {
  std::vector<std::string> names;
  const auto add = [&names](const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(name);
    }
  };
  for (const spec::Check& check : table.checks) {
    for (const auto& [column, target] : check.references) {
      add(target.substr(0, target.rfind('.')));
    }
    if (!check.other_table.empty()) {
      add(check.other_table);
    }
  }
  return names;
}

}  // namespace icecore::pipeline
