#pragma once
// The state of one key: what is visible, in tiles, chosen rows and a buffer of rows that are about
// to enter tiles, and what is not yet, in a queue.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "icecore/state/row_buffer.h"
#include "icecore/state/tile.h"
#include "icecore/state/tile_level.h"
#include "icecore/state/view_plan.h"
#include "icecore/state/view_state.h"

namespace icecore::state {

class TiledKeyState final : public KeyState {
 public:
  explicit TiledKeyState(const ViewPlan* plan);

  arrow::Status Add(const PreparedRows& rows, int64_t row) override;
  arrow::Status AddUntil(const PreparedRows& rows, int64_t row, int64_t until) override;
  arrow::Status End(const VersionId& version, int64_t until) override;
  arrow::Status AdvanceTo(int64_t t) override;
  arrow::Status Read(int64_t t, VectorSink* sink) const override;
  int64_t applied_seq() const override { return applied_seq_; }
  int64_t applied_until() const override { return applied_until_; }
  void SetApplied(int64_t seq, int64_t until) override;
  arrow::Result<std::vector<CellChange>> TakeChanges() override;

  // `borrowed`: the cells outlive the state.
  arrow::Status Load(const std::vector<CellView>& cells, bool borrowed = false);

 private:
  using Values = std::vector<std::shared_ptr<arrow::Array>>;

  struct Chosen {
    RowOrder order;
    std::vector<std::string> values;  // encoded, one per AsOfSet::values
  };
  // A row whose activation lies ahead.
  struct Waiting {
    std::vector<uint8_t> masks;
    std::vector<std::string> values;  // encoded, one per value type
  };
  using Queue = std::multimap<std::pair<int64_t, RowOrder>, Waiting>;
  using ActiveRows = std::vector<std::pair<const Queue::value_type*, Values>>;

  bool Passes(const std::vector<uint8_t>& masks, int mask) const {
    return mask < 0 || masks[static_cast<size_t>(mask)] != 0;
  }
  arrow::Status EnterAsOf(const RowOrder& order, const std::vector<uint8_t>& masks,
                          const Values& values, int64_t row);
  arrow::Status EnterWaiting(const RowOrder& order, const Waiting& waiting);
  arrow::Result<Values> Decode(const Waiting& waiting) const;
  // Brings tails to advanced_to_, drops what lies before them, and lets the buffered rows enter. Of
  // stored tiles it may say kCorrupt; then nothing has entered.
  arrow::Status Settle() const;
  // The first half of it.
  void DropTiles() const;

  arrow::Status ReadAsOf(int64_t t, const AsOfSet& set, const std::optional<Chosen>& entered,
                         VectorSink* sink) const;
  arrow::Status ReadWindow(int64_t t, size_t group, const WindowRead& read,
                           const ActiveRows& active, VectorSink* sink) const;
  static arrow::Status MergeTiles(TileLevel* level, int64_t from, int64_t to, size_t slot,
                                  SlotState* window);

  arrow::Result<std::string> EncodeHead() const;
  static std::string EncodeTile(size_t level, const Tile& tile);
  arrow::Status LoadHead(std::string_view bytes);
  arrow::Status LoadTile(const CellView& cell, bool borrowed);
  arrow::Status SortTiles();

  const ViewPlan* plan_;
  int64_t applied_seq_ = std::numeric_limits<int64_t>::min();
  int64_t applied_until_ = std::numeric_limits<int64_t>::min();
  int64_t advanced_to_ = std::numeric_limits<int64_t>::min();
  // What Settle moves: a read sees the same before and after it.
  mutable int64_t settled_at_ = std::numeric_limits<int64_t>::min();  // what tails belong to
  mutable bool head_changed_ = true;
  mutable RowBuffer buffer_;
  Queue queue_;
  std::vector<uint8_t> masks_;                 // of the row at hand
  std::vector<std::optional<Chosen>> chosen_;  // one per AsOfSet
  // Per group its tiles and its roll-ups (none where the group has none); what was stored is parsed
  // as it is read.
  mutable std::vector<TileLevel> levels_;
  mutable std::vector<std::string>
      dropped_;  // suffixes of stored tiles, since the last TakeChanges
};

// Which cells of a key an answer at t needs beside its head, and which no answer at t or later
// does, by their suffixes.
std::vector<CellRange> CellsAt(const ViewPlan& plan, int64_t t);
bool CellExpired(const ViewPlan& plan, std::string_view suffix, int64_t t);

}  // namespace icecore::state
