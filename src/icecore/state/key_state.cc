#include "icecore/state/key_state.h"

#include <arrow/array/array_primitive.h>
#include <arrow/array/builder_base.h>
#include <arrow/type.h>

#include <algorithm>

#include "icecore/base/error.h"
#include "icecore/base/time.h"
#include "icecore/state/answers.h"
#include "icecore/state/cell_bytes.h"
#include "icecore/state/head_cell.h"
#include "icecore/state/wire.h"

namespace icecore::state {

using base::ErrorCode;
using base::MakeError;

namespace {

constexpr std::string_view kTileMagic = "ICKT";
// Since there are roll-ups. Version 1 numbered groups where this numbers levels.
constexpr uint8_t kTileVersion = 2;
constexpr size_t kTileSuffixBytes = 10;
constexpr size_t kHeadBytes = 48;   // of a head without rows, and nearly always more than enough
constexpr size_t kOrderBytes = 25;  // of a row chosen, before its values

// Suffixes sort by level and start (as PutSortable writes it).
std::string SuffixOf(size_t level, int64_t start) {
  char bytes[kTileSuffixBytes];
  bytes[0] = static_cast<char>(level >> 8);
  bytes[1] = static_cast<char>(level);
  const uint64_t ordered = static_cast<uint64_t>(start) ^ (uint64_t{1} << 63);
  for (int i = 0; i < 8; ++i) bytes[2 + i] = static_cast<char>(ordered >> (56 - 8 * i));
  return std::string(bytes, sizeof bytes);
}

}  // namespace

TiledKeyState::TiledKeyState(const ViewPlan* plan)
    : plan_(plan), buffer_(plan), chosen_(plan->as_of.size()) {
  levels_.reserve(plan->groups.size() * 2);
  for (const TileGroup& group : plan->groups) {
    levels_.emplace_back(&group, group.tile_us);
    levels_.emplace_back(&group, group.roll_us);
  }
}

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

  head_changed_ = true;  // also where only tiles change: the head says up to
                         // when rows have entered
  masks_.assign(static_cast<size_t>(plan_->layout.mask_count), 0);
  for (size_t i = 0; i < masks_.size(); ++i) {
    const arrow::BooleanArray& mask = *rows.masks[plan_->MaskPlace(i)];
    masks_[i] = mask.IsValid(row) && mask.Value(row) ? 1 : 0;
  }
  if (activation <= advanced_to_) {
    ARROW_RETURN_NOT_OK(EnterAsOf(order, masks_, rows.values, row));
    if (plan_->groups.empty()) return arrow::Status::OK();
    if (buffer_.full()) ARROW_RETURN_NOT_OK(Settle());
    return buffer_.Add(order, advanced_to_, masks_, rows.values, row);
  }
  Waiting waiting{masks_, std::vector<std::string>(plan_->codecs.size())};
  for (size_t i = 0; i < plan_->codecs.size(); ++i) {
    const arrow::Array& value = *rows.values[plan_->ValuePlace(i)];
    ARROW_RETURN_NOT_OK(plan_->codecs[i]->Encode(value, row, &waiting.values[i]));
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
      ARROW_RETURN_NOT_OK(plan_->codecs[at]->Encode(*values[plan_->ValuePlace(at)], row,
                                                    &chosen.values.emplace_back()));
    }
    chosen_[i] = std::move(chosen);
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
  if (buffer_.full()) ARROW_RETURN_NOT_OK(Settle());
  return buffer_.AddEncoded(order, advanced_to_, waiting.masks, waiting.values);
}

void TiledKeyState::DropTiles() const {
  settled_at_ = advanced_to_;
  for (size_t i = 0; i < levels_.size(); ++i) {
    TileLevel& level = levels_[i];
    level.tail = WindowTail(advanced_to_, level.group->longest_us, level.group->hop_us);
    auto kept = level.tiles.begin();
    for (; kept != level.tiles.end() && EndsBefore(kept->start(), level.span_us, level.tail);
         ++kept) {
      if (kept->stored()) dropped_.push_back(SuffixOf(i, kept->start()));
    }
    if (kept != level.tiles.begin()) level.tiles.erase(level.tiles.begin(), kept);
  }
  if (!dropped_.empty()) head_changed_ = true;
}

arrow::Status TiledKeyState::Settle() const {
  if (settled_at_ != advanced_to_) DropTiles();
  if (buffer_.empty()) return arrow::Status::OK();
  RowBuffer::Sorted sorted;
  buffer_.Sort(&sorted);
  std::vector<TileLevel::Cut> cuts(levels_.size());
  for (size_t i = 0; i < levels_.size(); ++i) {
    if (levels_[i].span_us == 0) continue;
    ARROW_RETURN_NOT_OK(levels_[i].Prepare(buffer_, sorted, &cuts[i]));
  }
  for (size_t i = 0; i < levels_.size(); ++i) levels_[i].Enter(buffer_, sorted, cuts[i]);
  buffer_.Clear();
  return arrow::Status::OK();
}

arrow::Status TiledKeyState::AdvanceTo(int64_t t) {
  if (t < advanced_to_) {
    return CannotGoBack(advanced_to_, t);
  }
  if (t == advanced_to_) return arrow::Status::OK();
  advanced_to_ = t;
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
  ARROW_RETURN_NOT_OK(Settle());
  ActiveRows active;
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

arrow::Status TiledKeyState::MergeTiles(TileLevel* level, int64_t from, int64_t to, size_t slot,
                                        SlotState* window) {
  const bool all = to == std::numeric_limits<int64_t>::max();
  for (auto tile = level->From(from); tile != level->tiles.end() && (all || tile->start() < to);
       ++tile) {
    ARROW_RETURN_NOT_OK(tile->Parse());
    const SlotState* state = tile->state(slot);
    if (state != nullptr) ARROW_RETURN_NOT_OK(window->Merge(*state));
  }
  return arrow::Status::OK();
}

arrow::Status TiledKeyState::ReadWindow(int64_t t, size_t g, const WindowRead& read,
                                        const ActiveRows& active, VectorSink* sink) const {
  const TileGroup& group = plan_->groups[g];
  const auto at = static_cast<size_t>(read.slot);
  const Slot& slot = group.slots[at];
  const WindowTiles tiles = TilesOf(group, read.length_us, t);
  const int64_t tail = tiles.first_tile;
  const std::unique_ptr<SlotState> window = slot.maker->New();
  ARROW_RETURN_NOT_OK(
      MergeTiles(&levels_[2 * g], tiles.first_tile, tiles.end_tile, at, window.get()));
  ARROW_RETURN_NOT_OK(MergeTiles(&levels_[2 * g + 1], tiles.first_roll,
                                 std::numeric_limits<int64_t>::max(), at, window.get()));
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
  size_t bytes = kHeadBytes;
  for (const auto& chosen : chosen_) {
    for (size_t i = 0; chosen && i < chosen->values.size(); ++i) bytes += chosen->values[i].size();
  }
  std::string out;
  out.reserve(bytes + chosen_.size() * kOrderBytes);
  BeginHead(applied_seq_, applied_until_, advanced_to_, chosen_.size(), &out);
  for (const auto& chosen : chosen_) {
    PutChosenOrder(chosen ? &chosen->order : nullptr, &out);
    if (!chosen) continue;
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

std::string TiledKeyState::EncodeTile(size_t level, const Tile& tile) {
  std::string out = OpenCell(kTileMagic, kTileVersion);
  wire::PutVarint(level, &out);
  wire::PutInt64(tile.start(), &out);
  tile.Serialize(&out);
  SealCell(&out);
  return out;
}

arrow::Result<std::vector<CellChange>> TiledKeyState::TakeChanges() {
  ARROW_RETURN_NOT_OK(Settle());
  std::vector<CellChange> changes;
  if (head_changed_) {
    ARROW_ASSIGN_OR_RAISE(std::string head, EncodeHead());
    changes.push_back({"", std::move(head)});
  }
  for (std::string& suffix : dropped_) changes.push_back({std::move(suffix), std::nullopt});
  for (size_t i = 0; i < levels_.size(); ++i) {
    for (Tile& tile : levels_[i].tiles) {
      if (!tile.changed()) continue;
      changes.push_back({SuffixOf(i, tile.start()), EncodeTile(i, tile)});
      tile.SetStored();
    }
  }
  head_changed_ = false;
  dropped_.clear();
  return changes;
}

arrow::Status TiledKeyState::LoadHead(std::string_view bytes) {
  ARROW_ASSIGN_OR_RAISE(const HeadCell head, ParseHead(*plan_, bytes));
  applied_seq_ = head.applied_seq;
  applied_until_ = head.applied_until;
  advanced_to_ = head.advanced_to;
  auto value = head.values.begin();
  for (size_t i = 0; i < chosen_.size(); ++i) {
    if (!head.chosen[i]) continue;
    Chosen chosen{*head.chosen[i], {}};
    for (const int at : plan_->as_of[i].values) {
      std::string_view rest = *value;
      if (!plan_->codecs[static_cast<size_t>(at)]->Skip(&rest)) {
        return CorruptCell("a value of a chosen row");
      }
      chosen.values.emplace_back(*value++);
    }
    chosen_[i] = std::move(chosen);
  }
  std::string_view in = head.queue;
  for (uint64_t i = 0; i < head.queue_size; ++i) {
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

arrow::Status TiledKeyState::LoadTile(const CellView& cell, bool borrowed) {
  ARROW_ASSIGN_OR_RAISE(std::string_view in, UnsealCell(cell.bytes, kTileMagic, kTileVersion));
  uint64_t at = 0;
  int64_t start = 0;
  if (!wire::GetVarint(&in, &at) || !wire::GetInt64(&in, &start) || in.empty() ||
      at >= levels_.size() || levels_[at].span_us == 0 ||
      start != TileStart(start, levels_[at].span_us) || cell.suffix != SuffixOf(at, start)) {
    return CorruptCell("a tile is of another layout");
  }
  TileLevel& level = levels_[at];
  level.tiles.emplace_back(level.group, start, in, borrowed);
  return arrow::Status::OK();
}

// Cells come in any order.
arrow::Status TiledKeyState::SortTiles() {
  auto earlier = [](const Tile& a, const Tile& b) { return a.start() < b.start(); };
  auto same = [](const Tile& a, const Tile& b) { return a.start() == b.start(); };
  for (TileLevel& level : levels_) {
    std::vector<Tile>& tiles = level.tiles;
    if (!std::is_sorted(tiles.begin(), tiles.end(), earlier)) {
      std::sort(tiles.begin(), tiles.end(), earlier);
    }
    if (std::adjacent_find(tiles.begin(), tiles.end(), same) != tiles.end()) {
      return CorruptCell("a tile twice");
    }
  }
  return arrow::Status::OK();
}

arrow::Status TiledKeyState::Load(const std::vector<CellView>& cells, bool borrowed) {
  bool head = false;
  for (const CellView& cell : cells) {
    if (cell.suffix.empty()) {
      if (head) return CorruptCell("two heads");
      ARROW_RETURN_NOT_OK(LoadHead(cell.bytes));
      head = true;
    } else if (cell.suffix.size() == kTileSuffixBytes) {
      ARROW_RETURN_NOT_OK(LoadTile(cell, borrowed));
    } else {
      return CorruptCell("a cell of an unknown name");
    }
  }
  if (!head) return CorruptCell("it has no head");
  ARROW_RETURN_NOT_OK(SortTiles());
  // A tile that a writer has not yet swept is not read again.
  DropTiles();
  head_changed_ = false;
  return arrow::Status::OK();
}

std::vector<CellRange> CellsAt(const ViewPlan& plan, int64_t t) {
  constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  std::vector<CellRange> ranges;
  for (size_t g = 0; g < plan.groups.size(); ++g) {
    const TileGroup& group = plan.groups[g];
    int64_t first_roll = kMost;
    for (const WindowRead& read : group.reads) {
      const WindowTiles tiles = TilesOf(group, read.length_us, t);
      first_roll = std::min(first_roll, tiles.first_roll);
      if (tiles.first_tile == tiles.end_tile) continue;
      ranges.push_back({SuffixOf(2 * g, tiles.first_tile), tiles.end_tile == kMost
                                                               ? SuffixOf(2 * g + 1, kLeast)
                                                               : SuffixOf(2 * g, tiles.end_tile)});
    }
    if (first_roll != kMost) {
      ranges.push_back({SuffixOf(2 * g + 1, first_roll), SuffixOf(2 * g + 2, kLeast)});
    }
  }
  std::sort(ranges.begin(), ranges.end(),
            [](const CellRange& a, const CellRange& b) { return a.from < b.from; });
  std::vector<CellRange> apart;
  for (CellRange& range : ranges) {
    if (!apart.empty() && range.from <= apart.back().to) {
      apart.back().to = std::max(apart.back().to, range.to);
    } else {
      apart.push_back(std::move(range));
    }
  }
  return apart;
}

bool CellExpired(const ViewPlan& plan, std::string_view suffix, int64_t t) {
  if (suffix.size() != kTileSuffixBytes) return false;
  const size_t level =
      static_cast<size_t>(static_cast<uint8_t>(suffix[0])) << 8 | static_cast<uint8_t>(suffix[1]);
  if (level / 2 >= plan.groups.size()) return false;
  const TileGroup& group = plan.groups[level / 2];
  const int64_t span_us = level % 2 == 0 ? group.tile_us : group.roll_us;
  if (span_us == 0) return false;
  const int64_t start = GetSortable(suffix.substr(2));
  return EndsBefore(start, span_us, WindowTail(t, group.longest_us, group.hop_us));
}

}  // namespace icecore::state
