#pragma once
// The answers of one view to one request, row after row, where a damaged key fails alone.

#include <arrow/result.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/online/store.h"
#include "icecore/state/answer_block.h"

namespace icecore::online {

class AnswerRows {
 public:
  // `view` outlives this.
  AnswerRows(const StoredView* view, int64_t t, int64_t rows) : view_(view), t_(t), rows_(rows) {
    sink_.emplace(view->engine->output_types(), rows);
  }

  // The next row. `fetch(row, cells, damage)` puts the cells of its key into *cells, which is
  // empty (and stays so where there is no such key; they have to live until the next call), or into
  // *damage why they cannot be read; its own status is that of the whole request. It may be asked
  // for earlier rows again.
  template <typename Fetch>
  arrow::Status Append(int64_t row, const Fetch& fetch) {
    cells_.clear();
    arrow::Status damage;
    ARROW_RETURN_NOT_OK(fetch(row, &cells_, &damage));
    const state::ViewEngine& engine = *view_->engine;
    if (damage.ok() && is_careful_ && !cells_.empty()) {
      state::AnswerSink trial(engine.output_types(), 1);
      damage = engine.ReadCells(cells_, t_, &trial);
    }
    if (!damage.ok()) return Fail(row, damage);
    if (cells_.empty()) return engine.ReadEmpty(&*sink_);
    arrow::Status read = engine.ReadCells(cells_, t_, &*sink_);
    if (read.ok() || base::CodeOf(read) != base::ErrorCode::kCorrupt) return read;
    // The sink may hold a part of the answer, which cannot be taken back. From the first row again,
    // each tried before it counts.
    is_careful_ = true;
    sink_.emplace(engine.output_types(), rows_);
    damaged_.clear();
    for (int64_t again = 0; again <= row; ++again) ARROW_RETURN_NOT_OK(Append(again, fetch));
    return arrow::Status::OK();
  }

  // The features of all rows, and what was damaged.
  arrow::Status Finish(ViewAnswer* answer) {
    ARROW_ASSIGN_OR_RAISE(answer->features, sink_->FinishBlock());
    answer->damaged = std::move(damaged_);
    return arrow::Status::OK();
  }

 private:
  arrow::Status Fail(int64_t row, const arrow::Status& damage) {
    if (base::CodeOf(damage) != base::ErrorCode::kCorrupt) return damage;
    sink_->FailKey();
    damaged_.push_back({row, damage.message()});
    return arrow::Status::OK();
  }

  const StoredView* view_;
  int64_t t_;
  int64_t rows_;
  std::optional<state::AnswerSink> sink_;
  std::vector<state::CellView> cells_;  // of the row at hand
  std::vector<DamagedKey> damaged_;
  bool is_careful_ = false;
};

}  // namespace icecore::online
