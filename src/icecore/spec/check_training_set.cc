// Names that training sets and tests use.

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "icecore/base/suggest.h"
#include "icecore/base/text.h"
#include "icecore/spec/parse_internal.h"

namespace icecore::spec {
namespace {

using Names = std::vector<std::string>;

const FeatureService* ServiceOf(const Project& project, const std::string& what,
                                const std::string& name, const base::Location& location,
                                base::Diagnostics* diagnostics) {
  const FeatureService* service = project.FindService(name);
  if (!service && !name.empty()) {
    diagnostics->Error(location, what + ": no feature_service '" + name + "'" +
                                     base::DidYouMean(name, NamesOf(project.services)));
  }
  return service;
}

// The tables that rows can be given for.
Names GivenNames(const Project& project) {
  Names names;
  names.reserve(project.sources.size() + project.tables.size());
  for (const Source& source : project.sources) {
    names.push_back("landing." + source.name);
  }
  for (const Table& table : project.tables) {
    names.push_back(table.FullName());
  }
  return names;
}

void CheckGiven(const Project& project, const DefinitionTest& test, const std::string& what,
                base::Diagnostics* diagnostics) {
  const Names tables = GivenNames(project);
  for (const TestTable& table : test.given) {
    if (base::Contains(tables, table.name)) {
      continue;
    }
    std::string hint = base::DidYouMean(table.name, tables);
    for (const std::string& full : tables) {
      if (full.substr(full.find('.') + 1) == table.name.substr(table.name.find('.') + 1)) {
        hint = "; did you mean '" + full + "'?";
      }
    }
    diagnostics->Error(table.location, what + ": 'given': no table '" + table.name + "'" + hint);
  }
}

// Keys and request data asked with are those of the service, no more and no fewer.
void CheckAsk(const DefinitionTest& test, const std::vector<RequiredColumn>& columns,
              const std::string& what, base::Diagnostics* diagnostics) {
  const Names names = NamesOf(columns);
  std::set<std::string> asked;
  for (const TestValue& value : test.ask) {
    asked.insert(value.name);
    if (!base::Contains(names, value.name)) {
      diagnostics->Error(value.location, what +
                                             ": 'ask': the service has no key or request "
                                             "column '" +
                                             value.name + "'" +
                                             base::DidYouMean(value.name, names));
    }
  }
  for (const RequiredColumn& column : columns) {
    if (!asked.contains(column.name)) {
      diagnostics->Error(test.service_location,
                         what +
                             ": 'ask': " + (column.is_key ? "the key '" : "the request column '") +
                             column.name + "' (" + (column.type ? TypeText(*column.type) : "?") +
                             ") is missing; null where it is meant");
    }
  }
}

void CheckTest(const Project& project, const DefinitionTest& test, base::Diagnostics* diagnostics) {
  const std::string what = "test '" + test.name + "'";
  CheckGiven(project, test, what, diagnostics);
  const FeatureService* service =
      ServiceOf(project, what, test.service, test.service_location, diagnostics);
  if (!service) {
    return;
  }
  base::Diagnostics ignored;  // what is wrong with the service is told at the service
  const Names features = NamesOf(CheckService(project, *service, &ignored));
  const auto columns = RequiredColumns(project, *service);
  if (ignored.has_errors() || !columns.ok()) {
    return;
  }
  CheckAsk(test, *columns, what, diagnostics);
  for (const TestValue& value : test.expect) {
    if (!base::Contains(features, value.name)) {
      diagnostics->Error(value.location, what + ": 'expect': feature_service '" + service->name +
                                             "' has no feature '" + value.name + "'" +
                                             base::DidYouMean(value.name, features));
    }
  }
}

}  // namespace

void CheckTrainingSets(const Project& project, base::Diagnostics* diagnostics) {
  for (const TrainingSet& set : project.training_sets) {
    ServiceOf(project, "training_set '" + set.name + "'", set.service, set.service_location,
              diagnostics);
  }
}

void CheckTests(const Project& project, base::Diagnostics* diagnostics) {
  for (const DefinitionTest& test : project.tests) {
    CheckTest(project, test, diagnostics);
  }
}

}  // namespace icecore::spec
