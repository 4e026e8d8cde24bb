#pragma once
// What a table reads, as its definition says it, before anything is analysed.

#include <arrow/result.h>

#include <map>
#include <string>
#include <vector>

#include "icecore/spec/model.h"

namespace icecore::pipeline {

// Tables of the lake ("landing.x", "landing.x_raw", "curated.y", "history.z") that each table's SQL
// names, by the table's full name; spelled as the project spells them, in lower case where it has
// no such table. SQL that does not parse names none: the analysis says what is wrong with it.
arrow::Result<std::map<std::string, std::vector<std::string>>> TablesOfSql(
    const spec::Project& project);

// As TablesOfSql, of the spines of training sets, by the set's name; of a file none.
arrow::Result<std::map<std::string, std::vector<std::string>>> TablesOfSpines(
    const spec::Project& project);

// Full names of the tables that the table's checks compare with.
std::vector<std::string> TablesOfChecks(const spec::Table& table);

}  // namespace icecore::pipeline
