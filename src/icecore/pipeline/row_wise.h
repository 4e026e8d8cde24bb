#pragma once
// A table's SQL over rows that a session holds.

#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type_fwd.h>

#include <memory>
#include <string>

#include "icecore/pipeline/analysis.h"
#include "icecore/sql/session.h"

namespace icecore::pipeline {

// What `sql` of the table's analysis gives. Errors name the place in the user's file.
arrow::Result<std::shared_ptr<arrow::Table>> QueryTable(sql::Session* session,
                                                        const AnalysedTable& table,
                                                        const std::string& sql);

// The rows in the table's columns, all of this run.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> AsRowsOf(const AnalysedTable& table,
                                                            const arrow::RecordBatch& rows,
                                                            const std::string& run_id);

// The row-wise SQL: the table's rows in order of _seq, before its checks.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> QueryRowWise(sql::Session* session,
                                                                const AnalysedTable& table,
                                                                const std::string& run_id);

}  // namespace icecore::pipeline
