#include "icecore/state/moments.h"

#include <arrow/type.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "icecore/state/narrow_internal.h"
#include "icecore/state/value_codec.h"

namespace icecore::state {
namespace {

// Doubles whose exponents lie within `spread` of each other, zeros and, at times, infinities.
double RandomDouble(std::mt19937_64& random, int spread, bool infinities) {
  if (random() % 12 == 0) return random() % 2 == 0 ? 0.0 : -0.0;
  if (infinities && random() % 20 == 0) return random() % 2 == 0 ? INFINITY : -INFINITY;
  uint64_t bits = random() & (kSign | ((uint64_t{1} << 52) - 1));
  if (random() % 4 == 0) bits &= kSign;  // a power of two, or zero among the subnormals
  const int least = random() % 50 == 0 ? 0 : 1000;
  const auto exponent =
      static_cast<uint64_t>(least + static_cast<int>(random() % static_cast<uint64_t>(spread + 1)));
  return std::bit_cast<double>(bits | exponent << 52);
}

std::vector<uint64_t> RandomNarrow(std::mt19937_64& random, const arrow::DataType& type) {
  std::vector<uint64_t> narrow(random() % 150);
  const int spreads[] = {0, 3, 20, 36, 37, 38, 60, 900};
  const int spread = spreads[random() % 8];
  const bool infinities = random() % 3 == 0;
  for (uint64_t& value : narrow) {
    switch (type.id()) {
      case arrow::Type::DOUBLE:
        value = OrderedDouble(RandomDouble(random, spread, infinities));
        break;
      case arrow::Type::FLOAT: {
        auto number = std::bit_cast<float>(static_cast<uint32_t>(random()));
        if (std::isnan(number)) number = 1;
        value = OrderedFloat(number);
        break;
      }
      case arrow::Type::UINT64:
        value = random() >> random() % 64;
        break;
      case arrow::Type::BOOL:
        value = random() % 2;
        break;
      default:
        value = OrderedInt(static_cast<int64_t>(random()) >> random() % 64);
        break;
    }
  }
  return narrow;
}

TEST(Moments, ManyAtOnceAreAsOneByOne) {
  const uint64_t first_seed = 500;
  std::cout << "seeds from " << first_seed << "\n";
  for (uint64_t seed = first_seed; seed < first_seed + 6000; ++seed) {
    std::mt19937_64 random(seed);
    const std::shared_ptr<arrow::DataType> types[] = {arrow::float64(), arrow::float64(),
                                                      arrow::float32(), arrow::int64(),
                                                      arrow::uint64(),  arrow::boolean()};
    const auto& type = types[random() % 6];
    const auto codec = ValueCodec::Make(type).ValueOrDie();
    const bool with_squares = random() % 3 != 0;
    Moments many(with_squares);
    Moments single(with_squares);
    for (uint64_t piece = 0; piece < random() % 3 + 1; ++piece) {
      const std::vector<uint64_t> narrow = RandomNarrow(random, *type);
      many.AddNarrowRows(*codec, narrow);
      for (const uint64_t value : narrow) single.AddNarrow(*codec, value, false);
      std::string many_bytes;
      std::string single_bytes;
      many.Serialize(&many_bytes);
      single.Serialize(&single_bytes);
      ASSERT_EQ(many_bytes, single_bytes) << "seed " << seed << ", " << type->ToString();
    }
  }
}

// The greatest squares and the greatest spread that are still summed at once.
TEST(Moments, TheGreatestSumsFit) {
  const auto doubles = ValueCodec::Make(arrow::float64()).ValueOrDie();
  const auto integers = ValueCodec::Make(arrow::uint64()).ValueOrDie();
  const double greatest = std::ldexp(static_cast<double>((uint64_t{1} << 53) - 1), 37);
  std::vector<uint64_t> narrow(64, OrderedDouble(-greatest));
  narrow[0] = OrderedDouble(static_cast<double>((uint64_t{1} << 53) - 1));
  Moments many(true);
  Moments single(true);
  many.AddNarrowRows(*doubles, narrow);
  many.AddNarrowRows(*integers, std::vector<uint64_t>(64, ~uint64_t{0}));
  for (const uint64_t value : narrow) single.AddNarrow(*doubles, value, false);
  for (int i = 0; i < 64; ++i) single.AddNarrow(*integers, ~uint64_t{0}, false);
  std::string many_bytes;
  std::string single_bytes;
  many.Serialize(&many_bytes);
  single.Serialize(&single_bytes);
  EXPECT_EQ(many_bytes, single_bytes);
}

}  // namespace
}  // namespace icecore::state
