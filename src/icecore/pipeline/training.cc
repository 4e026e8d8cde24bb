#include "icecore/pipeline/training.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>
#include <arrow/record_batch.h>

#include <algorithm>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/base/time.h"
#include "icecore/lake/envelope.h"
#include "icecore/pipeline/step_range.h"

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
  ARROW_ASSIGN_OR_RAISE(out.event_time, take_int64(rows.event_time));
  ARROW_ASSIGN_OR_RAISE(out.known_at, take_int64(rows.known_at));
  ARROW_ASSIGN_OR_RAISE(out.seq, take_int64(rows.seq));
  return out;
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> LakeFeatureLog::Scan(
    const feature::BoundView& view) {
  const spec::FeatureView* definition = workspace_.project->FindView(view.name());
  if (definition == nullptr) {
    return MakeError(ErrorCode::kInternal, "no view " + view.name());
  }
  auto& snapshot = tables_[definition->from];
  if (!snapshot) {
    ARROW_ASSIGN_OR_RAISE(snapshot, LoadTable(workspace_, definition->from));
    if (!snapshot->exists()) {
      return MakeError(ErrorCode::kNotFound,
                       definition->from + " was never computed: run `icecore run`");
    }
  }
  return ScanColumns(workspace_, *snapshot, view.columns(), std::nullopt);
}

arrow::Result<online::StoredView> StoredViewOf(const Workspace& workspace,
                                               const AnalysedProject& project,
                                               const spec::FeatureView& view) {
  const auto bound = project.views.find(view.name);
  if (bound == project.views.end()) {
    return MakeError(ErrorCode::kNotFound, "view " + view.name + " is not bound to its table");
  }
  ARROW_ASSIGN_OR_RAISE(auto snapshot, LoadTable(workspace, view.from));
  ARROW_ASSIGN_OR_RAISE(int64_t generation, GenerationOf(*snapshot));
  online::StoredView stored;
  stored.name = view.name;
  stored.entity = view.entity;
  const ViewTimes times = TimesOf(*workspace.project, view);
  stored.fingerprint =
      base::Sha256Hex(spec::Fingerprint(view, workspace.project->FindEntity(view.entity)) + "/" +
                      (times.event_time ? times.event_time->column : "") + "/" +
                      std::to_string(static_cast<int>(times.known_at.kind)) + "/" +
                      times.known_at.column + "/" + std::to_string(times.known_at.delay_us) + "/" +
                      snapshot->table_id + "/" + std::to_string(generation));
  stored.engine = bound->second->engine();
  stored.key_types = bound->second->key_types();
  return stored;
}

arrow::Status MaterializeView(const Workspace& workspace, const AnalysedProject& project,
                              const spec::FeatureView& view, bool full, StepReport* report) {
  ARROW_ASSIGN_OR_RAISE(auto snapshot, LoadTable(workspace, view.from));
  if (!snapshot->exists()) {
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(int64_t generation, GenerationOf(*snapshot));
  const spec::Table* table = workspace.project->FindTable(view.from);
  const bool whole = table != nullptr && table->mode == spec::Table::Mode::kReplace;
  const std::string table_state = snapshot->table_id + "/" + std::to_string(generation) +
                                  (whole ? "/" + std::to_string(snapshot->version) : "");
  ARROW_ASSIGN_OR_RAISE(const online::StoredView stored, StoredViewOf(workspace, project, view));
  ARROW_ASSIGN_OR_RAISE(const auto known, workspace.online->Position(view.name));
  const bool fresh = full || !known || known->fingerprint != stored.fingerprint ||
                     known->table_generation != table_state;
  const online::ViewPosition before = fresh ? online::ViewPosition{} : *known;
  online::ViewPosition next;
  next.fingerprint = stored.fingerprint;
  next.table_generation = table_state;
  next.seq = snapshot->last_seq();
  next.applied_at = std::max(workspace.clock->NowMicros(), fresh ? INT64_MIN : before.applied_at);
  next.applied_until = base::SaturatingAdd(next.applied_at, kOnlineHorizonUs);
  next.latest_activation = fresh ? INT64_MIN : before.latest_activation;
  const bool new_rows = fresh || next.seq > before.seq;
  // Rows that were too far ahead wait in the log; with none left there, old rows need no second
  // look.
  const bool waiting = !fresh && before.latest_activation > before.applied_until;
  if (!new_rows && next.applied_at == before.applied_at) {
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(auto load, workspace.online->BeginLoad(stored, fresh));
  // From here on nobody else moves the position; what was decided on an older one is void.
  ARROW_ASSIGN_OR_RAISE(const auto held, workspace.online->Position(view.name));
  if (held.has_value() != known.has_value() ||
      (held && (held->generation != known->generation || held->seq != known->seq ||
                held->applied_at != known->applied_at))) {
    return MakeError(ErrorCode::kUnavailable,
                     "view " + view.name + " was loaded by somebody else meanwhile");
  }
  const feature::BoundView& bound = *project.views.at(view.name);
  if (new_rows || waiting) {
    std::optional<lake::SeqRange> range;
    if (!fresh && !waiting) {
      range = lake::SeqRange{before.seq, next.seq};
    }
    ARROW_ASSIGN_OR_RAISE(auto reader, ScanColumns(workspace, *snapshot, bound.columns(), range));
    online::ViewPosition floor = before;
    if (fresh) {
      floor.seq = -1;
      floor.applied_until = INT64_MIN;
    }
    while (true) {
      ARROW_ASSIGN_OR_RAISE(auto batch, reader->Next());
      if (!batch) {
        break;
      }
      ARROW_ASSIGN_OR_RAISE(auto prepared, bound.Prepare(*batch));
      ARROW_ASSIGN_OR_RAISE(auto rows, SelectNew(*stored.engine, prepared, floor,
                                                 next.applied_until, &next.latest_activation));
      report->counts.read += batch->num_rows();
      report->counts.written += rows.num_rows;
      ARROW_RETURN_NOT_OK(load->Add(rows));
      workspace.Tell(
          {Event::Kind::kProgress, "view." + view.name, "online", "", report->counts.read, 0, 0});
    }
  }
  ARROW_RETURN_NOT_OK(load->Commit(next));
  report->did_work = true;
  report->new_generation = fresh && known.has_value();
  report->reads.push_back({view.from, snapshot->version, generation, before.seq + 1, next.seq + 1});
  return arrow::Status::OK();
}

}  // namespace icecore::pipeline
