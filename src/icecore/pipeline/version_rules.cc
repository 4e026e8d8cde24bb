#include "icecore/pipeline/version_rules.h"

#include <arrow/type.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "icecore/base/suggest.h"
#include "icecore/base/text.h"
#include "icecore/lake/envelope.h"
#include "icecore/pipeline/versions.h"
#include "icecore/state/ordered_bytes.h"

namespace icecore::pipeline {
namespace {

using Mode = spec::Table::Mode;

void CheckOrdered(const std::string& what, const std::vector<std::string>& columns,
                  const arrow::Schema& schema, const base::Location& location,
                  base::Diagnostics* diagnostics) {
  for (const std::string& column : columns) {
    const auto field = schema.GetFieldByName(column);
    if (field && !state::CanBeOrdered(*field->type())) {
      diagnostics->Error(location, what + " column '" + column + "' is " +
                                       field->type()->ToString() +
                                       ", which has no order; name a column of one value");
    }
  }
}

void CheckOwn(const spec::Table& table, const arrow::Schema& output,
              base::Diagnostics* diagnostics) {
  const std::string name = table.FullName();
  CheckOrdered(name + ": key", table.key, output, table.location, diagnostics);
  CheckOrdered(name + ": order_by", table.order_by, output, table.location, diagnostics);
  if (table.mode == Mode::kReplace && !table.order_by.empty()) {
    diagnostics->Error(table.location,
                       name +
                           ": 'order_by' is for merge; a table computed whole is what its SQL "
                           "gives");
  }
  if (table.mode != Mode::kMerge) {
    return;
  }
  for (const spec::Check& check : table.checks) {
    const bool has_key = std::all_of(table.key.begin(), table.key.end(), [&](const auto& column) {
      return std::find(check.columns.begin(), check.columns.end(), column) != check.columns.end();
    });
    if (check.kind == spec::Check::Kind::kUnique && !has_key) {
      diagnostics->Error(check.location,
                         name + ": check '" + check.name +
                             "': of a merge table only what holds its key (" +
                             base::CommaList(table.key) +
                             ") can be unique; check it in a table that is computed whole");
    }
  }
}

// Where key columns of the table come from must be the driver's key, all of it: else a new version
// there leaves the row of the older one here.
bool KeyFollows(const spec::Table& table, const sql::Analysis& analysis,
                const VersionedTable& driver) {
  std::set<std::string> reached;
  for (const std::string& column : table.key) {
    const int index = analysis.output->GetFieldIndex(column);
    if (index < 0) {
      return true;  // reported by its own check
    }
    for (const sql::ColumnSource& source : analysis.sources[static_cast<size_t>(index)]) {
      const auto& key = driver.key;
      if (source.table != *analysis.driver ||
          std::find(key.begin(), key.end(), source.column) == key.end()) {
        return false;
      }
      reached.insert(source.column);
    }
  }
  return reached.size() == driver.key.size();
}

void CheckDriver(const spec::Table& table, const sql::Analysis& analysis,
                 const VersionedTable& driver, base::Diagnostics* diagnostics) {
  const std::string name = table.FullName();
  const auto refuse = [&](const std::string& why) {
    diagnostics->Error(table.sql_location, name + ": " + why);
  };
  if (*analysis.driver == driver.history) {
    refuse("the driver " + driver.history + " changes where versions end; let " + driver.present +
           " drive, and join " + driver.history + " as-of");
  } else if (table.mode == Mode::kAppend) {
    refuse("the driver " + driver.present +
           " keeps versions, and an append table cannot take a row back; use `mode: merge` with "
           "the key, or `replace`");
  } else if (table.rows != spec::Table::Rows::kOnePerInput || !table.drop.empty()) {
    refuse("the driver " + driver.present +
           " keeps versions: a new one that `rows` or `drop` leaves out would leave the older one "
           "in the table; use `mode: replace` with 'key'");
  } else if (!KeyFollows(table, analysis, driver)) {
    refuse("the driver " + driver.present + " keeps versions by (" + base::CommaList(driver.key) +
           "); the key here must be made of these columns, all of them and no others, or `mode: "
           "replace` with 'key' be used");
  } else if (!driver.order_by.empty() && table.order_by.empty()) {
    refuse("the driver " + driver.present + " has order_by (" + base::CommaList(driver.order_by) +
           "), so its versions come in any order; give order_by here too");
  }
}

}  // namespace

bool IsComputedWhole(const spec::Project& project, const std::string& full_name) {
  if (const spec::Table* table = project.FindTable(full_name); table != nullptr) {
    return table->mode == Mode::kReplace && table->key.empty();
  }
  return std::any_of(project.sources.begin(), project.sources.end(), [&](const auto& source) {
    return full_name == "landing." + source.name && source.key.empty() &&
           source.files.load == spec::FilesConnector::Load::kSnapshot;
  });
}

std::shared_ptr<arrow::Schema> WithOp(const arrow::Schema& schema) {
  arrow::FieldVector fields = schema.fields();
  fields.push_back(arrow::field(std::string(lake::kOp), arrow::utf8()));
  return arrow::schema(fields, schema.metadata());
}

void CheckHistoryNames(const spec::Project& project, base::Diagnostics* diagnostics) {
  std::map<std::string, std::string> owners;  // log -> whose it is
  const auto claim = [&](const std::string& name, const std::string& owner,
                         const base::Location& location) {
    const auto [found, is_new] = owners.emplace(HistoryName(name), owner);
    if (!is_new) {
      diagnostics->Error(location, owner + " and " + found->second +
                                       " both keep versions, and both "
                                       "would keep them in " +
                                       found->first + "; rename one");
    }
  };
  for (const spec::Source& source : project.sources) {
    if (KeepsVersions(source)) {
      claim(source.name, "source " + source.name, source.location);
    }
  }
  for (const spec::Table& table : project.tables) {
    if (KeepsVersions(table)) {
      claim(table.name, table.FullName(), table.location);
    }
  }
}

void CheckKeyColumns(const spec::Source& source, const arrow::Schema& accepted,
                     base::Diagnostics* diagnostics) {
  const std::string what = "source " + source.name + ": key";
  for (const std::string& column : source.key) {
    if (accepted.GetFieldIndex(column) < 0 || lake::IsEnvelope(column)) {
      diagnostics->Error(source.key_location, what + " names column '" + column +
                                                  "', which the files do not have" +
                                                  base::DidYouMean(column, accepted.field_names()));
    }
  }
  CheckOrdered(what, source.key, accepted, source.key_location, diagnostics);
}

void CheckVersions(const spec::Project& project, const spec::Table& table,
                   const sql::Analysis& analysis, base::Diagnostics* diagnostics) {
  if (KeepsVersions(table)) {
    CheckOwn(table, *analysis.output, diagnostics);
  }
  if (table.mode == Mode::kReplace || !analysis.driver) {
    return;
  }
  if (const auto driver = FindVersionedTable(project, *analysis.driver)) {
    CheckDriver(table, analysis, *driver, diagnostics);
  }
}

}  // namespace icecore::pipeline
