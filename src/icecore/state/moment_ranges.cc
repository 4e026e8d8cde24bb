#include "icecore/state/moment_ranges.h"

#include <arrow/type.h>
#include <arrow/type_traits.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <string>

#include "icecore/state/exact_sum.h"
#include "icecore/state/moments.h"
#include "icecore/state/narrow_internal.h"

namespace icecore::state {

namespace {

using Wide = unsigned __int128;

// Where squares are cut in two: the low parts of 2^32 rows still fit 128 bits.
constexpr int kLowBits = 96;
constexpr Wide kLowMask = (Wide{1} << kLowBits) - 1;
int BitWidth(Wide value) {
  const auto high = static_cast<uint64_t>(value >> 64);
  return high != 0 ? 128 - std::countl_zero(high)
                   : 64 - std::countl_zero(static_cast<uint64_t>(value));
}

// Numbers of 256 bits, least limb first.
struct Number {
  uint64_t limbs[4] = {};
};

Number Square(Wide value) {
  const auto low = static_cast<uint64_t>(value);
  const auto high = static_cast<uint64_t>(value >> 64);
  const Wide bottom = Wide{low} * low;
  const Wide cross = Wide{low} * high;
  Wide top = Wide{high} * high + (cross >> 63);
  const Wide shifted = cross << 65;  // the part of 2 * cross * 2^64 below 2^128
  const Wide lower = bottom + shifted;
  if (lower < bottom) ++top;
  return {{static_cast<uint64_t>(lower), static_cast<uint64_t>(lower >> 64),
           static_cast<uint64_t>(top), static_cast<uint64_t>(top >> 64)}};
}

// factor * (high * 2^96 + low).
Number Multiply(Wide low, Wide high, uint64_t factor) {
  Number number;
  auto add = [&number](uint64_t value, int at) {
    for (; value != 0 && at < 4; ++at) {
      number.limbs[at] += value;
      value = number.limbs[at] < value ? 1 : 0;
    }
  };
  auto add_product = [&](uint64_t value, int bit) {
    const Wide product = Wide{value} * factor;
    const int limb = bit / 64;
    if (bit % 64 == 0) {
      add(static_cast<uint64_t>(product), limb);
      add(static_cast<uint64_t>(product >> 64), limb + 1);
    } else {
      add(static_cast<uint64_t>(product) << 32, limb);
      add(static_cast<uint64_t>(product >> 32), limb + 1);
      add(static_cast<uint64_t>(product >> 96), limb + 2);
    }
  };
  add_product(static_cast<uint64_t>(low), 0);
  add_product(static_cast<uint64_t>(low >> 64), 64);
  if (high != 0) {
    add_product(static_cast<uint64_t>(high), kLowBits);
    add_product(static_cast<uint64_t>(high >> 64), kLowBits + 64);
  }
  return number;
}

// a - b, where a >= b.
Number Subtract(const Number& a, const Number& b) {
  Number difference;
  uint64_t borrow = 0;
  for (int i = 0; i < 4; ++i) {
    const Wide part = Wide{a.limbs[i]} - b.limbs[i] - borrow;
    difference.limbs[i] = static_cast<uint64_t>(part);
    borrow = (part >> 64) != 0 ? 1 : 0;
  }
  return difference;
}

// number = (top + something below one, where sticky) * 2^exponent, the first bit of top set. Not
// of zero.
Wide TopOf(const Number& number, int64_t* exponent, bool* sticky) {
  int limb = 3;
  while (number.limbs[limb] == 0) --limb;
  const int zeros = std::countl_zero(number.limbs[limb]);
  auto at = [&number](int i) { return i >= 0 ? number.limbs[i] : 0; };
  Wide top = (Wide{at(limb)} << 64) | at(limb - 1);
  uint64_t rest = at(limb - 2);
  if (zeros != 0) {
    top = (top << zeros) | (rest >> (64 - zeros));
    rest <<= zeros;
  }
  *sticky = rest != 0 || at(limb - 3) != 0;
  *exponent = int64_t{64} * (limb - 1) - zeros;
  return top;
}

Wide MagnitudeOf(__int128 value) { return value < 0 ? -static_cast<Wide>(value) : Wide(value); }

// (magnitude + sticky) * 2^exponent / divisor. The first bit of the magnitude is set, so that the
// quotient has all the bits that a double takes.
double DivideAndRound(Wide magnitude, int64_t exponent, bool sticky, uint64_t divisor,
                      bool negative) {
  const Wide quotient = magnitude / divisor;
  sticky = sticky || quotient * divisor != magnitude;
  return big::RoundWide(quotient, exponent, sticky, negative);
}

}  // namespace

// Inlined by force: a call for each row took as long as what it does.
template <MomentRanges::Numbers kNumbers>
[[gnu::always_inline]] inline MomentRanges::Row MomentRanges::RowAt(int64_t i) const {
  const uint64_t narrow = narrow_[i];
  if constexpr (kNumbers == Numbers::kUnsigned) {
    return {narrow, 0, false};
  } else if constexpr (kNumbers == Numbers::kSigned) {
    const int64_t value = PlainInt(narrow);
    const auto bits = static_cast<uint64_t>(value);
    return {value < 0 ? ~bits + 1 : bits, 0, value < 0};
  } else {
    const double value =
        kNumbers == Numbers::kDouble ? PlainDouble(narrow) : double{PlainFloat(narrow)};
    const auto bits = std::bit_cast<uint64_t>(value);
    const int biased = static_cast<int>((bits >> 52) & 0x7ff);
    const uint64_t fraction = bits & ((uint64_t{1} << 52) - 1);
    const uint64_t magnitude = biased != 0 ? fraction | (uint64_t{1} << 52) : fraction;
    const int exponent = std::max(biased, 1) - least_exponent_;
    return {magnitude >> zero_bits_, magnitude != 0 ? exponent : 0, (bits >> 63) != 0};
  }
}

template <MomentRanges::Numbers kNumbers>
bool MomentRanges::FindScale(int64_t begin, int64_t end) {
  least_exponent_ = 0;
  zero_bits_ = 0;
  exponent_ = 0;
  width_ = 0;
  uint64_t bits_used = 0;
  if constexpr (kNumbers == Numbers::kSigned || kNumbers == Numbers::kUnsigned) {
    for (int64_t i = begin; i < end; ++i) {
      if (Usable(i)) bits_used |= RowAt<kNumbers>(i).magnitude;
    }
    width_ = 64 - std::countl_zero(bits_used);
  } else {
    int least = 2047;
    int most = 0;
    for (int64_t i = begin; i < end; ++i) {
      if (!Usable(i)) continue;
      const Row row = RowAt<kNumbers>(i);  // nothing is shifted yet: shift is the exponent itself
      bits_used |= row.magnitude;
      if (row.magnitude == 0) continue;
      least = std::min(least, row.shift);
      most = std::max(most, row.shift);
    }
    if (most == 2047) return false;  // an infinity
    if (bits_used != 0) {
      least_exponent_ = least;
      zero_bits_ = std::countr_zero(bits_used);
      width_ = 53 - zero_bits_ + most - least;
      exponent_ = int64_t{least} - 1075 + zero_bits_;
    }
  }
  const int rows = 64 - std::countl_zero(static_cast<uint64_t>(end - begin));
  if (rows > 32 || width_ + rows > 126) return false;
  if (!with_squares_) return true;
  const int squares = 2 * width_ + rows;
  high_squares_ = squares > 127;
  // The high parts fit 128 bits, and so n times the squares 256.
  return squares <= kLowBits + 127;
}

template <MomentRanges::Numbers kNumbers, bool kFits>
void MomentRanges::AddRows(int64_t begin, int64_t end, Sums* sums) const {
  Sums added = *sums;
  for (int64_t i = begin; i < end; ++i) {
    if (!Usable(i)) continue;
    const Row row = RowAt<kNumbers>(i);
    ++added.count;
    if constexpr (kFits) {
      const uint64_t value = row.magnitude << row.shift;
      const auto wide = static_cast<__int128>(value);
      added.sum += row.negative ? -wide : wide;
      if (!with_squares_) continue;
      const Wide square = Wide{value} * value;
      if (high_squares_) {
        added.squares_low += square & kLowMask;
        added.squares_high += square >> kLowBits;
      } else {
        added.squares_low += square;
      }
      continue;
    }
    const auto value = static_cast<__int128>(Wide{row.magnitude} << row.shift);
    added.sum += row.negative ? -value : value;
    if (!with_squares_) continue;
    const Wide square = Wide{row.magnitude} * row.magnitude;
    const int shift = 2 * row.shift;
    if (!high_squares_) {
      added.squares_low += square << shift;
    } else if (shift >= kLowBits) {
      added.squares_high += square << (shift - kLowBits);
    } else {
      added.squares_low += (square << shift) & kLowMask;
      added.squares_high += square >> (kLowBits - shift);
    }
  }
  *sums = added;
}

template <MomentRanges::Numbers kNumbers>
bool MomentRanges::BuildAs(std::span<const int64_t> cuts) {
  if (!FindScale<kNumbers>(cuts.front(), cuts.back())) return false;
  counts_.resize(cuts.size());
  sums_.resize(cuts.size());
  if (with_squares_) lows_.resize(cuts.size());
  if (high_squares_) highs_.resize(cuts.size());
  Sums running;
  for (size_t i = 0; i < cuts.size(); ++i) {
    if (i > 0) {
      if (width_ <= 64) {
        AddRows<kNumbers, true>(cuts[i - 1], cuts[i], &running);
      } else {
        AddRows<kNumbers, false>(cuts[i - 1], cuts[i], &running);
      }
    }
    counts_[i] = static_cast<uint32_t>(running.count);
    sums_[i] = running.sum;
    if (with_squares_) lows_[i] = running.squares_low;
    if (high_squares_) highs_[i] = running.squares_high;
  }
  return true;
}

bool MomentRanges::Build(const ValueCodec& codec, const uint64_t* narrow, const uint8_t* usable,
                         std::span<const int64_t> cuts, bool with_squares) {
  narrow_ = narrow;
  usable_ = usable;
  with_squares_ = with_squares;
  high_squares_ = false;
  const arrow::Type::type type = codec.type()->id();
  if (type == arrow::Type::DOUBLE) return BuildAs<Numbers::kDouble>(cuts);
  if (type == arrow::Type::FLOAT) return BuildAs<Numbers::kFloat>(cuts);
  if (arrow::is_signed_integer(type)) return BuildAs<Numbers::kSigned>(cuts);
  return arrow::is_unsigned_integer(type) && BuildAs<Numbers::kUnsigned>(cuts);
}

void MomentRanges::Add(size_t begin, size_t end, Sums* sums) const {
  sums->count += int64_t{counts_[end]} - counts_[begin];
  sums->sum += sums_[end] - sums_[begin];
  if (with_squares_) sums->squares_low += lows_[end] - lows_[begin];
  if (high_squares_) sums->squares_high += highs_[end] - highs_[begin];
}

double MomentRanges::SumAsDouble(const Sums& sums) const {
  return big::RoundWide(MagnitudeOf(sums.sum), exponent_, false, sums.sum < 0);
}

arrow::Result<int64_t> MomentRanges::SumAsInt64(const Sums& sums) const {
  if (sums.sum < std::numeric_limits<int64_t>::min() ||
      sums.sum > std::numeric_limits<int64_t>::max()) {
    return SumLeavesInt64(sums.count);
  }
  return static_cast<int64_t>(sums.sum);
}

double MomentRanges::Mean(const Sums& sums) const {
  if (sums.sum == 0) return 0.0;
  const Wide magnitude = MagnitudeOf(sums.sum);
  const int zeros = 128 - BitWidth(magnitude);
  return DivideAndRound(magnitude << zeros, exponent_ - zeros, false,
                        static_cast<uint64_t>(sums.count), sums.sum < 0);
}

double MomentRanges::Variance(const Sums& sums) const {
  const auto n = static_cast<uint64_t>(sums.count);
  const Number difference =
      Subtract(Multiply(sums.squares_low, sums.squares_high, n), Square(MagnitudeOf(sums.sum)));
  if (std::all_of(difference.limbs, difference.limbs + 4, [](uint64_t l) { return l == 0; })) {
    return 0.0;
  }
  int64_t exponent = 0;
  bool sticky = false;
  const Wide top = TopOf(difference, &exponent, &sticky);
  // n (n - 1) fits: there are fewer than 2^32 rows.
  return DivideAndRound(top, exponent + 2 * exponent_, sticky, n * (n - 1), false);
}

}  // namespace icecore::state
