#include "icecore/feature/sweep_slice.h"

#include <arrow/array/array_base.h>
#include <arrow/array/array_primitive.h>

#include <algorithm>
#include <numeric>

namespace icecore::feature {

namespace {

void GatherSlice(const int64_t* from, const std::vector<uint32_t>& row_ids, bool contiguous,
                 std::vector<int64_t>* to) {
  to->resize(row_ids.size());
  if (row_ids.empty()) return;
  if (contiguous) {
    std::copy_n(from + row_ids[0], row_ids.size(), to->data());
    return;
  }
  for (size_t i = 0; i < row_ids.size(); ++i) (*to)[i] = from[row_ids[i]];
}

}  // namespace

const SweepColumn* SweepSlice::AddColumn(int value, int mask, Needs needs) {
  if (value >= 0) {
    values_[static_cast<size_t>(value)].used = true;
    Needs& known = values_[static_cast<size_t>(value)].needs;
    known.ordered |= needs.ordered;
    known.hashes |= needs.hashes;
  }
  for (const auto& known : columns_) {
    if (known->value == value && known->mask == mask) return &known->column;
  }
  columns_.push_back(std::make_unique<Column>(Column{value, mask, {}}));
  return &columns_.back()->column;
}

arrow::Status SweepSlice::Load(const std::vector<Piece>& pieces) {
  int64_t size = 0;
  for (const Piece& piece : pieces) size += piece.count;
  row_ids_.resize(static_cast<size_t>(size));
  contiguous_ = order_.as_given();
  uint32_t* to = row_ids_.data();
  for (size_t i = 0; i < pieces.size(); ++i) {
    const Piece& piece = pieces[i];
    contiguous_ &= i == 0 || piece.first == pieces[i - 1].first + pieces[i - 1].count;
    if (order_.as_given()) {
      std::iota(to, to + piece.count, static_cast<uint32_t>(piece.first));
    } else {
      std::copy_n(order_.items.begin() + piece.first, piece.count, to);
    }
    to += piece.count;
  }
  if (plan_.layout.always) {
    event_times_.assign(row_ids_.size(), 0);
  } else {
    GatherSlice(rows_.rows.event_time->raw_values(), row_ids_, contiguous_, &event_times_);
  }
  GatherSlice(rows_.activations.data(), row_ids_, contiguous_, &activations_);
  if (!rows_.untils.empty()) GatherSlice(rows_.untils.data(), row_ids_, contiguous_, &untils_);
  for (size_t at = 0; at < values_.size(); ++at) ARROW_RETURN_NOT_OK(LoadValue(at));
  for (const auto& column : columns_) LoadColumn(column.get());
  return arrow::Status::OK();
}

arrow::Status SweepSlice::LoadValue(size_t at) {
  Value& value = values_[at];
  if (!value.used) return arrow::Status::OK();
  const arrow::Array& array = *rows_.rows.values[at];
  const state::ValueCodec& codec = *plan_.codecs[at];
  value.usable.resize(row_ids_.size());
  value.all_usable = codec.UsableRows(array, first(), scattered(), size(), value.usable.data());
  if (codec.form() == state::ValueForm::kNarrow) {
    if (!value.needs.ordered && !value.needs.hashes) return arrow::Status::OK();
    value.narrow.resize(row_ids_.size());
    codec.NarrowRows(array, first(), scattered(), size(), value.narrow.data());
  } else if (value.needs.ordered || value.needs.hashes) {
    value.wide.resize(row_ids_.size());
    for (size_t i = 0; i < row_ids_.size(); ++i) {
      if (value.usable[i] != 0) {
        ARROW_RETURN_NOT_OK(codec.Wide(array, row_ids_[i], &value.wide[i]));
      }
    }
  }
  if (!value.needs.hashes) return arrow::Status::OK();
  value.hashes.resize(row_ids_.size());
  for (size_t i = 0; i < row_ids_.size(); ++i) {
    if (value.usable[i] == 0) continue;
    value.hashes[i] = codec.form() == state::ValueForm::kNarrow
                          ? codec.HashNarrow(value.narrow[i])
                          : state::ValueCodec::HashWide(value.wide[i]);
  }
  return arrow::Status::OK();
}

void SweepSlice::LoadColumn(Column* at) const {
  SweepColumn& column = at->column;
  column.all_usable = true;
  if (at->value >= 0) {
    const Value& value = values_[static_cast<size_t>(at->value)];
    column.codec = plan_.codecs[static_cast<size_t>(at->value)].get();
    column.usable = value.usable;
    column.all_usable = value.all_usable;
    const bool narrow = column.codec->form() == state::ValueForm::kNarrow;
    const bool ordered = value.needs.ordered || value.needs.hashes;
    column.narrow = ordered && narrow ? &value.narrow : nullptr;
    column.wide = ordered && !narrow ? &value.wide : nullptr;
    column.hashes = value.needs.hashes ? &value.hashes : nullptr;
  } else {
    column.usable.assign(row_ids_.size(), 1);
  }
  if (at->mask < 0) return;
  const arrow::BooleanArray& mask = *rows_.rows.masks[static_cast<size_t>(at->mask)];
  for (size_t i = 0; i < row_ids_.size(); ++i) {
    const int64_t row = row_ids_[i];
    if (mask.IsNull(row) || !mask.Value(row)) column.usable[i] = 0;
    column.all_usable &= column.usable[i] != 0;
  }
}

}  // namespace icecore::feature
