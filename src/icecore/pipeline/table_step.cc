#include "icecore/pipeline/table_step.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>
#include <map>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/envelope.h"
#include "icecore/pipeline/landing.h"
#include "icecore/pipeline/present_table.h"
#include "icecore/pipeline/row_batches.h"
#include "icecore/pipeline/row_wise.h"
#include "icecore/pipeline/sql_tables.h"
#include "icecore/pipeline/step_range.h"
#include "icecore/pipeline/table_inputs.h"
#include "icecore/pipeline/version_rows.h"
#include "icecore/pipeline/version_rules.h"
#include "icecore/quality/checks.h"
#include "icecore/sql/session.h"

namespace icecore::pipeline {
namespace {

constexpr int kMaxAttempts = 20;
constexpr int64_t kSliceRows = 1 << 17;
constexpr char kArrivedTransaction[] = "icecore.arrived_at";

using base::ErrorCode;
using base::MakeError;
using Mode = spec::Table::Mode;
using RowsRule = spec::Table::Rows;

// "landing.airports.faa" -> "landing.airports", "faa".
std::pair<std::string, std::string> SplitColumn(const std::string& target) {
  const size_t dot = target.rfind('.');
  return {target.substr(0, dot), target.substr(dot + 1)};
}

// One step of one table: from pinned inputs to a commit.
class TableStep {
 public:
  TableStep(const Workspace& workspace, const AnalysedProject& project,
            const AnalysedTable& analysed, StepRange range, std::string run_id, StepReport* report)
      : workspace_(workspace),
        project_(project),
        analysed_(analysed),
        table_(*analysed.table),
        versioned_(FindVersionedTable(*workspace.project, table_.FullName())),
        whole_(table_.mode == Mode::kReplace),
        range_(std::move(range)),
        run_id_(std::move(run_id)),
        report_(report) {}

  arrow::Status Run() {
    ARROW_RETURN_NOT_OK(OpenSession());
    std::shared_ptr<arrow::RecordBatch> rows;
    if (whole_) {
      ARROW_ASSIGN_OR_RAISE(rows, QueryWhole());
    } else {
      ARROW_ASSIGN_OR_RAISE(rows, QueryRowWise(session_.get(), analysed_, run_id_));
    }
    ARROW_RETURN_NOT_OK(OpenCommit());
    if (!whole_) {
      ARROW_RETURN_NOT_OK(CountDriverRows(*rows));
    }
    ARROW_RETURN_NOT_OK(PrepareChecks(rows->schema()));
    for (int64_t begin = 0; begin < rows->num_rows(); begin += kSliceRows) {
      ARROW_RETURN_NOT_OK(TakeSlice(rows->Slice(begin, kSliceRows)));
    }
    if (versioned_) {
      ARROW_RETURN_NOT_OK(MakeVersions(rows));
    }
    ARROW_RETURN_NOT_OK(FinishChecks());
    for (const PinnedInput& input : range_.inputs) {
      const bool driver = input.name == range_.next.driver;
      report_->reads.push_back({input.name, input.snapshot->version, input.generation,
                                driver ? range_.next.seq_after + 1 : 0,
                                driver ? range_.next.seq_up_to + 1 : 0});
    }
    ARROW_RETURN_NOT_OK(commit_->Finish(counts_, report_));
    return versioned_ ? FinishPresent() : arrow::Status::OK();
  }

 private:
  arrow::Status OpenSession() {
    sql::Limits limits;
    limits.temp_dir = workspace_.scratch_root;
    ARROW_ASSIGN_OR_RAISE(session_, sql::Session::Open(limits, {workspace_.lake_root}));
    ARROW_RETURN_NOT_OK(session_->SetRunTime(workspace_.clock->NowMicros()));
    for (const std::string& name : analysed_.analysis.tables) {
      const bool driver = !whole_ && name == *analysed_.analysis.driver;
      const PinnedInput& input = range_.InputOf(driver ? range_.next.driver : name);
      ARROW_RETURN_NOT_OK(RegisterTable(
          workspace_, project_, input, name,
          driver ? std::optional<lake::SeqRange>({range_.next.seq_after, range_.next.seq_up_to})
                 : std::nullopt,
          session_.get()));
    }
    return session_->Lock();
  }

  // Rows computed whole get numbers and an arrival of their own.
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> QueryWhole() {
    ARROW_ASSIGN_OR_RAISE(const auto queried,
                          QueryTable(session_.get(), analysed_, analysed_.analysis.plain_sql));
    ARROW_ASSIGN_OR_RAISE(auto rows, queried->CombineChunksToBatch());
    const int64_t n = rows->num_rows();
    range_.next.seq_after = range_.before->last_seq();
    range_.next.seq_up_to = range_.next.seq_after + n;
    arrow::Int64Builder seq;
    for (int64_t i = 1; i <= n; ++i) {
      ARROW_RETURN_NOT_OK(seq.Append(range_.next.seq_after + i));
    }
    ARROW_ASSIGN_OR_RAISE(auto seqs, seq.Finish());
    const auto instant = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    arrived_us_ = workspace_.clock->NowMicros();
    if (versioned_) {
      arrived_us_ = std::max(arrived_us_,
                             range_.before->Transaction(kArrivedTransaction).value_or(INT64_MIN));
    }
    ARROW_ASSIGN_OR_RAISE(
        auto arrived, arrow::MakeArrayFromScalar(arrow::TimestampScalar(arrived_us_, instant), n));
    ARROW_ASSIGN_OR_RAISE(rows,
                          rows->AddColumn(rows->num_columns(), std::string(lake::kSeq), seqs));
    ARROW_ASSIGN_OR_RAISE(
        rows, rows->AddColumn(rows->num_columns(), std::string(lake::kArrivedAt), arrived));
    counts_.read = n;
    return AsRowsOf(analysed_, *rows, run_id_);
  }

  arrow::Status OpenCommit() {
    StepCommit::Target target;
    target.table = versioned_ ? versioned_->history : table_.FullName();
    target.quarantine = QuarantineName(table_.name);
    target.origin = table_.FullName();
    target.run_id = run_id_;
    target.before = range_.before;
    target.quarantine_before = range_.quarantine_before;
    target.next = range_.next;
    target.new_generation = range_.new_generation;
    target.quarantine_done = range_.quarantine_done;
    target.rejects_anew = whole_;
    target.announce = table_.mode == Mode::kReplace || range_.inputs.size() > 1;
    target.schema = analysed_.schema;
    target.operation = whole_ ? "REPLACE" : "APPEND";
    target.description = table_.doc.description;
    if (versioned_) {
      ARROW_ASSIGN_OR_RAISE(present_, PresentAt(workspace_, *versioned_, *range_.before,
                                                table_.doc.description, report_));
      target.schema = HistorySchema(*analysed_.schema);
      target.operation = "VERSIONS";
      target.domains[std::string(kVersionsDomain)] = VersionsToJson(*versioned_);
      if (whole_) {
        target.transactions[kArrivedTransaction] = arrived_us_;
      }
    }
    ARROW_ASSIGN_OR_RAISE(commit_, StepCommit::Open(workspace_, std::move(target)));
    return arrow::Status::OK();
  }

  // Law 3: every driver row of the range is accounted for, also those SQL gave nothing for.
  arrow::Status CountDriverRows(const arrow::RecordBatch& rows) {
    ARROW_ASSIGN_OR_RAISE(const auto out, Int64Column(rows, std::string(lake::kSeq)));
    const PinnedInput& driver = range_.InputOf(range_.next.driver);
    if (!driver.snapshot->exists()) {
      return arrow::Status::OK();
    }
    lake::ScanOptions options;
    options.seq = lake::SeqRange{range_.next.seq_after, range_.next.seq_up_to};
    if (table_.rows != RowsRule::kOnePerInput) {
      options.columns = {std::string(lake::kSeq)};
    }
    ARROW_ASSIGN_OR_RAISE(auto reader, ScanInOrder(workspace_, *driver.snapshot, options));
    size_t next_out = 0;
    while (true) {
      ARROW_ASSIGN_OR_RAISE(auto batch, reader->Next());
      if (!batch) {
        break;
      }
      counts_.read += batch->num_rows();
      std::vector<int64_t> lost;
      ARROW_RETURN_NOT_OK(MatchSeqs(*batch, out, &next_out, &lost));
      if (lost.empty()) {
        continue;
      }
      if (table_.rows != RowsRule::kOnePerInput) {
        counts_.filtered += static_cast<int64_t>(lost.size());
        continue;
      }
      ARROW_RETURN_NOT_OK(RejectLost(batch, lost));
    }
    if (next_out != out.size()) {
      return MakeError(ErrorCode::kInternal,
                       table_.FullName() + ": the SQL gave rows of no driver row");
    }
    return arrow::Status::OK();
  }

  // Both sides ascend by _seq. Collects the driver rows without a row out, counts those beyond one.
  arrow::Status MatchSeqs(const arrow::RecordBatch& driver, const std::vector<int64_t>& out,
                          size_t* next_out, std::vector<int64_t>* lost) {
    ARROW_ASSIGN_OR_RAISE(const auto in, Int64Column(driver, std::string(lake::kSeq)));
    for (size_t i = 0; i < in.size();) {
      size_t in_end = i;  // a driver of `rows: many` has several rows of one _seq
      while (in_end < in.size() && in[in_end] == in[i]) {
        ++in_end;
      }
      const auto in_rows = static_cast<int64_t>(in_end - i);
      int64_t out_rows = 0;
      while (*next_out < out.size() && out[*next_out] == in[i]) {
        ++*next_out;
        ++out_rows;
      }
      if (out_rows > in_rows && table_.rows != RowsRule::kMany) {
        return base::MakeErrorAt(
            ErrorCode::kContractViolation, table_.sql_location,
            table_.FullName() + ": row _seq " + std::to_string(in[i]) + " of " +
                range_.next.driver + " gave " + std::to_string(out_rows) +
                " rows; a side table holds its key twice, or say `rows: many`");
      }
      for (int64_t k = out_rows; k < in_rows; ++k) {
        lost->push_back(static_cast<int64_t>(i) + k);
      }
      counts_.expanded += std::max<int64_t>(0, out_rows - in_rows);
      i = in_end;
    }
    return arrow::Status::OK();
  }

  arrow::Status RejectLost(const std::shared_ptr<arrow::RecordBatch>& batch,
                           const std::vector<int64_t>& lost) {
    quality::RejectedRows rejected;
    ARROW_ASSIGN_OR_RAISE(rejected.rows, TakeRows(batch, lost));
    quality::Reason reason;
    reason.rule = "dropped by SQL";
    reason.version = range_.next.definition;
    reason.expected = "one row out for each row of " + range_.next.driver;
    return RejectAll(std::move(rejected), reason);
  }

  arrow::Status PrepareChecks(const std::shared_ptr<arrow::Schema>& schema) {
    const bool keeps_rows = !range_.new_generation && table_.mode == Mode::kAppend;
    if (!table_.key.empty() && table_.mode == Mode::kAppend) {
      keys_ = std::make_unique<KeySet>(table_.key);
      if (keeps_rows) {
        ARROW_RETURN_NOT_OK(keys_->AddAll(workspace_, *range_.before));
      }
    }
    quality::CheckInputs inputs;
    inputs.version = range_.next.definition;
    checked_table_ = table_;
    if (table_.mode == Mode::kMerge) {
      // Its versions share keys; that its present does not is what merge is. `plan` takes no other.
      std::erase_if(checked_table_.checks, [](const spec::Check& check) {
        return check.kind == spec::Check::Kind::kUnique;
      });
    }
    for (const spec::Check& check : checked_table_.checks) {
      if (check.kind == spec::Check::Kind::kUnique && keeps_rows && range_.before->exists()) {
        auto known = std::make_unique<KeySet>(check.columns);
        ARROW_RETURN_NOT_OK(known->AddAll(workspace_, *range_.before));
        inputs.keys[check.name] = known.get();
        lookups_.push_back(std::move(known));
      }
      for (const auto& [column, target] : check.references) {
        const auto [name, other] = SplitColumn(target);
        auto values = ReadColumn(workspace_, *range_.InputOf(name).snapshot, other);
        if (!values.ok()) {
          return base::MakeErrorAt(base::CodeOf(values.status()), check.location,
                                   values.status().message());
        }
        inputs.references[target] = *values;
      }
    }
    ARROW_ASSIGN_OR_RAISE(checker_,
                          quality::TableChecker::Make(checked_table_, schema, std::move(inputs)));
    return arrow::Status::OK();
  }

  // Declared drops, then duplicates of the key, then the checks; each row leaves by one way.
  arrow::Status TakeSlice(std::shared_ptr<arrow::RecordBatch> rows) {
    if (versioned_ && !whole_) {
      ARROW_ASSIGN_OR_RAISE(rows, SetDeletesAside(rows));
    }
    ARROW_ASSIGN_OR_RAISE(const auto drops, checker_->EvaluateDrops(*rows));
    std::vector<int64_t> kept;
    for (size_t i = 0; i < drops.size(); ++i) {
      if (drops[i] < 0) {
        kept.push_back(static_cast<int64_t>(i));
      } else {
        ++counts_.dropped_by_name[table_.drop[static_cast<size_t>(drops[i])].name];
      }
    }
    ARROW_ASSIGN_OR_RAISE(rows, TakeRows(rows, kept));
    if (versioned_) {
      ARROW_ASSIGN_OR_RAISE(rows, RejectNullKeys(rows));
    }
    std::shared_ptr<arrow::RecordBatch> accepted;
    if (keys_) {
      ARROW_ASSIGN_OR_RAISE(accepted, CheckFirstOfKeys(rows));
    } else {
      ARROW_ASSIGN_OR_RAISE(accepted, CheckAll(*rows));
    }
    NoteNewest(*accepted);
    if (versioned_) {
      accepted_.push_back(accepted);
    } else {
      ARROW_RETURN_NOT_OK(commit_->Write(accepted));
    }
    workspace_.Tell(
        {Event::Kind::kProgress, table_.FullName(), "table", "", counts_.written, 0, 0});
    return arrow::Status::OK();
  }

  // Counts and rejects; gives the rows that passed.
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> CheckAll(const arrow::RecordBatch& rows) {
    ARROW_ASSIGN_OR_RAISE(auto checked, checker_->CheckRows(rows));
    counts_.written += checked.accepted->num_rows();
    counts_.quarantined += checked.quarantined.rows ? checked.quarantined.rows->num_rows() : 0;
    quality::AddCounts(checked.quarantined_by_rule, &counts_.quarantined_by_rule);
    quality::AddCounts(checked.broken_by_rule, &counts_.broken_by_rule);
    quality::AddCounts(checked.warned_by_rule, &counts_.warned_by_rule);
    ARROW_RETURN_NOT_OK(commit_->Reject(checked.quarantined));
    if (versioned_ && whole_ && checked.quarantined.rows) {
      ARROW_ASSIGN_OR_RAISE(auto keys, Conform(*checked.quarantined.rows, rows.schema()));
      spared_.push_back(std::move(keys));
    }
    return std::move(checked.accepted);
  }

  // A delete of the driver ends a row here; what it carries was checked when it came.
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> SetDeletesAside(
      const std::shared_ptr<arrow::RecordBatch>& rows) {
    const auto& ops =
        static_cast<const arrow::StringArray&>(*rows->GetColumnByName(std::string(lake::kOp)));
    if (ops.null_count() == ops.length()) {
      return rows;
    }
    std::vector<int64_t> deletes;
    std::vector<int64_t> others;
    for (int64_t i = 0; i < ops.length(); ++i) {
      (ops.IsValid(i) && ops.GetView(i) == kDeleteOp ? deletes : others).push_back(i);
    }
    ARROW_ASSIGN_OR_RAISE(auto ended, TakeRows(rows, deletes));
    ARROW_ASSIGN_OR_RAISE(ended, RejectNullKeys(ended));
    counts_.written += ended->num_rows();
    accepted_.push_back(std::move(ended));
    return TakeRows(rows, others);
  }

  // A row of no key is no version of anything.
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> RejectNullKeys(
      const std::shared_ptr<arrow::RecordBatch>& rows) {
    auto kept = rows;
    ARROW_ASSIGN_OR_RAISE(auto keyless, TakeKeylessRows(table_.key, range_.next.definition, &kept));
    if (keyless.rows) {
      const quality::Reason reason = keyless.reasons.front().front();
      ARROW_RETURN_NOT_OK(RejectAll(std::move(keyless), reason));
    }
    return kept;
  }

  arrow::Status RejectAll(quality::RejectedRows rejected, const quality::Reason& reason) {
    const int64_t count = rejected.rows->num_rows();
    rejected.reasons.assign(static_cast<size_t>(count), {reason});
    counts_.quarantined += count;
    counts_.quarantined_by_rule[reason.rule] += count;
    counts_.broken_by_rule[reason.rule] += count;
    return commit_->Reject(rejected);
  }

  arrow::Result<std::shared_ptr<arrow::RecordBatch>> OneBatch(
      const std::shared_ptr<arrow::Schema>& schema, const arrow::RecordBatchVector& batches) {
    ARROW_ASSIGN_OR_RAISE(auto table, arrow::Table::FromRecordBatches(schema, batches));
    return SortedBySeq(table);
  }

  // The rows that passed become the log's, and a change of the present.
  arrow::Status MakeVersions(const std::shared_ptr<arrow::RecordBatch>& like) {
    VersionContext context{*versioned_, table_.known_at, table_.event_time,
                           present_,    range_.before,   range_.new_generation};
    ARROW_ASSIGN_OR_RAISE(auto rows, OneBatch(like->schema(), accepted_));
    accepted_.clear();
    if (whole_) {
      ARROW_ASSIGN_OR_RAISE(const auto spared, OneBatch(like->schema(), spared_));
      const VersionStamp stamp{range_.before->last_seq(), arrived_us_, run_id_};
      ARROW_ASSIGN_OR_RAISE(versions_, CompareVersions(workspace_, context, rows, spared, stamp));
      range_.next.seq_after = stamp.seq_after;
      range_.next.seq_up_to = stamp.seq_after + versions_.history->num_rows();
      commit_->Renumber(range_.next, range_.next.seq_up_to);
    } else {
      ARROW_ASSIGN_OR_RAISE(versions_, MergeVersions(workspace_, context, rows));
      counts_.superseded += versions_.superseded;
      counts_.written -= versions_.superseded;
    }
    counts_.versions_by_op = {{std::string(kInsertOp), versions_.inserts},
                              {std::string(kUpdateOp), versions_.updates},
                              {std::string(kDeleteOp), versions_.deletes}};
    return commit_->Write(versions_.history);
  }

  // The log is committed; whatever happens from here on, the next run brings the present up to it.
  arrow::Status FinishPresent() {
    return CommitPresentOf(workspace_, *versioned_, *present_, report_->writes.back().version,
                           range_.new_generation || !range_.before->exists(), versions_.change,
                           table_.doc.description, report_);
  }

  // Only the first row of a key that passes is the table's. One that a check rejects claims no key,
  // so what is kept does not depend on how rows were cut into runs: the next of its key is tried in
  // the next round.
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> CheckFirstOfKeys(
      const std::shared_ptr<arrow::RecordBatch>& rows) {
    ARROW_ASSIGN_OR_RAISE(const std::vector<int64_t> next, keys_->NextOfKey(*rows));
    std::vector<bool> is_first(next.size(), true);
    for (const int64_t follower : next) {
      if (follower >= 0) {
        is_first[static_cast<size_t>(follower)] = false;
      }
    }
    std::vector<int64_t> candidates;
    for (size_t i = 0; i < next.size(); ++i) {
      if (is_first[i]) {
        candidates.push_back(static_cast<int64_t>(i));
      }
    }
    ARROW_ASSIGN_OR_RAISE(auto none, TakeRows(rows, {}));
    arrow::RecordBatchVector accepted = {none};
    while (!candidates.empty()) {
      ARROW_ASSIGN_OR_RAISE(auto batch, TakeRows(rows, candidates));
      ARROW_ASSIGN_OR_RAISE(const auto there, keys_->Exists(*batch));
      std::vector<int64_t> tried;
      for (size_t i = 0; i < candidates.size(); ++i) {
        if (!there[i]) {
          tried.push_back(candidates[i]);
          continue;
        }
        for (int64_t row = candidates[i]; row >= 0; row = next[static_cast<size_t>(row)]) {
          ++counts_.duplicates;
        }
      }
      ARROW_ASSIGN_OR_RAISE(batch, TakeRows(rows, tried));
      ARROW_ASSIGN_OR_RAISE(auto passed, CheckAll(*batch));
      ARROW_RETURN_NOT_OK(keys_->AddRows(*passed).status());
      accepted.push_back(std::move(passed));
      candidates.clear();
      for (const int64_t row : tried) {
        if (const int64_t follower = next[static_cast<size_t>(row)]; follower >= 0) {
          candidates.push_back(follower);
        }
      }
      std::sort(candidates.begin(), candidates.end());
    }
    ARROW_ASSIGN_OR_RAISE(auto table, arrow::Table::FromRecordBatches(accepted));
    return SortedBySeq(table);
  }

  void NoteNewest(const arrow::RecordBatch& rows) {
    const bool timed = table_.event_time && !table_.event_time->always;
    const auto column =
        rows.GetColumnByName(timed ? table_.event_time->column : std::string(lake::kArrivedAt));
    if (!column || column->type_id() != arrow::Type::TIMESTAMP) {
      return;
    }
    const auto& times = static_cast<const arrow::TimestampArray&>(*column);
    for (int64_t i = 0; i < times.length(); ++i) {
      if (times.IsValid(i)) {
        newest_us_ = std::max(newest_us_.value_or(INT64_MIN), times.Value(i));
      }
    }
  }

  arrow::Status FinishChecks() {
    quality::TableNumbers numbers;
    const bool keeps_rows = !range_.new_generation && table_.mode == Mode::kAppend;
    numbers.rows =
        versioned_ ? versions_.present_rows
                   : counts_.written + (keeps_rows ? range_.before->row_count().value_or(0) : 0);
    numbers.newest_us = newest_us_;
    numbers.now_us = workspace_.clock->NowMicros();
    for (const spec::Check& check : table_.checks) {
      if (!check.other_table.empty()) {
        numbers.other_rows[check.other_table] =
            range_.InputOf(check.other_table).snapshot->row_count().value_or(0);
      }
    }
    ARROW_ASSIGN_OR_RAISE(auto warned, checker_->Finish(numbers));
    quality::AddCounts(warned, &counts_.warned_by_rule);
    return arrow::Status::OK();
  }

  const Workspace& workspace_;
  const AnalysedProject& project_;
  const AnalysedTable& analysed_;
  const spec::Table& table_;
  const std::optional<VersionedTable> versioned_;
  const bool whole_;
  StepRange range_;
  const std::string run_id_;
  StepReport* const report_;
  StepCounts counts_;
  std::unique_ptr<sql::Session> session_;
  std::unique_ptr<StepCommit> commit_;
  std::unique_ptr<KeySet> keys_;
  std::vector<std::unique_ptr<KeySet>> lookups_;
  spec::Table checked_table_;
  std::unique_ptr<quality::TableChecker> checker_;
  std::optional<int64_t> newest_us_;
  int64_t arrived_us_ = 0;  // of rows computed whole
  // Of a table that keeps versions only:
  std::shared_ptr<const lake::Snapshot> present_;
  arrow::RecordBatchVector accepted_;
  arrow::RecordBatchVector
      spared_;  // rejected rows of a table computed whole: their keys are there
  VersionRows versions_;
};

// Why a table that is there is computed whole once more.
std::string WholeBecause(const StepRequest& request, const StepState& state,
                         const std::map<std::string, InputMark>& inputs) {
  if (request.full) {
    return "--full";
  }
  if (state.definition != request.definition) {
    return "its definition changed";
  }
  for (const auto& [name, mark] : inputs) {
    const auto known = state.inputs.find(name);
    if (known == state.inputs.end() || !(known->second == mark)) {
      return name + " changed";
    }
  }
  return "it reads other tables";
}

// Whether rows of the new columns can be compared with, and rest beside, those that are there.
bool CanGoOn(const lake::Snapshot& history, const AnalysedTable& table) {
  const auto domain = history.Domain(kVersionsDomain);
  VersionedTable before;
  if (!domain || !VersionsFromJson(*domain, &before).ok() || before.key != table.table->key) {
    return false;
  }
  return std::all_of(table.schema->fields().begin(), table.schema->fields().end(),
                     [&](const auto& field) {
                       const auto known = history.schema->GetFieldByName(field->name());
                       return !known || known->type()->Equals(field->type());
                     });
}

// A table computed whole is done again whenever anything it read has another version. One with a
// key goes on with its versions in a new generation too: what was known when cannot be computed
// again.
arrow::Result<std::optional<StepRange>> WholeRange(const Workspace& workspace,
                                                   const AnalysedTable& table,
                                                   const StepRequest& request) {
  StepRange range;
  ARROW_ASSIGN_OR_RAISE(range.before, LoadTable(workspace, request.table));
  ARROW_ASSIGN_OR_RAISE(range.quarantine_before, LoadTable(workspace, request.quarantine));
  ARROW_ASSIGN_OR_RAISE(StepState state, StepStateOf(*range.before));
  range.next.definition = request.definition;
  for (const std::string& name : request.inputs) {
    ARROW_ASSIGN_OR_RAISE(auto snapshot, LoadTable(workspace, name));
    ARROW_RETURN_NOT_OK(SkipMaintenance(workspace, name, *snapshot, &state));
    ARROW_ASSIGN_OR_RAISE(int64_t generation, GenerationOf(*snapshot));
    range.next.inputs[name] = {snapshot->table_id, snapshot->version, generation};
    range.inputs.push_back({name, std::move(snapshot), generation});
  }
  if (range.before->exists() && !request.full && state.definition == request.definition &&
      state.inputs == range.next.inputs) {
    return std::optional<StepRange>();
  }
  const bool rebuilt = request.full || state.definition != request.definition;
  if (range.before->exists()) {
    range.reason = WholeBecause(request, state, range.next.inputs);
  }
  range.next.generation = state.generation + (rebuilt || state.generation == 0 ? 1 : 0);
  range.new_generation =
      table.history.empty() || (range.before->exists() && !CanGoOn(*range.before, table));
  return std::optional<StepRange>(std::move(range));
}

}  // namespace

std::vector<std::string> InputsOf(const AnalysedTable& table) {
  std::vector<std::string> inputs = table.analysis.tables;
  const auto add = [&inputs](const std::string& name) {
    if (std::find(inputs.begin(), inputs.end(), name) == inputs.end()) {
      inputs.push_back(name);
    }
  };
  for (const std::string& name : TablesOfChecks(*table.table)) {
    add(name);
  }
  return inputs;
}

StepRequest RequestOf(const spec::Project& project, const AnalysedTable& table) {
  StepRequest request;
  request.origin = table.table->FullName();
  request.table = table.history.empty() ? request.origin : table.history;
  request.quarantine = QuarantineName(table.table->name);
  request.definition = spec::Fingerprint(*table.table);
  request.inputs = InputsOf(table);
  if (table.table->mode == Mode::kReplace) {
    return request;
  }
  request.driver = *table.analysis.driver;
  if (const auto versions = FindVersionedTable(project, request.driver)) {
    const std::vector<std::string> checked = TablesOfChecks(*table.table);
    std::erase_if(request.inputs, [&](const std::string& name) {
      return name == versions->history ||
             (name == versions->present &&
              std::find(checked.begin(), checked.end(), name) == checked.end());
    });
    request.driver = versions->history;  // its new rows, deletes too, are there
    request.inputs.insert(request.inputs.begin(), request.driver);
  } else {
    request.driver_is_whole = IsComputedWhole(project, request.driver);
  }
  return request;
}

arrow::Result<std::optional<StepRange>> NextTableRange(const Workspace& workspace,
                                                       const AnalysedTable& table, bool full) {
  StepRequest request = RequestOf(*workspace.project, table);
  request.full = full;
  return table.table->mode == Mode::kReplace ? WholeRange(workspace, table, request)
                                             : NextRange(workspace, request);
}

arrow::Status ComputeTable(const Workspace& workspace, const AnalysedProject& project,
                           const AnalysedTable& table, bool full, const std::string& run_id,
                           StepReport* report) {
  const auto versioned = FindVersionedTable(*workspace.project, table.table->FullName());
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    if (versioned) {
      ARROW_RETURN_NOT_OK(
          BringPresentUp(workspace, *versioned, table.table->doc.description, report));
    }
    ARROW_ASSIGN_OR_RAISE(auto range, NextTableRange(workspace, table, full));
    if (!range) {
      return arrow::Status::OK();
    }
    TableStep step(workspace, project, table, std::move(*range), run_id, report);
    const arrow::Status status = step.Run();
    if (status.ok()) {
      full = false;  // and once more: a half-done range may have had rows behind it
    } else if (base::CodeOf(status) != ErrorCode::kConflict) {
      return status;
    }
  }
  return MakeError(ErrorCode::kConflict,
                   table.table->FullName() + ": others kept changing it; try again");
}

}  // namespace icecore::pipeline
