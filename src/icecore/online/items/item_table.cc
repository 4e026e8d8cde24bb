#include "icecore/online/items/item_table.h"

namespace icecore::online {

uint64_t ItemVersion(std::string_view bytes) {
  uint64_t version = 0;
  for (size_t i = 0; i < 8; ++i) {
    version = version << 8 | (bytes.size() < 8 ? 0 : static_cast<uint8_t>(bytes[i]));
  }
  return version;
}

std::string ItemVersionBytes(uint64_t version) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>(version >> shift & 0xff));
  }
  return bytes;
}

}  // namespace icecore::online
