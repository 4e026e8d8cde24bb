#include "icecore/state/aggregate.h"

#include <arrow/array/array_base.h>
#include <arrow/array/builder_base.h>
#include <arrow/json/from_string.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/state/distinct_sketch.h"
#include "icecore/state/quantile_buckets.h"
#include "icecore/state/value_codec.h"

namespace icecore::state {
namespace {

std::string Hex(const std::string& bytes) {
  std::string text;
  for (const char c : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    text.push_back(kDigits[static_cast<uint8_t>(c) >> 4]);
    text.push_back(kDigits[static_cast<uint8_t>(c) & 15]);
  }
  return text;
}

std::string ResultOf(const AggregateState& state, const AggregateSpec& spec) {
  auto builder = arrow::MakeBuilder(OutputType(spec).ValueOrDie()).ValueOrDie();
  const auto status = state.AppendResult(builder.get());
  if (!status.ok()) return std::string(base::ErrorCodeName(base::CodeOf(status)));
  const auto array = builder->Finish().ValueOrDie();
  return array->IsNull(0) ? "null" : array->GetScalar(0).ValueOrDie()->ToString();
}

struct Given {
  AggregateSpec spec;
  std::string json;
  std::string result;
  std::string bytes;  // hex; docs/formats/state.md
};

std::unique_ptr<AggregateState> StateOf(const Given& given) {
  auto state = MakeState(given.spec).ValueOrDie();
  const auto values = arrow::json::ArrayFromJSONString(given.spec.input, given.json).ValueOrDie();
  for (int64_t i = 0; i < values->length(); ++i) {
    EXPECT_TRUE(state->Add(values.get(), i, {100 + i, 100 + i, i}).ok());
  }
  return state;
}

std::vector<Given> Golden() {
  using K = AggregateKind;
  const auto f64 = arrow::float64();
  return {
      {{K::kCount, 0, 0, f64}, "[1, null, 2]", "2", "0104"},
      {{K::kSum, 0, 0, f64},
       "[1.5, -0.25]",
       "1.25",
       "02000400000201"
       "0000000000000040"
       "0100000000000000"},
      {{K::kSum, 0, 0, arrow::int64()}, "[9223372036854775807, 1]", "invalid_argument", ""},
      {{K::kSum, 0, 0, arrow::int64()}, "[9223372036854775807, 1, -1]", "9223372036854775807", ""},
      {{K::kMean, 0, 0, f64}, "[1, 2, 4]", "2.3333333333333335", "020006000001000700000000000000"},
      {{K::kVariance, 0, 0, f64},
       "[1, 2, 4]",
       "2.3333333333333335",
       "0201060000010007000000000000000100150000000000"
       "0000"},
      {{K::kStddev, 0, 0, arrow::int32()}, "[3]", "null", ""},
      {{K::kMin, 0, 0, f64}, "[0.0, -0.0, null]", "-0", "0301ffffffffffffff7f"},
      {{K::kMax, 0, 0, arrow::utf8()}, R"(["b", "a", "ba"])", "ba", "0401026261"},
      {{K::kMax, 0, 0, arrow::utf8()}, "[null]", "null", "0400"},
      {{K::kFirst, 0, 0, arrow::int64()},
       "[null, 7, 8]",
       "7",
       "0501650000000000000065000000000000000100000000000000"
       "0700000000000080"},
      {{K::kLast, 0, 0, arrow::boolean()},
       "[true, false, null]",
       "false",
       "0601650000000000000065000000000000000100000000000000"
       "0000000000000000"},
      {{K::kLastN, 2, 0, arrow::uint8()}, "[1, 2, 3]", "list<item: uint8>[2, 3]", ""},
      {{K::kTopN, 2, 0, f64},
       "[1, 5, 5, 2]",
       "list<item: double>[5, 5]",
       "0802000000000000"
       "14c000000000000014c0"},
      {{K::kQuantile, 0, 0.5, f64}, "[0, 0, 1]", "0", "0902000282b20801"},
      {{K::kCountDistinct, 0, 0, arrow::int64()}, "[1, 1, 2]", "2", ""},
      {{K::kSum, 0, 0, arrow::decimal128(5, 2)}, R"(["1.25", "-3.50"])", "-2.25", ""},
      {{K::kMean, 0, 0, arrow::decimal128(5, 2)}, R"(["1.25", "0.10"])", "0.675", ""},
      {{K::kVariance, 0, 0, arrow::decimal128(5, 1)},
       R"(["1.0", "2.0", "4.0"])",
       "2.3333333333333335",
       ""},
      {{K::kMin, 0, 0, arrow::decimal128(5, 2)}, R"(["1.25", "-3.50"])", "-3.50", ""},
      {{K::kLast, 0, 0, arrow::list(arrow::utf8())},
       R"([["a", null], null])",
       "list<item: string>[a, null]",
       ""},
      {{K::kMax, 0, 0, arrow::date32()}, "[3, 1]", "1970-01-04", ""},
  };
}

TEST(Aggregate, ResultsAndBytes) {
  for (const Given& given : Golden()) {
    SCOPED_TRACE(given.json + " " + given.spec.input->ToString() + " kind " +
                 std::to_string(static_cast<int>(given.spec.kind)));
    const auto state = StateOf(given);
    EXPECT_EQ(ResultOf(*state, given.spec), given.result);
    std::string bytes;
    state->Serialize(&bytes);
    if (!given.bytes.empty()) {
      EXPECT_EQ(Hex(bytes), given.bytes);
    }
    std::string_view in = bytes;
    const auto read = ReadState(given.spec, &in).ValueOrDie();
    EXPECT_TRUE(in.empty());
    std::string again;
    read->Serialize(&again);
    EXPECT_EQ(again, bytes);
    for (size_t length = 0; length < bytes.size(); ++length) {
      std::string_view part(bytes.data(), length);
      EXPECT_FALSE(ReadState(given.spec, &part).ok()) << length;
    }
  }
}

TEST(Aggregate, GroupingDoesNotMatter) {
  const uint64_t seed = 77;
  std::mt19937_64 random(seed);
  for (int round = 0; round < 400; ++round) {
    for (int kind = 0; kind <= static_cast<int>(AggregateKind::kTopN); ++kind) {
      const AggregateSpec spec{static_cast<AggregateKind>(kind), 3, 0.5, arrow::float64()};
      std::string json = "[";
      const size_t n = random() % 12 + 2;
      for (size_t i = 0; i < n; ++i) {
        json += (i > 0 ? "," : "") + std::to_string(static_cast<int>(random() % 50) - 25) + ".5";
      }
      const auto values = arrow::json::ArrayFromJSONString(spec.input, json + "]").ValueOrDie();
      auto whole = MakeState(spec).ValueOrDie();
      std::vector<std::unique_ptr<AggregateState>> parts;
      for (int p = 0; p < 3; ++p) parts.push_back(MakeState(spec).ValueOrDie());
      for (int64_t i = 0; i < values->length(); ++i) {
        const RowOrder order{static_cast<int64_t>(i % 4), 0, i};
        ASSERT_TRUE(whole->Add(values.get(), i, order).ok());
        ASSERT_TRUE(parts[random() % 3]->Add(values.get(), i, order).ok());
      }
      auto merged = MakeState(spec).ValueOrDie();
      for (const int p : {2, 0, 1}) ASSERT_TRUE(merged->Merge(*parts[static_cast<size_t>(p)]).ok());
      std::string a;
      std::string b;
      whole->Serialize(&a);
      merged->Serialize(&b);
      ASSERT_EQ(a, b) << "seed " << seed << " kind " << kind;
      ASSERT_EQ(ResultOf(*whole, spec), ResultOf(*merged, spec));
      if (!merged->invertible()) continue;
      ASSERT_TRUE(merged->Subtract(*parts[1]).ok());
      ASSERT_TRUE(parts[0]->Merge(*parts[2]).ok());
      a.clear();
      b.clear();
      parts[0]->Serialize(&a);
      merged->Serialize(&b);
      ASSERT_EQ(a, b) << "seed " << seed << " kind " << kind;
    }
  }
}

TEST(Aggregate, RefusesTypes) {
  using K = AggregateKind;
  for (const AggregateSpec& spec : {AggregateSpec{K::kSum, 0, 0, arrow::utf8()},
                                    AggregateSpec{K::kMean, 0, 0, arrow::boolean()},
                                    AggregateSpec{K::kMin, 0, 0, arrow::list(arrow::int64())},
                                    AggregateSpec{K::kLastN, 0, 0, arrow::int64()},
                                    AggregateSpec{K::kTopN, 10001, 0, arrow::int64()},
                                    AggregateSpec{K::kQuantile, 0, 1.5, arrow::int64()},
                                    AggregateSpec{K::kSum, 0, 0, nullptr}}) {
    EXPECT_EQ(base::CodeOf(OutputType(spec).status()), base::ErrorCode::kInvalidDefinition);
  }
}

TEST(QuantileBuckets, MiddlesAreWithinOnePercent) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 100000; ++round) {
    const double value = std::ldexp(1 + static_cast<double>(random() % 1000003) / 1000003,
                                    static_cast<int>(random() % 2090) - 1070);
    const double sign = (random() & 1) != 0 ? -1 : 1;
    const double middle = QuantileBuckets::MiddleOf(QuantileBuckets::BucketOf(sign * value));
    if (value > 1e-300) {
      ASSERT_LE(std::abs(middle - sign * value), 0.01 * value) << value;
    }
  }
  EXPECT_EQ(QuantileBuckets::MiddleOf(QuantileBuckets::BucketOf(HUGE_VAL)), HUGE_VAL);
  EXPECT_EQ(QuantileBuckets::MiddleOf(QuantileBuckets::BucketOf(-HUGE_VAL)), -HUGE_VAL);
  EXPECT_LT(QuantileBuckets::BucketOf(1.7976931348623157e308), QuantileBuckets::BucketOf(HUGE_VAL));
  EXPECT_EQ(QuantileBuckets::BucketOf(-0.0), 0);
}

TEST(DistinctSketch, ExactThenClose) {
  DistinctSketch sketch;
  std::string bytes(8, 0);
  for (int64_t i = 1; i <= 200000; ++i) {
    std::memcpy(bytes.data(), &i, 8);
    sketch.Add(base::Hash64(bytes));
    sketch.Add(base::Hash64(bytes));
    if (i <= 256) {
      ASSERT_EQ(sketch.Estimate(), i);
    }
    if (i == 300 || i == 5000 || i == 200000) {
      EXPECT_NEAR(static_cast<double>(sketch.Estimate()), static_cast<double>(i),
                  0.05 * static_cast<double>(i));
      std::string out;
      sketch.Serialize(&out);
      std::string_view in = out;
      DistinctSketch read;
      ASSERT_TRUE(read.Parse(&in));
      EXPECT_EQ(read.Estimate(), sketch.Estimate());
    }
  }
}

TEST(ValueCodec, EveryTypeComesBack) {
  const std::vector<std::pair<std::shared_ptr<arrow::DataType>, std::string>> cases = {
      {arrow::int8(), "[-128, 127, null]"},
      {arrow::uint64(), "[0, 18446744073709551615]"},
      {arrow::float32(), "[-0.0, 1.5, null]"},
      {arrow::float64(), "[1e308, -5e-324]"},
      {arrow::utf8(), R"(["", "ä", null])"},
      {arrow::large_binary(), R"(["x"])"},
      {arrow::decimal128(20, 3), R"(["-1.000", "99999999999999999.999"])"},
      {arrow::decimal256(50, 0), R"(["-7"])"},
      {arrow::date32(), "[-1, 5]"},
      {arrow::time64(arrow::TimeUnit::MICRO), "[5]"},
      {arrow::timestamp(arrow::TimeUnit::NANO, "UTC"), "[-1]"},
      {arrow::list(arrow::list(arrow::int16())), "[[[1, null], null, []], null, []]"},
      {arrow::fixed_size_list(arrow::float32(), 2), "[[1, 2], null]"},
      {arrow::struct_({arrow::field("a", arrow::int64()), arrow::field("b", arrow::utf8())}),
       R"([{"a": 1, "b": null}, null])"},
      {arrow::map(arrow::utf8(), arrow::int64()), R"([[["k", 1], ["l", null]], [], null])"},
  };
  for (const auto& [type, json] : cases) {
    const auto codec = ValueCodec::Make(type).ValueOrDie();
    const auto values = arrow::json::ArrayFromJSONString(type, json).ValueOrDie();
    std::string bytes;
    for (int64_t i = 0; i < values->length(); ++i) {
      ASSERT_TRUE(codec->Encode(*values, i, &bytes).ok());
    }
    auto builder = arrow::MakeBuilder(type).ValueOrDie();
    std::string_view in = bytes;
    std::string_view skipped = bytes;
    for (int64_t i = 0; i < values->length(); ++i) {
      ASSERT_TRUE(codec->Decode(&in, builder.get()).ok()) << type->ToString();
      ASSERT_TRUE(codec->Skip(&skipped));
      ASSERT_EQ(in.size(), skipped.size());
    }
    EXPECT_TRUE(builder->Finish().ValueOrDie()->Equals(*values)) << type->ToString();
  }
}

}  // namespace
}  // namespace icecore::state
