#pragma once
// Exact moments of many ranges of one run of numbers, by prefix sums of fixed-point numbers: the
// way of the offline sweep where a key's values span few enough exponents. The results are those
// of Moments, bit for bit: both are exact and rounded once.

#include <arrow/result.h>

#include <cstdint>
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

  // The values narrow[0 … count), those that are usable (null: all); all are read again by Add.
  // False where exact sums do not fit, by the span of exponents or an infinity: nothing may be
  // asked then.
  bool Build(const ValueCodec& codec, const uint64_t* narrow, const uint8_t* usable, int64_t count,
             bool with_squares);

  // Adds the rows in [begin, end).
  void Add(int64_t begin, int64_t end, Sums* sums) const;

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
  bool FindScale();
  template <Numbers kNumbers>
  void AddRow(int64_t i, Sums* sums) const;
  template <Numbers kNumbers>
  bool BuildAs();
  void AddRows(int64_t begin, int64_t end, Sums* sums) const;
  void AddFront(int64_t end, bool subtract, Sums* sums) const;
  bool Usable(int64_t i) const { return usable_ == nullptr || usable_[i] != 0; }

  Numbers numbers_ = Numbers::kDouble;
  bool with_squares_ = false;
  bool high_squares_ = false;  // squares need more than squares_low
  const uint64_t* narrow_ = nullptr;
  const uint8_t* usable_ = nullptr;
  int64_t count_ = 0;
  int least_exponent_ = 0;        // of doubles: biased, of the least value
  int zero_bits_ = 0;             // at the end of every magnitude
  int64_t exponent_ = 0;          // of the unit: 2^exponent_
  int step_shift_ = 0;            // a prefix for each 2^step_shift_ rows
  std::vector<uint32_t> counts_;  // empty where all are usable
  std::vector<__int128> sums_;
  std::vector<unsigned __int128> lows_;
  std::vector<unsigned __int128> highs_;
};

}  // namespace icecore::state
