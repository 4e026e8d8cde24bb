#pragma once
// A view's layout compiled: which states a tile holds, which windows read them, what as-of features
// keep.

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "icecore/state/slot_state.h"
#include "icecore/state/view_state.h"

namespace icecore::state {

// The least e that a window of this length and hop at t covers: floor_h(t - W), or t - W + 1 where
// the hop is 0 (exact).
int64_t WindowTail(int64_t t, int64_t length_us, int64_t hop_us);

// One state of every tile of a group, shared by all features that it can answer.
struct Slot {
  std::shared_ptr<const StateMaker> maker;
  int value = -1;
  int mask = -1;
  int column = -1;  // index into ViewPlan::columns
};

// One window over one slot, and the features that take their answers from it.
struct WindowRead {
  int slot = 0;
  int64_t length_us = 0;
  std::vector<int> features;
};

// The windows of one hop: their tiles are the same.
struct TileGroup {
  int64_t hop_us = 0;
  int64_t tile_us = 1;  // the hop, or 1 where it is 0
  // Of roll-ups, each the sum of so many tiles: the least n whose square is at least the number of
  // tiles of the longest window, which then takes at most n - 1 tiles and n + 1 roll-ups. 0, none:
  // of exact windows, and of those short enough.
  int64_t roll_us = 0;
  int64_t longest_us = 0;
  std::vector<Slot> slots;
  std::vector<WindowRead> reads;
  std::vector<size_t> slot_offsets;  // where a tile's states lie in its memory (tile.h)
  size_t tile_bytes = 0;
};

// What a window is put together from: tiles with first_tile <= start < end_tile, and all roll-ups
// from first_roll on.
struct WindowTiles {
  int64_t first_tile = 0;
  int64_t end_tile = 0;
  int64_t first_roll = 0;
};
WindowTiles TilesOf(const TileGroup& group, int64_t length_us, int64_t t);

// The greatest multiple of span_us that is <= event_time, held at the least int64.
int64_t TileStart(int64_t event_time, int64_t span_us);

// A value that windows read.
struct WindowColumn {
  int value = 0;
  bool only_counted = true;  // whether it is there is all that they ask
};

// The as-of features under one mask: they choose the same row.
struct AsOfSet {
  struct Member {
    int feature = 0;
    int place = 0;  // index into values
  };
  int mask = -1;
  std::vector<int> values;      // of the row chosen, each once
  std::vector<Member> members;  // by place
};

struct ViewPlan {
  ViewLayout layout;
  std::vector<std::shared_ptr<arrow::DataType>> output_types;
  std::vector<std::unique_ptr<ValueCodec>> codecs;  // one per value type
  std::vector<TileGroup> groups;                    // by hop, ascending
  std::vector<WindowColumn> columns;                // each value once
  std::vector<AsOfSet> as_of;

  static arrow::Result<ViewPlan> Make(ViewLayout layout);
  // Of value and mask: where they are in PreparedRows.
  size_t ValuePlace(size_t value) const {
    return layout.value_places.empty() ? value : static_cast<size_t>(layout.value_places[value]);
  }
  size_t MaskPlace(size_t mask) const {
    return layout.mask_places.empty() ? mask : static_cast<size_t>(layout.mask_places[mask]);
  }
  // The layout of a feature that is answered.
  const FeatureLayout& Answered(int feature) const {
    return layout.features[static_cast<size_t>(layout.kept) + static_cast<size_t>(feature)];
  }
  int64_t ActivationOf(int64_t event_time, int64_t known_at) const;
  // Rows with e below this can reach no window at t or later; INT64_MAX without windows.
  int64_t OldestInWindows(int64_t t) const;
};

}  // namespace icecore::state
