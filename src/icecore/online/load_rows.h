#pragma once
// The rows of one load of a view, held until they are written, for every store alike. Of a view
// without versions they are sorted by key, and where memory does not hold them all, those of the
// least keys are held: the rows come once more for the keys that are left.

#include <arrow/status.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "icecore/online/store.h"
#include "icecore/online/version_load.h"
#include "icecore/state/key_updater.h"

namespace icecore::online {

class LoadRows {
 public:
  // `view` outlives it.
  explicit LoadRows(const StoredView* view) : view_(view) {}

  // Of a view without versions: rows may take `memory_bytes`, about, and `expected` of them come.
  // All rows of one key are held together, whatever they take.
  void Limit(int64_t memory_bytes, int64_t expected);
  // Rows of lesser keys (encoded) are passed over.
  void StartFrom(std::string key) { from_ = std::move(key); }

  // kInternal for a batch that is not the view's, kLimit for one that is too large.
  arrow::Status Add(const state::PreparedRows& rows);
  // The least key whose rows were left out; nullopt: none were.
  const std::optional<std::string>& left_out_from() const { return until_; }
  // Forgets the rows that are held; those that come now are of the keys from left_out_from on.
  void NextPass();
  void Clear();

  // Before what follows, which counts rows of the sorted order; rows whose key has nulls are not
  // among them.
  void Sort();
  size_t size() const { return rows_.size(); }
  int64_t bytes() const { return bytes_; }  // about
  std::string_view KeyAt(size_t i) const { return KeyOf(rows_[i]); }
  // Where the rows that share the key of row `i` end.
  size_t EndOfKey(size_t i) const;
  // Where rows [begin, end) are.
  void Places(size_t begin, size_t end, std::vector<state::RowAt>* places) const;
  // Brings rows [begin, end) into the state of their key.
  arrow::Status AddTo(size_t begin, size_t end, state::KeyState* state) const;

  // What was added, of views with versions.
  const std::vector<LoadPiece>& pieces() const { return pieces_; }

 private:
  // A row, sorted by its key: eight bytes of the key first, which decide nearly always.
  struct Row {
    uint64_t front = 0;
    uint32_t piece = 0;
    uint32_t row = 0;
  };
  std::string_view KeyOf(const Row& row) const {
    return pieces_[row.piece].keys.key(static_cast<int64_t>(row.row));
  }
  bool IsBefore(const Row& left, const Row& right) const;
  bool IsWanted(std::string_view key) const {
    return !key.empty() && key >= from_ && (!until_ || key < *until_);
  }
  // Keeps the rows whose keys are wanted.
  arrow::Status Hold(LoadPiece piece);
  // Leaves out the greater keys, so that the rest of the pass finds room.
  arrow::Status Narrow();
  // The key from which on rows are left out; nullopt: all are of one key.
  std::optional<std::string> NarrowerBound();

  const StoredView* const view_;
  std::vector<LoadPiece> pieces_;
  std::vector<Row> rows_;
  int64_t bytes_ = 0;
  int64_t limit_ = INT64_MAX;         // of this pass
  int64_t memory_bytes_ = INT64_MAX;  // as it was given
  int64_t expected_ = 0;
  int64_t seen_ = 0;  // rows of this pass
  std::string from_;
  std::optional<std::string> until_;
};

}  // namespace icecore::online
