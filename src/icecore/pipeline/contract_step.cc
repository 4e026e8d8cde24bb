#include "icecore/pipeline/contract_step.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <map>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/pipeline/landing.h"
#include "icecore/pipeline/snapshot_step.h"
#include "icecore/pipeline/step_range.h"
#include "icecore/quality/contract.h"

namespace icecore::pipeline {
namespace {

constexpr int kMaxAttempts = 20;

arrow::Status CheckOnce(const Workspace& workspace, const AnalysedSource& analysed,
                        const StepRange& range, const std::string& run_id, StepReport* report) {
  const spec::Source& source = *analysed.source;
  const std::string raw_name = RawTableName(source);
  const PinnedInput& raw = range.InputOf(raw_name);
  ARROW_ASSIGN_OR_RAISE(auto checker,
                        MakeContractChecker(source, raw.snapshot->schema, analysed.inferred));
  StepCommit::Target target;
  target.table = AcceptedTableName(source);
  target.quarantine = QuarantineName(source.name);
  target.origin = target.table;
  target.run_id = run_id;
  target.before = range.before;
  target.quarantine_before = range.quarantine_before;
  target.next = range.next;
  target.new_generation = range.new_generation;
  target.quarantine_done = range.quarantine_done;
  target.schema = checker->accepted_schema();
  target.operation = "CONTRACT";
  target.description = source.doc.description;
  ARROW_ASSIGN_OR_RAISE(auto commit, StepCommit::Open(workspace, std::move(target)));
  lake::ScanOptions options;
  options.seq = lake::SeqRange{range.next.seq_after, range.next.seq_up_to};
  ARROW_ASSIGN_OR_RAISE(auto reader, ScanInOrder(workspace, *raw.snapshot, options));
  StepCounts counts;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(auto batch, reader->Next());
    if (!batch) {
      break;
    }
    ARROW_ASSIGN_OR_RAISE(auto checked, checker->Check(*batch));
    ARROW_RETURN_NOT_OK(commit->Write(checked.accepted));
    ARROW_RETURN_NOT_OK(commit->Reject(checked.quarantined));
    counts.read += batch->num_rows();
    counts.written += checked.accepted->num_rows();
    counts.quarantined += checked.quarantined.rows ? checked.quarantined.rows->num_rows() : 0;
    quality::AddCounts(checked.quarantined_by_rule, &counts.quarantined_by_rule);
    quality::AddCounts(checked.broken_by_rule, &counts.broken_by_rule);
    quality::AddCounts(checked.warned_by_rule, &counts.warned_by_rule);
    workspace.Tell(
        {Event::Kind::kProgress, AcceptedTableName(source), "contract", "", counts.read, 0, 0});
  }
  report->reads.push_back({raw_name, raw.snapshot->version, raw.generation,
                           range.next.seq_after + 1, range.next.seq_up_to + 1});
  return commit->Finish(counts, report);
}

}  // namespace

arrow::Status CheckContract(const Workspace& workspace, const AnalysedSource& analysed, bool full,
                            const std::string& run_id, StepReport* report) {
  if (IsSnapshotSource(*analysed.source)) {
    return CheckSnapshots(workspace, analysed, full, run_id, report);
  }
  StepRequest request = ContractRequest(*analysed.source);
  request.full = full;
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    ARROW_ASSIGN_OR_RAISE(auto range, NextRange(workspace, request));
    if (!range || !range->InputOf(request.driver).snapshot->exists()) {
      return arrow::Status::OK();
    }
    const arrow::Status status = CheckOnce(workspace, analysed, *range, run_id, report);
    if (status.ok()) {
      request.full = false;  // and once more: a half-done range may have had rows behind it
    } else if (base::CodeOf(status) != base::ErrorCode::kConflict) {
      return base::WithContext(status, request.table);
    }
  }
  return base::MakeError(base::ErrorCode::kConflict,
                         request.table + ": others kept changing it; try again");
}

}  // namespace icecore::pipeline
