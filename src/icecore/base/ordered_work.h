#pragma once
// Pieces of work made by several threads and taken by one, in order, while those behind are made.

#include <arrow/result.h>

#include <cstddef>
#include <functional>

namespace icecore::base {

// Calls make(0) … make(count - 1), each once, on `threads` threads of its own, and take(0) … in
// order on this one, each after its make. make(i) begins only when take(i - ahead) has ended, so
// that `ahead` pieces of memory, used in turns, are enough. The first error ends all; what has
// begun is waited for. threads and ahead are at least 1.
arrow::Status MakeAndTake(size_t count, size_t threads, size_t ahead,
                          const std::function<arrow::Status(size_t)>& make,
                          const std::function<arrow::Status(size_t)>& take);

}  // namespace icecore::base
