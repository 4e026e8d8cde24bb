#pragma once
// Exact moments of many ranges of one run of numbers, by sums of fixed-point numbers up to each
// place where a range begins or ends: the way of the offline sweep where a key's values span few
// enough exponents. The results are those of Moments, bit for bit: both are exact and rounded once.

#include <arrow/result.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "icecore/state/value_codec.h"

namespace icecore::state {

// Not thread safe. Values are of a narrow type of numbers.
class MomentRanges {
 public:
  // What a range adds up to, in units of the run; ranges of one run can be added together.
  struct Sums {
    int64_t count = 0;
    __int128 sum = 0;
    // Sum of squares = high * 2^96 + low.
    unsigned __int128 squares_low = 0;
    unsigned __int128 squares_high = 0;
  };

  // The values at the places [cuts.front(), cuts.back()) of `narrow`, those that are `usable`
  // (null: all); ranges are asked for from cut to cut, which ascend. False where exact sums do not
  // fit, by the span of exponents or an infinity: nothing may be asked then.
  bool Build(const ValueCodec& codec, const uint64_t* narrow, const uint8_t* usable,
             std::span<const int64_t> cuts, bool with_squares);

  // Adds the rows between two cuts, given by their index.
  void Add(size_t begin, size_t end, Sums* sums) const;

  // As the functions of Moments; not to be asked of sums without rows.
  double SumAsDouble(const Sums& sums) const;
  arrow::Result<int64_t> SumAsInt64(const Sums& sums) const;
  double Mean(const Sums& sums) const;
  double Variance(const Sums& sums) const;  // needs squares and two values

 private:
  enum class Numbers { kFloat, kDouble, kSigned, kUnsigned };
  struct Row {
    uint64_t magnitude = 0;
    int shift = 0;
    bool negative = false;
  };

  template <Numbers kNumbers>
  Row RowAt(int64_t i) const;
  template <Numbers kNumbers>
  bool FindScale(int64_t begin, int64_t end);
  // Adds the rows [begin, end); kFits: every value fits 64 bits, in units of the run.
  template <Numbers kNumbers, bool kFits>
  void AddRows(int64_t begin, int64_t end, Sums* sums) const;
  template <Numbers kNumbers>
  bool BuildAs(std::span<const int64_t> cuts);
  bool Usable(int64_t i) const { return usable_ == nullptr || usable_[i] != 0; }

  bool with_squares_ = false;
  bool high_squares_ = false;  // squares need more than squares_low
  const uint64_t* narrow_ = nullptr;
  const uint8_t* usable_ = nullptr;
  int least_exponent_ = 0;  // of doubles: biased, of the least value
  int zero_bits_ = 0;       // at the end of every magnitude
  int width_ = 0;           // of the greatest value, in units
  int64_t exponent_ = 0;    // of the unit: 2^exponent_
  // Of all rows before each cut.
  std::vector<uint32_t> counts_;
  std::vector<__int128> sums_;
  std::vector<unsigned __int128> lows_;
  std::vector<unsigned __int128> highs_;
};

}  // namespace icecore::state
