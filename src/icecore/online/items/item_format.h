#pragma once
// Bytes of an item that holds one key's cells: as the newest load left them, and what that load
// changed, so that a reader can still have them as the load before left them.
// docs/formats/online.md.

#include <arrow/result.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "icecore/online/items/item_table.h"
#include "icecore/state/view_state.h"

namespace icecore::online {

// The number of a load of a view; ascending, never given twice, 0 for none.
using LoadNumber = uint64_t;

struct KeyItem {
  LoadNumber load = 0;                  // that wrote it
  std::vector<state::Cell> cells;       // sorted by suffix
  LoadNumber base_load = 0;             // that wrote what was there before; 0: nothing was
  std::vector<state::CellChange> undo;  // from `cells` back to those of base_load, by suffix
};

// The item after a load whose changes are `changes`; `base`: the cells it was made from, which
// `base_load` wrote. Both are sorted by suffix.
KeyItem ApplyChanges(LoadNumber load, LoadNumber base_load, std::vector<state::Cell> base,
                     const std::vector<state::CellChange>& changes);

// The cells as the load before left them.
std::vector<state::Cell> UndoneCells(const KeyItem& item);

// `place`: what the item is stored under, taken into the checksum; `full_key`: the encoded key,
// kept whole where the place has a shortened one, else empty.
std::string EncodeItem(const KeyItem& item, std::string_view place, std::string_view full_key);

// Only the front of an item, without copies or a look at its checksum; 0 where it is none.
LoadNumber LoadOfItem(std::string_view bytes);

// kCorrupt when the bytes are not what was written at this place. *same_key: false when the item
// belongs to another key with the same hash.
arrow::Result<KeyItem> DecodeItem(std::string_view bytes, std::string_view place,
                                  std::string_view full_key, bool* same_key);

// Where the items of an entity's keys rest: the group of `key` (encoded), and whether its tail
// became a hash because it is long.
std::string KeyGroup(uint32_t entity_id, std::string_view key, bool* shortened);

// The name of a view's items within the groups.
std::string SpaceName(uint32_t view_id, uint32_t generation);

}  // namespace icecore::online
