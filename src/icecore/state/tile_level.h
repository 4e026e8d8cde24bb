#pragma once
// The tiles or the roll-ups of one group of a key, by start, and how buffered rows enter them.

#include <arrow/result.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "icecore/state/row_buffer.h"
#include "icecore/state/tile.h"
#include "icecore/state/view_plan.h"

namespace icecore::state {

// Whether a tile or roll-up from `start` on ends at or before the tail. One that is cut short at
// the begin of time is kept a little longer.
bool EndsBefore(int64_t start, int64_t span_us, int64_t tail);

struct TileLevel {
  // The sorted rows that enter, cut by tile.
  struct Cut {
    struct Run {
      size_t tile = 0;  // index into tiles
      uint8_t end = 0;  // of its rows in `rows`; they begin where those of the run before end
    };
    size_t row_count = 0;
    size_t run_count = 0;
    std::array<uint8_t, RowBuffer::kMostRows> rows;
    std::array<Run, RowBuffer::kMostRows> runs;
  };

  TileLevel(const TileGroup* tile_group, int64_t span) : group(tile_group), span_us(span) {}

  // Those from `start` on.
  std::vector<Tile>::iterator From(int64_t start);
  // The index of the tile that begins at `start`, made where there is none.
  size_t Place(int64_t start);
  // Finds the tiles that rows enter, made and parsed. Cut stays true until tiles come or go.
  arrow::Status Prepare(const RowBuffer& buffer, const RowBuffer::Sorted& sorted, Cut* cut);
  // After Prepare.
  void Enter(const RowBuffer& buffer, const RowBuffer::Sorted& sorted, const Cut& cut);

  const TileGroup* group;
  int64_t span_us;                                     // 0: the group has no roll-ups
  int64_t tail = std::numeric_limits<int64_t>::min();  // of the longest window
  std::vector<Tile> tiles;

 private:
  bool Takes(int64_t event_time, int64_t entered_at) const;
};

}  // namespace icecore::state
