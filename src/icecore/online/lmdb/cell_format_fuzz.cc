// Any bytes as the key and the value of a cell, as they are and with a checksum that is right; and
// what is written of any key and any state is read back as it was, under its own key alone.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "icecore/base/id.h"
#include "icecore/online/lmdb/cell_format.h"

namespace {

namespace lmdb = icecore::online::lmdb;
using icecore::base::Hash64;

std::string Sealed(std::string_view cell_key, uint8_t flags, std::string_view body) {
  const uint64_t parts[3] = {Hash64(cell_key), flags, Hash64(body)};
  const uint64_t checksum =
      Hash64(std::string_view(reinterpret_cast<const char*>(parts), sizeof parts));
  std::string value = {static_cast<char>(0xC1), static_cast<char>(flags)};
  value.append(reinterpret_cast<const char*>(&checksum), sizeof checksum);
  return value.append(body);
}

void WriteAndRead(std::string_view key, std::string_view state) {
  lmdb::CellPrefix prefix;
  const lmdb::CellSpace space{1, 2, 3};
  // A key is not empty and never ends in what ends keys.
  prefix.Assign(space, key);
  if (prefix.bytes().size() > lmdb::kMaxPrefixBytes) std::abort();
  const std::string cell_key = std::string(prefix.bytes()) + "s";
  std::string value;
  lmdb::AppendCellValue(cell_key, key, prefix.shortened(), state, &value);
  const auto cell = lmdb::DecodeCellValue(cell_key, key, value);
  if (!cell.ok() || !cell->same_key || cell->state != state) std::abort();
  if (lmdb::DecodeCellValue(cell_key + "t", key, value).ok()) std::abort();
  if (prefix.shortened()) {
    const auto other = lmdb::DecodeCellValue(cell_key, std::string(key) + "x", value);
    if (!other.ok() || other->same_key) std::abort();
  }
  const auto length = lmdb::EntityKeyLength(cell_key);
  if (prefix.shortened() && length != prefix.bytes().size() - 8) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 2), size - 2);
  // Keys beyond 467 bytes are shortened: a length says how often the key stands there.
  const size_t key_bytes = std::min<size_t>(data[0], bytes.size());
  std::string key;
  for (int i = 0; i <= (data[1] & 15); ++i) key.append(bytes.substr(0, key_bytes));
  const std::string_view rest = bytes.substr(key_bytes);
  (void)lmdb::EntityKeyLength(key);
  (void)lmdb::DecodeCellValue(key, key, rest);
  const auto sealed = Sealed(key, data[1] >> 7, rest);
  const auto cell = lmdb::DecodeCellValue(key, key, sealed);
  if (cell.ok() && cell->state.size() > rest.size()) std::abort();
  if (!key.empty()) WriteAndRead(key, rest);
  return 0;
}
