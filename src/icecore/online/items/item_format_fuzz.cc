// Any bytes as an item, as they are and with a checksum that is right (which would hide what lies
// behind it): an error, or an item that can be written again and undone; never a crash.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "icecore/base/id.h"
#include "icecore/online/items/item_format.h"
#include "icecore/online/items/item_records.h"
#include "icecore/state/wire.h"

namespace {

namespace wire = icecore::state::wire;
using icecore::base::Hash64;
using icecore::online::KeyItem;

constexpr std::string_view kPlace = "1:1/1:key";
constexpr std::string_view kKey = "the whole key";

bool AreEqual(const KeyItem& a, const KeyItem& b) {
  const auto same_cell = [](const auto& one, const auto& other) {
    return one.suffix == other.suffix && one.bytes == other.bytes;
  };
  return a.load == b.load && a.base_load == b.base_load &&
         std::equal(a.cells.begin(), a.cells.end(), b.cells.begin(), b.cells.end(), same_cell) &&
         std::equal(a.undo.begin(), a.undo.end(), b.undo.begin(), b.undo.end(), same_cell);
}

bool Decode(std::string_view bytes) {
  bool same_key = false;
  const auto item = icecore::online::DecodeItem(bytes, kPlace, kKey, &same_key);
  if (!item.ok()) return false;
  for (const std::string_view key : {std::string_view(), kKey}) {
    const std::string written = icecore::online::EncodeItem(*item, kPlace, key);
    bool same = false;
    const auto again = icecore::online::DecodeItem(written, kPlace, kKey, &same);
    if (!again.ok() || !same || !AreEqual(*item, *again)) std::abort();
    if (icecore::online::DecodeItem(written, "1:1/1:other", kKey, &same).ok()) std::abort();
  }
  const auto before = icecore::online::UndoneCells(*item);
  icecore::online::ItemViewRecord record;
  record.committed = item->base_load;
  const auto counting = record.CellsOf(*item);
  if (!counting.has_value() && item->load > item->base_load) std::abort();
  if (item->base_load == 0 && !before.empty()) std::abort();
  return true;
}

std::string Sealed(std::string_view version, uint8_t flags, std::string_view body) {
  const uint64_t parts[4] = {Hash64(kPlace), Hash64(version), flags, Hash64(body)};
  std::string bytes(version);
  wire::PutByte(0xC2, &bytes);
  wire::PutByte(flags, &bytes);
  wire::PutFixed64(Hash64(std::string_view(reinterpret_cast<const char*>(parts), sizeof parts)),
                   &bytes);
  bytes.append(body);
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)Decode(bytes);
  if (size < 2) return 0;
  const std::string version = icecore::online::ItemVersionBytes(data[1]);
  (void)Decode(Sealed(version, data[0] & 1, bytes.substr(2)));
  return 0;
}
