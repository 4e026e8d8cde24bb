#pragma once
// The cells that the rows of a load give, made in ranges of keys by threads while the one that has
// the transaction writes those before.

#include <arrow/result.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "icecore/base/ordered_work.h"
#include "icecore/online/lmdb/cell_batch.h"
#include "icecore/online/lmdb/cell_format.h"
#include "icecore/online/lmdb/environment.h"
#include "icecore/online/load_rows.h"
#include "icecore/online/store.h"

namespace icecore::online::lmdb {

// Of a view whose table has no versions.
class MadeCells {
 public:
  // What it makes cells of; all of it stays as it is while they are made.
  struct Of {
    const LoadRows* rows = nullptr;  // sorted
    const state::ViewEngine* engine = nullptr;
    state::LoadReach reach;
    CellSpace space;
  };

  // Of keys that have no cells in the space yet, or those of parts that stay as they are.
  static arrow::Result<std::unique_ptr<MadeCells>> OfNewKeys(const Of& of);
  // Of keys whose cells are as `transaction`, which outlives it, has found them: it writes what is
  // taken here and nothing else.
  static arrow::Result<std::unique_ptr<MadeCells>> OfKeys(const Of& of, Transaction* transaction);
  ~MadeCells();
  MadeCells(const MadeCells&) = delete;
  MadeCells& operator=(const MadeCells&) = delete;

  size_t ranges() const { return bounds_.size() - 1; }
  // The row behind a range.
  size_t end_of(size_t range) const { return bounds_[range + 1]; }
  // Valid until the next call. Ranges are taken in order; one that was taken before is made again,
  // for a transaction that was given up.
  arrow::Result<const CellBatch*> Take(size_t range);

 private:
  class Maker;
  MadeCells(const Of& of, size_t rows_at_once);
  // Begins to make them by threads, in the memory of makers_; without any, Take makes them.
  void Start(size_t threads);

  const Of of_;
  std::vector<size_t> bounds_;  // rows where ranges begin, and the end
  std::unique_ptr<Maker> own_;  // of who takes
  std::vector<std::unique_ptr<Maker>> makers_;
  size_t next_ = 0;                         // the first range that was not taken
  std::optional<base::OrderedMaker> made_;  // ends first
};

}  // namespace icecore::online::lmdb
