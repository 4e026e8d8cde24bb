#include "icecore/online/redis/slot_map.h"

#include <algorithm>
#include <map>
#include <utility>

#include "icecore/base/error.h"

namespace icecore::online::redis {
namespace {

uint16_t Crc16(std::string_view bytes) {
  uint16_t crc = 0;
  for (const char c : bytes) {
    crc = static_cast<uint16_t>(crc ^ static_cast<uint16_t>(static_cast<uint8_t>(c) << 8));
    for (int bit = 0; bit < 8; ++bit) {
      crc = static_cast<uint16_t>((crc & 0x8000) != 0 ? crc << 1 ^ 0x1021 : crc << 1);
    }
  }
  return crc;
}

arrow::Status NoSlots(const RedisNode& asked) {
  return base::MakeError(base::ErrorCode::kUnavailable,
                         asked.ToString() + ": the answer to CLUSTER SLOTS cannot be read");
}

}  // namespace

int SlotOf(std::string_view key) {
  const size_t open = key.find('{');
  if (open != std::string_view::npos) {
    const size_t close = key.find('}', open + 1);
    if (close != std::string_view::npos && close > open + 1) {
      key = key.substr(open + 1, close - open - 1);
    }
  }
  return Crc16(key) % kSlots;
}

const RedisNode* SlotMap::NodeOf(int slot) const {
  if (!is_cluster) return &masters.front();
  const int index = owner[static_cast<size_t>(slot)];
  return index < 0 ? nullptr : &masters[static_cast<size_t>(index)];
}

arrow::Result<SlotMap> ParseSlots(const RedisReply& reply, const RedisNode& asked) {
  struct Range {
    int64_t first, last;
    RedisNode node;
  };
  std::vector<Range> ranges;
  std::map<std::string, RedisNode> nodes;
  for (const RedisReply& entry : reply.list) {
    if (entry.list.size() < 3 || entry.list[2].list.size() < 2 ||
        entry.list[2].list[1].kind != RedisReply::Kind::kInteger) {
      return NoSlots(asked);
    }
    Range range{entry.list[0].integer, entry.list[1].integer, {}};
    if (range.first < 0 || range.last >= kSlots || range.first > range.last) return NoSlots(asked);
    // A server that does not know its own address leaves it out: it is the one that was asked.
    const RedisReply& host = entry.list[2].list[0];
    const bool is_known =
        host.kind == RedisReply::Kind::kText && !host.text.empty() && host.text != "?";
    range.node.host = is_known ? host.text : asked.host;
    range.node.port = static_cast<int>(entry.list[2].list[1].integer);
    nodes[range.node.ToString()] = range.node;
    ranges.push_back(std::move(range));
  }
  SlotMap map;
  map.is_cluster = true;
  map.owner.assign(kSlots, -1);
  for (auto& [name, node] : nodes) map.masters.push_back(std::move(node));
  for (const Range& range : ranges) {
    const auto found = std::find(map.masters.begin(), map.masters.end(), range.node);
    std::fill(map.owner.begin() + range.first, map.owner.begin() + range.last + 1,
              static_cast<int>(found - map.masters.begin()));
  }
  return map;
}

}  // namespace icecore::online::redis
