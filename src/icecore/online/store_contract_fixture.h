#pragma once
// What the tests of store_contract.h and store_versions_contract.h begin from: an empty store.

#include <memory>
#include <string>

#include "icecore/base/error.h"
#include "icecore/online/store_test_data.h"

namespace icecore::online::testing {

using base::CodeOf;
using base::ErrorCode;
using state::ValueStatus;

template <typename Harness>
class StoreContract : public ::testing::Test {
 protected:
  void SetUp() override {
    if constexpr (requires { Harness::Skip(); }) {
      if (const std::string why = Harness::Skip(); !why.empty()) GTEST_SKIP() << why;
    }
    Reopen();
  }
  void Reopen() {
    store_.reset();
    auto store = harness_.Open();
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = std::move(*store);
  }
  Store* store() { return store_.get(); }

  Harness harness_;
  std::unique_ptr<Store> store_;
};

TYPED_TEST_SUITE_P(StoreContract);

}  // namespace icecore::online::testing
