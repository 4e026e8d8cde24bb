#include "icecore/pipeline/landing_writer.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <utility>

#include "icecore/lake/envelope.h"
#include "icecore/lake/schema.h"
#include "icecore/pipeline/landing.h"
#include "icecore/pipeline/landing_rows.h"

namespace icecore::pipeline {

LandingWriter::LandingWriter(const Workspace& workspace, const spec::Source& source,
                             std::string run_id, std::shared_ptr<const lake::Snapshot> before)
    : workspace_(workspace),
      source_(source),
      run_id_(std::move(run_id)),
      before_(std::move(before)),
      next_seq_(before_->last_seq() + 1),
      now_us_(workspace.clock->NowMicros()),
      arrived_us_(before_->Transaction(kArrivedTransaction).value_or(INT64_MIN)),
      schema_(before_->schema) {}

arrow::Status LandingWriter::UseColumns(const arrow::Schema& rows) {
  if (writer_ && seen_->Equals(rows)) {
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(auto merged, MergeColumns(schema_.get(), rows));
  std::map<std::string, std::string> config;
  bool changed = false;
  ARROW_ASSIGN_OR_RAISE(auto with_ids, WithColumnIds(*before_, *merged, &changed, &config));
  seen_ = arrow::schema(rows.fields());
  if (writer_ && schema_->Equals(*with_ids)) {
    return arrow::Status::OK();
  }
  ARROW_RETURN_NOT_OK(Finish());
  schema_ = std::move(with_ids);
  ARROW_ASSIGN_OR_RAISE(writer_, lake::DataWriter::Open(
                                     *workspace_.store, TablePath(RawTableName(source_)), schema_,
                                     *workspace_.clock, *workspace_.random, lake::WriterOptions{}));
  return arrow::Status::OK();
}

arrow::Status LandingWriter::Write(const arrow::RecordBatch& rows,
                                   std::optional<int64_t> arrived_us) {
  ARROW_RETURN_NOT_OK(UseColumns(*rows.schema()));
  arrived_us_ = std::max(arrived_us_, arrived_us.value_or(now_us_));
  ARROW_ASSIGN_OR_RAISE(const auto enveloped,
                        WithEnvelope(rows, schema_, next_seq_, arrived_us_, run_id_));
  ARROW_RETURN_NOT_OK(writer_->Write(enveloped));
  next_seq_ += rows.num_rows();
  return arrow::Status::OK();
}

arrow::Status LandingWriter::Finish() {
  if (writer_) {
    ARROW_ASSIGN_OR_RAISE(auto files, writer_->Finish());
    adds_.insert(adds_.end(), files.begin(), files.end());
    writer_.reset();
  }
  return arrow::Status::OK();
}

// A part ends with a file of Parquet, so that what is bad behind it leaves it whole.
arrow::Status LandingWriter::EndPart(int64_t files) {
  ARROW_RETURN_NOT_OK(Finish());
  complete_ = Complete{adds_, schema_, next_seq_ - 1, this->files() + files};
  return arrow::Status::OK();
}

arrow::Status LandingWriter::Commit(lake::Table* table, const std::string& position,
                                    StepReport* report) {
  if (!complete_) {
    return arrow::Status::OK();
  }
  lake::Commit commit;
  commit.adds = complete_->adds;
  std::map<std::string, std::string> config;
  bool changed = false;
  ARROW_ASSIGN_OR_RAISE(auto schema,
                        WithColumnIds(*before_, *complete_->schema, &changed, &config));
  if (changed) {
    if (!before_->exists()) {
      config["delta.appendOnly"] = "true";
    }
    commit.metadata =
        lake::TableMetadata{schema, config, RawTableName(source_), source_.doc.description};
  }
  commit.domains[std::string(lake::kPositionDomain)] = position;
  commit.transactions[std::string(lake::kSeqTransaction)] = complete_->last_seq;
  // Not later than its rows: what is closed by now and lands later must not arrive before it.
  commit.transactions[kArrivedTransaction] = arrived_us_ == INT64_MIN ? now_us_ : arrived_us_;
  commit.operation = "LAND";
  commit.info["run"] = "\"" + run_id_ + "\"";
  const int64_t landed = complete_->last_seq - before_->last_seq();
  commit.counts = {{"read", landed}, {"written", landed}, {"files", complete_->files}};
  ARROW_ASSIGN_OR_RAISE(const int64_t version, table->CommitTo(*before_, commit));
  report->writes.push_back(
      {RawTableName(source_), version, 1, before_->last_seq() + 1, complete_->last_seq + 1});
  report->counts.read += landed;
  report->counts.written += landed;
  report->did_work = true;
  return arrow::Status::OK();
}

}  // namespace icecore::pipeline
