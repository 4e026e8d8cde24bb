#pragma once
// Elements of an array by their places.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>

namespace icecore::feature {

// Which of some places are none: once for all columns that are gathered by them.
struct PlaceBits {
  std::shared_ptr<arrow::Buffer> bits;  // one per place, 0: below 0; null: none is
  int64_t nulls = 0;

  static arrow::Result<PlaceBits> Of(const int32_t* places, int64_t count);
};

// The elements values[places[0]] … values[places[count - 1]]; a place below 0 gives null. The other
// places must lie within the array, which has less than 2^31 elements.
arrow::Result<std::shared_ptr<arrow::Array>> Gather(const arrow::Array& values,
                                                    const int32_t* places, int64_t count);
// The same where the bits of the places are known.
arrow::Result<std::shared_ptr<arrow::Array>> Gather(const arrow::Array& values,
                                                    const int32_t* places, int64_t count,
                                                    const PlaceBits& bits);

// Whether elements of the type are nothing but their bytes, as many for each: those GatherInto
// takes.
bool IsPlain(const arrow::DataType& type);
// The bytes of the elements, one after another; of nulls any. Places are not below 0.
void GatherInto(const arrow::Array& values, const int32_t* places, int64_t count, uint8_t* out);

}  // namespace icecore::feature
