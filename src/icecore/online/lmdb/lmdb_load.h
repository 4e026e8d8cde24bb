#pragma once
// One load of one view: rows are held (not copied) until Commit, which sorts them by key and brings
// every touched key up to date in one transaction.

#include <cstdint>
#include <memory>
#include <vector>

#include "icecore/online/key_encoding.h"
#include "icecore/online/lmdb/environment.h"
#include "icecore/online/lmdb/file_lock.h"
#include "icecore/online/lmdb/key_cells.h"
#include "icecore/online/lmdb/store_folder.h"
#include "icecore/online/lmdb/view_record.h"
#include "icecore/online/store.h"
#include "icecore/online/version_load.h"

namespace icecore::online::lmdb {

class LmdbLoad : public ViewLoad {
 public:
  // `generation`: nullopt begins a new one.
  LmdbLoad(std::shared_ptr<StoreFolder> folder, StoredView view, bool fresh,
           std::unique_ptr<FileLock> lock)
      : folder_(std::move(folder)), view_(std::move(view)), fresh_(fresh), lock_(std::move(lock)) {}

  arrow::Status Add(const state::PreparedRows& rows) override;
  arrow::Status Commit(const ViewPosition& position) override;

 private:
  // A row, sorted by its key: eight bytes of the key first, which decide nearly always.
  struct Row {
    uint64_t front = 0;
    uint32_t piece = 0;
    uint32_t row = 0;
  };
  class LmdbChainCells;
  struct NewCells;
  struct WorkingMemory {
    CellPrefix prefix;
    std::vector<state::Cell> cells;
    std::string cell_key;
    std::string value;
  };

  std::string_view KeyOf(const Row& row) const {
    return pieces_[row.piece].keys.key(static_cast<int64_t>(row.row));
  }
  void SortRows();
  arrow::Status CheckPosition(const ViewRecord& record, const ViewPosition& position) const;
  // Reads the cells of `key` and brings its state up to `position`; `change` adds to the state.
  template <typename Change>
  arrow::Status WriteKey(Transaction* transaction, Cursor* cursor, const CellSpace& space,
                         std::string_view key, const ViewPosition& position, const Change& change,
                         WorkingMemory* memory) const;
  arrow::Status WriteVersions(Transaction* transaction, const CellSpace& space,
                              const ViewPosition& position) const;
  arrow::Status WriteRows(Transaction* transaction, const CellSpace& space,
                          const ViewPosition& position) const;
  // WriteRows of a space that has no cells yet: threads make the cells of ranges of keys, and this
  // one writes them in order.
  arrow::Status WriteNewKeys(Transaction* transaction, const CellSpace& space,
                             const ViewPosition& position) const;
  // The place in rows_ behind the rows that share the key of rows_[begin].
  size_t EndOfKey(size_t begin) const;
  arrow::Status AddRows(size_t begin, size_t end, state::KeyState* state) const;
  // Cells of the keys of rows_[begin, end), which hold whole keys.
  arrow::Status MakeCells(size_t begin, size_t end, const CellSpace& space,
                          const ViewPosition& position, NewCells* cells) const;
  static arrow::Status WriteChanges(Transaction* transaction, std::string_view key,
                                    const std::vector<state::CellChange>& changes,
                                    WorkingMemory* memory);

  std::shared_ptr<StoreFolder> folder_;
  StoredView view_;
  bool fresh_;
  std::unique_ptr<FileLock> lock_;
  std::vector<LoadPiece> pieces_;
  std::vector<Row> rows_;
  bool committed_ = false;
};

}  // namespace icecore::online::lmdb
