#include "icecore/online/items/item_format.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/state/wire.h"

namespace icecore::online {
namespace {

namespace wire = state::wire;

constexpr uint8_t kMagic = 0xC2;  // an item, version 1
constexpr uint8_t kHasFullKey = 1;
constexpr size_t kKeptKeyBytes = 451;
constexpr size_t kMaxKeyBytes = 467;

uint64_t Checksum(std::string_view place, std::string_view version, uint8_t flags,
                  std::string_view body) {
  const uint64_t parts[4] = {base::Hash64(place), base::Hash64(version), flags, base::Hash64(body)};
  return base::Hash64(std::string_view(reinterpret_cast<const char*>(parts), sizeof parts));
}

arrow::Status Damaged(std::string_view what) {
  return base::MakeError(base::ErrorCode::kCorrupt,
                         "an item of the online store is damaged (" + std::string(what) + ")");
}

// Both sorted by suffix; a change without bytes takes its cell away.
std::vector<state::Cell> Changed(std::vector<state::Cell> cells,
                                 const std::vector<state::CellChange>& changes) {
  std::vector<state::Cell> result;
  result.reserve(cells.size() + changes.size());
  size_t next = 0;
  for (const state::CellChange& change : changes) {
    while (next < cells.size() && cells[next].suffix < change.suffix) {
      result.push_back(std::move(cells[next++]));
    }
    if (next < cells.size() && cells[next].suffix == change.suffix) ++next;
    if (change.bytes.has_value()) result.push_back({change.suffix, *change.bytes});
  }
  while (next < cells.size()) result.push_back(std::move(cells[next++]));
  return result;
}

bool GetText(std::string_view* in, std::string* text) {
  std::string_view bytes;
  if (!wire::GetBytes(in, &bytes)) return false;
  text->assign(bytes);
  return true;
}

bool GetCells(std::string_view* in, std::vector<state::Cell>* cells) {
  uint64_t count = 0;
  if (!wire::GetVarint(in, &count) || count > in->size()) return false;
  cells->resize(count);
  for (state::Cell& cell : *cells) {
    if (!GetText(in, &cell.suffix) || !GetText(in, &cell.bytes)) return false;
  }
  return true;
}

bool GetUndo(std::string_view* in, std::vector<state::CellChange>* undo) {
  uint64_t count = 0;
  if (!wire::GetVarint(in, &count) || count > in->size()) return false;
  undo->resize(count);
  for (state::CellChange& change : *undo) {
    uint8_t present = 0;
    if (!GetText(in, &change.suffix) || !wire::GetByte(in, &present) || present > 1) return false;
    if (present == 0) continue;
    change.bytes.emplace();
    if (!GetText(in, &*change.bytes)) return false;
  }
  return true;
}

}  // namespace

KeyItem ApplyChanges(LoadNumber load, LoadNumber base_load, std::vector<state::Cell> base,
                     const std::vector<state::CellChange>& changes) {
  KeyItem item;
  item.load = load;
  item.base_load = base_load;
  for (const state::CellChange& change : changes) {
    const auto found = std::lower_bound(
        base.begin(), base.end(), change.suffix,
        [](const state::Cell& cell, const std::string& suffix) { return cell.suffix < suffix; });
    state::CellChange back{change.suffix, std::nullopt};
    if (found != base.end() && found->suffix == change.suffix) back.bytes = found->bytes;
    // Without anything before, there is nothing to go back to but absence.
    if (base_load != 0) item.undo.push_back(std::move(back));
  }
  item.cells = Changed(std::move(base), changes);
  return item;
}

std::vector<state::Cell> UndoneCells(const KeyItem& item) {
  if (item.base_load == 0) return {};
  return Changed(item.cells, item.undo);
}

std::string EncodeItem(const KeyItem& item, std::string_view place, std::string_view full_key) {
  std::string body;
  if (!full_key.empty()) wire::PutBytes(full_key, &body);
  wire::PutVarint(item.base_load, &body);
  wire::PutVarint(item.cells.size(), &body);
  for (const state::Cell& cell : item.cells) {
    wire::PutBytes(cell.suffix, &body);
    wire::PutBytes(cell.bytes, &body);
  }
  wire::PutVarint(item.undo.size(), &body);
  for (const state::CellChange& change : item.undo) {
    wire::PutBytes(change.suffix, &body);
    wire::PutByte(change.bytes.has_value() ? 1 : 0, &body);
    if (change.bytes.has_value()) wire::PutBytes(*change.bytes, &body);
  }
  const uint8_t flags = full_key.empty() ? 0 : kHasFullKey;
  std::string bytes = ItemVersionBytes(item.load);
  const uint64_t checksum = Checksum(place, bytes, flags, body);
  wire::PutByte(kMagic, &bytes);
  wire::PutByte(flags, &bytes);
  wire::PutFixed64(checksum, &bytes);
  bytes.append(body);
  return bytes;
}

LoadNumber LoadOfItem(std::string_view bytes) { return ItemVersion(bytes); }

arrow::Result<KeyItem> DecodeItem(std::string_view bytes, std::string_view place,
                                  std::string_view full_key, bool* same_key) {
  *same_key = true;
  const std::string_view version = bytes.substr(0, 8);
  std::string_view rest = bytes.substr(version.size());
  uint8_t magic = 0;
  uint8_t flags = 0;
  uint64_t checksum = 0;
  if (version.size() < 8 || !wire::GetByte(&rest, &magic) || magic != kMagic ||
      !wire::GetByte(&rest, &flags) || !wire::GetFixed64(&rest, &checksum)) {
    return Damaged("no header of version 1");
  }
  if (checksum != Checksum(place, version, flags, rest)) return Damaged("wrong checksum");
  if ((flags & kHasFullKey) != 0) {
    std::string_view stored;
    if (!wire::GetBytes(&rest, &stored)) return Damaged("short key");
    *same_key = stored == full_key;
  }
  KeyItem item;
  item.load = ItemVersion(version);
  if (!wire::GetVarint(&rest, &item.base_load) || !GetCells(&rest, &item.cells) ||
      !GetUndo(&rest, &item.undo) || !rest.empty()) {
    return Damaged("wrong cells");
  }
  return item;
}

std::string KeyGroup(uint32_t entity_id, std::string_view key, bool* shortened) {
  std::string group = std::to_string(entity_id) + ":";
  *shortened = key.size() > kMaxKeyBytes;
  if (*shortened) {
    // The first byte of a key is its type's and never that of another form.
    group.push_back('\xff');
    group.append(key.substr(0, kKeptKeyBytes));
    group.append(base::Hash128(key.substr(kKeptKeyBytes)));
  } else {
    group.append(key);
  }
  return group;
}

std::string SpaceName(uint32_t view_id, uint32_t generation) {
  return std::to_string(view_id) + ":" + std::to_string(generation);
}

}  // namespace icecore::online
