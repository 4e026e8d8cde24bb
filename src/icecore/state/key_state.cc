#include "icecore/state/key_state.h"

#include <arrow/array/array_primitive.h>
#include <arrow/array/builder_base.h>
#include <arrow/type.h>

#include <algorithm>

#include "icecore/base/error.h"
#include "icecore/base/time.h"
#include "icecore/state/answers.h"
#include "icecore/state/cell_bytes.h"
#include "icecore/state/wire.h"

namespace icecore::state {

using base::ErrorCode;
using base::MakeError;

namespace {

constexpr std::string_view kHeadMagic = "ICKH";
constexpr std::string_view kTileMagic = "ICKT";
constexpr size_t kTileSuffixBytes = 10;

// Suffixes sort by group and start.
std::string SuffixOf(size_t group, int64_t start) {
  std::string suffix;
  suffix.push_back(static_cast<char>(group >> 8));
  suffix.push_back(static_cast<char>(group));
  PutSortable(start, &suffix);
  return suffix;
}

int64_t TileStart(int64_t event_time, int64_t tile_us) {
  constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
  return event_time < kLeast + tile_us ? kLeast : base::FloorTo(event_time, tile_us);
}

}  // namespace

TiledKeyState::TiledKeyState(const ViewPlan* plan) : plan_(plan), chosen_(plan->as_of.size()) {}

arrow::Status TiledKeyState::AddUntil(const PreparedRows&, int64_t, int64_t) {
  return MakeError(ErrorCode::kInternal, "this view's table has no versions");
}

arrow::Status TiledKeyState::End(const VersionId&, int64_t) {
  return MakeError(ErrorCode::kInternal, "this view's table has no versions");
}

void TiledKeyState::SetApplied(int64_t seq, int64_t until) {
  if (seq == applied_seq_ && until == applied_until_) return;
  applied_seq_ = seq;
  applied_until_ = until;
  head_changed_ = true;
}

arrow::Status TiledKeyState::Add(const PreparedRows& rows, int64_t row) {
  if (rows.event_time->IsNull(row) || rows.known_at->IsNull(row)) return arrow::Status::OK();
  RowOrder order{rows.event_time->Value(row), rows.known_at->Value(row), rows.seq->Value(row)};
  order.known_at = std::max(order.known_at, order.event_time);
  if (plan_->layout.always) order.event_time = order.known_at = 0;
  const int64_t activation = plan_->ActivationOf(order.event_time, order.known_at);
  if (order.seq <= applied_seq_ && activation <= applied_until_) return arrow::Status::OK();

  head_changed_ = true;  // also where only tiles change: the head says up to when rows have entered
  masks_.assign(rows.masks.size(), 0);
  for (size_t i = 0; i < rows.masks.size(); ++i) {
    masks_[i] = rows.masks[i]->IsValid(row) && rows.masks[i]->Value(row) ? 1 : 0;
  }
  if (activation <= advanced_to_) {
    ARROW_RETURN_NOT_OK(EnterAsOf(order, masks_, rows.values, row));
    return EnterTiles(order, masks_, rows.values, row);
  }
  Waiting waiting{masks_, std::vector<std::string>(plan_->codecs.size())};
  for (size_t i = 0; i < plan_->codecs.size(); ++i) {
    ARROW_RETURN_NOT_OK(plan_->codecs[i]->Encode(*rows.values[i], row, &waiting.values[i]));
  }
  queue_.emplace(std::pair(activation, order), std::move(waiting));
  return arrow::Status::OK();
}

arrow::Status TiledKeyState::EnterAsOf(const RowOrder& order, const std::vector<uint8_t>& masks,
                                       const Values& values, int64_t row) {
  for (size_t i = 0; i < plan_->as_of.size(); ++i) {
    const AsOfSet& set = plan_->as_of[i];
    if (!Passes(masks, set.mask) || (chosen_[i] && !(chosen_[i]->order < order))) continue;
    Chosen chosen{order, {}};
    for (const int value : set.values) {
      const auto at = static_cast<size_t>(value);
      ARROW_RETURN_NOT_OK(
          plan_->codecs[at]->Encode(*values[at], row, &chosen.values.emplace_back()));
    }
    chosen_[i] = std::move(chosen);
  }
  return arrow::Status::OK();
}

arrow::Status TiledKeyState::EnterTiles(const RowOrder& order, const std::vector<uint8_t>& masks,
                                        const Values& values, int64_t row) {
  for (size_t g = 0; g < plan_->groups.size(); ++g) {
    const TileGroup& group = plan_->groups[g];
    const int64_t start = TileStart(order.event_time, group.tile_us);
    if (start < WindowTail(advanced_to_, group.longest_us, group.hop_us)) continue;
    Tile* tile = nullptr;
    for (size_t s = 0; s < group.slots.size(); ++s) {
      const Slot& slot = group.slots[s];
      if (!Passes(masks, slot.mask)) continue;
      if (tile == nullptr) {
        tile = &tiles_[{g, start}];
        tile->resize(group.slots.size());
        changed_tiles_.insert({g, start});
      }
      auto& state = (*tile)[s];
      if (state == nullptr) state = slot.maker->New();
      const arrow::Array* input =
          slot.value < 0 ? nullptr : values[static_cast<size_t>(slot.value)].get();
      ARROW_RETURN_NOT_OK(state->Add(input, row, order));
    }
  }
  return arrow::Status::OK();
}

arrow::Result<TiledKeyState::Values> TiledKeyState::Decode(const Waiting& waiting) const {
  Values values;
  for (size_t i = 0; i < plan_->codecs.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(auto builder, arrow::MakeBuilder(plan_->codecs[i]->type()));
    std::string_view bytes = waiting.values[i];
    ARROW_RETURN_NOT_OK(plan_->codecs[i]->Decode(&bytes, builder.get()));
    ARROW_ASSIGN_OR_RAISE(auto value, builder->Finish());
    values.push_back(std::move(value));
  }
  return values;
}

arrow::Status TiledKeyState::EnterWaiting(const RowOrder& order, const Waiting& waiting) {
  for (size_t i = 0; i < plan_->as_of.size(); ++i) {
    const AsOfSet& set = plan_->as_of[i];
    if (!Passes(waiting.masks, set.mask) || (chosen_[i] && !(chosen_[i]->order < order))) continue;
    Chosen chosen{order, {}};
    for (const int value : set.values) {
      chosen.values.push_back(waiting.values[static_cast<size_t>(value)]);
    }
    chosen_[i] = std::move(chosen);
  }
  if (plan_->groups.empty()) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(const Values values, Decode(waiting));
  return EnterTiles(order, waiting.masks, values, 0);
}

void TiledKeyState::DropTiles() {
  for (size_t g = 0; g < plan_->groups.size(); ++g) {
    const TileGroup& group = plan_->groups[g];
    const int64_t tail = WindowTail(advanced_to_, group.longest_us, group.hop_us);
    auto tile = tiles_.lower_bound({g, std::numeric_limits<int64_t>::min()});
    while (tile != tiles_.end() && tile->first.first == g && tile->first.second < tail) {
      changed_tiles_.insert(tile->first);
      tile = tiles_.erase(tile);
    }
  }
}

arrow::Status TiledKeyState::AdvanceTo(int64_t t) {
  if (t < advanced_to_) {
    return CannotGoBack(advanced_to_, t);
  }
  if (t == advanced_to_) return arrow::Status::OK();
  advanced_to_ = t;
  DropTiles();
  if (!changed_tiles_.empty()) head_changed_ = true;
  while (!queue_.empty() && queue_.begin()->first.first <= t) {
    const auto first = queue_.begin();
    head_changed_ = true;
    ARROW_RETURN_NOT_OK(EnterWaiting(first->first.second, first->second));
    queue_.erase(first);
  }
  return arrow::Status::OK();
}

arrow::Status TiledKeyState::Read(int64_t t, VectorSink* sink) const {
  if (t < advanced_to_) {
    return NoLongerAnswers(advanced_to_, t);
  }
  for (size_t i = 0; i < plan_->as_of.size(); ++i) {
    ARROW_RETURN_NOT_OK(ReadAsOf(t, plan_->as_of[i], chosen_[i], sink));
  }
  if (plan_->groups.empty()) return arrow::Status::OK();
  std::vector<std::pair<const Queue::value_type*, Values>> active;
  for (const auto& waiting : queue_) {
    if (waiting.first.first > t) break;
    ARROW_ASSIGN_OR_RAISE(Values values, Decode(waiting.second));
    active.emplace_back(&waiting, std::move(values));
  }
  for (size_t g = 0; g < plan_->groups.size(); ++g) {
    for (const WindowRead& read : plan_->groups[g].reads) {
      ARROW_RETURN_NOT_OK(ReadWindow(t, g, read, active, sink));
    }
  }
  return arrow::Status::OK();
}

arrow::Status TiledKeyState::ReadAsOf(int64_t t, const AsOfSet& set,
                                      const std::optional<Chosen>& entered,
                                      VectorSink* sink) const {
  const RowOrder* order = entered ? &entered->order : nullptr;
  const Waiting* waiting = nullptr;
  for (const auto& [key, row] : queue_) {
    if (key.first > t) break;
    if (!Passes(row.masks, set.mask) || (order != nullptr && !(*order < key.second))) continue;
    order = &key.second;
    waiting = &row;
  }
  return AppendAsOf(*plan_, set, t, order, sink, [&](size_t place) -> std::string_view {
    const auto value = static_cast<size_t>(set.values[place]);
    return waiting != nullptr ? waiting->values[value] : entered->values[place];
  });
}

arrow::Status TiledKeyState::ReadWindow(
    int64_t t, size_t g, const WindowRead& read,
    const std::vector<std::pair<const Queue::value_type*, Values>>& active,
    VectorSink* sink) const {
  const TileGroup& group = plan_->groups[g];
  const Slot& slot = group.slots[static_cast<size_t>(read.slot)];
  const int64_t tail = WindowTail(t, read.length_us, group.hop_us);
  std::unique_ptr<SlotState> window = slot.maker->New();
  for (auto tile = tiles_.lower_bound({g, tail}); tile != tiles_.end() && tile->first.first == g;
       ++tile) {
    const auto& state = tile->second[static_cast<size_t>(read.slot)];
    if (state != nullptr) ARROW_RETURN_NOT_OK(window->Merge(*state));
  }
  for (const auto& [waiting, values] : active) {
    const RowOrder& order = waiting->first.second;
    if (order.event_time < tail || !Passes(waiting->second.masks, slot.mask)) continue;
    const arrow::Array* input =
        slot.value < 0 ? nullptr : values[static_cast<size_t>(slot.value)].get();
    ARROW_RETURN_NOT_OK(window->Add(input, 0, order));
  }
  return AppendWindow(*plan_, read, *window, sink);
}

arrow::Result<std::string> TiledKeyState::EncodeHead() const {
  std::string out = OpenCell(kHeadMagic);
  wire::PutInt64(applied_seq_, &out);
  wire::PutInt64(applied_until_, &out);
  wire::PutInt64(advanced_to_, &out);
  wire::PutVarint(chosen_.size(), &out);
  for (const auto& chosen : chosen_) {
    wire::PutByte(chosen ? 1 : 0, &out);
    if (!chosen) continue;
    PutOrder(chosen->order, &out);
    for (const std::string& value : chosen->values) out.append(value);
  }
  wire::PutVarint(queue_.size(), &out);
  for (const auto& [key, waiting] : queue_) {
    PutOrder(key.second, &out);
    for (const uint8_t mask : waiting.masks) wire::PutByte(mask, &out);
    for (const std::string& value : waiting.values) out.append(value);
  }
  SealCell(&out);
  return out;
}

std::string TiledKeyState::EncodeTile(const TileId& id, const Tile& tile) const {
  std::string out = OpenCell(kTileMagic);
  wire::PutVarint(id.first, &out);
  wire::PutInt64(id.second, &out);
  for (const auto& state : tile) {
    wire::PutByte(state != nullptr ? 1 : 0, &out);
    if (state != nullptr) state->Serialize(&out);
  }
  SealCell(&out);
  return out;
}

arrow::Result<std::vector<CellChange>> TiledKeyState::TakeChanges() {
  std::vector<CellChange> changes;
  if (head_changed_) {
    ARROW_ASSIGN_OR_RAISE(std::string head, EncodeHead());
    changes.push_back({"", std::move(head)});
  }
  for (const TileId& id : changed_tiles_) {
    const auto tile = tiles_.find(id);
    CellChange change{SuffixOf(id.first, id.second), std::nullopt};
    if (tile != tiles_.end()) change.bytes = EncodeTile(id, tile->second);
    changes.push_back(std::move(change));
  }
  head_changed_ = false;
  changed_tiles_.clear();
  return changes;
}

arrow::Status TiledKeyState::LoadHead(std::string_view bytes) {
  ARROW_ASSIGN_OR_RAISE(std::string_view in, UnsealCell(bytes, kHeadMagic));
  uint64_t sets = 0;
  if (!wire::GetInt64(&in, &applied_seq_) || !wire::GetInt64(&in, &applied_until_) ||
      !wire::GetInt64(&in, &advanced_to_) || !wire::GetVarint(&in, &sets) ||
      sets != chosen_.size()) {
    return CorruptCell("its head is of another layout");
  }
  for (size_t i = 0; i < chosen_.size(); ++i) {
    uint8_t present = 0;
    if (!wire::GetByte(&in, &present) || present > 1) return CorruptCell("a chosen row");
    if (present == 0) continue;
    Chosen chosen;
    if (!GetOrder(&in, &chosen.order)) return CorruptCell("the order of a chosen row");
    for (const int value : plan_->as_of[i].values) {
      if (!TakeElement(*plan_->codecs[static_cast<size_t>(value)], &in,
                       &chosen.values.emplace_back())) {
        return CorruptCell("a value of a chosen row");
      }
    }
    chosen_[i] = std::move(chosen);
  }
  uint64_t count = 0;
  if (!wire::GetVarint(&in, &count)) return CorruptCell("its queue");
  for (uint64_t i = 0; i < count; ++i) {
    RowOrder order;
    Waiting waiting;
    if (!GetOrder(&in, &order)) return CorruptCell("a row of its queue");
    for (int mask = 0; mask < plan_->layout.mask_count; ++mask) {
      uint8_t bit = 0;
      if (!wire::GetByte(&in, &bit) || bit > 1) return CorruptCell("a mask of its queue");
      waiting.masks.push_back(bit);
    }
    for (const auto& codec : plan_->codecs) {
      if (!TakeElement(*codec, &in, &waiting.values.emplace_back())) {
        return CorruptCell("a value of its queue");
      }
    }
    const int64_t activation = plan_->ActivationOf(order.event_time, order.known_at);
    if (activation <= advanced_to_) return CorruptCell("a row of its queue is active");
    queue_.emplace(std::pair(activation, order), std::move(waiting));
  }
  return in.empty() ? arrow::Status::OK() : CorruptCell("bytes behind its head");
}

arrow::Status TiledKeyState::LoadTile(const Cell& cell) {
  ARROW_ASSIGN_OR_RAISE(std::string_view in, UnsealCell(cell.bytes, kTileMagic));
  uint64_t g = 0;
  int64_t start = 0;
  if (!wire::GetVarint(&in, &g) || !wire::GetInt64(&in, &start) || g >= plan_->groups.size() ||
      start != TileStart(start, plan_->groups[g].tile_us) || cell.suffix != SuffixOf(g, start)) {
    return CorruptCell("a tile is of another layout");
  }
  Tile tile;
  for (const Slot& slot : plan_->groups[g].slots) {
    uint8_t present = 0;
    if (!wire::GetByte(&in, &present) || present > 1) return CorruptCell("a state of a tile");
    tile.emplace_back();
    if (present != 0) {
      ARROW_ASSIGN_OR_RAISE(tile.back(), slot.maker->Read(&in));
    }
  }
  if (!in.empty()) return CorruptCell("bytes behind a tile");
  if (!tiles_.emplace(TileId{g, start}, std::move(tile)).second) return CorruptCell("a tile twice");
  return arrow::Status::OK();
}

arrow::Status TiledKeyState::Load(const std::vector<Cell>& cells) {
  bool head = false;
  for (const Cell& cell : cells) {
    if (cell.suffix.empty()) {
      if (head) return CorruptCell("two heads");
      ARROW_RETURN_NOT_OK(LoadHead(cell.bytes));
      head = true;
    } else if (cell.suffix.size() == kTileSuffixBytes) {
      ARROW_RETURN_NOT_OK(LoadTile(cell));
    } else {
      return CorruptCell("a cell of an unknown name");
    }
  }
  if (!head) return CorruptCell("it has no head");
  // A tile that a writer has not yet swept is not read again.
  DropTiles();
  head_changed_ = false;
  return arrow::Status::OK();
}

}  // namespace icecore::state
