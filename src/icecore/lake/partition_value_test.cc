#include "icecore/lake/partition_value.h"

#include <arrow/scalar.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <cmath>

#include "icecore/base/error.h"

namespace icecore::lake {
namespace {

const auto kInstant = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
const auto kWallTime = arrow::timestamp(arrow::TimeUnit::MICRO);

std::string Text(const std::string& value, const std::shared_ptr<arrow::DataType>& type) {
  const auto parsed = ParsePartitionValue(value, type);
  return parsed.ok() ? (*parsed)->ToString()
                     : std::string(base::ErrorCodeName(base::CodeOf(parsed.status())));
}

TEST(PartitionValueTest, EveryTypeHasItsSpellings) {
  EXPECT_EQ(Text("true", arrow::boolean()), "true");
  EXPECT_EQ(Text("False", arrow::boolean()), "false");
  EXPECT_EQ(Text("-128", arrow::int8()), "-128");
  EXPECT_EQ(Text("32767", arrow::int16()), "32767");
  EXPECT_EQ(Text("+7", arrow::int32()), "7");
  EXPECT_EQ(Text("-9223372036854775808", arrow::int64()), "-9223372036854775808");
  EXPECT_EQ(Text("1.5E2", arrow::float64()), "150");
  EXPECT_EQ(Text("-Infinity", arrow::float32()), "-inf");
  EXPECT_TRUE(std::isnan(
      static_cast<const arrow::DoubleScalar&>(**ParsePartitionValue("NaN", arrow::float64()))
          .value));
  EXPECT_EQ(Text("234.00000", arrow::decimal128(12, 5)), "234.00000");
  EXPECT_EQ(Text("-2E+2", arrow::decimal128(12, 5)), "-200.00000");
  EXPECT_EQ(Text("4E-5", arrow::decimal128(12, 5)), "0.00004");
  EXPECT_EQ(Text("1969-12-31", arrow::date32()), "1969-12-31");
  EXPECT_EQ(Text("2020-02-29 00:00:00", arrow::date32()), "2020-02-29");
  EXPECT_EQ(Text(" ", arrow::utf8()), " ");
  EXPECT_EQ(static_cast<const arrow::BinaryScalar&>(
                **ParsePartitionValue(std::string("\x00\x01z", 3), arrow::binary()))
                .value->ToString(),
            std::string("\x00\x01z", 3));
}

TEST(PartitionValueTest, TimestampsWithAndWithoutZone) {
  for (const char* text : {"2021-10-01 08:09:20.000001", "2021-10-01T08:09:20.000001Z",
                           "2021-10-01T08:09:20.000001", "2021-10-01 10:09:20.000001+02:00"}) {
    const auto value = ParsePartitionValue(text, kInstant);
    ASSERT_TRUE(value.ok()) << text;
    EXPECT_EQ(static_cast<const arrow::TimestampScalar&>(**value).value, 1633075760000001) << text;
  }
  const auto early = ParsePartitionValue("1677-01-01 00:00:00", kWallTime);
  ASSERT_TRUE(early.ok());
  EXPECT_EQ(static_cast<const arrow::TimestampScalar&>(**early).value, -9246096000000000);
}

TEST(PartitionValueTest, NullAndTheEmptyTextAreNullOfTheType) {
  for (const auto& type : {arrow::utf8(), arrow::int32(), arrow::binary(), kInstant}) {
    for (const std::optional<std::string>& text : {std::optional<std::string>(), {""}}) {
      const auto value = ParsePartitionValue(text, type);
      ASSERT_TRUE(value.ok());
      EXPECT_FALSE((*value)->is_valid);
      EXPECT_TRUE((*value)->type->Equals(type));
    }
  }
}

TEST(PartitionValueTest, NonsenseIsCorruptAndOddTypesUnsupported) {
  const std::pair<const char*, std::shared_ptr<arrow::DataType>> kBroken[] = {
      {"yes", arrow::boolean()},
      {"128", arrow::int8()},
      {"1.0", arrow::int32()},
      {"1e999", arrow::float64()},
      {"0x10", arrow::int64()},
      {" 1", arrow::int64()},
      {"1.123456", arrow::decimal128(12, 5)},
      {"99999999", arrow::decimal128(12, 5)},
      {"2021-02-29", arrow::date32()},
      {"2021-02-28 01:00:00", arrow::date32()},
      {"yesterday", kInstant},
      {"2021-02-28 24:00:00", kWallTime}};
  for (const auto& [text, type] : kBroken) {
    EXPECT_EQ(base::CodeOf(ParsePartitionValue(text, type).status()), base::ErrorCode::kCorrupt)
        << text;
  }
  EXPECT_EQ(base::CodeOf(ParsePartitionValue("[1]", arrow::list(arrow::int32())).status()),
            base::ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace icecore::lake
