#include "icecore/pipeline/row_wise.h"

#include <arrow/array/util.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include "icecore/base/error.h"
#include "icecore/lake/envelope.h"
#include "icecore/pipeline/row_batches.h"

namespace icecore::pipeline {

arrow::Result<std::shared_ptr<arrow::Table>> QueryTable(sql::Session* session,
                                                        const AnalysedTable& table,
                                                        const std::string& sql) {
  const base::Location& at = table.table->sql_location;
  const auto query = [&]() -> arrow::Result<std::shared_ptr<arrow::Table>> {
    ARROW_ASSIGN_OR_RAISE(const auto reader, session->QueryAt(sql, at));
    return reader->ToTable();
  };
  auto rows = query();
  const bool is_placed = rows.ok() || rows.status().message().rfind(at.file, 0) == 0;
  return is_placed ? rows : base::WithContext(rows.status(), at.ToString());
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> AsRowsOf(const AnalysedTable& table,
                                                            const arrow::RecordBatch& rows,
                                                            const std::string& run_id) {
  ARROW_ASSIGN_OR_RAISE(auto conformed, Conform(rows, table.schema));
  ARROW_ASSIGN_OR_RAISE(auto run,
                        arrow::MakeArrayFromScalar(arrow::StringScalar(run_id), rows.num_rows()));
  const int index = conformed->schema()->GetFieldIndex(std::string(lake::kRun));
  return conformed->SetColumn(index, conformed->schema()->field(index), run);
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> QueryRowWise(sql::Session* session,
                                                                const AnalysedTable& table,
                                                                const std::string& run_id) {
  ARROW_ASSIGN_OR_RAISE(const auto queried,
                        QueryTable(session, table, table.analysis.row_wise_sql));
  ARROW_ASSIGN_OR_RAISE(const auto sorted, SortedBySeq(queried));
  return AsRowsOf(table, *sorted, run_id);
}

}  // namespace icecore::pipeline
