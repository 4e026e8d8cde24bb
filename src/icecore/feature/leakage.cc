#include "icecore/feature/leakage.h"

#include <arrow/array.h>
#include <arrow/compare.h>
#include <arrow/compute/cast.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>

#include <cmath>
#include <cstring>
#include <memory>

#include "icecore/base/error.h"

namespace icecore::feature {
namespace {

// Whether two values that are not null are the same bits.
class BitComparison {
 public:
  BitComparison(const arrow::Array& left, const arrow::Array& right)
      : left_(left),
        right_(right),
        options_(arrow::EqualOptions::Defaults().nans_equal(true).signed_zeros_equal(false)) {
    const arrow::DataType& type = *left.type();
    if (arrow::is_fixed_width(type.id()) && !arrow::is_nested(type.id()) &&
        type.id() != arrow::Type::BOOL && type.id() != arrow::Type::DICTIONARY) {
      width_ = static_cast<const arrow::FixedWidthType&>(type).bit_width() / 8;
    }
  }

  bool Same(int64_t row) const {
    if (width_ > 0) {
      return std::memcmp(At(left_, row), At(right_, row), static_cast<size_t>(width_)) == 0;
    }
    return left_.RangeEquals(right_, row, row + 1, row, options_);
  }

 private:
  const uint8_t* At(const arrow::Array& values, int64_t row) const {
    return values.data()->buffers[1]->data() + (values.offset() + row) * width_;
  }

  const arrow::Array& left_;
  const arrow::Array& right_;
  const arrow::EqualOptions options_;
  int64_t width_ = 0;
};

}  // namespace

arrow::Status LeakageMeter::Add(const arrow::Array& known, const arrow::Array& latest) {
  if (known.length() != latest.length() || !known.type()->Equals(*latest.type())) {
    return base::MakeError(base::ErrorCode::kInternal, "leakage of columns that do not match");
  }
  std::shared_ptr<arrow::Array> numbers[2];
  if (arrow::is_numeric(known.type_id()) || arrow::is_decimal(known.type_id())) {
    ARROW_ASSIGN_OR_RAISE(numbers[0], arrow::compute::Cast(known, arrow::float64(),
                                                           arrow::compute::CastOptions::Unsafe()));
    ARROW_ASSIGN_OR_RAISE(numbers[1], arrow::compute::Cast(latest, arrow::float64(),
                                                           arrow::compute::CastOptions::Unsafe()));
  }
  const BitComparison comparison(known, latest);
  for (int64_t row = 0; row < known.length(); ++row) {
    const bool both = known.IsValid(row) && latest.IsValid(row);
    if (both ? comparison.Same(row) : known.IsNull(row) == latest.IsNull(row)) {
      continue;
    }
    ++differ_;
    if (!both || !numbers[0]) {
      continue;
    }
    const double difference =
        std::abs(static_cast<const arrow::DoubleArray&>(*numbers[0]).Value(row) -
                 static_cast<const arrow::DoubleArray&>(*numbers[1]).Value(row));
    if (std::isfinite(difference)) {
      ++numbers_;
      sum_ += difference;
    }
  }
  return arrow::Status::OK();
}

std::optional<double> LeakageMeter::mean_difference() const {
  return numbers_ == 0 ? std::nullopt : std::optional<double>(sum_ / static_cast<double>(numbers_));
}

}  // namespace icecore::feature
