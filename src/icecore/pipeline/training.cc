#include "icecore/pipeline/training.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <thread>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/log.h"
#include "icecore/base/time.h"
#include "icecore/lake/commit_log.h"
#include "icecore/lake/envelope.h"
#include "icecore/online/position_checks.h"
#include "icecore/pipeline/commit_times.h"
#include "icecore/pipeline/delay_counts.h"
#include "icecore/pipeline/direct_reach.h"
#include "icecore/pipeline/lake_feature_log.h"
#include "icecore/pipeline/load_rows.h"
#include "icecore/pipeline/step_range.h"
#include "icecore/pipeline/version_rules.h"
#include "icecore/pipeline/versions.h"
#include "icecore/state/take_rows.h"

namespace icecore::pipeline {
namespace {

using base::ErrorCode;
using base::MakeError;

constexpr int64_t kEnoughToReadAhead = int64_t{1} << 29;
// How long a load waits for pushed rows to be in their table.
constexpr int64_t kTableWaitNanos = int64_t{10} * 1'000'000'000;
constexpr std::chrono::milliseconds kTableRetry(20);
// And rows that landed for direct loads, which are at them.
constexpr std::chrono::milliseconds kDirectWait(2'000);

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

WantedRows WantedBy(const OnlineLoadPlan& plan, const online::ViewPosition& before, bool resumed) {
  WantedRows wanted;
  wanted.taken = before;
  wanted.until = plan.next.applied_until;
  if (!plan.fresh && !plan.adds) {
    const int64_t first =
        plan.waiting ? std::min(before.waiting_from, before.seq + 1) : before.seq + 1;
    wanted.seq = lake::SeqRange{first - 1, plan.next.seq};
    return wanted;
  }
  wanted.taken.seq = -1;
  wanted.taken.applied_until = INT64_MIN;
  if (resumed || plan.adds) wanted.seq = lake::SeqRange{-1, plan.next.seq};
  // Of versions an old one may be what a new one takes the place of.
  const state::ViewEngine& engine = *plan.view.stored.engine;
  if (!engine.layout().versioned) wanted.earliest = engine.OldestRelevant(plan.next.applied_at);
  return wanted;
}

// The rows of the load, once; plan->next learns what waits.
arrow::Status AddRows(const Workspace& workspace, const WantedRows& wanted, OnlineLoadPlan* plan,
                      online::ViewLoad* load, RowDelays* delays, StepCounts* counts) {
  const feature::BoundView& view = *plan->view.rows;
  lake::ScanOptions options;
  options.columns = view.columns();
  options.seq = wanted.seq;
  options.predicates = EventTimesBetween(*plan->snapshot, view, wanted.earliest, INT64_MAX);
  // Whole row groups that are decoded ahead take a hundred megabytes each.
  if (plan->in_passes() && workspace.project->memory_bytes < kEnoughToReadAhead) {
    options.ahead_from_bytes = INT64_MAX;
  }
  ARROW_ASSIGN_OR_RAISE(auto reader,
                        lake::Scan(*workspace.store, *plan->snapshot, options, workspace.access));
  // What is loaded anew was servable long ago, and facts of always have no time.
  const bool measured = !plan->fresh && !plan->adds && !plan->view.stored.engine->layout().always;
  const CommitTimes commits =
      measured ? CommitTimes::Read(*workspace.store, *plan->snapshot, wanted.taken.seq)
               : CommitTimes();
  while (true) {
    ARROW_ASSIGN_OR_RAISE(auto batch, reader->Next());
    if (!batch) {
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(auto prepared, view.Prepare(*batch));
    ARROW_ASSIGN_OR_RAISE(auto rows,
                          SelectNew(*plan->view.stored.engine, prepared, wanted, &plan->next));
    counts->read += batch->num_rows();
    counts->written += rows.num_rows;
    if (measured) {
      delays->Add(*plan->view.stored.engine, rows, commits);
    }
    ARROW_RETURN_NOT_OK(load->Add(rows));
    workspace.Tell(
        {Event::Kind::kProgress, "view." + view.name(), "online", "", counts->read, 0, 0});
  }
}

// Adds all rows of the load, as often as the store's memory asks for; counts the first time.
arrow::Status AddInPasses(const Workspace& workspace, const WantedRows& wanted,
                          OnlineLoadPlan* plan, online::ViewLoad* load, RowDelays* delays,
                          StepCounts* counts) {
  // Half of what the project allows: cells in making, and the files that are read, take memory too.
  if (plan->in_passes()) {
    load->Bound(workspace.project->memory_bytes / 2, plan->snapshot->row_count().value_or(0));
  }
  StepCounts all;
  for (bool first = true, again = true; again; first = false) {
    ARROW_RETURN_NOT_OK(AddRows(workspace, wanted, plan, load, delays, &all));
    if (first) {
      counts->read += all.read;
      counts->written += all.written;
    }
    again = false;
    if (plan->in_passes()) {
      ARROW_ASSIGN_OR_RAISE(again, load->NextPass(plan->next));
    }
  }
  return arrow::Status::OK();
}

// Whether a load of `plan` may go on with one that was cut off: of the same rows, and not behind
// what the view answers from now.
bool CanGoOn(const online::ViewPosition& unfinished, const OnlineLoadPlan& plan) {
  const auto reaches = [](const online::ViewPosition& a, const online::ViewPosition& b) {
    return a.seq >= b.seq && a.applied_at >= b.applied_at && a.applied_until >= b.applied_until;
  };
  return unfinished.fingerprint == plan.next.fingerprint && unfinished.cells == plan.next.cells &&
         unfinished.table_generation == plan.next.table_generation &&
         reaches(plan.next, unfinished) && (!plan.known || reaches(unfinished, *plan.known));
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

// New states join the cells that are there at the position that these have.
std::optional<OnlineLoadPlan> PlanAddition(OnlineLoadPlan plan, OnlineView addition) {
  plan.adds = true;
  plan.new_rows = true;
  plan.view = std::move(addition);
  plan.next = *plan.known;
  plan.next.fingerprint = plan.view.stored.fingerprint;
  plan.next.cells = plan.view.stored.cells;
  return plan;
}

}  // namespace

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
  ARROW_ASSIGN_OR_RAISE(plan.known, workspace.online->Position(view.name));
  ARROW_ASSIGN_OR_RAISE(const bool same_rows,
                        HasSameRows(workspace, *plan.snapshot, table_state, plan.known, whole));
  const bool anew = full || !plan.known || !same_rows;
  ARROW_ASSIGN_OR_RAISE(auto found,
                        FindOnlineView(workspace, project, view, anew ? std::nullopt : plan.known));
  plan.new_features = found.new_features;
  ARROW_ASSIGN_OR_RAISE(const StepState state, StepStateOf(*plan.snapshot));
  const int64_t complete = TakenUpTo(*plan.snapshot, state);
  plan.lake_behind = plan.known && same_rows && plan.known->seq > complete;
  if (found.addition) return PlanAddition(std::move(plan), *std::move(found.addition));
  plan.view = std::move(found.view);
  const online::StoredView& stored = plan.view.stored;
  plan.fresh = anew || !online::HasSameCells(stored, *plan.known);
  plan.switches = !plan.fresh && plan.known->fingerprint != stored.fingerprint;
  const online::ViewPosition before = plan.fresh ? online::ViewPosition{} : *plan.known;
  online::ViewPosition& next = plan.next;
  next.fingerprint = stored.fingerprint;
  next.cells = stored.cells;
  next.table_generation = table_state;
  next.seq = complete;
  next.applied_at =
      std::max(workspace.clock->NowMicros(), plan.fresh ? INT64_MIN : before.applied_at);
  next.applied_until = base::SaturatingAdd(next.applied_at, kOnlineHorizonUs);
  next.latest_activation = plan.fresh ? INT64_MIN : before.latest_activation;
  plan.new_rows = plan.fresh || next.seq > before.seq;
  // With none that waits in the log, old rows need no second look.
  plan.waiting = !plan.fresh && before.latest_activation > before.applied_until &&
                 next.applied_until > before.applied_until;
  if (plan.lake_behind && !plan.fresh) {  // rows that wait may not be in the table yet
    plan.waiting = false;
    next.seq = before.seq;
    next.applied_at = before.applied_at;
    next.applied_until = before.applied_until;
  }
  // What waits is found anew where it is looked for.
  next.waiting_from = plan.fresh || plan.waiting ? INT64_MAX : before.waiting_from;
  return std::optional<OnlineLoadPlan>(std::move(plan));
}

std::string NoteOf(const OnlineLoadPlan& plan, const spec::FeatureView& view) {
  const auto features = std::to_string(view.features.size());
  if (plan.switches) {
    return "0 of " + features + " features new, nothing to load";
  }
  if (!plan.new_features || !(plan.fresh || plan.adds)) return "";
  const std::string added = std::to_string(*plan.new_features);
  return added + " of " + features + " features new, loads " + (plan.adds ? added : "all of them");
}

namespace {

// Plans the load again until the table has what the store took before it. Under the view's load, so
// that nobody brings more meanwhile.
arrow::Result<OnlineLoadPlan> AwaitTable(const Workspace& workspace, const AnalysedProject& project,
                                         const spec::FeatureView& view, bool full) {
  const int64_t deadline =
      base::MonotonicNanos() + (workspace.direct != nullptr ? 0 : kTableWaitNanos);
  while (true) {
    ARROW_ASSIGN_OR_RAISE(auto plan, PlanOnlineLoad(workspace, project, view, full));
    if (plan && !plan->lake_behind) return *std::move(plan);
    if (!plan || base::MonotonicNanos() >= deadline) {
      return MakeError(ErrorCode::kUnavailable,
                       "view " + view.name +
                           " answers from pushed rows that its table does not have yet; run "
                           "'icecore run' and try again");
    }
    std::this_thread::sleep_for(kTableRetry);
  }
}

// One load of the view. *behind: it ended at a position of before, that of a load that was cut off
// or of the cells that were there.
arrow::Status LoadOnce(const Workspace& workspace, const AnalysedProject& project,
                       const spec::FeatureView& view, bool full, bool* behind, StepReport* report) {
  ARROW_ASSIGN_OR_RAISE(auto found, PlanOnlineLoad(workspace, project, view, full));
  if (found && workspace.direct != nullptr && !found->fresh && !found->adds && found->new_rows &&
      workspace.direct->Await(view.name, found->next.seq, kDirectWait)) {
    ARROW_ASSIGN_OR_RAISE(found, PlanOnlineLoad(workspace, project, view, full));
  }
  if (!found) {
    return arrow::Status::OK();
  }
  OnlineLoadPlan plan = *std::move(found);
  const bool needs_rows = plan.fresh || plan.adds;
  const bool stays = !plan.new_rows && !plan.switches && !plan.fresh &&
                     plan.next.applied_at == plan.known->applied_at;
  if (stays || (plan.lake_behind && !needs_rows && !plan.switches)) {
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(auto load, workspace.online->BeginLoad(plan.view.stored, plan.fresh));
  if (plan.lake_behind && needs_rows) {
    ARROW_ASSIGN_OR_RAISE(plan, AwaitTable(workspace, project, view, full));
  }
  const online::ViewPosition before =
      plan.fresh ? online::ViewPosition{} : plan.known.value_or(online::ViewPosition{});
  ARROW_RETURN_NOT_OK(CheckNotMoved(*workspace.online, view.name, plan.known));
  const std::optional<online::ViewPosition> unfinished = load->Unfinished();
  const bool resumed = plan.in_passes() && unfinished && CanGoOn(*unfinished, plan);
  *behind = resumed || plan.adds;
  if (resumed) {
    load->Resume();
    plan.next.seq = unfinished->seq;
    plan.next.applied_at = unfinished->applied_at;
    plan.next.applied_until = unfinished->applied_until;
  }
  RowDelays delays(workspace.clock);
  if (plan.new_rows || plan.waiting) {
    ARROW_RETURN_NOT_OK(AddInPasses(workspace, WantedBy(plan, before, resumed), &plan, load.get(),
                                    &delays, &report->counts));
  }
  ARROW_RETURN_NOT_OK(load->Commit(plan.next));
  delays.Loaded();
  if (delays.delays().since_event.total() > 0) {
    report->detail_json = ToJson(delays.delays());
  }
  if ((plan.fresh && plan.known) || (unfinished && !resumed)) {
    SweepOldGenerations(workspace, view.name);
  }
  report->did_work = true;
  if (const std::string note = NoteOf(plan, view); !note.empty()) report->note = note;
  report->new_generation = report->new_generation || (plan.fresh && plan.known.has_value());
  report->reads.push_back({LogOf(*workspace.project, view), plan.snapshot->version, plan.generation,
                           before.seq + 1, plan.next.seq + 1});
  return arrow::Status::OK();
}

}  // namespace

arrow::Status MaterializeView(const Workspace& workspace, const AnalysedProject& project,
                              const spec::FeatureView& view, bool full, StepReport* report) {
  bool behind = false;
  ARROW_RETURN_NOT_OK(LoadOnce(workspace, project, view, full, &behind, report));
  // What has come since.
  return behind ? LoadOnce(workspace, project, view, false, &behind, report) : arrow::Status::OK();
}

}  // namespace icecore::pipeline
