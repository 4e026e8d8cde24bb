#include "icecore/pipeline/step_commit.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/envelope.h"
#include "icecore/lake/schema.h"

namespace icecore::pipeline {
namespace {

constexpr char kLastColumnId[] = "icecore.last_column_id";
constexpr char kStepTransaction[] = "icecore.step";

int64_t SumOf(const std::map<std::string, int64_t>& counts) {
  int64_t sum = 0;
  for (const auto& [name, count] : counts) {
    sum += count;
  }
  return sum;
}

// The rows of one file of a quarantine table which `origin` did not bring; *all is false when it
// has rows of `origin`.
arrow::Result<arrow::RecordBatchVector> RowsOfOthers(const Workspace& workspace,
                                                     const lake::Snapshot& quarantine,
                                                     const lake::DataFile& file,
                                                     const std::string& origin, bool* all) {
  lake::Snapshot one = quarantine;
  one.files = {file};
  ARROW_ASSIGN_OR_RAISE(auto reader,
                        lake::Scan(*workspace.store, one, lake::ScanOptions{}, workspace.access));
  arrow::RecordBatchVector others;
  *all = true;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(auto batch, reader->Next());
    if (!batch) {
      return others;
    }
    const auto& origins =
        static_cast<const arrow::StringArray&>(*batch->GetColumnByName("_origin"));
    for (int64_t begin = 0; begin < batch->num_rows();) {
      const bool ours = origins.GetView(begin) == origin;
      int64_t end = begin + 1;
      while (end < batch->num_rows() && (origins.GetView(end) == origin) == ours) {
        ++end;
      }
      if (ours) {
        *all = false;
      } else {
        others.push_back(batch->Slice(begin, end - begin));
      }
      begin = end;
    }
  }
}

}  // namespace

int64_t StepCounts::dropped() const { return SumOf(dropped_by_name); }

void StepCounts::Add(const StepCounts& other) {
  read += other.read;
  written += other.written;
  quarantined += other.quarantined;
  duplicates += other.duplicates;
  superseded += other.superseded;
  filtered += other.filtered;
  expanded += other.expanded;
  quality::AddCounts(other.dropped_by_name, &dropped_by_name);
  quality::AddCounts(other.quarantined_by_rule, &quarantined_by_rule);
  quality::AddCounts(other.broken_by_rule, &broken_by_rule);
  quality::AddCounts(other.warned_by_rule, &warned_by_rule);
  quality::AddCounts(other.versions_by_op, &versions_by_op);
}

bool StepCounts::balanced() const {
  return read + expanded == written + quarantined + dropped() + duplicates + superseded + filtered;
}

std::map<std::string, int64_t> StepCounts::Flat() const {
  std::map<std::string, int64_t> flat = {
      {"read", read},         {"written", written},       {"quarantined", quarantined},
      {"dropped", dropped()}, {"duplicates", duplicates}, {"superseded", superseded},
      {"filtered", filtered}, {"expanded", expanded}};
  const auto add = [&flat](const char* group, const std::map<std::string, int64_t>& counts) {
    for (const auto& [name, count] : counts) {
      flat[std::string(group) + "." + name] = count;
    }
  };
  add("dropped", dropped_by_name);
  add("quarantined", quarantined_by_rule);
  add("broken", broken_by_rule);
  add("warned", warned_by_rule);
  add("versions", versions_by_op);
  return flat;
}

arrow::Result<std::shared_ptr<arrow::Schema>> WithColumnIds(
    const lake::Snapshot& before, const arrow::Schema& schema, bool* changed,
    std::map<std::string, std::string>* config) {
  ARROW_ASSIGN_OR_RAISE(auto canonical, lake::CanonicalSchema(schema));
  int64_t last_id = 0;
  if (const auto kept = before.configuration.find(kLastColumnId);
      kept != before.configuration.end()) {
    std::from_chars(kept->second.data(), kept->second.data() + kept->second.size(), last_id);
  }
  std::shared_ptr<arrow::Schema> with_ids;
  if (before.exists()) {
    ARROW_ASSIGN_OR_RAISE(with_ids, lake::EvolveIds(*before.schema, *canonical, &last_id));
    *changed = !with_ids->Equals(*before.schema, /*check_metadata=*/true);
  } else {
    ARROW_ASSIGN_OR_RAISE(with_ids, lake::AssignIds(*canonical, &last_id));
    *changed = true;
  }
  (*config)[kLastColumnId] = std::to_string(last_id);
  return with_ids;
}

StepCommit::StepCommit(const Workspace& workspace, Target target)
    : workspace_(workspace), target_(std::move(target)) {}
StepCommit::~StepCommit() = default;

arrow::Result<std::unique_ptr<StepCommit>> StepCommit::Open(const Workspace& workspace,
                                                            Target target) {
  std::unique_ptr<StepCommit> step(new StepCommit(workspace, std::move(target)));
  ARROW_ASSIGN_OR_RAISE(step->table_, OpenTable(workspace, step->target_.table));
  ARROW_ASSIGN_OR_RAISE(step->ids_schema_,
                        WithColumnIds(*step->target_.before, *step->target_.schema,
                                      &step->schema_changed_, &step->config_));
  ARROW_ASSIGN_OR_RAISE(
      step->writer_,
      lake::DataWriter::Open(*workspace.store, step->table_->path(), step->ids_schema_,
                             *workspace.clock, *workspace.random, lake::WriterOptions{}));
  return step;
}

void StepCommit::Renumber(const StepState& next, int64_t last_seq) {
  target_.next = next;
  target_.last_seq = last_seq;
}

arrow::Status StepCommit::Write(const std::shared_ptr<arrow::RecordBatch>& rows) {
  return rows->num_rows() == 0 ? arrow::Status::OK() : writer_->Write(rows);
}

arrow::Status StepCommit::Reject(const quality::RejectedRows& rejected) {
  if (!rejected.rows || rejected.rows->num_rows() == 0) {
    return arrow::Status::OK();
  }
  quality::QuarantineContext context;
  context.origin = target_.origin;
  context.run = target_.run_id;
  context.first_seen_us = workspace_.clock->NowMicros();
  ARROW_ASSIGN_OR_RAISE(auto batch, quality::BuildQuarantine(rejected, context));
  rejected_rows_ += batch->num_rows();
  rejected_.push_back(std::move(batch));
  return arrow::Status::OK();
}

arrow::Status StepCommit::CommitRejected(StepReport* report) {
  const lake::Snapshot& before = *target_.quarantine_before;
  lake::Commit commit;
  if (target_.quarantine_done) {
    return arrow::Status::OK();
  }
  if (target_.new_generation || target_.rejects_anew) {
    // What the older generation rejected goes with it; rows of other steps in the same files stay.
    for (const lake::DataFile& file : before.files) {
      bool untouched = true;
      ARROW_ASSIGN_OR_RAISE(auto others,
                            RowsOfOthers(workspace_, before, file, target_.origin, &untouched));
      if (!untouched) {
        commit.removes.push_back(file.path);
        rejected_.insert(rejected_.end(), others.begin(), others.end());
      }
    }
  }
  if (rejected_rows_ == 0 && commit.removes.empty() && !target_.announce) {
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(auto table, OpenTable(workspace_, target_.quarantine));
  bool changed = false;
  std::map<std::string, std::string> config;
  ARROW_ASSIGN_OR_RAISE(auto schema,
                        WithColumnIds(before, *quality::QuarantineSchema(), &changed, &config));
  ARROW_ASSIGN_OR_RAISE(
      auto writer,
      lake::DataWriter::Open(*workspace_.store, table->path(), schema, *workspace_.clock,
                             *workspace_.random, lake::WriterOptions{}));
  for (const auto& batch : rejected_) {
    ARROW_RETURN_NOT_OK(writer->Write(batch));
  }
  ARROW_ASSIGN_OR_RAISE(commit.adds, writer->Finish());
  if (changed) {
    commit.metadata = lake::TableMetadata{schema, config, target_.quarantine,
                                          "Rows that broke a contract or a check"};
  }
  commit.domains[QuarantineDomain(target_.origin)] = ToJson(target_.next);
  commit.transactions[std::string(kStepTransaction) + "/" + target_.origin] =
      target_.next.seq_up_to;
  commit.operation = "QUARANTINE";
  commit.parameters["origin"] = target_.origin;
  commit.counts["quarantined"] = rejected_rows_;
  ARROW_ASSIGN_OR_RAISE(int64_t version, table->CommitTo(before, commit));
  report->writes.push_back({target_.quarantine, version, 0, 0, 0});
  return arrow::Status::OK();
}

void StepCommit::RejectAgain(std::shared_ptr<arrow::RecordBatch> quarantined) {
  if (quarantined->num_rows() > 0) {
    rejected_rows_ += quarantined->num_rows();
    rejected_.push_back(std::move(quarantined));
  }
}

arrow::Status StepCommit::Finish(const StepCounts& counts, StepReport* report) {
  ARROW_ASSIGN_OR_RAISE(auto files, writer_->Finish());
  ARROW_RETURN_NOT_OK(CommitRejected(report));
  const lake::Snapshot& before = *target_.before;
  lake::Commit commit;
  commit.adds = std::move(files);
  if (schema_changed_) {
    commit.metadata = lake::TableMetadata{ids_schema_, config_, target_.table, target_.description};
  }
  commit.remove_all =
      (target_.new_generation || target_.replaces_rows) && before.exists() && !before.files.empty();
  commit.counts = counts.Flat();
  ARROW_RETURN_NOT_OK(CommitTable(std::move(commit), report).status());
  report->counts.Add(counts);
  return arrow::Status::OK();
}

arrow::Status StepCommit::FinishWith(lake::Commit commit, StepReport* report) {
  ARROW_RETURN_NOT_OK(CommitRejected(report));
  return CommitTable(std::move(commit), report).status();
}

arrow::Result<int64_t> StepCommit::CommitTable(lake::Commit commit, StepReport* report) {
  const lake::Snapshot& before = *target_.before;
  commit.domains[std::string(kStepDomain)] = ToJson(target_.next);
  const int64_t last_seq =
      std::max(before.last_seq(), target_.last_seq.value_or(target_.next.seq_up_to));
  commit.domains.insert(target_.domains.begin(), target_.domains.end());
  commit.transactions.insert(target_.transactions.begin(), target_.transactions.end());
  commit.transactions[std::string(lake::kSeqTransaction)] = last_seq;
  commit.transactions[kStepTransaction] = target_.next.seq_up_to;
  commit.operation = target_.operation;
  commit.info["step"] = ToJson(target_.next);
  commit.info["run"] = "\"" + target_.run_id + "\"";
  ARROW_ASSIGN_OR_RAISE(int64_t version, table_->CommitTo(before, commit));
  report->did_work = true;
  report->new_generation = target_.new_generation && before.exists();
  report->writes.push_back({target_.table, version, target_.next.generation,
                            target_.next.seq_after + 1, target_.next.seq_up_to + 1});
  return version;
}

}  // namespace icecore::pipeline
