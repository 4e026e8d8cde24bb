#pragma once
// Types that a column may change to without a file being written anew;
// docs/decisions/wider-types.md.

#include <arrow/type_fwd.h>

#include <memory>

namespace icecore::lake {

// Of two types the one that has every value of the other: a signed integer of more bits, float64 of
// float32, timestamp of date; nullptr where neither has.
std::shared_ptr<arrow::DataType> WiderType(const std::shared_ptr<arrow::DataType>& a,
                                           const std::shared_ptr<arrow::DataType>& b);

}  // namespace icecore::lake
