#pragma once
// `icecore sql`: one SELECT over the tables of every zone, sandboxed.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>
#include <string>

#include "icecore/pipeline/analysis.h"
#include "icecore/pipeline/workspace.h"

namespace icecore::engine {

// `zone.table@version` names an old version. Unknown names propose the nearest. Rows that a
// definition would give but that were never computed are an empty table.
arrow::Result<std::shared_ptr<arrow::Table>> RunLakeSql(const pipeline::Workspace& workspace,
                                                        const std::string& query);

// Every table there is in the lake, by full name, in order.
arrow::Result<std::vector<std::string>> LakeTables(const pipeline::Workspace& workspace);

}  // namespace icecore::engine
