#include <algorithm>
#include <functional>
#include <string>
#include <utility>

#include "icecore/online/lmdb/cell_format.h"
#include "icecore/online/lmdb/lmdb_store.h"

namespace icecore::online::lmdb {
namespace {

// Bounds of one transaction, so that writers wait milliseconds only.
constexpr int64_t kCellsPerTransaction = 10'000;
constexpr int64_t kKeysPerTransaction = 50'000;
// A load looks at so many cells of other keys: about a millisecond.
constexpr int64_t kCellsPerLoad = 4096;

struct Step {
  int64_t deleted = 0;
  int64_t seen = 0;
  bool finished = false;
  std::string resume;  // where the next step begins, unless finished
};

// Whether the cell of this suffix goes.
using Goes = std::function<bool(std::string_view)>;

// Deletes those cells at the cursor that begin with `target` and go; false at the end of the table.
arrow::Result<bool> DeleteRun(Cursor* cursor, std::string_view target, const Goes& goes,
                              int64_t max_cells, Step* step) {
  bool found = true;
  while (found && step->seen < max_cells && cursor->key().starts_with(target)) {
    ++step->seen;
    if (goes(cursor->key().substr(target.size()))) {
      ARROW_ASSIGN_OR_RAISE(found, cursor->DeleteAndNext());
      ++step->deleted;
    } else {
      ARROW_ASSIGN_OR_RAISE(found, cursor->Next());
    }
  }
  return found;
}

// The views of one entity key are neighbours, so a sweep of one view visits every key of its entity
// once: from the key's first cell straight to the view's, then straight to the next key.
arrow::Result<Step> SweepStep(Cursor* cursor, const Garbage& garbage, const Goes& goes,
                              int64_t max_cells) {
  Step step;
  const std::string entity = EntityPrefix(garbage.space.entity_id);
  ARROW_ASSIGN_OR_RAISE(bool found, cursor->Seek(garbage.resume.empty() ? entity : garbage.resume));
  for (int64_t visited = 0; found && cursor->key().starts_with(entity); ++visited) {
    if (visited == kKeysPerTransaction || step.seen >= max_cells) {
      step.resume = std::string(cursor->key());
      return step;
    }
    const std::optional<size_t> length = EntityKeyLength(cursor->key());
    if (!length.has_value()) {
      ARROW_ASSIGN_OR_RAISE(found, cursor->Next());
      continue;
    }
    std::string target(cursor->key().substr(0, *length));
    std::string next_key = target + "\xff";
    AppendBigEndian32(garbage.space.view_id, &target);
    AppendBigEndian32(garbage.space.generation, &target);
    if (cursor->key() < target) {
      ARROW_ASSIGN_OR_RAISE(found, cursor->Seek(target));
    }
    if (found && cursor->key().starts_with(target)) {
      ARROW_ASSIGN_OR_RAISE(found, DeleteRun(cursor, target, goes, max_cells, &step));
      if (found && cursor->key().starts_with(target)) {
        step.resume = std::string(cursor->key());
        return step;
      }
    }
    if (found && cursor->key() < next_key) {
      ARROW_ASSIGN_OR_RAISE(found, cursor->Seek(next_key));
    }
  }
  step.finished = true;
  return step;
}

arrow::Status SweepOne(Transaction* transaction, Garbage garbage, int64_t max_cells,
                       int64_t* deleted) {
  Step step;
  {
    ARROW_ASSIGN_OR_RAISE(auto cursor, Cursor::Open(transaction, Table::kCells));
    ARROW_ASSIGN_OR_RAISE(
        step, SweepStep(cursor.get(), garbage, [](std::string_view) { return true; }, max_cells));
  }
  *deleted = step.deleted;
  if (step.finished) return RemoveGarbage(transaction, garbage.space);
  garbage.resume = std::move(step.resume);
  return PutGarbage(transaction, garbage);
}

}  // namespace

arrow::Result<int64_t> SweepGarbage(StoreFolder* folder, std::optional<uint32_t> view_id,
                                    int64_t max_cells) {
  int64_t deleted = 0;
  for (bool any = true; any && deleted < max_cells;) {
    int64_t deleted_now = 0;
    ARROW_RETURN_NOT_OK(folder->Write([&](Transaction* transaction) -> arrow::Status {
      deleted_now = 0;
      ARROW_ASSIGN_OR_RAISE(std::optional<Garbage> garbage, FirstGarbage(transaction, view_id));
      any = garbage.has_value();
      if (!any) return arrow::Status::OK();
      return SweepOne(transaction, *std::move(garbage),
                      std::min(kCellsPerTransaction, max_cells - deleted), &deleted_now);
    }));
    deleted += deleted_now;
  }
  return deleted;
}

arrow::Status SweepExpired(Transaction* transaction, const CellSpace& space,
                           const state::ViewEngine& engine, int64_t t) {
  if (engine.CellsAt(t).empty()) {
    return arrow::Status::OK();  // nothing but heads, which do not expire
  }
  ARROW_ASSIGN_OR_RAISE(std::string resume, GetResume(*transaction, space));
  Step step;
  {
    ARROW_ASSIGN_OR_RAISE(auto cursor, Cursor::Open(transaction, Table::kCells));
    ARROW_ASSIGN_OR_RAISE(
        step, SweepStep(
                  cursor.get(), Garbage{space, std::move(resume)},
                  [&](std::string_view suffix) { return engine.CellExpired(suffix, t); },
                  kCellsPerTransaction));
  }
  return PutResume(transaction, space, step.finished ? "" : step.resume);
}

}  // namespace icecore::online::lmdb
