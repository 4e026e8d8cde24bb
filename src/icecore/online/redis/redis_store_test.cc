// The contract of online stores on a real Redis, one server and a Cluster, whose addresses the
// environment gives (tests/integration/stores/run.py starts them). Without an address the suite is
// skipped.
#include <gtest/gtest.h>

#include <cstdlib>

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
  arrow::Result<std::unique_ptr<Store>> Open() {
    return OpenStore(std::getenv(kVariable) + std::string("?prefix=") + prefix_, "");
  }

 private:
  const std::string prefix_ = "t-" + base::NewUuid(base::SystemRandom());
};

constexpr char kOneServer[] = "ICECORE_TEST_REDIS";
constexpr char kCluster[] = "ICECORE_TEST_REDIS_CLUSTER";

}  // namespace

INSTANTIATE_TYPED_TEST_SUITE_P(Redis, StoreContract, RedisHarness<kOneServer>);
INSTANTIATE_TYPED_TEST_SUITE_P(RedisCluster, StoreContract, RedisHarness<kCluster>);

}  // namespace icecore::online::testing
