#include "icecore/pipeline/load_rows.h"

#include <arrow/array.h>
#include <arrow/builder.h>

#include <algorithm>

#include "icecore/base/error.h"
#include "icecore/state/take_rows.h"

namespace icecore::pipeline {

arrow::Result<state::PreparedRows> SelectNew(const state::ViewEngine& engine,
                                             const state::PreparedRows& rows,
                                             const WantedRows& wanted, online::ViewPosition* next) {
  arrow::Int64Builder picked;
  for (int64_t i = 0; i < rows.num_rows; ++i) {
    if (rows.event_time->IsNull(i) || rows.known_at->IsNull(i) ||
        rows.event_time->Value(i) < wanted.earliest) {
      continue;
    }
    const int64_t activation =
        engine.ActivationOf(rows.event_time->Value(i), rows.known_at->Value(i));
    next->latest_activation = std::max(next->latest_activation, activation);
    if (activation > wanted.until) {
      next->waiting_from = std::min(next->waiting_from, rows.seq->Value(i));
      continue;
    }
    const bool taken =
        rows.seq->Value(i) <= wanted.taken.seq && activation <= wanted.taken.applied_until;
    if (!taken) ARROW_RETURN_NOT_OK(picked.Append(i));
  }
  if (picked.length() == rows.num_rows) {
    return rows;
  }
  std::shared_ptr<arrow::Int64Array> indices;
  ARROW_RETURN_NOT_OK(picked.Finish(&indices));
  return state::TakeRows(rows, *indices);
}

arrow::Status CheckNotMoved(online::Store& store, const std::string& view,
                            const std::optional<online::ViewPosition>& known) {
  ARROW_ASSIGN_OR_RAISE(const auto held, store.Position(view));
  const bool is_same =
      held.has_value() == known.has_value() &&
      (!held || (held->generation == known->generation && held->seq == known->seq &&
                 held->applied_at == known->applied_at));
  return is_same ? arrow::Status::OK()
                 : base::MakeError(base::ErrorCode::kConflict,
                                   "view " + view + " was loaded by somebody else meanwhile");
}

void RowDelays::Add(const state::ViewEngine& engine, const state::PreparedRows& rows,
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

void RowDelays::Loaded() {
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

}  // namespace icecore::pipeline
