#include "icecore/base/memory_pool.h"

#include <arrow/memory_pool.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

namespace icecore::base {
namespace {

TEST(MemoryPool, WhatTheEnvironmentSaysStays) {
  ASSERT_EQ(::setenv("ARROW_DEFAULT_MEMORY_POOL", "system", 1), 0);
  ChooseMemoryPool();
  EXPECT_STREQ(std::getenv("ARROW_DEFAULT_MEMORY_POOL"), "system");
  ASSERT_EQ(::unsetenv("ARROW_DEFAULT_MEMORY_POOL"), 0);
  ChooseMemoryPool();
  const char* const chosen = std::getenv("ARROW_DEFAULT_MEMORY_POOL");
  const auto pools = arrow::SupportedMemoryBackendNames();
  EXPECT_TRUE(chosen == nullptr || std::find(pools.begin(), pools.end(), chosen) != pools.end());
}

}  // namespace
}  // namespace icecore::base
