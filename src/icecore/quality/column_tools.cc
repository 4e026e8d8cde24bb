#include "icecore/quality/column_tools_internal.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/util/bit_util.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace icecore::quality {
namespace {

using BadRows = std::vector<ConvertedColumn::BadRow>;

}  // namespace

arrow::Result<std::shared_ptr<arrow::Array>> NullAt(const std::shared_ptr<arrow::Array>& values,
                                                    const BadRows& bad) {
  if (bad.empty()) {
    return values;
  }
  std::shared_ptr<arrow::Array> whole = values;
  if (whole->offset() != 0) {
    ARROW_ASSIGN_OR_RAISE(whole, arrow::Concatenate({values}));
  }
  int64_t rows = whole->length();
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> bitmap, arrow::AllocateEmptyBitmap(rows));
  uint8_t* bits = bitmap->mutable_data();
  if (whole->null_bitmap_data() != nullptr) {
    std::memcpy(bits, whole->null_bitmap_data(),
                static_cast<size_t>(arrow::bit_util::BytesForBits(rows)));
  } else {
    arrow::bit_util::SetBitsTo(bits, 0, rows, true);
  }
  for (const ConvertedColumn::BadRow& row : bad) {
    arrow::bit_util::ClearBit(bits, row.row);
  }
  std::shared_ptr<arrow::ArrayData> data = whole->data()->Copy();
  data->buffers[0] = std::move(bitmap);
  data->null_count = arrow::kUnknownNullCount;
  return arrow::MakeArray(data);
}

BadRows MergeBad(const BadRows& a, const BadRows& b) {
  BadRows out(a.size() + b.size());
  std::merge(a.begin(), a.end(), b.begin(), b.end(), out.begin(),
             [](const auto& x, const auto& y) { return x.row < y.row; });
  return out;
}

arrow::Status CheckLengths(const ColumnTarget& target, ConvertedColumn* column) {
  if (!target.embedding_length.has_value() || column->values->type_id() != arrow::Type::LIST) {
    return arrow::Status::OK();
  }
  const auto& lists = static_cast<const arrow::ListArray&>(*column->values);
  BadRows wrong;
  for (int64_t i = 0; i < lists.length(); ++i) {
    if (lists.IsValid(i) && lists.value_length(i) != *target.embedding_length) {
      wrong.push_back({i, Misfit::kLength});
    }
  }
  ARROW_ASSIGN_OR_RAISE(column->values, NullAt(column->values, wrong));
  column->bad = MergeBad(column->bad, wrong);
  return arrow::Status::OK();
}

template <typename T>
arrow::Result<std::shared_ptr<arrow::Array>> FixedWidthArray(
    const std::shared_ptr<arrow::DataType>& type, const std::vector<T>& values,
    const std::vector<uint8_t>& valid) {
  auto rows = static_cast<int64_t>(values.size());
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> bitmap, arrow::AllocateEmptyBitmap(rows));
  int64_t nulls = 0;
  for (int64_t i = 0; i < rows; ++i) {
    if (valid[static_cast<size_t>(i)] != 0) {
      arrow::bit_util::SetBit(bitmap->mutable_data(), i);
    } else {
      ++nulls;
    }
  }
  int64_t bytes = rows * static_cast<int64_t>(sizeof(T));
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> data, arrow::AllocateBuffer(bytes));
  if (bytes > 0) {
    std::memcpy(data->mutable_data(), values.data(), static_cast<size_t>(bytes));
  }
  return arrow::MakeArray(arrow::ArrayData::Make(
      type, rows, {nulls == 0 ? nullptr : std::move(bitmap), std::move(data)}, nulls));
}

#define ICECORE_FIXED_WIDTH(T)                                              \
  template arrow::Result<std::shared_ptr<arrow::Array>> FixedWidthArray<T>( \
      const std::shared_ptr<arrow::DataType>&, const std::vector<T>&,       \
      const std::vector<uint8_t>&);
ICECORE_FIXED_WIDTH(int8_t)
ICECORE_FIXED_WIDTH(int16_t)
ICECORE_FIXED_WIDTH(int32_t)
ICECORE_FIXED_WIDTH(int64_t)
ICECORE_FIXED_WIDTH(uint8_t)
ICECORE_FIXED_WIDTH(uint16_t)
ICECORE_FIXED_WIDTH(uint32_t)
ICECORE_FIXED_WIDTH(uint64_t)
ICECORE_FIXED_WIDTH(float)
ICECORE_FIXED_WIDTH(double)
#undef ICECORE_FIXED_WIDTH

}  // namespace icecore::quality
