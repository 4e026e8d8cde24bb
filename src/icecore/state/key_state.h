#pragma once
// The state of one key: what is visible, in tiles and chosen rows, and what is not yet, in a queue.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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

  arrow::Status Load(const std::vector<Cell>& cells);

 private:
  using Values = std::vector<std::shared_ptr<arrow::Array>>;
  // States of one tile; a slot without rows has none.
  using Tile = std::vector<std::unique_ptr<SlotState>>;
  using TileId = std::pair<size_t, int64_t>;  // group, start

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

  bool Passes(const std::vector<uint8_t>& masks, int mask) const {
    return mask < 0 || masks[static_cast<size_t>(mask)] != 0;
  }
  arrow::Status EnterAsOf(const RowOrder& order, const std::vector<uint8_t>& masks,
                          const Values& values, int64_t row);
  arrow::Status EnterTiles(const RowOrder& order, const std::vector<uint8_t>& masks,
                           const Values& values, int64_t row);
  arrow::Status EnterWaiting(const RowOrder& order, const Waiting& waiting);
  arrow::Result<Values> Decode(const Waiting& waiting) const;
  void DropTiles();

  arrow::Status ReadAsOf(int64_t t, const AsOfSet& set, const std::optional<Chosen>& entered,
                         VectorSink* sink) const;
  arrow::Status ReadWindow(int64_t t, size_t group, const WindowRead& read,
                           const std::vector<std::pair<const Queue::value_type*, Values>>& active,
                           VectorSink* sink) const;

  arrow::Result<std::string> EncodeHead() const;
  std::string EncodeTile(const TileId& id, const Tile& tile) const;
  arrow::Status LoadHead(std::string_view bytes);
  arrow::Status LoadTile(const Cell& cell);

  const ViewPlan* plan_;
  std::vector<std::optional<Chosen>> chosen_;  // one per AsOfSet
  std::map<TileId, Tile> tiles_;
  Queue queue_;
  int64_t applied_seq_ = std::numeric_limits<int64_t>::min();
  int64_t applied_until_ = std::numeric_limits<int64_t>::min();
  int64_t advanced_to_ = std::numeric_limits<int64_t>::min();
  bool head_changed_ = true;
  std::set<TileId> changed_tiles_;  // touched or dropped since the last TakeChanges
  std::vector<uint8_t> masks_;      // of the row at hand
};

}  // namespace icecore::state
