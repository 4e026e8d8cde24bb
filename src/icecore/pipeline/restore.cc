#include "icecore/pipeline/restore.h"

#include <arrow/array.h>
#include <arrow/compute/api_vector.h>
#include <arrow/record_batch.h>

#include <algorithm>
#include <map>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/commit_log.h"
#include "icecore/lake/envelope.h"
#include "icecore/lake/restore.h"
#include "icecore/lake/scan.h"
#include "icecore/pipeline/row_batches.h"
#include "icecore/pipeline/step_audit_internal.h"
#include "icecore/pipeline/step_commit.h"
#include "icecore/pipeline/step_range.h"
#include "icecore/pipeline/step_state.h"
#include "icecore/pipeline/versions.h"

namespace icecore::pipeline {
namespace {

using base::ErrorCode;
using base::MakeError;
using SnapshotPtr = std::shared_ptr<const lake::Snapshot>;

// What cannot be taken back by itself, and why.
arrow::Status CheckRestorable(const Workspace& workspace, const std::string& name,
                              const StepState& state) {
  const std::string zone = name.substr(0, name.find('.'));
  const auto refuse = [&](const std::string& why) {
    return MakeError(ErrorCode::kInvalidArgument, "cannot be restored: " + why);
  };
  if (zone == "landing" && name.ends_with("_raw")) {
    return refuse("landed rows never change; restore the tables that are made from them");
  }
  if (zone == "quarantine") {
    return refuse("its rows follow the tables that rejected them; restore those");
  }
  if (zone == "history") {
    return refuse("it follows its table in processing");
  }
  if (const auto versioned = FindVersionedTable(*workspace.project, name)) {
    return refuse("it is the present of " + versioned->history + ", which keeps every version");
  }
  if (state.generation > 0 && state.driver.empty()) {
    return refuse(
        "it is computed whole, and the next run would compute it anew; restore what it "
        "reads, or change its SQL");
  }
  return arrow::Status::OK();
}

class Restoring {
 public:
  Restoring(const Workspace& workspace, const RestoreRequest& request)
      : workspace_(workspace), request_(request) {}

  arrow::Result<RestoreReport> Run() {
    ARROW_ASSIGN_OR_RAISE(table_, OpenTable(workspace_, request_.table));
    ARROW_ASSIGN_OR_RAISE(now_, table_->Load());
    ARROW_ASSIGN_OR_RAISE(const StepState state_now, StepStateOf(*now_));
    ARROW_RETURN_NOT_OK(CheckRestorable(workspace_, request_.table, state_now));
    if (request_.version) {
      ARROW_ASSIGN_OR_RAISE(then_, table_->Load(request_.version));
    } else {
      ARROW_ASSIGN_OR_RAISE(then_, table_->LoadAt(request_.at_us.value_or(INT64_MAX)));
    }
    report_.from = now_->version;
    report_.to = then_->version;
    report_.version = -1;
    report_.rows = then_->row_count().value_or(-1);
    ARROW_ASSIGN_OR_RAISE(
        const bool differs,
        lake::RowsChangedBetween(*workspace_.store, table_->path(), then_->version, now_->version));
    if (!differs) {
      return report_;
    }
    ARROW_ASSIGN_OR_RAISE(lake::Commit plan, lake::PlanRestore(*workspace_.store, *now_, *then_));
    report_.files_restored = static_cast<int64_t>(plan.adds.size());
    report_.files_removed = static_cast<int64_t>(plan.removes.size());
    if (state_now.generation == 0) {
      ARROW_ASSIGN_OR_RAISE(report_.version, table_->CommitTo(*now_, plan));
      return report_;
    }
    ARROW_RETURN_NOT_OK(RestoreStep(state_now, std::move(plan)));
    return report_;
  }

 private:
  // The old range as a new generation: rows, position and quarantine go back together, and readers
  // of the table, which have rows that are gone now, start over.
  arrow::Status RestoreStep(const StepState& state_now, lake::Commit plan) {
    ARROW_ASSIGN_OR_RAISE(const StepState state_then, StepStateOf(*then_));
    if (state_then.generation == 0) {
      return MakeError(ErrorCode::kUnsupported, request_.table + " cannot be restored to version " +
                                                    std::to_string(then_->version) +
                                                    ": no step had filled it yet");
    }
    const std::string quarantine_name = QuarantineOf(request_.table);
    ARROW_ASSIGN_OR_RAISE(const auto quarantine, LoadTable(workspace_, quarantine_name));
    ARROW_ASSIGN_OR_RAISE(const auto rejected, QuarantineStateOf(*quarantine, request_.table));
    StepState next = state_then;
    next.generation = std::max(state_now.generation, rejected ? rejected->generation : 0) + 1;
    next.seq_after = 0;
    report_.seq_up_to = next.seq_up_to;
    StepCommit::Target target;
    target.table = request_.table;
    target.quarantine = quarantine_name;
    target.origin = request_.table;
    target.run_id = request_.run_id;
    target.before = now_;
    target.quarantine_before = quarantine;
    target.next = next;
    target.new_generation = true;
    target.announce = quarantine->exists();
    target.schema = then_->schema;
    target.operation = "RESTORE";
    target.description = now_->description;
    ARROW_ASSIGN_OR_RAISE(auto commit, StepCommit::Open(workspace_, std::move(target)));
    ARROW_RETURN_NOT_OK(RejectAgain(quarantine_name, *quarantine, state_then, commit.get()));
    ARROW_ASSIGN_OR_RAISE(plan.counts, CountsUpTo(state_then));
    plan.counts["files_restored"] = report_.files_restored;
    plan.counts["files_removed"] = report_.files_removed;
    StepReport step;
    ARROW_RETURN_NOT_OK(commit->FinishWith(std::move(plan), &step));
    report_.version = step.writes.back().version;
    return arrow::Status::OK();
  }

  // The newest version of the quarantine that knew no more of this table than `state`; -1: the
  // table was not there yet.
  arrow::Result<int64_t> QuarantineVersionOf(const lake::Snapshot& quarantine,
                                             const StepState& state) {
    const std::string domain = QuarantineDomain(request_.table);
    for (int64_t version = quarantine.version; version >= 0; --version) {
      const auto commit = lake::ReadCommit(*workspace_.store, quarantine.table_path, version);
      if (!commit.ok()) {
        return base::WithContext(commit.status(),
                                 "what was in quarantine at that version is not known any more");
      }
      const auto set = commit->domains.find(domain);
      if (set == commit->domains.end()) {
        continue;  // it changed nothing of this table's
      }
      ARROW_ASSIGN_OR_RAISE(const StepState at, StepStateFromJson(set->second.value_or("")));
      if (!IsAhead(at, state)) {
        return version;
      }
    }
    return -1;
  }

  // The rows that the table's step had rejected by then.
  arrow::Status RejectAgain(const std::string& quarantine_name, const lake::Snapshot& quarantine,
                            const StepState& state, StepCommit* commit) {
    if (!quarantine.exists()) {
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(const int64_t version, QuarantineVersionOf(quarantine, state));
    if (version < 0) {
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(auto table, OpenTable(workspace_, quarantine_name));
    ARROW_ASSIGN_OR_RAISE(const auto then, table->Load(version));
    lake::ScanOptions options;
    options.seq = lake::SeqRange{.after = INT64_MIN, .up_to = state.seq_up_to};
    ARROW_ASSIGN_OR_RAISE(auto rows,
                          lake::Scan(*workspace_.store, *then, options, workspace_.access));
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const auto batch, rows->Next());
      if (!batch) {
        return arrow::Status::OK();
      }
      const auto& origins =
          static_cast<const arrow::StringArray&>(*batch->GetColumnByName("_origin"));
      std::vector<int64_t> ours;
      for (int64_t i = 0; i < origins.length(); ++i) {
        if (origins.GetView(i) == request_.table) {
          ours.push_back(i);
        }
      }
      ARROW_ASSIGN_OR_RAISE(auto taken, TakeRows(batch, ours));
      commit->RejectAgain(std::move(taken));
    }
  }

  // The sums of what the commits of that generation counted, so that the new one balances.
  arrow::Result<std::map<std::string, int64_t>> CountsUpTo(const StepState& state) {
    std::map<std::string, int64_t> sums;
    for (int64_t version = 0; version <= then_->version; ++version) {
      const auto commit = lake::ReadCommit(*workspace_.store, table_->path(), version);
      if (!commit.ok()) {
        if (base::CodeOf(commit.status()) == ErrorCode::kNotFound) {
          continue;  // cleaned up: the sums begin with the oldest entry that is there
        }
        return commit.status();
      }
      const auto step = commit->info.find("step");
      if (step == commit->info.end()) {
        continue;
      }
      ARROW_ASSIGN_OR_RAISE(const StepState at, StepStateFromJson(step->second));
      if (at.generation != state.generation) {
        continue;
      }
      for (const auto& [name, count] : commit->counts) {
        sums[name] += count;
      }
    }
    return sums;
  }

  const Workspace& workspace_;
  const RestoreRequest& request_;
  std::shared_ptr<lake::Table> table_;
  SnapshotPtr now_;
  SnapshotPtr then_;
  RestoreReport report_;
};

}  // namespace

arrow::Result<RestoreReport> RestoreTable(const Workspace& workspace,
                                          const RestoreRequest& request) {
  auto report = Restoring(workspace, request).Run();
  return report.ok() ? std::move(report) : base::WithContext(report.status(), request.table);
}

}  // namespace icecore::pipeline
