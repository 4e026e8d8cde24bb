#pragma once
// One tile or roll-up of a key: the states of a group's slots over one interval, side by side in
// one piece of memory. Bytes: docs/formats/state.md.

#include <arrow/result.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "icecore/state/view_plan.h"

namespace icecore::state {

// Not thread safe. A tile that was read from its bytes is parsed when a state is first asked for.
class Tile {
 public:
  Tile(const TileGroup* group, int64_t start) : group_(group), start_(start) {}
  // `content`: of its cell, unsealed, behind its name; it outlives the tile where it is `borrowed`,
  // else it is copied. Such a tile is stored().
  Tile(const TileGroup* group, int64_t start, std::string_view content, bool borrowed);
  ~Tile() { Clear(); }
  Tile(Tile&& other) noexcept
      : group_(other.group_),
        start_(other.start_),
        content_(std::exchange(other.content_, {})),
        memory_(std::move(other.memory_)),
        changed_(other.changed_),
        stored_(other.stored_) {}
  Tile& operator=(Tile&& other) noexcept;
  Tile(const Tile&) = delete;
  Tile& operator=(const Tile&) = delete;

  const TileGroup& group() const { return *group_; }
  int64_t start() const { return start_; }
  // Whether it differs from its cell, and whether there may be a cell of it.
  bool changed() const { return changed_; }
  bool stored() const { return stored_; }
  void SetChanged() { changed_ = true; }
  void SetStored() {
    changed_ = false;
    stored_ = true;
  }

  // kCorrupt where the bytes it came from are not those of a tile.
  arrow::Status Parse();
  // Of a parsed tile. Null: no row of this slot.
  const SlotState* state(size_t slot) const { return memory_ ? slots()[slot] : nullptr; }
  // The same, made where there is none.
  SlotState* Ensure(size_t slot);
  // Appends the states. Of a parsed tile.
  void Serialize(std::string* out) const;

 private:
  SlotState** slots() const { return reinterpret_cast<SlotState**>(memory_.get()); }
  void Clear();

  const TileGroup* group_;
  int64_t start_;
  std::string_view content_;  // not parsed yet: what there is instead of states
  // A pointer per slot, then the states; or the content, where it is a copy.
  std::unique_ptr<std::byte[]> memory_;
  bool changed_ = false;
  bool stored_ = false;
};

}  // namespace icecore::state
