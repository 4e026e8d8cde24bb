#include "icecore/feature/chosen_values.h"

#include <arrow/array/array_base.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/data.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>

#include <utility>

#include "icecore/base/parallel.h"
#include "icecore/feature/gather.h"

namespace icecore::feature {

arrow::Result<std::unique_ptr<ChosenValues>> ChosenValues::Make(
    const std::vector<std::shared_ptr<arrow::DataType>>& types, int64_t rows) {
  auto values = std::make_unique<ChosenValues>();
  values->rows_ = rows;
  for (const auto& type : types) {
    Column column;
    column.type = type;
    if (IsPlain(*type)) {
      ARROW_ASSIGN_OR_RAISE(column.bytes, arrow::AllocateBuffer(rows * type->bit_width() / 8));
    }
    values->columns_.push_back(std::move(column));
  }
  return values;
}

arrow::Status ChosenValues::Put(size_t value, int64_t first, const arrow::Array& column,
                                const int32_t* places, int64_t count) {
  Column& to = columns_[value];
  if (to.bytes == nullptr) {
    ARROW_ASSIGN_OR_RAISE(auto piece, Gather(column, places, count));
    const std::lock_guard lock(mutex_);
    to.pieces[first] = std::move(piece);
    return arrow::Status::OK();
  }
  GatherInto(column, places, count, to.bytes->mutable_data() + first * to.type->bit_width() / 8);
  if (column.null_count() > 0) PutNulls(&to, first, column, places, count);
  return arrow::Status::OK();
}

// A byte per row, since threads that fill neighbouring rows would share the bytes of a bitmap.
void ChosenValues::PutNulls(Column* column, int64_t first, const arrow::Array& values,
                            const int32_t* places, int64_t count) {
  uint8_t* valid = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (column->valid.empty()) column->valid.assign(static_cast<size_t>(rows_), 1);
    valid = column->valid.data();
  }
  for (int64_t i = 0; i < count; ++i) valid[first + i] = values.IsValid(places[i]) ? 1 : 0;
}

arrow::Result<std::shared_ptr<arrow::Array>> ChosenValues::FinishColumn(Column* column) const {
  if (rows_ == 0) return arrow::MakeEmptyArray(column->type);
  if (column->bytes == nullptr) {
    arrow::ArrayVector pieces;
    for (auto& [first, piece] : column->pieces) pieces.push_back(std::move(piece));
    column->pieces.clear();
    return pieces.size() == 1 ? pieces[0] : arrow::Concatenate(pieces);
  }
  std::shared_ptr<arrow::Buffer> bits;
  int64_t nulls = 0;
  if (!column->valid.empty()) {
    ARROW_ASSIGN_OR_RAISE(bits, arrow::AllocateEmptyBitmap(rows_));
    for (int64_t row = 0; row < rows_; ++row) {
      const bool is_valid = column->valid[static_cast<size_t>(row)] != 0;
      arrow::bit_util::SetBitTo(bits->mutable_data(), row, is_valid);
      nulls += is_valid ? 0 : 1;
    }
    column->valid = {};
  }
  return arrow::MakeArray(arrow::ArrayData::Make(
      column->type, rows_, {nulls > 0 ? std::move(bits) : nullptr, std::move(column->bytes)},
      nulls));
}

arrow::Result<std::vector<std::shared_ptr<arrow::Array>>> ChosenValues::Finish() {
  std::vector<std::shared_ptr<arrow::Array>> arrays(columns_.size());
  ARROW_RETURN_NOT_OK(base::RunParallel(
      columns_.size(), [&](size_t i) { return FinishColumn(&columns_[i]).Value(&arrays[i]); }));
  return arrays;
}

}  // namespace icecore::feature
