#include "icecore/pipeline/load_rows.h"

#include <arrow/array.h>
#include <arrow/builder.h>

#include <algorithm>

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
