#pragma once
// The one way in which a step's rows become true: first what it rejected, then the table, each one
// atomic Delta commit that names the step's range. A kill between the two is healed by the next
// run, which redoes exactly that range (law 2). docs/formats/delta.md, section "Steps".

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
#include "icecore/pipeline/step_state.h"
#include "icecore/pipeline/workspace.h"
#include "icecore/quality/quarantine.h"

namespace icecore::pipeline {

// What one step did with its rows. read = written + quarantined + dropped + duplicates + superseded
// for steps whose rows are one_per_input (law 3).
struct StepCounts {
  int64_t read = 0;
  int64_t written = 0;
  int64_t quarantined = 0;
  int64_t duplicates = 0;
  int64_t superseded = 0;
  int64_t filtered = 0;  // driver rows that SQL gave nothing for, where `rows:` allows it
  int64_t expanded = 0;  // rows above one per driver row, where `rows: many` allows it
  std::map<std::string, int64_t> dropped_by_name;
  std::map<std::string, int64_t> quarantined_by_rule;  // each row once
  std::map<std::string, int64_t> broken_by_rule;       // each reason
  std::map<std::string, int64_t> warned_by_rule;
  // Of a table that keeps versions, by `_op`: rows of its log. Those that are the present after the
  // step are `written`, the others `superseded`; rows of a table computed whole that were there
  // already are written and no versions.
  std::map<std::string, int64_t> versions_by_op;

  void Add(const StepCounts& other);
  int64_t dropped() const;
  bool balanced() const;
  // "read", "written", "quarantined", "dropped", "quarantined.RULE", "versions.update" …: as
  // commits and catalog keep them.
  std::map<std::string, int64_t> Flat() const;
};

// What a step reports to the run.
struct StepReport {
  std::string thing;
  std::string step;
  bool did_work = false;
  bool new_generation = false;
  StepCounts counts;
  std::vector<std::string> warnings;
  std::vector<catalog::TableVersion> reads;
  std::vector<catalog::TableVersion> writes;
  int64_t duration_us = 0;
  std::string detail_json;
  std::string note;  // for a person
};

// Collects the rows of one step of one table and commits them. Not thread safe.
class StepCommit {
 public:
  struct Target {
    std::string table;       // full name, e.g. "landing.flights"
    std::string quarantine;  // full name, e.g. "quarantine.flights"
    std::string origin;      // what quarantined rows name; the table's full name
    std::string run_id;
    std::shared_ptr<const lake::Snapshot> before;             // of the table
    std::shared_ptr<const lake::Snapshot> quarantine_before;  // of the quarantine table
    StepState next;
    bool new_generation = false;  // all rows of before go
    // What the step rejected before goes, whatever becomes of the table's rows: the step's rows are
    // computed whole. Implied by new_generation.
    bool rejects_anew = false;
    bool replaces_rows = false;    // all rows of before go, what was rejected stays
    bool quarantine_done = false;  // a redo: the rejected rows of this range are committed already
    // What is rejected depends on more than the driver's rows: the range is announced in the
    // quarantine table even when nothing is rejected, so that of two runs with other inputs one
    // wins both tables.
    bool announce = false;
    std::shared_ptr<arrow::Schema> schema;  // of the rows, envelope included
    // The greatest _seq of the table's rows, where they are not numbered as the driver's.
    std::optional<int64_t> last_seq;
    std::map<std::string, std::string> domains;   // of the table, beside the step's
    std::map<std::string, int64_t> transactions;  // likewise
    std::string operation;                        // of commitInfo
    std::string description;                      // of the table
  };
  static arrow::Result<std::unique_ptr<StepCommit>> Open(const Workspace& workspace, Target target);
  ~StepCommit();

  // The state to commit, where it is known only once the rows are; and their greatest _seq.
  void Renumber(const StepState& next, int64_t last_seq);
  arrow::Status Write(const std::shared_ptr<arrow::RecordBatch>& rows);
  arrow::Status Reject(const quality::RejectedRows& rejected);
  // Rows of the quarantine as they rest there, to stay in it or to come back into it.
  void RejectAgain(std::shared_ptr<arrow::RecordBatch> quarantined);
  // Commits; the report's versions are filled in. kConflict: somebody else was first, redo the
  // step.
  arrow::Status Finish(const StepCounts& counts, StepReport* report);
  // As Finish, but the table gets what `commit` has; no rows may have been written.
  arrow::Status FinishWith(lake::Commit commit, StepReport* report);

 private:
  StepCommit(const Workspace& workspace, Target target);
  // The step's state and marks into the commit; returns its version.
  arrow::Result<int64_t> CommitTable(lake::Commit commit, StepReport* report);
  arrow::Status CommitRejected(StepReport* report);

  const Workspace& workspace_;
  Target target_;
  std::shared_ptr<lake::Table> table_;
  std::unique_ptr<lake::DataWriter> writer_;
  std::shared_ptr<arrow::Schema> ids_schema_;  // target_.schema with column ids
  std::vector<std::shared_ptr<arrow::RecordBatch>> rejected_;
  int64_t rejected_rows_ = 0;
  std::map<std::string, std::string> config_;  // of the table, to go with a changed schema
  bool schema_changed_ = false;
};

// The schema with column ids, those of `before` kept; *changed tells whether it differs from
// before's.
arrow::Result<std::shared_ptr<arrow::Schema>> WithColumnIds(
    const lake::Snapshot& before, const arrow::Schema& schema, bool* changed,
    std::map<std::string, std::string>* config);

}  // namespace icecore::pipeline
