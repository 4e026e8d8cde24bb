#pragma once
// Rows on their way into landing.X_raw: written as they come, committed with the source's position
// in one commit (laws 1 and 2), whatever connector brings them.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "icecore/lake/table.h"
#include "icecore/lake/writer.h"
#include "icecore/pipeline/step_commit.h"
#include "icecore/pipeline/workspace.h"

namespace icecore::pipeline {

// Not thread safe. All but `run_id` is borrowed.
class LandingWriter {
 public:
  // before: the raw table as it is; version -1 where it does not exist yet.
  LandingWriter(const Workspace& workspace, const spec::Source& source, std::string run_id,
                std::shared_ptr<const lake::Snapshot> before);

  // Makes room for rows of these columns: new and wider ones change the table with the commit. A
  // type that does not fit is kBadInput.
  arrow::Status UseColumns(const arrow::Schema& rows);
  // arrived_us: where the source keeps it, but never before what arrived earlier; else now.
  arrow::Status Write(const arrow::RecordBatch& rows,
                      std::optional<int64_t> arrived_us = std::nullopt);
  // Everything written so far may be committed; what comes after it stays out until the next call.
  // files: that were taken since the last one, for the commit's counts.
  arrow::Status EndPart(int64_t files);

  int64_t next_seq() const { return next_seq_; }
  int64_t files() const { return complete_ ? complete_->files : 0; }
  const std::shared_ptr<const lake::Snapshot>& before() const { return before_; }

  // The ended parts and `position` (the domain icecore.position) become the table's next version.
  // Tells the report. Nothing happens where no part was ended.
  arrow::Status Commit(lake::Table* table, const std::string& position, StepReport* report);

 private:
  struct Complete {
    std::vector<lake::DataFile> adds;
    std::shared_ptr<arrow::Schema> schema;
    int64_t last_seq = 0;
    int64_t files = 0;
  };

  arrow::Status Finish();

  const Workspace& workspace_;
  const spec::Source& source_;
  const std::string run_id_;
  const std::shared_ptr<const lake::Snapshot> before_;
  int64_t next_seq_;
  const int64_t now_us_;
  int64_t arrived_us_;                     // the greatest of the table
  std::shared_ptr<arrow::Schema> schema_;  // of the table once this commit is done; null at first
  std::shared_ptr<arrow::Schema> seen_;    // of the rows the writer was opened for
  std::unique_ptr<lake::DataWriter> writer_;
  std::vector<lake::DataFile> adds_;
  std::optional<Complete> complete_;
};

}  // namespace icecore::pipeline
