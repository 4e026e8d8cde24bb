#include "icecore/pipeline/training.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>
#include <arrow/record_batch.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/base/log.h"
#include "icecore/base/time.h"
#include "icecore/lake/commit_log.h"
#include "icecore/lake/envelope.h"
#include "icecore/pipeline/commit_times.h"
#include "icecore/pipeline/delay_counts.h"
#include "icecore/pipeline/lake_feature_log.h"
#include "icecore/pipeline/step_range.h"
#include "icecore/pipeline/version_rules.h"
#include "icecore/pipeline/versions.h"

namespace icecore::pipeline {
namespace {

using base::ErrorCode;
using base::MakeError;

arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> ScanColumns(
    const Workspace& workspace, const lake::Snapshot& snapshot,
    const std::vector<std::string>& columns, const std::optional<lake::SeqRange>& range) {
  lake::ScanOptions options;
  options.columns = columns;
  options.seq = range;
  return lake::Scan(*workspace.store, snapshot, options, workspace.access);
}

// The rows of `rows` that the load has to bring: not taken before, active by `until`.
// Raises *latest to the greatest activation seen.
arrow::Result<state::PreparedRows> SelectNew(const state::ViewEngine& engine,
                                             const state::PreparedRows& rows,
                                             const online::ViewPosition& before, int64_t until,
                                             int64_t* latest) {
  arrow::Int64Builder picked;
  for (int64_t i = 0; i < rows.num_rows; ++i) {
    if (rows.event_time->IsNull(i) || rows.known_at->IsNull(i)) {
      continue;
    }
    const int64_t activation =
        engine.ActivationOf(rows.event_time->Value(i), rows.known_at->Value(i));
    *latest = std::max(*latest, activation);
    const bool taken = rows.seq->Value(i) <= before.seq && activation <= before.applied_until;
    if (!taken && activation <= until) {
      ARROW_RETURN_NOT_OK(picked.Append(i));
    }
  }
  ARROW_ASSIGN_OR_RAISE(auto indices, picked.Finish());
  if (indices->length() == rows.num_rows) {
    return rows;
  }
  const auto take = [&](const std::shared_ptr<arrow::Array>& column)
      -> arrow::Result<std::shared_ptr<arrow::Array>> {
    return arrow::compute::Take(*column, *indices);
  };
  state::PreparedRows out;
  out.num_rows = indices->length();
  for (const auto& key : rows.keys) {
    ARROW_ASSIGN_OR_RAISE(auto column, take(key));
    out.keys.push_back(column);
  }
  for (const auto& value : rows.values) {
    ARROW_ASSIGN_OR_RAISE(auto column, take(value));
    out.values.push_back(column);
  }
  for (const auto& mask : rows.masks) {
    ARROW_ASSIGN_OR_RAISE(auto column, take(mask));
    out.masks.push_back(std::static_pointer_cast<arrow::BooleanArray>(column));
  }
  const auto take_int64 = [&](const std::shared_ptr<arrow::Int64Array>& column)
      -> arrow::Result<std::shared_ptr<arrow::Int64Array>> {
    ARROW_ASSIGN_OR_RAISE(auto taken, take(column));
    return std::static_pointer_cast<arrow::Int64Array>(taken);
  };
  const auto take_binary = [&](const std::shared_ptr<arrow::BinaryArray>& column)
      -> arrow::Result<std::shared_ptr<arrow::BinaryArray>> {
    ARROW_ASSIGN_OR_RAISE(auto taken, take(column));
    return std::static_pointer_cast<arrow::BinaryArray>(taken);
  };
  if (engine.layout().versioned) {
    ARROW_ASSIGN_OR_RAISE(out.table_key, take_binary(rows.table_key));
    ARROW_ASSIGN_OR_RAISE(out.version_order, take_binary(rows.version_order));
    ARROW_ASSIGN_OR_RAISE(auto live, take(rows.live));
    out.live = std::static_pointer_cast<arrow::BooleanArray>(live);
  }
  ARROW_ASSIGN_OR_RAISE(out.event_time, take_int64(rows.event_time));
  ARROW_ASSIGN_OR_RAISE(out.known_at, take_int64(rows.known_at));
  ARROW_ASSIGN_OR_RAISE(out.seq, take_int64(rows.seq));
  if (rows.live) {
    ARROW_ASSIGN_OR_RAISE(auto key, take(rows.table_key));
    ARROW_ASSIGN_OR_RAISE(auto order, take(rows.version_order));
    ARROW_ASSIGN_OR_RAISE(auto live, take(rows.live));
    out.table_key = std::static_pointer_cast<arrow::BinaryArray>(key);
    out.version_order = std::static_pointer_cast<arrow::BinaryArray>(order);
    out.live = std::static_pointer_cast<arrow::BooleanArray>(live);
  }
  return out;
}

// What tells the versions of the view's table from one another, as far as the store's bytes go.
std::string VersionsText(const spec::Project& project, const spec::FeatureView& view,
                         const lake::Snapshot& log) {
  const auto versions = FindVersionedTable(project, view.from);
  if (!versions) {
    return "";
  }
  std::string text = "/versions";
  for (const auto* columns : {&versions->key, &versions->order_by}) {
    text += "/" + std::to_string(columns->size());
    for (const std::string& column : *columns) {
      const auto field = log.exists() ? log.schema->GetFieldByName(column) : nullptr;
      text += "/" + column + ":" + (field ? field->type()->ToString() : "");
    }
  }
  return text;
}

// Whether the store's rows are those of the table's generation, and, of a table computed whole, of
// this version or one that maintenance alone parts from it.
arrow::Result<bool> HasSameRows(const Workspace& workspace, const lake::Snapshot& snapshot,
                                const std::string& table_state,
                                const std::optional<online::ViewPosition>& known, bool whole) {
  if (!known || known->table_generation == table_state) {
    return true;
  }
  const size_t slash = table_state.rfind('/');
  if (!whole || known->table_generation.compare(0, slash + 1, table_state, 0, slash + 1) != 0) {
    return false;
  }
  int64_t version = -1;
  const std::string& text = known->table_generation;
  const auto [end, error] =
      std::from_chars(text.data() + slash + 1, text.data() + text.size(), version);
  if (error != std::errc() || end != text.data() + text.size() || version > snapshot.version) {
    return false;
  }
  ARROW_ASSIGN_OR_RAISE(
      const bool changed,
      lake::RowsChangedBetween(*workspace.store, snapshot.table_path, version, snapshot.version));
  return !changed;
}

// How long the rows of a load took from when they happened, were known and were committed, to when
// they can be served: not before the load has ended, nor before they are active. Of a very large
// load most rows count as servable when they were read, so that their times need not be kept.
class RowDelays {
 public:
  explicit RowDelays(const base::Clock* clock) : clock_(clock) {}

  // `commits`: of the rows that no load has brought before.
  void Add(const state::ViewEngine& engine, const state::PreparedRows& rows,
           const CommitTimes& commits) {
    for (int64_t i = 0; i < rows.num_rows; ++i) {
      // Such rows are in no view.
      if (rows.event_time->IsNull(i) || rows.known_at->IsNull(i)) continue;
      const int64_t event = rows.event_time->Value(i);
      const int64_t known = rows.known_at->Value(i);
      waiting_.push_back(
          {event, known, engine.ActivationOf(event, known), commits.Of(rows.seq->Value(i))});
    }
    if (waiting_.size() >= kMostWaiting) {
      Loaded();
    }
  }
  // What was added can be served now.
  void Loaded() {
    const int64_t now_us = clock_->NowMicros();
    for (const Times& row : waiting_) {
      const int64_t servable = std::max(now_us, row.active);
      delays_.since_event.AddBetween(row.event, servable);
      delays_.since_known.AddBetween(row.known, servable);
      if (row.committed.has_value()) {
        delays_.since_commit.AddBetween(*row.committed, servable);
      }
    }
    waiting_.clear();
  }
  const LoadDelays& delays() const { return delays_; }

 private:
  static constexpr size_t kMostWaiting = 1 << 20;
  struct Times {
    int64_t event;
    int64_t known;
    int64_t active;
    std::optional<int64_t> committed;
  };
  const base::Clock* const clock_;
  std::vector<Times> waiting_;
  LoadDelays delays_;
};

// The rows between `before` and plan->next, whose latest activation is raised.
arrow::Status AddRows(const Workspace& workspace, const feature::BoundView& view,
                      const online::ViewPosition& before, OnlineLoadPlan* plan,
                      online::ViewLoad* load, RowDelays* delays, StepCounts* counts) {
  std::optional<lake::SeqRange> range;
  if (!plan->fresh && !plan->waiting) {
    range = lake::SeqRange{before.seq, plan->next.seq};
  }
  ARROW_ASSIGN_OR_RAISE(auto reader,
                        ScanColumns(workspace, *plan->snapshot, view.columns(), range));
  // What is loaded anew was servable long ago, and facts of always have no time.
  const bool measured = !plan->fresh && !plan->stored.engine->layout().always;
  const CommitTimes commits =
      measured ? CommitTimes::Read(*workspace.store, *plan->snapshot, before.seq) : CommitTimes();
  online::ViewPosition floor = before;
  if (plan->fresh) {
    floor.seq = -1;
    floor.applied_until = INT64_MIN;
  }
  while (true) {
    ARROW_ASSIGN_OR_RAISE(auto batch, reader->Next());
    if (!batch) {
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(auto prepared, view.Prepare(*batch));
    ARROW_ASSIGN_OR_RAISE(auto rows,
                          SelectNew(*plan->stored.engine, prepared, floor, plan->next.applied_until,
                                    &plan->next.latest_activation));
    counts->read += batch->num_rows();
    counts->written += rows.num_rows;
    if (measured) {
      delays->Add(*plan->stored.engine, rows, commits);
    }
    ARROW_RETURN_NOT_OK(load->Add(rows));
    workspace.Tell(
        {Event::Kind::kProgress, "view." + view.name(), "online", "", counts->read, 0, 0});
  }
}

// What a new generation has replaced. It answers nothing any more, so the run is done without it:
// what is left goes with the next one.
void SweepOldGenerations(const Workspace& workspace, const std::string& view) {
  constexpr int64_t kMostCells = 10'000'000;
  const arrow::Status swept = workspace.online->Sweep(kMostCells).status();
  if (!swept.ok()) {
    base::Log(base::LogLevel::kWarning, "view " + view +
                                            " is loaded, but what it replaces is not " +
                                            "removed yet: " + swept.message());
  }
}

}  // namespace

arrow::Result<online::StoredView> StoredViewOf(const Workspace& workspace,
                                               const AnalysedProject& project,
                                               const spec::FeatureView& view) {
  const auto bound = project.views.find(view.name);
  if (bound == project.views.end()) {
    return MakeError(ErrorCode::kNotFound, "view " + view.name + " is not bound to its table");
  }
  const std::string log = LogOf(*workspace.project, view);
  ARROW_ASSIGN_OR_RAISE(auto snapshot, LoadTable(workspace, log));
  ARROW_ASSIGN_OR_RAISE(int64_t generation, GenerationOf(*snapshot));
  online::StoredView stored;
  stored.name = view.name;
  stored.entity = view.entity;
  const ViewTimes times = TimesOf(*workspace.project, view);
  stored.fingerprint = base::Sha256Hex(
      spec::Fingerprint(view, workspace.project->FindEntity(view.entity)) + "/" +
      (times.event_time ? times.event_time->column : "") + "/" +
      std::to_string(static_cast<int>(times.known_at.kind)) + "/" + times.known_at.column + "/" +
      std::to_string(times.known_at.delay_us) + "/" + snapshot->table_id + "/" +
      std::to_string(state::kStateFormat) + "/" + std::to_string(generation) +
      VersionsText(*workspace.project, view, *snapshot));
  stored.engine = bound->second->engine();
  stored.key_types = bound->second->key_types();
  return stored;
}

arrow::Result<std::optional<OnlineLoadPlan>> PlanOnlineLoad(const Workspace& workspace,
                                                            const AnalysedProject& project,
                                                            const spec::FeatureView& view,
                                                            bool full) {
  OnlineLoadPlan plan;
  ARROW_ASSIGN_OR_RAISE(plan.snapshot, LoadTable(workspace, LogOf(*workspace.project, view)));
  if (!plan.snapshot->exists()) {
    return std::optional<OnlineLoadPlan>();
  }
  ARROW_ASSIGN_OR_RAISE(plan.generation, GenerationOf(*plan.snapshot));
  const bool whole = IsComputedWhole(*workspace.project, view.from);
  const std::string table_state = plan.snapshot->table_id + "/" + std::to_string(plan.generation) +
                                  (whole ? "/" + std::to_string(plan.snapshot->version) : "");
  ARROW_ASSIGN_OR_RAISE(plan.stored, StoredViewOf(workspace, project, view));
  ARROW_ASSIGN_OR_RAISE(plan.known, workspace.online->Position(view.name));
  ARROW_ASSIGN_OR_RAISE(const bool same_rows,
                        HasSameRows(workspace, *plan.snapshot, table_state, plan.known, whole));
  plan.fresh =
      full || !plan.known || plan.known->fingerprint != plan.stored.fingerprint || !same_rows;
  const online::ViewPosition before = plan.fresh ? online::ViewPosition{} : *plan.known;
  online::ViewPosition& next = plan.next;
  next.fingerprint = plan.stored.fingerprint;
  next.table_generation = table_state;
  ARROW_ASSIGN_OR_RAISE(const StepState state, StepStateOf(*plan.snapshot));
  next.seq = TakenUpTo(*plan.snapshot, state);
  next.applied_at =
      std::max(workspace.clock->NowMicros(), plan.fresh ? INT64_MIN : before.applied_at);
  next.applied_until = base::SaturatingAdd(next.applied_at, kOnlineHorizonUs);
  next.latest_activation = plan.fresh ? INT64_MIN : before.latest_activation;
  plan.new_rows = plan.fresh || next.seq > before.seq;
  // With none that waits in the log, old rows need no second look.
  plan.waiting = !plan.fresh && before.latest_activation > before.applied_until &&
                 next.applied_until > before.applied_until;
  return std::optional<OnlineLoadPlan>(std::move(plan));
}

arrow::Status MaterializeView(const Workspace& workspace, const AnalysedProject& project,
                              const spec::FeatureView& view, bool full, StepReport* report) {
  ARROW_ASSIGN_OR_RAISE(auto found, PlanOnlineLoad(workspace, project, view, full));
  if (!found) {
    return arrow::Status::OK();
  }
  OnlineLoadPlan plan = *std::move(found);
  const online::ViewPosition before =
      plan.fresh ? online::ViewPosition{} : plan.known.value_or(online::ViewPosition{});
  if (!plan.new_rows && plan.next.applied_at == before.applied_at) {
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(auto load, workspace.online->BeginLoad(plan.stored, plan.fresh));
  // From here on nobody else moves the position; what was decided on an older one is void.
  ARROW_ASSIGN_OR_RAISE(const auto held, workspace.online->Position(view.name));
  if (held.has_value() != plan.known.has_value() ||
      (held && (held->generation != plan.known->generation || held->seq != plan.known->seq ||
                held->applied_at != plan.known->applied_at))) {
    return MakeError(ErrorCode::kConflict,
                     "view " + view.name + " was loaded by somebody else meanwhile");
  }
  RowDelays delays(workspace.clock);
  if (plan.new_rows || plan.waiting) {
    ARROW_RETURN_NOT_OK(AddRows(workspace, *project.views.at(view.name), before, &plan, load.get(),
                                &delays, &report->counts));
  }
  ARROW_RETURN_NOT_OK(load->Commit(plan.next));
  delays.Loaded();
  if (delays.delays().since_event.total() > 0) {
    report->detail_json = ToJson(delays.delays());
  }
  if (plan.fresh && plan.known) {
    SweepOldGenerations(workspace, view.name);
  }
  report->did_work = true;
  report->new_generation = plan.fresh && plan.known.has_value();
  report->reads.push_back({LogOf(*workspace.project, view), plan.snapshot->version, plan.generation,
                           before.seq + 1, plan.next.seq + 1});
  return arrow::Status::OK();
}

}  // namespace icecore::pipeline
