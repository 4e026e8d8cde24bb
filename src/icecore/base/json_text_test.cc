#include "icecore/base/json_text.h"

#include <arrow/array.h>
#include <arrow/json/from_string.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <charconv>
#include <cmath>
#include <iostream>
#include <limits>
#include <random>
#include <vector>

#include "icecore/base/error.h"

namespace icecore::base {
namespace {

std::string Json(const std::shared_ptr<arrow::Array>& array, int64_t index = 0) {
  std::string out;
  EXPECT_TRUE(AppendJsonValue(*array, index, &out).ok());
  return out;
}

std::shared_ptr<arrow::Array> One(const std::shared_ptr<arrow::DataType>& type,
                                  const std::string& json) {
  return arrow::json::ArrayFromJSONString(type, "[" + json + "]").ValueOrDie();
}

TEST(JsonText, FloatsReadBackToTheSameBits) {
  for (const double value : {0.1, 1.0, -0.0, 1e300, 5e-324, 123456789.0, 1.0 / 3}) {
    std::string out;
    AppendJsonDouble(value, &out);
    EXPECT_EQ(std::signbit(std::strtod(out.c_str(), nullptr)), std::signbit(value));
    EXPECT_EQ(std::strtod(out.c_str(), nullptr), value) << out;
  }
  std::string special;
  AppendJsonDouble(std::numeric_limits<double>::quiet_NaN(), &special);
  AppendJsonDouble(-std::numeric_limits<double>::infinity(), &special);
  EXPECT_EQ(special, "\"NaN\"\"-Infinity\"");
}

// The standard library's shortest text, with ".0" where it has neither point nor exponent.
std::string ShortestText(double value) {
  char buffer[40];
  std::string text(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

TEST(JsonText, DoublesHaveTheirShortestText) {
  constexpr uint64_t kSeed = 20;
  std::cout << "seed " << kSeed << "\n";
  std::mt19937_64 random(kSeed);
  std::vector<double> values = {0.01,          0.010000000000000002,
                                0.009999,      99999.999999,
                                99999.9999995, 100000.0,
                                1e5 - 1e-6,    0.05,
                                0.1 + 0.2,     10000.0,
                                90000.0,       0.0100001,
                                0.5,           1.0,
                                123.456};
  const auto beside = [&](double value) {
    values.push_back(value);
    values.push_back(std::nextafter(value, 1e300));
    values.push_back(std::nextafter(value, -1e300));
  };
  for (int i = 0; i < 200'000; ++i) {
    const double scale = std::pow(10.0, static_cast<double>(random() % 9));
    beside(static_cast<double>(random() % 1'000'000'000) / scale);
    beside(static_cast<double>(random() >> 11) * 0x1p-53 * scale / 1e3);
  }
  for (const double size : values) {
    for (const double value : {size, -size}) {
      std::string out;
      AppendJsonDouble(value, &out);
      ASSERT_EQ(out, ShortestText(value));
    }
  }
}

TEST(JsonText, StringsAreEscapedAndAlwaysUtf8) {
  std::string out;
  AppendJsonString("a\"\\\n\x01é\xff", &out);
  EXPECT_EQ(out, "\"a\\\"\\\\\\n\\u0001é\xef\xbf\xbd\"");
}

TEST(JsonText, ValuesOfEveryKind) {
  EXPECT_EQ(Json(One(arrow::int64(), "9223372036854775807")), "9223372036854775807");
  EXPECT_EQ(Json(One(arrow::uint64(), "18446744073709551615")), "18446744073709551615");
  EXPECT_EQ(Json(One(arrow::boolean(), "true")), "true");
  EXPECT_EQ(Json(One(arrow::utf8(), "null")), "null");
  EXPECT_EQ(Json(One(arrow::date32(), "0")), "\"1970-01-01\"");
  EXPECT_EQ(Json(One(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), "1")),
            "\"1970-01-01T00:00:00.000001Z\"");
  EXPECT_EQ(Json(One(arrow::timestamp(arrow::TimeUnit::MICRO), "1")),
            "\"1970-01-01T00:00:00.000001\"");
  EXPECT_EQ(Json(One(arrow::decimal128(5, 2), "\"1.50\"")), "\"1.50\"");
  EXPECT_EQ(Json(One(arrow::list(arrow::int64()), "[1, null]")), "[1,null]");
  EXPECT_EQ(Json(One(arrow::struct_({arrow::field("a", arrow::int64())}), "{\"a\": 1}")),
            "{\"a\":1}");
  EXPECT_EQ(Json(One(arrow::float32(), "0.1")), "0.1");
}

TEST(JsonText, BinaryIsBase64) {
  EXPECT_EQ(Base64(""), "");
  EXPECT_EQ(Base64("f"), "Zg==");
  EXPECT_EQ(Base64("fo"), "Zm8=");
  EXPECT_EQ(Base64("foo"), "Zm9v");
}

TEST(JsonText, UnknownTypesAreRefusedByName) {
  std::string out;
  const auto status = AppendJsonValue(*One(arrow::month_interval(), "1"), 0, &out);
  EXPECT_EQ(CodeOf(status), ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace icecore::base
