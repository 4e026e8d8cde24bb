#pragma once
// One load of one view: rows are held until Commit, which brings every touched key up to date in
// one transaction. A fresh load of many rows writes its generation before, in several transactions.

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "icecore/online/lmdb/environment.h"
#include "icecore/online/lmdb/file_lock.h"
#include "icecore/online/lmdb/key_cells.h"
#include "icecore/online/lmdb/made_cells.h"
#include "icecore/online/lmdb/store_folder.h"
#include "icecore/online/lmdb/view_record.h"
#include "icecore/online/load_rows.h"
#include "icecore/online/store.h"

namespace icecore::online::lmdb {

class LmdbLoad : public ViewLoad {
 public:
  // `in_making`: what a load that was cut off has left of a new generation.
  LmdbLoad(std::shared_ptr<StoreFolder> folder, StoredView view, bool fresh,
           std::unique_ptr<FileLock> lock, std::optional<LoadInMaking> in_making)
      : folder_(std::move(folder)),
        view_(std::move(view)),
        fresh_(fresh),
        lock_(std::move(lock)),
        left_(std::move(in_making)),
        rows_(&view_) {}

  arrow::Status Add(const state::PreparedRows& rows) override;
  void Bound(int64_t memory_bytes, int64_t rows) override { rows_.Limit(memory_bytes, rows); }
  arrow::Result<bool> NextPass(const ViewPosition& position) override;
  std::optional<ViewPosition> Unfinished() const override;
  void Resume() override;
  arrow::Status Commit(const ViewPosition& position) override;

 private:
  class LmdbChainCells;
  struct WorkingMemory {
    CellPrefix prefix;
    std::vector<state::Cell> cells;
    std::string cell_key;
    std::string value;
  };

  arrow::Status CheckPosition(const ViewRecord& record, const ViewPosition& position) const;
  // Of a view over a table with versions: reads the cells of `key` and brings its state up to
  // `position`; `change` adds to the state.
  template <typename Change>
  arrow::Status WriteKey(Transaction* transaction, Cursor* cursor, const CellSpace& space,
                         std::string_view key, const ViewPosition& position, const Change& change,
                         WorkingMemory* memory) const;
  arrow::Status WriteVersions(Transaction* transaction, const CellSpace& space,
                              const ViewPosition& position) const;
  // What the cells of a space are made of.
  MadeCells::Of CellsOf(const CellSpace& space, const ViewPosition& position) const;
  // Brings all rows into the cells that are there.
  arrow::Status UpdateRows(Transaction* transaction, const CellSpace& space,
                           const ViewPosition& position) const;
  // The same where there are none of their keys.
  arrow::Status WriteNewRows(Transaction* transaction, const CellSpace& space,
                             const ViewPosition& position) const;
  // Writes cells beside those that are there, of the same generation.
  bool extends() const { return !view_.extends.empty(); }
  // The view's record, to be changed in `transaction`.
  arrow::Result<ViewRecord> RecordIn(const Transaction& transaction) const;
  // Begins the generation in making, unless it is this load's already; where its cells lie.
  arrow::Result<CellSpace> BeginMaking(const ViewPosition& position);
  // Writes all rows into it, in several transactions.
  arrow::Status WriteStretches(const ViewPosition& position);
  // Writes ranges from `begin` on in one of them, and returns where it stopped.
  arrow::Result<size_t> WriteStretch(const ViewPosition& position, MadeCells* cells, size_t begin);
  // Gives `record` the generation that this load has made, or has yet to write.
  arrow::Status TakeNewGeneration(Transaction* transaction, ViewRecord* record) const;
  // `status` with the view's name and what can be done.
  arrow::Status Failed(const arrow::Status& status) const;
  static arrow::Status WriteChanges(Transaction* transaction, std::string_view key,
                                    const std::vector<state::CellChange>& changes,
                                    WorkingMemory* memory);

  std::shared_ptr<StoreFolder> folder_;
  StoredView view_;
  bool fresh_;
  std::unique_ptr<FileLock> lock_;
  std::optional<LoadInMaking> left_;  // by a load that was cut off
  bool is_making_ = false;            // the record's generation in making is this load's
  LoadRows rows_;
  bool committed_ = false;
};

}  // namespace icecore::online::lmdb
