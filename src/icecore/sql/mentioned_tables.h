#pragma once
// Which tables a SELECT names, before anything is known about them.

#include <arrow/result.h>

#include <string>
#include <vector>

namespace icecore::sql {

// For each text the names written with a schema, "zone.table" in lower case, in order of first
// mention, each once. What does not parse names nothing: Analyse says what is wrong with it.
arrow::Result<std::vector<std::vector<std::string>>> MentionedTables(
    const std::vector<std::string>& texts);

}  // namespace icecore::sql
