#include "icecore/pipeline/direct_load.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/byte_size.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/envelope.h"
#include "icecore/online/position_checks.h"
#include "icecore/pipeline/direct_reach.h"
#include "icecore/pipeline/landing.h"
#include "icecore/pipeline/landing_rows.h"
#include "icecore/pipeline/load_rows.h"
#include "icecore/pipeline/online_view.h"
#include "icecore/pipeline/push_landing.h"
#include "icecore/pipeline/row_batches.h"
#include "icecore/pipeline/row_wise.h"
#include "icecore/pipeline/runner.h"
#include "icecore/pipeline/snapshot_step.h"
#include "icecore/pipeline/sql_tables.h"
#include "icecore/pipeline/step_range.h"
#include "icecore/pipeline/table_step.h"
#include "icecore/pipeline/training.h"
#include "icecore/pipeline/versions.h"
#include "icecore/quality/checks.h"
#include "icecore/sql/session.h"
#include "icecore/sql/table_needs.h"

namespace icecore::pipeline {
namespace {

using base::ErrorCode;
using base::MakeError;
using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

constexpr int64_t kBatchBytes = int64_t{4} << 20;  // of JSON that is taken as one batch
constexpr int64_t kLoadBytes = int64_t{32} << 20;  // in memory, of rows of one load

// A check of one row that says the same whatever rows are beside it.
bool IsOfOneRow(const spec::Check& check) {
  switch (check.kind) {
    case spec::Check::Kind::kNotNull:
    case spec::Check::Kind::kIn:
    case spec::Check::Kind::kBetween:
    case spec::Check::Kind::kMatches:
    case spec::Check::Kind::kExpect:
      return !check.mostly;
    case spec::Check::Kind::kUnique:
    case spec::Check::Kind::kReferences:
    case spec::Check::Kind::kRowCount:
    case spec::Check::Kind::kEqualRows:
    case spec::Check::Kind::kFresh:
      return false;
  }
  return false;
}

// Whether each of the table's rows is a function of one row of its driver and of nothing else.
bool IsOfOneRow(const AnalysedTable& table) {
  return table.table->mode == spec::Table::Mode::kAppend && table.table->key.empty() &&
         table.table->rows != spec::Table::Rows::kMany && table.history.empty() && table.schema &&
         table.analysis.driver && !table.analysis.uses_run_time &&
         InputsOf(table) == std::vector<std::string>{*table.analysis.driver} &&
         std::all_of(table.table->checks.begin(), table.table->checks.end(),
                     [](const spec::Check& check) { return IsOfOneRow(check); });
}

// Whether a journal has no longer what was asked for.
bool IsGone(const arrow::Status& status) {
  const ErrorCode code = base::CodeOf(status);
  return code == ErrorCode::kCorrupt || code == ErrorCode::kConflict;
}

// A view as it is loaded this time.
struct Target {
  OnlineView view;
  std::string table;  // full name
  online::ViewPosition known;
  online::ViewPosition next;
  std::vector<state::PreparedRows> rows;
};

class Loads final : public DirectLoads {
 public:
  Loads(const Workspace& workspace, std::shared_ptr<const AnalysedProject> project,
        const spec::Source& source)
      : workspace_(workspace),
        project_(std::move(project)),
        source_(source),
        accepted_(AcceptedTableName(source)) {}

  ~Loads() override {
    if (journal_ != nullptr) journal_->KeepBehind(INT64_MAX);
    Tell({});
  }

  // False where there is nothing for it to do.
  arrow::Result<bool> Init() {
    const auto found = project_->sources.find(accepted_);
    if (found == project_->sources.end() || IsSnapshotSource(source_) || KeepsVersions(source_) ||
        !found->second.refused.ok() || !found->second.raw || !found->second.accepted) {
      return false;
    }
    analysed_ = &found->second;
    ARROW_ASSIGN_OR_RAISE(const std::set<std::string> behind,
                          SelectNames(*workspace_.project, {"source." + source_.name + "+"}));
    std::set<std::string> reached = {accepted_};
    std::set<std::string> wanted;
    for (const std::string& name : project_->order) {
      const auto table = project_->tables.find(name);
      if (table != project_->tables.end() && IsOfOneRow(table->second) &&
          reached.count(*table->second.analysis.driver) > 0) {
        reached.insert(name);
      }
    }
    for (const spec::FeatureView& view : workspace_.project->views) {
      if (!view.online || view.on_request() || behind.count("view." + view.name) == 0) continue;
      const auto bound = project_->views.find(view.name);
      if (reached.count(view.from) == 0 || bound == project_->views.end() ||
          bound->second->engine()->layout().versioned || bound->second->engine()->layout().always) {
        all_views_ = false;
        continue;
      }
      views_.push_back(view.name);
      for (std::string name = view.from; name != accepted_;
           name = *project_->tables.at(name).analysis.driver) {
        wanted.insert(name);
      }
    }
    for (const std::string& name : project_->order) {
      if (wanted.count(name) == 0) continue;
      tables_.push_back(&project_->tables.at(name));
      ARROW_ASSIGN_OR_RAISE(needs_[name], ColumnsNeeded(*tables_.back()));
    }
    if (views_.empty()) return false;
    ARROW_ASSIGN_OR_RAISE(checker_,
                          MakeContractChecker(source_, analysed_->raw, analysed_->inferred));
    ARROW_ASSIGN_OR_RAISE(journal_, OpenJournal(workspace_, source_));
    return true;
  }

  arrow::Result<DirectOutcome> LoadOnce(const std::stop_token& stop) override {
    auto outcome = TryLoad(stop);
    if (!outcome.ok() || outcome->stale) Tell({});
    return outcome;
  }

 private:
  arrow::Result<DirectOutcome> TryLoad(const std::stop_token& stop) {
    DirectOutcome outcome;
    ARROW_ASSIGN_OR_RAISE(const int64_t newest, journal_->LastNumber());
    if (newest == taken_.number && newest > 0) return outcome;
    ARROW_ASSIGN_OR_RAISE(const auto raw, LoadTable(workspace_, RawTableName(source_)));
    ARROW_ASSIGN_OR_RAISE(outcome.stale, NeedsLakeFirst(*raw));
    if (outcome.stale) return outcome;
    ARROW_ASSIGN_OR_RAISE(const ingest::PushPosition landed, LandedPushes(*raw));
    // Rows have the numbers of their places in the journal.
    const int64_t first_seq = raw->last_seq() - landed.rows;
    ARROW_ASSIGN_OR_RAISE(std::vector<Target> targets, Targets(landed, first_seq));
    outcome.complete = all_views_ && targets.size() == views_.size();
    if (targets.empty()) return outcome;
    ingest::PushPosition position = taken_;
    const arrow::Status read = Read(*raw, first_seq, stop, &position, &targets, &outcome.more);
    if (!read.ok() && taken_.number < landed.number && IsGone(read)) {
      taken_ = landed;  // what landed meanwhile comes with the lake's steps
      Keep({});
      return DirectOutcome();
    }
    ARROW_RETURN_NOT_OK(read);
    outcome.complete = outcome.complete && !outcome.more;
    for (Target& target : targets) {
      target.next.seq = first_seq + position.rows;
      if (target.next.seq <= target.known.seq) continue;
      ARROW_ASSIGN_OR_RAISE(auto loaded, Load(target));
      outcome.views.push_back(std::move(loaded));
    }
    taken_ = position;
    Keep(targets);
    return outcome;
  }

  // What these loads read next, and whom nobody else need load.
  void Keep(const std::vector<Target>& targets) {
    journal_->KeepBehind(targets.empty() ? INT64_MAX : taken_.number);
    DirectReach::Source reached;
    for (const Target& target : targets) {
      reached.views[target.view.stored.name] = std::max(target.known.seq, target.next.seq);
    }
    reached.all = all_views_ && targets.size() == views_.size();
    Tell(std::move(reached));
  }
  void Tell(DirectReach::Source reached) {
    if (workspace_.direct != nullptr) workspace_.direct->Tell(source_.name, std::move(reached));
  }

  // Those of its driver that the table's SQL looks at.
  arrow::Result<std::vector<std::string>> ColumnsNeeded(const AnalysedTable& table) const {
    sql::TableSchema driver;
    driver.full_name = *table.analysis.driver;
    driver.columns = SqlColumnsOf(driver.full_name, project_->SchemaOf(driver.full_name));
    ARROW_ASSIGN_OR_RAISE(auto needs, sql::NeedsOf(table.analysis.plain_sql, {driver}));
    std::vector<std::string> columns = std::move(needs.front().columns);
    for (const auto& field : driver.columns->fields()) {
      const std::string& name = field->name();
      const bool carried = name == lake::kSeq || name == lake::kOp || name == lake::kArrivedAt;
      if (carried && std::find(columns.begin(), columns.end(), name) == columns.end()) {
        columns.push_back(name);
      }
    }
    return columns;
  }

  // Whether tables have other columns than these loads know, or are not what is defined.
  arrow::Result<bool> NeedsLakeFirst(const lake::Snapshot& raw) {
    if (!raw.exists() || !raw.schema->Equals(*analysed_->raw)) return true;
    ARROW_ASSIGN_OR_RAISE(bool is_made, IsMadeBy(accepted_, ContractRequest(source_).definition));
    for (const AnalysedTable* table : tables_) {
      if (!is_made) return true;
      const StepRequest request = RequestOf(*workspace_.project, *table);
      ARROW_ASSIGN_OR_RAISE(is_made, IsMadeBy(request.table, request.definition));
    }
    return !is_made;
  }

  arrow::Result<bool> IsMadeBy(const std::string& table, const std::string& definition) {
    ARROW_ASSIGN_OR_RAISE(const auto snapshot, LoadTable(workspace_, table));
    if (!snapshot->exists()) return false;
    ARROW_ASSIGN_OR_RAISE(const StepState state, StepStateOf(*snapshot));
    schemas_[table] = snapshot->schema;
    generations_[table] = snapshot->table_id + "/" + std::to_string(state.generation);
    return state.definition == definition;
  }

  // The views that hold every row before what is read now; sets taken_ to where that begins. Rows
  // that landed since the last time are in the journal still, and sooner read there than awaited.
  arrow::Result<std::vector<Target>> Targets(const ingest::PushPosition& landed,
                                             int64_t first_seq) {
    std::vector<Target> found;
    for (const std::string& name : views_) {
      ARROW_ASSIGN_OR_RAISE(auto target, TargetOf(*workspace_.project->FindView(name)));
      if (target) found.push_back(*std::move(target));
    }
    const auto lacks = [&](const ingest::PushPosition& from) {
      return [seq = first_seq + from.rows](const Target& target) { return target.known.seq < seq; };
    };
    const auto any_lacks = [&](const ingest::PushPosition& from) {
      return std::any_of(found.begin(), found.end(), lacks(from));
    };
    // Where a view was loaded anew since, what the others have is read again for it.
    const bool further = taken_.number < landed.number ? !any_lacks(landed) : any_lacks(taken_);
    if (taken_.number == 0 || further) taken_ = landed;
    std::erase_if(found, lacks(taken_));
    Keep(found);
    return found;
  }

  // nullopt: the store holds the view in another form, or its time is over.
  arrow::Result<std::optional<Target>> TargetOf(const spec::FeatureView& view) {
    ARROW_ASSIGN_OR_RAISE(const auto known, workspace_.online->Position(view.name));
    if (!known || known->table_generation != generations_[view.from]) {
      return std::optional<Target>();
    }
    ARROW_ASSIGN_OR_RAISE(auto found, FindOnlineView(workspace_, *project_, view, known));
    Target target;
    target.view = std::move(found.view);
    if (found.addition || !online::HasSameCells(target.view.stored, *known) ||
        known->fingerprint != target.view.stored.fingerprint) {
      return std::optional<Target>();
    }
    target.table = view.from;
    target.known = *known;
    target.next = *known;
    target.next.applied_at = std::max(workspace_.clock->NowMicros(), known->applied_at);
    if (target.next.applied_at > known->applied_until) return std::optional<Target>();
    return std::optional<Target>(std::move(target));
  }

  // What was pushed behind *position, up to a bound, as rows of each target.
  arrow::Status Read(const lake::Snapshot& raw, int64_t first_seq, const std::stop_token& stop,
                     ingest::PushPosition* position, std::vector<Target>* targets, bool* more) {
    ingest::PushConnector connector(journal_.get(), kBatchBytes, ClosingTime(workspace_, raw));
    ARROW_ASSIGN_OR_RAISE(const auto partitions, connector.Partitions());
    const std::string from = position->number > 0 ? position->Serialize() : "";
    ARROW_ASSIGN_OR_RAISE(const auto reader, connector.Read(partitions.front(), from, stop));
    for (int64_t bytes = 0; bytes < kLoadBytes;) {
      ARROW_ASSIGN_OR_RAISE(const auto batch, reader->Next());
      if (!batch) return arrow::Status::OK();
      ARROW_ASSIGN_OR_RAISE(const auto columns,
                            MergeColumns(raw.schema.get(), *batch->rows->schema()));
      if (columns->num_fields() != raw.schema->num_fields()) {
        return MakeError(ErrorCode::kUnsupported, "rows of new columns");
      }
      ARROW_ASSIGN_OR_RAISE(const auto rows,
                            WithEnvelope(*batch->rows, raw.schema, first_seq + position->rows + 1,
                                         batch->arrived_us.value_or(0), ""));
      ARROW_RETURN_NOT_OK(AddRows(*rows, targets));
      ARROW_ASSIGN_OR_RAISE(*position, ingest::PushPosition::Parse(batch->position_after));
      ARROW_ASSIGN_OR_RAISE(const int64_t size, arrow::util::ReferencedBufferSize(*rows));
      bytes += size;
    }
    *more = true;
    return arrow::Status::OK();
  }

  // Raw rows through contract, tables and views.
  arrow::Status AddRows(const arrow::RecordBatch& raw, std::vector<Target>* targets) {
    ARROW_ASSIGN_OR_RAISE(const auto checked, checker_->Check(raw));
    std::map<std::string, BatchPtr> made;
    ARROW_ASSIGN_OR_RAISE(made[accepted_], Conform(*checked.accepted, schemas_[accepted_]));
    for (const AnalysedTable* table : tables_) {
      const std::string& driver = *table->analysis.driver;
      ARROW_ASSIGN_OR_RAISE(made[table->table->FullName()],
                            RowsOf(*table, driver, made.at(driver)));
    }
    for (Target& target : *targets) {
      ARROW_ASSIGN_OR_RAISE(auto prepared, target.view.rows->Prepare(*made.at(target.table)));
      WantedRows wanted;
      wanted.taken = target.known;
      wanted.until = target.known.applied_until;
      ARROW_ASSIGN_OR_RAISE(auto rows,
                            SelectNew(*target.view.stored.engine, prepared, wanted, &target.next));
      target.rows.push_back(std::move(rows));
    }
    return arrow::Status::OK();
  }

  // The table's rows of these of its driver, as its step would commit them.
  arrow::Result<BatchPtr> RowsOf(const AnalysedTable& table, const std::string& driver,
                                 const BatchPtr& rows) {
    sql::Limits limits;
    limits.temp_dir = workspace_.scratch_root;
    ARROW_ASSIGN_OR_RAISE(const auto session, sql::Session::Open(limits, {workspace_.lake_root}));
    ARROW_RETURN_NOT_OK(session->SetRunTime(workspace_.clock->NowMicros()));
    ARROW_RETURN_NOT_OK(
        RegisterRows(workspace_, driver, rows, needs_.at(table.table->FullName()), session.get()));
    ARROW_RETURN_NOT_OK(session->Lock());
    ARROW_ASSIGN_OR_RAISE(BatchPtr out, QueryRowWise(session.get(), table, ""));
    ARROW_ASSIGN_OR_RAISE(const auto seq, Int64Column(*out, std::string(lake::kSeq)));
    if (std::adjacent_find(seq.begin(), seq.end()) != seq.end()) {
      return MakeError(ErrorCode::kContractViolation,
                       table.table->FullName() + ": one row of " + driver + " gave several");
    }
    const std::string name = table.table->FullName();
    ARROW_ASSIGN_OR_RAISE(
        const auto checker,
        quality::TableChecker::Make(*table.table, out->schema(), quality::CheckInputs()));
    ARROW_ASSIGN_OR_RAISE(const auto drops, checker->EvaluateDrops(*out));
    std::vector<int64_t> kept;
    kept.reserve(drops.size());
    for (size_t i = 0; i < drops.size(); ++i) {
      if (drops[i] < 0) kept.push_back(static_cast<int64_t>(i));
    }
    if (kept.size() != drops.size()) {
      ARROW_ASSIGN_OR_RAISE(out, TakeRows(out, kept));
    }
    ARROW_ASSIGN_OR_RAISE(const auto checked, checker->CheckRows(*out));
    return Conform(*checked.accepted, schemas_[name]);
  }

  arrow::Result<DirectOutcome::View> Load(const Target& target) {
    DirectOutcome::View loaded;
    loaded.name = target.view.stored.name;
    online::Store& store = *workspace_.online;
    ARROW_ASSIGN_OR_RAISE(const auto load, store.BeginLoad(target.view.stored, false));
    ARROW_RETURN_NOT_OK(CheckNotMoved(store, loaded.name, target.known));
    RowDelays delays(workspace_.clock);
    for (const state::PreparedRows& rows : target.rows) {
      loaded.rows += rows.num_rows;
      delays.Add(*target.view.stored.engine, rows, CommitTimes());
      ARROW_RETURN_NOT_OK(load->Add(rows));
    }
    ARROW_RETURN_NOT_OK(load->Commit(target.next));
    delays.Loaded();
    loaded.delays = delays.delays();
    return loaded;
  }

  const Workspace& workspace_;
  const std::shared_ptr<const AnalysedProject> project_;
  const spec::Source& source_;
  const std::string accepted_;  // "landing.X"
  const AnalysedSource* analysed_ = nullptr;
  std::vector<const AnalysedTable*> tables_;               // inputs first
  std::map<std::string, std::vector<std::string>> needs_;  // of each its driver's columns
  std::vector<std::string> views_;
  bool all_views_ = true;  // every online view behind the source is among them
  std::unique_ptr<quality::ContractChecker> checker_;
  std::shared_ptr<ingest::PushJournal> journal_;
  ingest::PushPosition taken_;  // as far as every view that was not skipped has it
  std::map<std::string, std::shared_ptr<arrow::Schema>> schemas_;  // as the tables rest
  std::map<std::string, std::string> generations_;  // as ViewPosition::table_generation
};

}  // namespace

arrow::Result<std::unique_ptr<DirectLoads>> DirectLoads::Make(
    const Workspace& workspace, std::shared_ptr<const AnalysedProject> project,
    const spec::Source& source) {
  auto loads = std::make_unique<Loads>(workspace, std::move(project), source);
  ARROW_ASSIGN_OR_RAISE(const bool any, loads->Init());
  return any ? std::unique_ptr<DirectLoads>(std::move(loads)) : nullptr;
}

}  // namespace icecore::pipeline
