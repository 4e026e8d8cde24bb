#include "icecore/pipeline/snapshot_step.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/compute/cast.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>
#include <map>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/envelope.h"
#include "icecore/pipeline/delta_landing.h"
#include "icecore/pipeline/key_index.h"
#include "icecore/pipeline/landing.h"
#include "icecore/pipeline/row_batches.h"
#include "icecore/pipeline/version_rows.h"
#include "icecore/pipeline/version_rules.h"
#include "icecore/quality/contract.h"

namespace icecore::pipeline {
namespace {

constexpr int kMaxConflicts = 20;

using base::ErrorCode;
using base::MakeError;

// The last _seq of the first file whose rows begin behind `after`. A file without rows is passed
// over.
arrow::Result<int64_t> EndOfNextFile(const Workspace& workspace, const lake::Snapshot& raw,
                                     int64_t after) {
  ARROW_ASSIGN_OR_RAISE(const auto manifest, ManifestOf(workspace, raw));
  const ingest::KnownFile* next = nullptr;
  for (const ingest::KnownFile& file : manifest.files()) {
    if (file.rows > 0 && file.first_seq > after &&
        (next == nullptr || file.first_seq < next->first_seq)) {
      next = &file;
    }
  }
  if (next == nullptr) {
    return MakeError(ErrorCode::kCorrupt,
                     raw.table_path + ": no file of its manifest has the rows behind _seq " +
                         std::to_string(after));
  }
  return next->first_seq + next->rows - 1;
}

// The keys of rejected rows in the types of those that passed, where they have such values: a row
// that is broken is there all the same.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> KeysOf(
    const arrow::RecordBatch& rejected, const std::shared_ptr<arrow::Schema>& schema,
    const std::vector<std::string>& key) {
  arrow::RecordBatchVector rows;
  for (int64_t row = 0; row < rejected.num_rows(); ++row) {
    arrow::ArrayVector columns;
    bool has_key = true;
    for (const auto& field : schema->fields()) {
      std::shared_ptr<arrow::Array> value;
      if (std::find(key.begin(), key.end(), field->name()) != key.end()) {
        const auto raw = rejected.GetColumnByName(field->name());
        const auto cast = raw ? arrow::compute::Cast(*raw->Slice(row, 1), field->type(),
                                                     arrow::compute::CastOptions::Safe())
                              : MakeError(ErrorCode::kInternal, "no column");
        has_key = has_key && cast.ok() && (*cast)->null_count() == 0;
        value = cast.ok() ? *cast : nullptr;
      }
      if (!value) {
        ARROW_ASSIGN_OR_RAISE(value, arrow::MakeArrayOfNull(field->type(), 1));
      }
      columns.push_back(std::move(value));
    }
    if (has_key) {
      rows.push_back(arrow::RecordBatch::Make(schema, 1, std::move(columns)));
    }
  }
  ARROW_ASSIGN_OR_RAISE(auto table, arrow::Table::FromRecordBatches(schema, rows));
  return table->CombineChunksToBatch();
}

// One file: its rows through the contract, then a commit.
class SnapshotStep {
 public:
  SnapshotStep(const Workspace& workspace, const AnalysedSource& analysed, StepRange range,
               std::string run_id, StepReport* report)
      : workspace_(workspace),
        analysed_(analysed),
        source_(*analysed.source),
        versioned_(FindVersionedTable(*workspace.project, AcceptedTableName(source_))),
        range_(std::move(range)),
        run_id_(std::move(run_id)),
        report_(report) {}

  arrow::Status Run() {
    const PinnedInput& raw = range_.InputOf(range_.next.driver);
    ARROW_ASSIGN_OR_RAISE(checker_,
                          MakeContractChecker(source_, raw.snapshot->schema, analysed_.inferred));
    schema_ = versioned_ ? WithOp(*checker_->accepted_schema()) : checker_->accepted_schema();
    ARROW_RETURN_NOT_OK(OpenCommit());
    ARROW_RETURN_NOT_OK(ReadFile(*raw.snapshot));
    if (versioned_) {
      ARROW_RETURN_NOT_OK(MakeVersions());
    }
    report_->reads.push_back({raw.name, raw.snapshot->version, raw.generation,
                              range_.next.seq_after + 1, range_.next.seq_up_to + 1});
    ARROW_RETURN_NOT_OK(commit_->Finish(counts_, report_));
    return versioned_ ? FinishPresent() : arrow::Status::OK();
  }

 private:
  arrow::Status OpenCommit() {
    StepCommit::Target target;
    target.origin = AcceptedTableName(source_);
    target.table = versioned_ ? versioned_->history : target.origin;
    target.quarantine = QuarantineName(source_.name);
    target.run_id = run_id_;
    target.before = range_.before;
    target.quarantine_before = range_.quarantine_before;
    target.next = range_.next;
    target.new_generation = range_.new_generation;
    target.quarantine_done = range_.quarantine_done;
    target.announce = true;  // the next run takes this very file again, whatever landed meanwhile
    target.replaces_rows = !versioned_;
    target.schema = schema_;
    target.operation = "SNAPSHOT";
    target.description = source_.doc.description;
    if (versioned_) {
      ARROW_ASSIGN_OR_RAISE(present_, PresentAt(workspace_, *versioned_, *range_.before,
                                                source_.doc.description, report_));
      target.schema = HistorySchema(*schema_);
      target.domains[std::string(kVersionsDomain)] = VersionsToJson(*versioned_);
    }
    ARROW_ASSIGN_OR_RAISE(commit_, StepCommit::Open(workspace_, std::move(target)));
    return arrow::Status::OK();
  }

  arrow::Status ReadFile(const lake::Snapshot& raw) {
    lake::ScanOptions options;
    options.seq = lake::SeqRange{range_.next.seq_after, range_.next.seq_up_to};
    ARROW_ASSIGN_OR_RAISE(auto reader,
                          lake::Scan(*workspace_.store, raw, options, workspace_.access));
    while (true) {
      ARROW_ASSIGN_OR_RAISE(auto batch, reader->Next());
      if (!batch) {
        return arrow::Status::OK();
      }
      ARROW_ASSIGN_OR_RAISE(auto checked, checker_->Check(*batch));
      counts_.read += batch->num_rows();
      counts_.quarantined += checked.quarantined.rows ? checked.quarantined.rows->num_rows() : 0;
      quality::AddCounts(checked.quarantined_by_rule, &counts_.quarantined_by_rule);
      quality::AddCounts(checked.broken_by_rule, &counts_.broken_by_rule);
      quality::AddCounts(checked.warned_by_rule, &counts_.warned_by_rule);
      ARROW_RETURN_NOT_OK(commit_->Reject(checked.quarantined));
      if (versioned_) {
        ARROW_RETURN_NOT_OK(Keep(checked));
      } else {
        counts_.written += checked.accepted->num_rows();
        ARROW_RETURN_NOT_OK(commit_->Write(checked.accepted));
      }
      workspace_.Tell(
          {Event::Kind::kProgress, AcceptedTableName(source_), "contract", "", counts_.read, 0, 0});
    }
  }

  arrow::Status Keep(const quality::ContractResult& checked) {
    if (checked.quarantined.rows && checked.quarantined.rows->num_rows() > 0) {
      ARROW_ASSIGN_OR_RAISE(auto keys, KeysOf(*checked.quarantined.rows, schema_, versioned_->key));
      spared_.push_back(std::move(keys));
    }
    ARROW_ASSIGN_OR_RAISE(auto rows, Conform(*checked.accepted, schema_));
    ARROW_ASSIGN_OR_RAISE(auto keyless,
                          TakeKeylessRows(versioned_->key, range_.next.definition, &rows));
    if (const int64_t count = keyless.rows ? keyless.rows->num_rows() : 0; count > 0) {
      counts_.quarantined += count;
      counts_.quarantined_by_rule[keyless.reasons.front().front().rule] += count;
      counts_.broken_by_rule[keyless.reasons.front().front().rule] += count;
      ARROW_RETURN_NOT_OK(commit_->Reject(keyless));
    }
    counts_.written += rows->num_rows();
    accepted_.push_back(std::move(rows));
    return arrow::Status::OK();
  }

  arrow::Result<std::shared_ptr<arrow::RecordBatch>> OneBatch(
      const arrow::RecordBatchVector& batches) const {
    ARROW_ASSIGN_OR_RAISE(auto table, arrow::Table::FromRecordBatches(schema_, batches));
    return table->CombineChunksToBatch();
  }

  arrow::Status MakeVersions() {
    const VersionContext context{*versioned_, std::nullopt,  std::nullopt,
                                 present_,    range_.before, range_.new_generation};
    ARROW_ASSIGN_OR_RAISE(const auto rows, OneBatch(accepted_));
    ARROW_ASSIGN_OR_RAISE(const auto spared, OneBatch(spared_));
    VersionStamp stamp{range_.before->last_seq(), 0, run_id_};
    ARROW_ASSIGN_OR_RAISE(stamp.arrived_us, ArrivalOf(*rows));
    ARROW_ASSIGN_OR_RAISE(versions_, CompareVersions(workspace_, context, rows, spared, stamp));
    commit_->Renumber(range_.next, stamp.seq_after + versions_.history->num_rows());
    counts_.versions_by_op = {{std::string(kInsertOp), versions_.inserts},
                              {std::string(kUpdateOp), versions_.updates},
                              {std::string(kDeleteOp), versions_.deletes}};
    return commit_->Write(versions_.history);
  }

  // All rows of a file arrived at once.
  arrow::Result<int64_t> ArrivalOf(const arrow::RecordBatch& rows) const {
    ARROW_ASSIGN_OR_RAISE(const auto times, KnownTimes(std::nullopt, std::nullopt, rows));
    if (times->length() > 0 && times->IsValid(0)) {
      return static_cast<const arrow::TimestampArray&>(*times).Value(0);
    }
    return workspace_.clock->NowMicros();
  }

  arrow::Status FinishPresent() {
    return CommitPresentOf(workspace_, *versioned_, *present_, report_->writes.back().version,
                           range_.new_generation || !range_.before->exists(), versions_.change,
                           source_.doc.description, report_);
  }

  const Workspace& workspace_;
  const AnalysedSource& analysed_;
  const spec::Source& source_;
  const std::optional<VersionedTable> versioned_;
  StepRange range_;
  const std::string run_id_;
  StepReport* const report_;
  std::unique_ptr<quality::ContractChecker> checker_;
  std::shared_ptr<arrow::Schema> schema_;  // of landing.X
  std::unique_ptr<StepCommit> commit_;
  StepCounts counts_;
  std::shared_ptr<const lake::Snapshot> present_;
  arrow::RecordBatchVector accepted_;
  arrow::RecordBatchVector spared_;
  VersionRows versions_;
};

}  // namespace

bool IsSnapshotSource(const spec::Source& source) {
  return source.files.load == spec::FilesConnector::Load::kSnapshot;
}

StepRequest ContractRequest(const spec::Source& source) {
  StepRequest request;
  request.origin = AcceptedTableName(source);
  request.table = KeepsVersions(source) ? HistoryName(source.name) : request.origin;
  request.quarantine = QuarantineName(source.name);
  request.definition = spec::Fingerprint(source);
  request.driver = RawTableName(source);
  request.inputs = {request.driver};
  return request;
}

arrow::Status CheckSnapshots(const Workspace& workspace, const AnalysedSource& analysed, bool full,
                             const std::string& run_id, StepReport* report) {
  const spec::Source& source = *analysed.source;
  StepRequest request = ContractRequest(source);
  request.full = full;
  const auto versioned = FindVersionedTable(*workspace.project, request.origin);
  for (int conflicts = 0; conflicts < kMaxConflicts;) {
    if (versioned) {
      ARROW_RETURN_NOT_OK(BringPresentUp(workspace, *versioned, source.doc.description, report));
    }
    ARROW_ASSIGN_OR_RAISE(auto range, NextRange(workspace, request));
    if (!range || !range->InputOf(request.driver).snapshot->exists() ||
        range->next.seq_up_to <= range->next.seq_after) {
      return arrow::Status::OK();
    }
    if (!range->quarantine_done) {
      const lake::Snapshot& raw = *range->InputOf(request.driver).snapshot;
      const int64_t after = range->next.seq_after;
      const bool is_delta = source.files.format == spec::FilesConnector::Format::kDelta;
      ARROW_ASSIGN_OR_RAISE(range->next.seq_up_to, is_delta ? EndOfNextDeltaSnapshot(raw, after)
                                                            : EndOfNextFile(workspace, raw, after));
    }
    SnapshotStep step(workspace, analysed, std::move(*range), run_id, report);
    const arrow::Status status = step.Run();
    if (status.ok()) {
      request.full = false;
    } else if (base::CodeOf(status) != ErrorCode::kConflict) {
      return base::WithContext(status, request.origin);
    } else {
      ++conflicts;
    }
  }
  return MakeError(ErrorCode::kConflict, request.origin + ": others kept changing it; try again");
}

}  // namespace icecore::pipeline
