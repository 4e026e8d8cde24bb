#include "icecore/state/moments.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/state/wire.h"

namespace icecore::state {

namespace {

using Wide = unsigned __int128;

constexpr uint64_t kPowersOfTen[] = {1ULL,
                                     10ULL,
                                     100ULL,
                                     1000ULL,
                                     10000ULL,
                                     100000ULL,
                                     1000000ULL,
                                     10000000ULL,
                                     100000000ULL,
                                     1000000000ULL,
                                     10000000000ULL,
                                     100000000000ULL,
                                     1000000000000ULL,
                                     10000000000000ULL,
                                     100000000000000ULL,
                                     1000000000000000ULL,
                                     10000000000000000ULL,
                                     100000000000000000ULL,
                                     1000000000000000000ULL};
constexpr int32_t kMostDigits = 18;

// number / 10^scale as further divisors, or, below zero, as a factor.
void Scale(int32_t scale, big::Number* number, std::vector<uint64_t>* divisors) {
  while (scale > 0) {
    const int32_t digits = std::min(scale, kMostDigits);
    divisors->push_back(kPowersOfTen[digits]);
    scale -= digits;
  }
  while (scale < 0) {
    const int32_t digits = std::min(-scale, kMostDigits);
    *number = big::MultiplySmall(*number, kPowersOfTen[digits]);
    scale += digits;
  }
}

// A finite double as mantissa * 2^exponent.
struct Parts {
  uint64_t mantissa = 0;
  int exponent = 0;
  bool negative = false;
};

Parts PartsOf(double value) {
  const auto bits = std::bit_cast<uint64_t>(value);
  const auto biased = static_cast<int>((bits >> 52) & 0x7ff);
  const uint64_t fraction = bits & ((uint64_t{1} << 52) - 1);
  return {biased == 0 ? fraction : fraction | uint64_t{1} << 52, std::max(biased, 1) - 1075,
          (bits >> 63) != 0};
}

// Of so many numbers at most the sums are made at once, and of doubles only where their exponents
// lie so close together: 2^106 squared mantissas, shifted by twice the spread, 2^6 of them, stay
// below 2^192.
constexpr size_t kMostAtOnce = 64;
constexpr int kMostSpread = 37;

// Sums in units of one exponent, which a state then takes as one number each.
struct BatchSums {
  __int128 sum = 0;
  Wide squares_low = 0;
  uint64_t squares_high = 0;

  void Add(uint64_t magnitude, int shift, bool negative) {
    const auto scaled = static_cast<__int128>(Wide{magnitude} << shift);
    sum += negative ? -scaled : scaled;
  }
  void AddSquare(uint64_t magnitude, int shift) {
    const Wide square = Wide{magnitude} * magnitude;
    const Wide low = square << (2 * shift);
    squares_low += low;
    squares_high += squares_low < low ? 1 : 0;
    if (shift != 0) squares_high += static_cast<uint64_t>(square >> (128 - 2 * shift));
  }
  void AddTo(int exponent, FixedPoint* total, FixedPoint* squares) const {
    const Wide magnitude = sum < 0 ? -static_cast<Wide>(sum) : static_cast<Wide>(sum);
    const uint64_t words[3] = {static_cast<uint64_t>(magnitude),
                               static_cast<uint64_t>(magnitude >> 64), 0};
    total->AddScaled(Used(words), exponent, sum < 0);
    if (squares == nullptr) return;
    const uint64_t square_words[3] = {static_cast<uint64_t>(squares_low),
                                      static_cast<uint64_t>(squares_low >> 64), squares_high};
    squares->AddScaled(Used(square_words), 2 * exponent, false);
  }
  static std::span<const uint64_t> Used(std::span<const uint64_t> words) {
    while (words.size() > 1 && words.back() == 0) words = words.first(words.size() - 1);
    return words;
  }
};

}  // namespace

arrow::Status SumLeavesInt64(int64_t count) {
  return base::MakeError(base::ErrorCode::kInvalidArgument,
                         "the sum of " + std::to_string(count) +
                             " integers leaves int64; cast the column to float64 or decimal");
}

void Moments::AddFinite(uint64_t mantissa, int exponent, bool negative, bool remove) {
  sum_.AddScaled({&mantissa, 1}, exponent, negative != remove);
  if (!with_squares_) return;
  const Wide square = Wide{mantissa} * mantissa;
  const uint64_t words[2] = {static_cast<uint64_t>(square), static_cast<uint64_t>(square >> 64)};
  squares_.AddScaled(words, 2 * exponent, remove);
}

void Moments::AddDouble(double value, bool remove) {
  const int64_t one = remove ? -1 : 1;
  count_ += one;
  if (std::isinf(value)) {
    (value > 0 ? positive_infinities_ : negative_infinities_) += one;
    return;
  }
  const Parts parts = PartsOf(value);
  if (parts.mantissa != 0) AddFinite(parts.mantissa, parts.exponent, parts.negative, remove);
}

void Moments::AddInteger(uint64_t magnitude, bool negative, bool remove) {
  count_ += remove ? -1 : 1;
  if (magnitude != 0) AddFinite(magnitude, 0, negative, remove);
}

void Moments::AddDecimal(const uint64_t magnitude[4], bool negative, bool remove) {
  count_ += remove ? -1 : 1;
  sum_.AddScaled({magnitude, 4}, 0, negative != remove);
  if (!with_squares_) return;
  big::Number number(magnitude, magnitude + 4);
  big::Trim(&number);
  const big::Number square = big::Multiply(number, number);
  for (size_t at = 0; at < square.size(); at += 4) {
    squares_.AddScaled(std::span(square).subspan(at, std::min<size_t>(4, square.size() - at)),
                       static_cast<int>(at * 64), remove);
  }
}

void Moments::AddNarrow(const ValueCodec& codec, uint64_t narrow, bool remove) {
  if (codec.is_floating()) {
    AddDouble(codec.ToDouble(narrow), remove);
    return;
  }
  bool negative = false;
  const uint64_t magnitude = codec.ToMagnitude(narrow, &negative);
  AddInteger(magnitude, negative, remove);
}

void Moments::AddNarrowRows(const ValueCodec& codec, std::span<const uint64_t> narrow) {
  while (!narrow.empty()) {
    const auto some = narrow.first(std::min(narrow.size(), kMostAtOnce));
    if (some.size() == 1) {
      AddNarrow(codec, some[0], false);
    } else if (codec.is_floating()) {
      AddDoubles(codec, some);
    } else {
      AddIntegers(codec, some);
    }
    narrow = narrow.subspan(some.size());
  }
}

void Moments::AddDoubles(const ValueCodec& codec, std::span<const uint64_t> narrow) {
  Parts parts[kMostAtOnce];
  size_t used = 0;
  int least = std::numeric_limits<int>::max();
  int greatest = std::numeric_limits<int>::min();
  for (const uint64_t bits : narrow) {
    const double value = codec.ToDouble(bits);
    if (std::isinf(value)) {
      ++(value > 0 ? positive_infinities_ : negative_infinities_);
      continue;
    }
    parts[used] = PartsOf(value);
    if (parts[used].mantissa == 0) continue;
    least = std::min(least, parts[used].exponent);
    greatest = std::max(greatest, parts[used].exponent);
    ++used;
  }
  count_ += static_cast<int64_t>(narrow.size());
  if (used == 0) return;
  const std::span<const Parts> finite(parts, used);
  if (greatest - least > kMostSpread) {
    for (const Parts& part : finite) {
      AddFinite(part.mantissa, part.exponent, part.negative, false);
    }
    return;
  }
  BatchSums sums;
  for (const Parts& part : finite) sums.Add(part.mantissa, part.exponent - least, part.negative);
  if (with_squares_) {
    for (const Parts& part : finite) sums.AddSquare(part.mantissa, part.exponent - least);
  }
  sums.AddTo(least, &sum_, with_squares_ ? &squares_ : nullptr);
}

void Moments::AddIntegers(const ValueCodec& codec, std::span<const uint64_t> narrow) {
  BatchSums sums;
  for (const uint64_t bits : narrow) {
    bool negative = false;
    const uint64_t magnitude = codec.ToMagnitude(bits, &negative);
    sums.Add(magnitude, 0, negative);
    if (with_squares_) sums.AddSquare(magnitude, 0);
  }
  count_ += static_cast<int64_t>(narrow.size());
  sums.AddTo(0, &sum_, with_squares_ ? &squares_ : nullptr);
}

void Moments::Merge(const Moments& other) {
  count_ += other.count_;
  positive_infinities_ += other.positive_infinities_;
  negative_infinities_ += other.negative_infinities_;
  sum_.Add(other.sum_);
  if (with_squares_) squares_.Add(other.squares_);
}

void Moments::Subtract(const Moments& other) {
  count_ -= other.count_;
  positive_infinities_ -= other.positive_infinities_;
  negative_infinities_ -= other.negative_infinities_;
  sum_.Subtract(other.sum_);
  if (with_squares_) squares_.Subtract(other.squares_);
}

void Moments::Reset() {
  count_ = positive_infinities_ = negative_infinities_ = 0;
  sum_.Clear();
  squares_.Clear();
}

double Moments::InfiniteSum() const {
  if (positive_infinities_ != 0 && negative_infinities_ != 0) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  const double infinity = std::numeric_limits<double>::infinity();
  return positive_infinities_ != 0 ? infinity : -infinity;
}

double Moments::SumAsDouble() const {
  if (infinite()) return InfiniteSum();
  int32_t low = 0;
  const big::Number magnitude = sum_.Magnitude(&low);
  return big::Round(magnitude, int64_t{64} * low, false, sum_.IsNegative());
}

arrow::Result<int64_t> Moments::SumAsInt64() const {
  int32_t low = 0;
  big::Number magnitude = sum_.Magnitude(&low);
  magnitude = big::ShiftLeft(magnitude, int64_t{64} * std::max(low, 0));
  const uint64_t limit = (uint64_t{1} << 63) - (sum_.IsNegative() ? 0 : 1);
  if (magnitude.size() > 1 || (!magnitude.empty() && magnitude[0] > limit)) {
    return SumLeavesInt64(count_);
  }
  const uint64_t value = magnitude.empty() ? 0 : magnitude[0];
  return static_cast<int64_t>(sum_.IsNegative() ? ~value + 1 : value);
}

bool Moments::SumAsDecimal(uint64_t words[2]) const {
  int32_t low = 0;
  big::Number magnitude = sum_.Magnitude(&low);
  magnitude = big::ShiftLeft(magnitude, int64_t{64} * std::max(low, 0));
  if (magnitude.size() > 2) return false;
  magnitude.resize(2, 0);
  auto value = (static_cast<unsigned __int128>(magnitude[1]) << 64) | magnitude[0];
  auto limit = static_cast<unsigned __int128>(kPowersOfTen[18]) * kPowersOfTen[18] * 100;
  if (value >= limit) return false;
  if (sum_.IsNegative()) value = ~value + 1;
  words[0] = static_cast<uint64_t>(value);
  words[1] = static_cast<uint64_t>(value >> 64);
  return true;
}

double Moments::Mean(int32_t scale) const {
  if (infinite()) return InfiniteSum();
  int32_t low = 0;
  big::Number magnitude = sum_.Magnitude(&low);
  std::vector<uint64_t> divisors = {static_cast<uint64_t>(count_)};
  Scale(scale, &magnitude, &divisors);
  return big::RoundQuotient(std::move(magnitude), int64_t{64} * low, divisors, sum_.IsNegative());
}

double Moments::Variance(int32_t scale) const {
  if (infinite()) return std::numeric_limits<double>::quiet_NaN();
  const auto n = static_cast<uint64_t>(count_);
  int32_t squares_low = 0;
  int32_t sum_low = 0;
  big::Number scaled = big::MultiplySmall(squares_.Magnitude(&squares_low), n);
  const big::Number sum = sum_.Magnitude(&sum_low);
  big::Number squared = big::Multiply(sum, sum);
  // Both on one exponent.
  const int32_t low = std::min(squares_low, 2 * sum_low);
  scaled = big::ShiftLeft(scaled, int64_t{64} * (squares_low - low));
  squared = big::ShiftLeft(squared, int64_t{64} * (2 * sum_low - low));
  bool negative = false;
  big::Number difference = big::Difference(scaled, squared, &negative);
  std::vector<uint64_t> divisors = {n, n - 1};
  Scale(scale, &difference, &divisors);
  Scale(scale, &difference, &divisors);
  return big::RoundQuotient(std::move(difference), int64_t{64} * low, divisors, negative);
}

void Moments::Serialize(std::string* out) const {
  wire::PutByte(with_squares_ ? 1 : 0, out);
  wire::PutSigned(count_, out);
  wire::PutSigned(positive_infinities_, out);
  wire::PutSigned(negative_infinities_, out);
  sum_.Serialize(out);
  if (with_squares_) squares_.Serialize(out);
}

bool Moments::Parse(std::string_view* in) {
  uint8_t squares = 0;
  return wire::GetByte(in, &squares) && squares == (with_squares_ ? 1 : 0) &&
         wire::GetSigned(in, &count_) && wire::GetSigned(in, &positive_infinities_) &&
         wire::GetSigned(in, &negative_infinities_) && count_ >= 0 && positive_infinities_ >= 0 &&
         negative_infinities_ >= 0 && sum_.Parse(in) && (!with_squares_ || squares_.Parse(in)) &&
         (!with_squares_ || !squares_.IsNegative());
}

}  // namespace icecore::state
