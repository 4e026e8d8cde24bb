#pragma once
// Tables of the lake as SQL sees them.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "icecore/pipeline/analysis.h"
#include "icecore/pipeline/step_range.h"
#include "icecore/pipeline/workspace.h"
#include "icecore/sql/session.h"

namespace icecore::pipeline {

// The columns SQL sees of a table that rests in `schema`: `_known_at` too, and of `history.x`
// `_valid_from`, `_valid_to`, `_in_force_from` and `_deleted`.
std::shared_ptr<arrow::Schema> SqlColumnsOf(const std::string& full_name,
                                            const std::shared_ptr<arrow::Schema>& schema);

// Adds every table that SQL may name, with its columns, to the request; `except` (or null) is the
// table whose own SQL it is. False where one that is `mentioned` has no known columns yet.
bool AddSqlInputs(const AnalysedProject& project, const std::vector<std::string>& mentioned,
                  const spec::Table* except, sql::AnalysisRequest* request);

// Makes a table's rows (those of the range, or all) the session's relation `sql_name`
// ("zone.name"), with the columns of SqlColumnsOf. A log that is registered under its present's
// name gives the versions of the range as rows of that table, `_op` telling what each did.
arrow::Status RegisterTable(const Workspace& workspace, const AnalysedProject& project,
                            const PinnedInput& input, const std::string& sql_name,
                            const std::optional<lake::SeqRange>& range, sql::Session* session);

// The same of rows of the table `name` that are not in the lake yet; no log of versions. `columns`:
// those that the SQL needs, of SqlColumnsOf.
arrow::Status RegisterRows(const Workspace& workspace, const std::string& name,
                           const std::shared_ptr<arrow::RecordBatch>& rows,
                           const std::vector<std::string>& columns, sql::Session* session);

}  // namespace icecore::pipeline
