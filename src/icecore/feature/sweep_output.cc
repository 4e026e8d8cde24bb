#include "icecore/feature/sweep_output.h"

#include <arrow/array/array_base.h>
#include <arrow/array/array_nested.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/data.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/compute/api_vector.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace icecore::feature {

namespace {

using state::AggregateKind;
using state::ValueStatus;
using Form = SweepOutput::Form;

// From the sweep's places to the labels' own order; labels without a place get `none`.
template <typename T>
void InLabelOrder(const ByKey& order, T none, std::vector<T>* values) {
  if (order.as_given() || values->empty()) return;
  std::vector<T> moved(values->size(), none);
  for (size_t i = 0; i < order.items.size(); ++i) moved[order.items[i]] = (*values)[i];
  *values = std::move(moved);
}

std::shared_ptr<arrow::Buffer> ValidityOf(const std::vector<ValueStatus>& statuses,
                                          int64_t* nulls) {
  *nulls = std::count_if(statuses.begin(), statuses.end(),
                         [](ValueStatus status) { return status != ValueStatus::kPresent; });
  if (*nulls == 0) return nullptr;
  std::vector<uint8_t> bits(
      static_cast<size_t>(arrow::bit_util::BytesForBits(static_cast<int64_t>(statuses.size()))));
  for (size_t i = 0; i < statuses.size(); ++i) {
    if (statuses[i] == ValueStatus::kPresent)
      arrow::bit_util::SetBit(bits.data(), static_cast<int64_t>(i));
  }
  return arrow::Buffer::FromVector(std::move(bits));
}

template <typename T>
std::shared_ptr<arrow::Array> FixedWidth(const std::shared_ptr<arrow::DataType>& type,
                                         std::vector<T> values,
                                         const std::vector<ValueStatus>& statuses) {
  int64_t nulls = 0;
  auto validity = ValidityOf(statuses, &nulls);
  const auto length = static_cast<int64_t>(values.size());
  return arrow::MakeArray(arrow::ArrayData::Make(
      type, length, {std::move(validity), arrow::Buffer::FromVector(std::move(values))}, nulls));
}

arrow::Result<std::shared_ptr<arrow::Array>> TakeRows(const arrow::Array& values,
                                                      const std::vector<uint32_t>& rows) {
  arrow::UInt32Builder indices;
  ARROW_RETURN_NOT_OK(indices.Reserve(static_cast<int64_t>(rows.size())));
  for (const uint32_t row : rows) {
    if (row == kNoRow) {
      indices.UnsafeAppendNull();
    } else {
      indices.UnsafeAppend(row);
    }
  }
  ARROW_ASSIGN_OR_RAISE(const auto taken, indices.Finish());
  return arrow::compute::Take(values, *taken, arrow::compute::TakeOptions::NoBoundsCheck());
}

arrow::Result<std::shared_ptr<arrow::Array>> FromNarrow(const state::ValueCodec& codec,
                                                        const SweepOutput& output) {
  ARROW_ASSIGN_OR_RAISE(auto builder, arrow::MakeBuilder(codec.type()));
  ARROW_RETURN_NOT_OK(builder->Reserve(static_cast<int64_t>(output.bits.size())));
  for (size_t i = 0; i < output.bits.size(); ++i) {
    ARROW_RETURN_NOT_OK(output.statuses[i] == ValueStatus::kPresent
                            ? codec.AppendNarrow(output.bits[i], builder.get())
                            : builder->AppendNull());
  }
  return builder->Finish();
}

arrow::Result<std::shared_ptr<arrow::Array>> Lists(const std::shared_ptr<arrow::DataType>& type,
                                                   const arrow::Array& values, const ByKey& order,
                                                   const SweepOutput& output,
                                                   const std::vector<const ListPart*>& parts) {
  const auto count = static_cast<size_t>(output.statuses.size());
  std::vector<int32_t> offsets(count + 1, 0);
  int64_t total = 0;
  for (const ListPart* part : parts) {
    for (size_t i = 0; i < part->labels.size(); ++i) {
      const auto label = static_cast<size_t>(order.ItemAt(part->labels[i]));
      offsets[label + 1] = static_cast<int32_t>(part->sizes[i]);
      total += part->sizes[i];
    }
  }
  if (total > INT32_MAX) {
    return arrow::Status::CapacityError("lists of ", total, " values do not fit one column");
  }
  for (size_t i = 0; i < count; ++i) offsets[i + 1] += offsets[i];
  std::vector<uint32_t> rows(static_cast<size_t>(total));
  for (const ListPart* part : parts) {
    auto from = part->rows.begin();
    for (size_t i = 0; i < part->labels.size(); ++i) {
      const auto label = static_cast<size_t>(order.ItemAt(part->labels[i]));
      std::copy_n(from, part->sizes[i], rows.begin() + offsets[label]);
      from += part->sizes[i];
    }
  }
  ARROW_ASSIGN_OR_RAISE(auto elements, TakeRows(values, rows));
  int64_t nulls = 0;
  auto validity = ValidityOf(output.statuses, &nulls);
  return std::make_shared<arrow::ListArray>(type, static_cast<int64_t>(count),
                                            arrow::Buffer::FromVector(std::move(offsets)),
                                            std::move(elements), std::move(validity), nulls);
}

}  // namespace

Form FormOf(const state::ViewPlan& plan, const state::FeatureLayout& feature) {
  if (feature.kind == state::FeatureLayout::Kind::kAsOf) return Form::kRow;
  const auto& input = feature.aggregate.input;
  switch (feature.aggregate.kind) {
    case AggregateKind::kCount:
    case AggregateKind::kCountDistinct:
      return Form::kInt64;
    case AggregateKind::kSum:
      if (arrow::is_integer(input->id())) return Form::kInt64;
      return arrow::is_decimal(input->id()) ? Form::kDecimal : Form::kDouble;
    case AggregateKind::kMean:
    case AggregateKind::kStddev:
    case AggregateKind::kVariance:
    case AggregateKind::kQuantile:
      return Form::kDouble;
    case AggregateKind::kLastN:
    case AggregateKind::kTopN:
      return Form::kRows;
    case AggregateKind::kMin:
    case AggregateKind::kMax:
      return plan.codecs[static_cast<size_t>(feature.value)]->form() == state::ValueForm::kNarrow
                 ? Form::kNarrow
                 : Form::kRow;
    default:
      return Form::kRow;
  }
}

SweepOutput MakeOutput(const state::ViewPlan& plan, const state::FeatureLayout& feature,
                       int64_t labels) {
  SweepOutput output;
  output.form = FormOf(plan, feature);
  const auto count = static_cast<size_t>(labels);
  const bool counts = feature.kind == state::FeatureLayout::Kind::kWindow &&
                      (feature.aggregate.kind == AggregateKind::kCount ||
                       feature.aggregate.kind == AggregateKind::kCountDistinct);
  const bool as_of = feature.kind == state::FeatureLayout::Kind::kAsOf;
  output.none = counts  ? ValueStatus::kPresent
                : as_of ? ValueStatus::kNotFound
                        : ValueStatus::kNull;
  output.statuses.assign(count, output.none);
  switch (output.form) {
    case Form::kRow:
      output.rows.assign(count, kNoRow);
      break;
    case Form::kInt64:
    case Form::kDouble:
    case Form::kNarrow:
      output.bits.assign(count, 0);
      break;
    case Form::kDecimal:
      output.decimals.assign(count, 0);
      break;
    case Form::kRows:
      break;
  }
  return output;
}

void ToLabelOrder(const ByKey& order, SweepOutput* output) {
  InLabelOrder(order, output->none, &output->statuses);
  InLabelOrder(order, kNoRow, &output->rows);
  InLabelOrder(order, uint64_t{0}, &output->bits);
  InLabelOrder(order, static_cast<unsigned __int128>(0), &output->decimals);
}

arrow::Result<state::VectorSink::Column> FinishColumn(const state::ViewPlan& plan, size_t feature,
                                                      const SweepRows& rows, const ByKey& order,
                                                      SweepOutput* output,
                                                      const std::vector<const ListPart*>& parts) {
  const state::FeatureLayout& layout = plan.layout.features[feature];
  const auto& type = plan.output_types[feature];
  state::VectorSink::Column column;
  switch (output->form) {
    case Form::kRow: {
      ARROW_ASSIGN_OR_RAISE(
          column.values,
          TakeRows(*rows.rows.values[static_cast<size_t>(layout.value)], output->rows));
      column.statuses = output->statuses;
      for (size_t i = 0; i < column.statuses.size() && column.values->null_count() > 0; ++i) {
        if (column.statuses[i] == ValueStatus::kPresent &&
            column.values->IsNull(static_cast<int64_t>(i))) {
          column.statuses[i] = ValueStatus::kNull;
        }
      }
      return column;
    }
    case Form::kInt64:
    case Form::kDouble:
      column.values = FixedWidth(type, std::move(output->bits), output->statuses);
      break;
    case Form::kNarrow: {
      ARROW_ASSIGN_OR_RAISE(column.values,
                            FromNarrow(*plan.codecs[static_cast<size_t>(layout.value)], *output));
      break;
    }
    case Form::kDecimal:
      column.values = FixedWidth(type, std::move(output->decimals), output->statuses);
      break;
    case Form::kRows: {
      ARROW_ASSIGN_OR_RAISE(
          column.values,
          Lists(type, *rows.rows.values[static_cast<size_t>(layout.value)], order, *output, parts));
      break;
    }
  }
  column.statuses = std::move(output->statuses);
  return column;
}

}  // namespace icecore::feature
