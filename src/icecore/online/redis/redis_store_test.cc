// The contract of online stores on a real Redis, one server and a Cluster, whose addresses the
// environment gives (tests/integration/stores/run.py starts them). Without an address the suite is
// skipped.
#include <gtest/gtest.h>

#include <cstdlib>

#include "icecore/online/items/item_damage_testing.h"
#include "icecore/online/redis/redis_table.h"
#include "icecore/online/store_contract.h"

namespace icecore::online::testing {
namespace {

// A store under a prefix of its own, in the place that an environment variable names.
template <const char* kVariable>
class RedisHarness {
 public:
  static std::string Skip() {
    const char* url = std::getenv(kVariable);
    return url == nullptr || *url == '\0' ? std::string(kVariable) + " is not set" : "";
  }
  arrow::Result<std::unique_ptr<Store>> Open() { return OpenStore(Place()); }
  arrow::Status Damage(const std::string& view, const std::string& key) {
    ARROW_ASSIGN_OR_RAISE(redis::RedisPlace server, redis::ParseRedisPlace(Place()));
    redis::RedisTable table(std::move(server));
    return DamageItem(&table, view, key);
  }

 private:
  StorePlace Place() const {
    StorePlace place;
    place.url = std::getenv(kVariable) + std::string("?prefix=") + prefix_;
    return place;
  }

  const std::string prefix_ = "t-" + base::NewUuid(base::SystemRandom());
};

constexpr char kOneServer[] = "ICECORE_TEST_REDIS";
constexpr char kCluster[] = "ICECORE_TEST_REDIS_CLUSTER";

}  // namespace

INSTANTIATE_TYPED_TEST_SUITE_P(Redis, StoreContract, RedisHarness<kOneServer>);
INSTANTIATE_TYPED_TEST_SUITE_P(RedisCluster, StoreContract, RedisHarness<kCluster>);

}  // namespace icecore::online::testing
