#include "icecore/base/memory_pool.h"

#include <arrow/memory_pool.h>

#include <algorithm>
#include <cstdlib>
#include <string>

namespace icecore::base {

void ChooseMemoryPool() {
#if defined(__x86_64__)  // where pages always have the size that jemalloc was built for
  constexpr const char* kPool = "jemalloc";
  const auto pools = arrow::SupportedMemoryBackendNames();
  if (std::find(pools.begin(), pools.end(), kPool) != pools.end()) {
    ::setenv("ARROW_DEFAULT_MEMORY_POOL", kPool, /*overwrite=*/0);
  }
#endif
}

}  // namespace icecore::base
