#include "icecore/state/tile.h"

#include <algorithm>
#include <cstring>

#include "icecore/state/cell_bytes.h"
#include "icecore/state/wire.h"

namespace icecore::state {

Tile::Tile(const TileGroup* group, int64_t start, std::string_view content, bool borrowed)
    : group_(group), start_(start), content_(content), stored_(true) {
  if (borrowed) return;
  memory_.reset(new std::byte[content.size()]);
  std::memcpy(memory_.get(), content.data(), content.size());
  content_ = {reinterpret_cast<const char*>(memory_.get()), content.size()};
}

Tile& Tile::operator=(Tile&& other) noexcept {
  if (this == &other) return *this;
  Clear();
  group_ = other.group_;
  start_ = other.start_;
  content_ = std::exchange(other.content_, {});
  memory_ = std::move(other.memory_);
  changed_ = other.changed_;
  stored_ = other.stored_;
  return *this;
}

void Tile::Clear() {
  if (memory_ != nullptr && content_.empty()) {
    for (size_t slot = 0; slot < group_->slots.size(); ++slot) {
      if (slots()[slot] != nullptr) slots()[slot]->~SlotState();
    }
  }
  content_ = {};
  memory_.reset();
}

SlotState* Tile::Ensure(size_t slot) {
  if (memory_ == nullptr) {
    memory_.reset(new std::byte[group_->tile_bytes]);
    std::fill_n(slots(), group_->slots.size(), nullptr);
  }
  SlotState*& state = slots()[slot];
  if (state == nullptr) {
    state = group_->slots[slot].maker->NewAt(memory_.get() + group_->slot_offsets[slot]);
  }
  return state;
}

arrow::Status Tile::Parse() {
  if (content_.empty()) return arrow::Status::OK();
  // Its states are made in a tile of their own, so that damaged bytes stay what they are.
  Tile parsed(group_, start_);
  std::string_view in = content_;
  for (size_t slot = 0; slot < group_->slots.size(); ++slot) {
    uint8_t present = 0;
    if (!wire::GetByte(&in, &present) || present > 1) return CorruptCell("a state of a tile");
    if (present != 0 && !parsed.Ensure(slot)->Parse(&in)) return CorruptCell("a state of a tile");
  }
  if (!in.empty()) return CorruptCell("bytes behind a tile");
  memory_ = std::move(parsed.memory_);
  content_ = {};
  return arrow::Status::OK();
}

void Tile::Serialize(std::string* out) const {
  for (size_t slot = 0; slot < group_->slots.size(); ++slot) {
    const SlotState* held = state(slot);
    wire::PutByte(held != nullptr ? 1 : 0, out);
    if (held != nullptr) held->Serialize(out);
  }
}

}  // namespace icecore::state
