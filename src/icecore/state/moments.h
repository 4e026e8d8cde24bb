#pragma once
// Count, sum and sum of squares of numbers, all exact: what sum, mean, variance and stddev are made
// of.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "icecore/state/exact_sum.h"
#include "icecore/state/value_codec.h"

namespace icecore::state {

// Mergeable and invertible. Values are never null or NaN. Integers and decimals count in units of
// their last digit; the decimal's scale comes in with the result.
class Moments {
 public:
  explicit Moments(bool with_squares) : with_squares_(with_squares) {}

  void AddDouble(double value, bool remove);
  void AddInteger(uint64_t magnitude, bool negative, bool remove);
  void AddDecimal(const uint64_t magnitude[4], bool negative, bool remove);
  // A value of the codec's type, narrow or (decimals) wide.
  void AddNarrow(const ValueCodec& codec, uint64_t narrow, bool remove);
  // Adds many of a narrow type at once.
  void AddNarrowRows(const ValueCodec& codec, std::span<const uint64_t> narrow);

  void Merge(const Moments& other);
  void Subtract(const Moments& other);
  void Reset();

  bool with_squares() const { return with_squares_; }
  int64_t count() const { return count_; }

  // Not to be asked of an empty state.
  double SumAsDouble() const;
  // kInvalidArgument when the total leaves int64.
  arrow::Result<int64_t> SumAsInt64() const;
  // Little-endian two's complement of the unscaled total; false when it takes more than 38 digits.
  bool SumAsDecimal(uint64_t words[2]) const;
  double Mean(int32_t scale) const;
  // Of the sample: needs squares and two values.
  double Variance(int32_t scale) const;

  void Serialize(std::string* out) const;
  bool Parse(std::string_view* in);

 private:
  // mantissa * 2^exponent; not counted.
  void AddFinite(uint64_t mantissa, int exponent, bool negative, bool remove);
  void AddDoubles(const ValueCodec& codec, std::span<const uint64_t> narrow);
  void AddIntegers(const ValueCodec& codec, std::span<const uint64_t> narrow);
  bool infinite() const { return positive_infinities_ != 0 || negative_infinities_ != 0; }
  double InfiniteSum() const;

  bool with_squares_;
  int64_t count_ = 0;
  int64_t positive_infinities_ = 0;
  int64_t negative_infinities_ = 0;
  FixedPoint sum_;
  FixedPoint squares_;
};

arrow::Status SumLeavesInt64(int64_t count);

}  // namespace icecore::state
