#pragma once
// Elements of an array by their places.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>

namespace icecore::feature {

// The elements values[places[0]] … values[places[count - 1]]; a place below 0 gives null. The other
// places must lie within the array, which has less than 2^31 elements.
arrow::Result<std::shared_ptr<arrow::Array>> Gather(const arrow::Array& values,
                                                    const int32_t* places, int64_t count);

}  // namespace icecore::feature
