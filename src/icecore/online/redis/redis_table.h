#pragma once
// A table of items in Redis: an item is a string under PREFIX:{GROUP}NAME, so that a group is one
// slot of a Cluster. Nothing of ours ever expires by Redis.

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "icecore/online/items/item_table.h"
#include "icecore/online/redis/redis_client.h"
#include "icecore/online/redis/redis_place.h"

namespace icecore::online::redis {

class RedisTable : public ItemTable {
 public:
  explicit RedisTable(RedisPlace place, const RedisTuning& tuning = {})
      : prefix_(place.prefix + ":{"), client_(std::move(place), tuning) {}

  std::string kind() const override { return "redis"; }
  // kInvalidDefinition where the server would evict keys.
  arrow::Status Prepare() override;
  arrow::Result<std::vector<std::optional<std::string>>> Get(
      const std::vector<ItemKey>& keys, int64_t deadline_ns = INT64_MAX) override;
  arrow::Status PutNewer(const std::vector<Item>& items) override;
  arrow::Status PutNew(const std::vector<Item>& items) override;
  arrow::Result<bool> Replace(const ItemKey& key, const std::optional<std::string>& expected,
                              const std::optional<std::string>& desired) override;
  arrow::Status Delete(const std::vector<ItemKey>& keys) override;
  arrow::Result<Page> Scan(const std::string& name, const std::string& from) override;

 private:
  struct Scripts {
    RedisScript put_newer;
    RedisScript replace;
  };

  std::string TextOf(const ItemKey& key) const { return prefix_ + key.group + "}" + key.name; }
  std::optional<ItemKey> KeyOf(std::string_view text) const;
  arrow::Result<std::shared_ptr<const Scripts>> LoadedScripts();

  const std::string prefix_;
  RedisClient client_;
  std::mutex mutex_;
  std::shared_ptr<const Scripts> scripts_;
};

}  // namespace icecore::online::redis
