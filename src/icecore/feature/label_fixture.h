#pragma once
// What tests of labels share: keys and times as arrays, numbers at random.

#include <arrow/array/array_primitive.h>
#include <arrow/array/builder_primitive.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "icecore/base/id.h"

namespace icecore::feature {

inline std::shared_ptr<arrow::Int64Array> Numbers(const std::vector<int64_t>& values) {
  arrow::Int64Builder builder;
  EXPECT_TRUE(builder.AppendValues(values).ok());
  return std::static_pointer_cast<arrow::Int64Array>(*builder.Finish());
}

inline int64_t Below(base::Random* random, int64_t bound) {
  return static_cast<int64_t>(random->Next() % static_cast<uint64_t>(bound));
}

}  // namespace icecore::feature
