#include "icecore/base/json_text.h"

#include <arrow/array.h>
#include <arrow/json/from_string.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

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
