#include "icecore/online/key_encoding.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "icecore/base/error.h"

namespace icecore::online {
namespace {

template <typename Builder, typename Value>
std::shared_ptr<arrow::Array> One(Builder builder, const Value& value) {
  EXPECT_TRUE(builder.Append(value).ok());
  return builder.Finish().ValueOrDie();
}

std::string Encode(const std::vector<std::shared_ptr<arrow::Array>>& columns) {
  const EncodedKeys keys = EncodeKeys(columns, 1).ValueOrDie();
  return std::string(keys.key(0));
}

std::string Text(const std::string& text) { return Encode({One(arrow::StringBuilder(), text)}); }
std::string Int(int64_t value) { return Encode({One(arrow::Int64Builder(), value)}); }

TEST(KeyEncoding, IntegersOfAllWidthsAreOne) {
  EXPECT_EQ(Encode({One(arrow::Int8Builder(), int8_t{7})}), Int(7));
  EXPECT_EQ(Encode({One(arrow::Int16Builder(), int16_t{-7})}), Int(-7));
  EXPECT_EQ(Encode({One(arrow::Int32Builder(), 7)}), Int(7));
  EXPECT_EQ(Encode({One(arrow::UInt8Builder(), uint8_t{7})}), Int(7));
  EXPECT_EQ(Encode({One(arrow::UInt64Builder(), uint64_t{7})}), Int(7));
  EXPECT_GT(Encode({One(arrow::UInt64Builder(), UINT64_MAX)}), Int(INT64_MAX));
}

TEST(KeyEncoding, StringLayoutsAreOne) {
  EXPECT_EQ(Encode({One(arrow::LargeStringBuilder(), std::string("ab"))}), Text("ab"));
  EXPECT_EQ(Encode({One(arrow::StringViewBuilder(), std::string("ab"))}), Text("ab"));
  EXPECT_NE(Encode({One(arrow::BinaryBuilder(), std::string("ab"))}), Text("ab"));
}

TEST(KeyEncoding, BytesSortAsValues) {
  const std::vector<int64_t> numbers = {INT64_MIN, -256, -1, 0, 1, 255, 256, INT64_MAX};
  for (size_t i = 1; i < numbers.size(); ++i) {
    EXPECT_LT(Int(numbers[i - 1]), Int(numbers[i]));
  }
  const std::vector<std::string> texts = {"",
                                          std::string("\0", 1),
                                          std::string("\0\0", 2),
                                          std::string("\0\x01", 2),
                                          "\x01",
                                          "a",
                                          std::string("a\0", 2),
                                          std::string("a\0b", 3),
                                          "aa",
                                          "b",
                                          "\xff"};
  for (size_t i = 1; i < texts.size(); ++i) {
    EXPECT_LT(Text(texts[i - 1]), Text(texts[i])) << i;
  }
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const std::vector<double> floats = {-kInfinity, -1.5, -1e-300,   0.0,
                                      1e-300,     2.5,  kInfinity, std::nan("")};
  const auto encode = [](double value) { return Encode({One(arrow::DoubleBuilder(), value)}); };
  for (size_t i = 1; i < floats.size(); ++i) {
    EXPECT_LT(encode(floats[i - 1]), encode(floats[i])) << i;
  }
  EXPECT_EQ(encode(-0.0), encode(0.0));
  EXPECT_EQ(encode(-std::nan("1")), encode(std::nan("")));
}

TEST(KeyEncoding, TimesAreInMicroseconds) {
  arrow::TimestampBuilder micros(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                                 arrow::default_memory_pool());
  arrow::TimestampBuilder nanos(arrow::timestamp(arrow::TimeUnit::NANO),
                                arrow::default_memory_pool());
  ASSERT_TRUE(micros.Append(-2).ok());
  ASSERT_TRUE(nanos.Append(-1001).ok());
  EXPECT_EQ(Encode({micros.Finish().ValueOrDie()}), Encode({nanos.Finish().ValueOrDie()}));
  EXPECT_EQ(Encode({One(arrow::Date32Builder(), -1)}),
            Encode({One(arrow::Date64Builder(), int64_t{-86'400'000})}));
}

TEST(KeyEncoding, PartsDoNotRunTogether) {
  const auto pair = [](const std::string& a, const std::string& b) {
    return Encode({One(arrow::StringBuilder(), a), One(arrow::StringBuilder(), b)});
  };
  EXPECT_NE(pair("1", "23"), pair("12", "3"));
  EXPECT_NE(pair("", "a"), pair("a", ""));
  EXPECT_NE(pair(std::string("a\0", 2), "b"), pair("a", std::string("\0b", 2)));
  EXPECT_FALSE(pair("a", "b").starts_with(Text("ab")));
}

TEST(KeyEncoding, NullInAnyPartIsNoKey) {
  arrow::StringBuilder strings;
  ASSERT_TRUE(strings.AppendNull().ok());
  const auto null = strings.Finish().ValueOrDie();
  EXPECT_EQ(Encode({One(arrow::Int64Builder(), int64_t{1}), null}), "");
  EXPECT_EQ(Encode({null, One(arrow::Int64Builder(), int64_t{1})}), "");
}

TEST(KeyEncoding, LengthIsFoundInFrontOfAZero) {
  arrow::Decimal128Builder decimals(arrow::decimal128(10, 2));
  ASSERT_TRUE(decimals.Append(arrow::Decimal128(-5)).ok());
  const std::string key =
      Encode({One(arrow::StringBuilder(), std::string("a\0\x01\xff", 4)),
              One(arrow::Int64Builder(), int64_t{0}), decimals.Finish().ValueOrDie(),
              One(arrow::BooleanBuilder(), false)});
  const std::string bytes = key + std::string("\0\0\x01more", 7);
  EXPECT_EQ(EncodedKeyLength(bytes), key.size());
  EXPECT_EQ(EncodedKeyLength(""), std::nullopt);
  EXPECT_EQ(EncodedKeyLength(std::string("\0", 1)), std::nullopt);
  EXPECT_EQ(EncodedKeyLength("\x7f"), std::nullopt);
  for (size_t length = 0; length < key.size(); ++length) {
    EXPECT_EQ(EncodedKeyLength(std::string_view(key).substr(0, length)), std::nullopt);
  }
}

TEST(KeyEncoding, TableKeysAreNoEntityKeys) {
  const std::string key = EncodeTableKey(std::string_view("a\0b", 3));
  EXPECT_EQ(key, std::string("\x0b\x61\x00\xff\x62\x00\x01", 7));
  EXPECT_EQ(EncodedKeyLength(key + std::string(1, '\0')), key.size());
  EXPECT_NE(key, Encode({One(arrow::BinaryBuilder(), std::string("a\0b", 3))}));
}

TEST(KeyEncoding, OtherTypesAreRefusedByName) {
  auto lists = arrow::MakeArrayOfNull(arrow::list(arrow::int64()), 1).ValueOrDie();
  EXPECT_EQ(Encode({lists}), "");
  arrow::ListBuilder builder(arrow::default_memory_pool(), std::make_shared<arrow::Int64Builder>());
  ASSERT_TRUE(builder.Append().ok());
  const auto list = builder.Finish().ValueOrDie();
  const arrow::Status status = EncodeKeys({list}, 1).status();
  EXPECT_EQ(base::CodeOf(status), base::ErrorCode::kUnsupported);
  EXPECT_EQ(base::CodeOf(EncodeKeys({list}, 2).status()), base::ErrorCode::kInternal);
}

}  // namespace
}  // namespace icecore::online
