#pragma once
// The rows that a load of an online view brings: which of them are new, and how long they took.

#include <arrow/result.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "icecore/base/clock.h"
#include "icecore/lake/scan.h"
#include "icecore/online/store.h"
#include "icecore/pipeline/commit_times.h"
#include "icecore/pipeline/delay_counts.h"
#include "icecore/state/view_state.h"

namespace icecore::pipeline {

// Which rows of its table a load brings.
struct WantedRows {
  online::ViewPosition taken;    // those that were taken by then are not brought again
  int64_t until = 0;             // those that become active later wait
  int64_t earliest = INT64_MIN;  // those that happened before reach no answer any more
  std::optional<lake::SeqRange> seq;
};

// The rows of `rows` that the load has to bring. Raises next->latest_activation to the greatest
// activation seen, and lowers next->waiting_from to the least _seq of those that wait.
arrow::Result<state::PreparedRows> SelectNew(const state::ViewEngine& engine,
                                             const state::PreparedRows& rows,
                                             const WantedRows& wanted, online::ViewPosition* next);

// Of a view whose load has begun, so that nobody else moves its position any more: kConflict where
// that is not `known`, as the load was planned from (nullopt: never loaded).
arrow::Status CheckNotMoved(online::Store& store, const std::string& view,
                            const std::optional<online::ViewPosition>& known);

// How long the rows of a load took from when they happened, were known and were committed, to when
// they can be served: not before the load has ended, nor before they are active. Of a very large
// load most rows count as servable when they were read, so that their times need not be kept.
class RowDelays {
 public:
  explicit RowDelays(const base::Clock* clock) : clock_(clock) {}

  // `commits`: of the rows that no load has brought before.
  void Add(const state::ViewEngine& engine, const state::PreparedRows& rows,
           const CommitTimes& commits);
  // What was added can be served now.
  void Loaded();
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

}  // namespace icecore::pipeline
