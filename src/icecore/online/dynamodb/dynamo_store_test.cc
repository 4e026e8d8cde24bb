// The contract of online stores on a real DynamoDB endpoint, which the environment gives
// (tests/integration/stores/run.py starts DynamoDB Local). Without one the suite is skipped.
#include <gtest/gtest.h>

#include <cstdlib>

#include "icecore/online/dynamodb/dynamo_table.h"
#include "icecore/online/items/item_damage_testing.h"
#include "icecore/online/store_contract.h"

namespace icecore::online::testing {
namespace {

class DynamoHarness {
 public:
  static std::string Skip() {
    const char* url = std::getenv("ICECORE_TEST_DYNAMODB");
    return url == nullptr || *url == '\0' ? "ICECORE_TEST_DYNAMODB is not set" : "";
  }
  arrow::Result<std::unique_ptr<Store>> Open() { return OpenStore(Place()); }
  arrow::Status Damage(const std::string& view, const std::string& key) {
    ARROW_ASSIGN_OR_RAISE(const auto table, dynamodb::DynamoTable::Open(Place()));
    return DamageItem(table.get(), view, key);
  }

 private:
  StorePlace Place() const {
    StorePlace place;
    place.url = "dynamodb://eu-central-1/" + table_;
    place.endpoint = std::getenv("ICECORE_TEST_DYNAMODB");
    return place;
  }

  const std::string table_ = "t-" + base::NewUuid(base::SystemRandom());
};

}  // namespace

INSTANTIATE_TYPED_TEST_SUITE_P(DynamoDb, StoreContract, DynamoHarness);

}  // namespace icecore::online::testing
