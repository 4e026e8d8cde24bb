#include "icecore/state/moment_ranges.h"

#include <arrow/type.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <iostream>
#include <random>

#include "icecore/state/exact_sum.h"
#include "icecore/state/moments.h"
#include "icecore/state/narrow_internal.h"

namespace icecore::state {
namespace {

uint64_t BitsOf(double value) { return std::bit_cast<uint64_t>(value); }

// Values of one kind whose exponents, signs and trailing zeros differ from case to case.
std::vector<uint64_t> RandomValues(std::mt19937_64& random, const arrow::DataType& type) {
  std::vector<uint64_t> narrow(random() % 200 + 1);
  const int spread = static_cast<int>(random() % 60) + 1;
  const int least = static_cast<int>(random() % 2098) - 1074;
  const uint64_t mask = ~uint64_t{0} << (random() % 52);
  for (uint64_t& value : narrow) {
    if (type.id() == arrow::Type::DOUBLE) {
      const auto fraction = static_cast<double>((random() >> 11) & mask) * 0x1p-53;
      const double number =
          std::ldexp(fraction, least + static_cast<int>(random() % static_cast<uint64_t>(spread)));
      value = OrderedDouble(random() % 2 == 0 ? number : -number);
    } else if (type.id() == arrow::Type::FLOAT) {
      value = OrderedFloat(static_cast<float>(static_cast<int64_t>(random() % 20001) - 10000) / 64);
    } else if (type.id() == arrow::Type::UINT64) {
      value = random() >> (random() % 64);
    } else {
      value = OrderedInt(static_cast<int64_t>(random()) >> (random() % 64));
    }
  }
  return narrow;
}

void CompareRange(const MomentRanges& ranges, const MomentRanges::Sums& sums,
                  const Moments& moments, uint64_t seed) {
  ASSERT_EQ(sums.count, moments.count()) << "seed " << seed;
  if (sums.count == 0) return;
  ASSERT_EQ(BitsOf(ranges.SumAsDouble(sums)), BitsOf(moments.SumAsDouble())) << "seed " << seed;
  ASSERT_EQ(BitsOf(ranges.Mean(sums)), BitsOf(moments.Mean(0))) << "seed " << seed;
  if (sums.count > 1) {
    ASSERT_EQ(BitsOf(ranges.Variance(sums)), BitsOf(moments.Variance(0))) << "seed " << seed;
  }
}

TEST(MomentRanges, GivesTheBitsOfTheSparseAccumulator) {
  const uint64_t first_seed = 300;
  std::cout << "seeds from " << first_seed << "\n";
  int built = 0;
  for (uint64_t seed = first_seed; seed < first_seed + 8000; ++seed) {
    std::mt19937_64 random(seed);
    const auto types = {arrow::float64(), arrow::float64(), arrow::float32(), arrow::int64(),
                        arrow::uint64()};
    const auto& type = *(types.begin() + random() % types.size());
    const auto codec = ValueCodec::Make(type).ValueOrDie();
    const std::vector<uint64_t> narrow = RandomValues(random, *type);
    std::vector<uint8_t> usable(narrow.size(), 1);
    const bool masked = random() % 2 == 0;
    for (uint8_t& one : usable) one = !masked || random() % 3 != 0 ? 1 : 0;
    const auto count = static_cast<int64_t>(narrow.size());
    MomentRanges ranges;
    std::vector<int64_t> cuts = {0};
    for (int64_t at = 1; at < count; ++at) {
      if (random() % 4 == 0) cuts.push_back(at);
    }
    cuts.push_back(count);
    if (!ranges.Build(*codec, narrow.data(), masked ? usable.data() : nullptr, cuts, true)) {
      continue;
    }
    ++built;
    for (int i = 0; i < 4; ++i) {
      const size_t begin = random() % cuts.size();
      const size_t end = begin + random() % (cuts.size() - begin);
      MomentRanges::Sums sums;
      ranges.Add(begin, end, &sums);
      Moments moments(true);
      for (int64_t at = cuts[begin]; at < cuts[end]; ++at) {
        const auto row = static_cast<size_t>(at);
        if (usable[row] != 0) moments.AddNarrow(*codec, narrow[row], false);
      }
      CompareRange(ranges, sums, moments, seed);
      if (HasFatalFailure()) return;
    }
  }
  std::cout << built << " of 8000 runs were short enough\n";
  EXPECT_GT(built, 4000);
}

// From the middle of an array, as the rows of one key of many lie.
TEST(MomentRanges, ManyRows) {
  std::mt19937_64 random(7);
  const auto codec = ValueCodec::Make(arrow::float64()).ValueOrDie();
  std::vector<uint64_t> narrow(200000);
  for (uint64_t& value : narrow) value = OrderedDouble(static_cast<double>(random() % 10007) / 100);
  MomentRanges ranges;
  const std::vector<int64_t> cuts = {1000, 1001, 1063, 123456, 199000, 199000};
  ASSERT_TRUE(ranges.Build(*codec, narrow.data(), nullptr, cuts, true));
  for (size_t begin = 0; begin < cuts.size(); ++begin) {
    for (size_t end = begin; end < cuts.size(); ++end) {
      MomentRanges::Sums sums;
      ranges.Add(begin, end, &sums);
      Moments moments(true);
      for (int64_t at = cuts[begin]; at < cuts[end]; ++at) {
        moments.AddNarrow(*codec, narrow[static_cast<size_t>(at)], false);
      }
      CompareRange(ranges, sums, moments, 7);
    }
  }
}

TEST(MomentRanges, RefusesWhatDoesNotFit) {
  const auto codec = ValueCodec::Make(arrow::float64()).ValueOrDie();
  MomentRanges ranges;
  const std::vector<uint64_t> far = {OrderedDouble(0x1p-1000), OrderedDouble(0x1p1000)};
  const std::vector<int64_t> cuts = {0, 2};
  EXPECT_FALSE(ranges.Build(*codec, far.data(), nullptr, cuts, false));
  const std::vector<uint64_t> infinite = {OrderedDouble(1), OrderedDouble(HUGE_VAL)};
  EXPECT_FALSE(ranges.Build(*codec, infinite.data(), nullptr, cuts, false));
}

TEST(MomentRanges, IntegersThatLeaveInt64) {
  const auto codec = ValueCodec::Make(arrow::int64()).ValueOrDie();
  const std::vector<uint64_t> values = {OrderedInt(INT64_MAX), OrderedInt(1), OrderedInt(-1)};
  MomentRanges ranges;
  ASSERT_TRUE(ranges.Build(*codec, values.data(), nullptr, std::vector<int64_t>{0, 2, 3}, true));
  MomentRanges::Sums sums;
  ranges.Add(0, 1, &sums);
  EXPECT_FALSE(ranges.SumAsInt64(sums).ok());
  ranges.Add(1, 2, &sums);
  EXPECT_EQ(ranges.SumAsInt64(sums).ValueOrDie(), INT64_MAX);
}

TEST(RoundWide, IsRound) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 200000; ++i) {
    auto magnitude = (static_cast<unsigned __int128>(random()) << 64) | random();
    magnitude >>= random() % 128;
    if (random() % 3 == 0) magnitude &= ~static_cast<unsigned __int128>(0) << (random() % 128);
    const auto exponent = static_cast<int64_t>(random() % 2400) - 1300;
    const bool negative = random() % 2 == 0;
    // What lies below matters only where the bits reach down to it.
    const bool sticky = (magnitude >> 55) != 0 && random() % 2 == 0;
    big::Number number = {static_cast<uint64_t>(magnitude), static_cast<uint64_t>(magnitude >> 64)};
    big::Trim(&number);
    ASSERT_EQ(BitsOf(big::RoundWide(magnitude, exponent, sticky, negative)),
              BitsOf(big::Round(number, exponent, sticky, negative)))
        << i;
  }
}

}  // namespace
}  // namespace icecore::state
