#include "icecore/state/exact_sum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <random>

#include "icecore/state/moments.h"

namespace icecore::state {
namespace {

// An independent reference: Shewchuk's expansion (as in Python's math.fsum), exact for finite
// doubles whose partial sums do not overflow.
double ShewchukSum(const std::vector<double>& values) {
  std::vector<double> partials;
  for (double x : values) {
    std::vector<double> next;
    for (double y : partials) {
      if (std::fabs(x) < std::fabs(y)) std::swap(x, y);
      const double high = x + y;
      const double low = y - (high - x);
      if (low != 0) next.push_back(low);
      x = high;
    }
    next.push_back(x);
    partials = std::move(next);
  }
  if (partials.empty()) return 0;
  auto at = partials.size() - 1;
  double high = partials[at];
  double low = 0;
  while (at > 0) {
    const double x = high;
    const double y = partials[--at];
    high = x + y;
    low = y - (high - x);
    if (low != 0) break;
  }
  if (at > 0 && ((low < 0 && partials[at - 1] < 0) || (low > 0 && partials[at - 1] > 0))) {
    const double y = low * 2;
    const double x = high + y;
    if (y == x - high) high = x;
  }
  return high;
}

double RandomDouble(std::mt19937_64& random, int exponents) {
  std::uniform_int_distribution<int> exponent(-exponents, exponents);
  std::uniform_int_distribution<uint64_t> mantissa(0, (uint64_t{1} << 53) - 1);
  const double value = std::ldexp(static_cast<double>(mantissa(random)), exponent(random) - 52);
  return (random() & 1) != 0 ? -value : value;
}

TEST(ExactSum, SumsAgreeWithShewchukInAnyGrouping) {
  const uint64_t seed = 20131201;
  RecordProperty("seed", static_cast<int>(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 3000; ++round) {
    const int exponents = round % 3 == 0 ? 5 : round % 3 == 1 ? 60 : 900;
    std::vector<double> values(random() % 40 + 1);
    for (double& value : values) value = RandomDouble(random, exponents);
    if (round % 5 == 0 && values.size() > 1) values[0] = -values[1];
    Moments whole(true);
    Moments left(true);
    Moments right(true);
    for (size_t i = 0; i < values.size(); ++i) {
      whole.AddDouble(values[i], false);
      (i % 2 == 0 ? left : right).AddDouble(values[i], false);
    }
    ASSERT_EQ(std::bit_cast<uint64_t>(whole.SumAsDouble() + 0.0),
              std::bit_cast<uint64_t>(ShewchukSum(values) + 0.0))
        << "seed " << seed << " round " << round;
    Moments merged = right;
    merged.Merge(left);
    std::string a;
    std::string b;
    whole.Serialize(&a);
    merged.Serialize(&b);
    ASSERT_EQ(a, b);
    merged.Subtract(right);
    a.clear();
    b.clear();
    left.Serialize(&a);
    merged.Serialize(&b);
    ASSERT_EQ(a, b) << "seed " << seed << " round " << round;
    std::string_view in = a;
    Moments read(true);
    ASSERT_TRUE(read.Parse(&in));
    ASSERT_TRUE(in.empty());
    ASSERT_EQ(std::bit_cast<uint64_t>(read.SumAsDouble()),
              std::bit_cast<uint64_t>(left.SumAsDouble()));
  }
}

TEST(ExactSum, VarianceIsRoundedOnce) {
  const uint64_t seed = 7;
  std::mt19937_64 random(seed);
  for (int round = 0; round < 2000; ++round) {
    // Integers of 20 bits: the quotient of two int128 is known exactly.
    const auto n = static_cast<int64_t>(random() % 50 + 2);
    Moments moments(true);
    __int128 sum = 0;
    __int128 squares = 0;
    for (int64_t i = 0; i < n; ++i) {
      const auto value = static_cast<int64_t>(random() % (1 << 20)) - (1 << 19);
      moments.AddDouble(static_cast<double>(value) + 1e9, false);
      sum += value + 1000000000;
      squares += static_cast<__int128>(value + 1000000000) * (value + 1000000000);
    }
    // Both below 2^80: long double (64 bits) is not enough, so divide in integers with 40 bits
    // more.
    const __int128 numerator = n * squares - sum * sum;
    const __int128 quotient = numerator / (n * (n - 1));
    const double variance = moments.Variance(0);
    ASSERT_NEAR(variance, static_cast<double>(quotient), 1.0) << "seed " << seed;
    ASSERT_NEAR(moments.Mean(0), static_cast<double>(sum) / static_cast<double>(n), 1e-6);
  }
  Moments five(true);
  for (const double value : {1e9 - 5, 1e9, 1e9 + 5}) five.AddDouble(value, false);
  EXPECT_EQ(five.Variance(0), 25.0);
}

TEST(ExactSum, SpecialValues) {
  Moments moments(true);
  moments.AddDouble(DBL_MAX, false);
  moments.AddDouble(DBL_MAX, false);
  EXPECT_EQ(moments.SumAsDouble(), HUGE_VAL);
  EXPECT_EQ(moments.Mean(0), DBL_MAX);
  moments.AddDouble(DBL_MAX, true);
  EXPECT_EQ(moments.SumAsDouble(), DBL_MAX);
  moments.AddDouble(HUGE_VAL, false);
  EXPECT_EQ(moments.SumAsDouble(), HUGE_VAL);
  moments.AddDouble(-HUGE_VAL, false);
  EXPECT_TRUE(std::isnan(moments.SumAsDouble()));
  EXPECT_TRUE(std::isnan(moments.Variance(0)));
  moments.AddDouble(-HUGE_VAL, true);
  moments.AddDouble(HUGE_VAL, true);
  EXPECT_EQ(moments.Mean(0), DBL_MAX);

  Moments tiny(true);
  tiny.AddDouble(DBL_TRUE_MIN, false);
  tiny.AddDouble(DBL_TRUE_MIN, false);
  EXPECT_EQ(tiny.SumAsDouble(), 2 * DBL_TRUE_MIN);
  EXPECT_EQ(tiny.Mean(0), DBL_TRUE_MIN);
  EXPECT_EQ(tiny.Variance(0), 0.0);

  Moments zero(false);
  zero.AddDouble(-0.0, false);
  EXPECT_FALSE(std::signbit(zero.SumAsDouble()));
  zero.AddDouble(1.5, false);
  zero.AddDouble(-1.5, false);
  EXPECT_FALSE(std::signbit(zero.SumAsDouble()));
  EXPECT_EQ(zero.Mean(0), 0.0);
}

TEST(ExactSum, IntegersKeepEveryDigitAndOverflowByTheTotal) {
  Moments moments(true);
  const uint64_t greatest = (uint64_t{1} << 63) - 1;
  moments.AddInteger(greatest, false, false);
  EXPECT_EQ(moments.SumAsInt64().ValueOrDie(), INT64_MAX);
  moments.AddInteger(1, false, false);
  EXPECT_FALSE(moments.SumAsInt64().ok());
  moments.AddInteger(1, true, false);
  EXPECT_EQ(moments.SumAsInt64().ValueOrDie(), INT64_MAX);
  moments.AddInteger(greatest, true, false);
  moments.AddInteger(uint64_t{1} << 63, true, false);
  EXPECT_EQ(moments.SumAsInt64().ValueOrDie(), INT64_MIN);
  moments.AddInteger(1, true, false);
  EXPECT_FALSE(moments.SumAsInt64().ok());
}

TEST(ExactSum, RoundsToNearestEven) {
  EXPECT_EQ(big::Round({(uint64_t{1} << 53) + 1}, 0, false, false), 9007199254740992.0);
  EXPECT_EQ(big::Round({(uint64_t{1} << 53) + 1}, 0, true, false), 9007199254740994.0);
  EXPECT_EQ(big::Round({(uint64_t{1} << 53) + 3}, 0, false, true), -9007199254740996.0);
  EXPECT_EQ(big::Round({~uint64_t{0}, ~uint64_t{0}}, 0, false, false), std::ldexp(1.0, 128));
  EXPECT_EQ(big::Round({1}, -1075, false, false), 0.0);
  EXPECT_EQ(big::Round({3}, -1075, false, false), 2 * DBL_TRUE_MIN);
  EXPECT_EQ(big::Round({1}, 1024, false, false), HUGE_VAL);
  const uint64_t three[] = {3};
  EXPECT_EQ(big::RoundQuotient({1}, 0, three, false), 1.0 / 3.0);
  EXPECT_EQ(big::RoundQuotient({10}, 0, three, true), -10.0 / 3.0);
}

TEST(ExactSum, DamagedBytesAreRefused) {
  for (const std::string& bytes :
       {std::string("\x01"), std::string("\x02\x00", 2), std::string("\x7f\x00\x01", 3)}) {
    std::string_view in = bytes;
    FixedPoint number;
    EXPECT_FALSE(number.Parse(&in));
  }
}

}  // namespace
}  // namespace icecore::state
