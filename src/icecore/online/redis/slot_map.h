#pragma once
// Which server of a Redis Cluster keeps which keys.
// https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/

#include <arrow/result.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "icecore/online/redis/redis_connection.h"
#include "icecore/online/redis/redis_place.h"

namespace icecore::online::redis {

inline constexpr int kSlots = 16384;

// CRC16 (XMODEM) of the key's hash tag, where it has one, else of the key, modulo kSlots.
int SlotOf(std::string_view key);

struct SlotMap {
  bool is_cluster = false;
  std::vector<RedisNode> masters;  // sorted by name; of a single server: that server
  std::vector<int> owner;          // of a Cluster: per slot an index into masters, -1: nobody's

  // nullptr: no server keeps the slot now.
  const RedisNode* NodeOf(int slot) const;
};

// From the reply to CLUSTER SLOTS, which `asked` gave. kUnavailable when it is none.
arrow::Result<SlotMap> ParseSlots(const RedisReply& reply, const RedisNode& asked);

}  // namespace icecore::online::redis
