#include "icecore/state/tile_level.h"

#include <algorithm>

#include "icecore/base/time.h"

namespace icecore::state {

namespace {

constexpr int64_t kLeastTime = std::numeric_limits<int64_t>::min();

// The usable values of one column, of the rows that pass one mask, cut as the level is.
struct Selection {
  std::array<uint64_t, RowBuffer::kMostRows> values;
  std::array<uint8_t, RowBuffer::kMostRows> places;  // of the rows they are of
  std::array<uint8_t, RowBuffer::kMostRows> ends;    // of each run
  std::array<bool, RowBuffer::kMostRows> passed;     // whether a row of the run passes the mask
};

void Select(const RowBuffer& buffer, const RowBuffer::Sorted& sorted, const TileLevel::Cut& cut,
            const Slot& slot, Selection* selection) {
  size_t count = 0;
  size_t at = 0;
  for (size_t run = 0; run < cut.run_count; ++run) {
    bool passed = false;
    for (; at < cut.runs[run].end; ++at) {
      const uint8_t row = cut.rows[at];
      const uint64_t* content = sorted.content[row];
      if (!buffer.Passes(content, slot.mask)) continue;
      passed = true;
      if (slot.column >= 0 && !RowBuffer::Usable(content, slot.column)) continue;
      selection->values[count] = slot.column < 0 ? 0 : buffer.Value(content, slot.column);
      selection->places[count] = row;
      ++count;
    }
    selection->passed[run] = passed;
    selection->ends[run] = static_cast<uint8_t>(count);
  }
}

// Whether its states take the words of the buffer as they are.
bool TakesWords(const Slot& slot) {
  return slot.maker->spec().kind == AggregateKind::kCount ||
         slot.maker->codec()->form() == ValueForm::kNarrow;
}

void AddWideRows(const RowBuffer& buffer, const NarrowRows& rows, SlotState* state) {
  for (size_t i = 0; i < rows.count; ++i) {
    state->AddWide(buffer.Wide(rows.values[i]), rows.orders[rows.places[i]]);
  }
}

bool PassesAny(const TileGroup& group, const RowBuffer& buffer, const uint64_t* content) {
  return std::any_of(group.slots.begin(), group.slots.end(),
                     [&](const Slot& slot) { return buffer.Passes(content, slot.mask); });
}

}  // namespace

bool EndsBefore(int64_t start, int64_t span_us, int64_t tail) {
  if (tail < kLeastTime + span_us) return false;
  const int64_t last = tail - span_us;
  return start <= last && (start != kLeastTime || last >= kLeastTime + span_us);
}

std::vector<Tile>::iterator TileLevel::From(int64_t start) {
  return std::lower_bound(tiles.begin(), tiles.end(), start,
                          [](const Tile& tile, int64_t least) { return tile.start() < least; });
}

size_t TileLevel::Place(int64_t start) {
  if (!tiles.empty() && tiles.back().start() == start) return tiles.size() - 1;
  auto at = tiles.end();
  if (!tiles.empty() && tiles.back().start() > start) {
    at = From(start);
    if (at->start() == start) return static_cast<size_t>(at - tiles.begin());
  }
  const auto place = at - tiles.begin();
  tiles.emplace(at, group, start);
  return static_cast<size_t>(place);
}

// A row enters the tiles of a group, and the roll-ups with them, where its tile did not lie before
// the tail when the row came. What it would have entered and what has been dropped since is not
// made.
bool TileLevel::Takes(int64_t event_time, int64_t entered_at) const {
  const int64_t start = TileStart(event_time, group->tile_us);
  if (start >= tail) return true;
  return !EndsBefore(TileStart(event_time, span_us), span_us, tail) &&
         start >= WindowTail(entered_at, group->longest_us, group->hop_us);
}

arrow::Status TileLevel::Prepare(const RowBuffer& buffer, const RowBuffer::Sorted& sorted,
                                 Cut* cut) {
  const bool all_pass = std::any_of(group->slots.begin(), group->slots.end(),
                                    [](const Slot& slot) { return slot.mask < 0; });
  // Nearly every row shows without a division on which side of the tail it lies: tails are starts
  // of tiles, save near the begin of time.
  const int64_t ended = tail >= kLeastTime + 2 * span_us ? tail - span_us : kLeastTime;
  const bool whole = tail == kLeastTime || tail >= kLeastTime + 2 * group->tile_us;
  int64_t start = 0;
  int64_t end = kLeastTime;  // of the run at hand
  for (size_t i = 0; i < sorted.count; ++i) {
    const int64_t event_time = sorted.orders[i].event_time;
    if (event_time < ended) continue;
    if (!(whole && event_time >= tail) && !Takes(event_time, sorted.entered_at[i])) continue;
    if (!all_pass && !PassesAny(*group, buffer, sorted.content[i])) continue;
    if (cut->run_count == 0 || event_time >= end) {
      const int64_t next = TileStart(event_time, span_us);
      if (cut->run_count == 0 || next != start) {
        start = next;
        end = base::SaturatingAdd(start, span_us);
        // What comes later lies behind, so the places of those before stay what they are.
        const size_t place = Place(start);
        ARROW_RETURN_NOT_OK(tiles[place].Parse());
        cut->runs[cut->run_count++].tile = place;
      }
    }
    cut->rows[cut->row_count++] = static_cast<uint8_t>(i);
    cut->runs[cut->run_count - 1].end = static_cast<uint8_t>(cut->row_count);
  }
  return arrow::Status::OK();
}

void TileLevel::Enter(const RowBuffer& buffer, const RowBuffer::Sorted& sorted, const Cut& cut) {
  if (cut.run_count == 0) return;
  Selection selection;
  const Slot* selected = nullptr;
  for (size_t s = 0; s < group->slots.size(); ++s) {
    const Slot& slot = group->slots[s];
    if (selected == nullptr || selected->column != slot.column || selected->mask != slot.mask) {
      Select(buffer, sorted, cut, slot, &selection);
      selected = &slot;
    }
    const bool words = TakesWords(slot);
    size_t begin = 0;
    for (size_t run = 0; run < cut.run_count; ++run) {
      const size_t end = selection.ends[run];
      if (!selection.passed[run]) continue;
      // Also of nulls alone there is a state.
      SlotState* state = tiles[cut.runs[run].tile].Ensure(s);
      const NarrowRows rows = {selection.values.data() + begin, selection.places.data() + begin,
                               end - begin, sorted.orders.data()};
      if (words) {
        state->AddNarrowRows(rows);
      } else {
        AddWideRows(buffer, rows, state);
      }
      begin = end;
    }
  }
  for (size_t run = 0; run < cut.run_count; ++run) tiles[cut.runs[run].tile].SetChanged();
}

}  // namespace icecore::state
