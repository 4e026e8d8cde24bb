#include "icecore/base/time.h"

#include <gtest/gtest.h>

#include "icecore/base/error.h"
#include "icecore/base/instant_text.h"

namespace icecore::base {
namespace {

TEST(ParseTime, TakesRfc3339) {
  EXPECT_EQ(ParseInstant("1970-01-01T00:00:00Z").ValueOrDie(), 0);
  EXPECT_EQ(ParseInstant("2013-12-01T12:00:00Z").ValueOrDie(), 1385899200000000);
  EXPECT_EQ(ParseInstant("2013-12-01t13:00:00.25+01:00").ValueOrDie(), 1385899200250000);
  EXPECT_EQ(ParseInstant("2013-12-01 12:00").ValueOrDie(), 1385899200000000);
  EXPECT_EQ(ParseInstant("2013-12-01T12:00Z").ValueOrDie(), 1385899200000000);
  EXPECT_EQ(ParseInstant("2013-12-01").ValueOrDie(), 1385856000000000);
  EXPECT_EQ(ParseInstant("1969-12-31T23:59:59.999999Z").ValueOrDie(), -1);
  EXPECT_EQ(ParseInstant("2013-12-01T12:00:00-0530").ValueOrDie(), 1385919000000000);
}

TEST(ParseTime, KeepsWhatLiesBelowTheMicrosecond) {
  const ParsedTime parsed = ParseTime("2024-03-01T10:00:00.000000501Z").ValueOrDie();
  EXPECT_EQ(parsed.nanos_below, 501);
  EXPECT_TRUE(parsed.has_zone);
  EXPECT_FALSE(ParseTime("2024-03-01T10:00:00").ValueOrDie().has_zone);
}

TEST(ParseTime, RefusesWhatIsNoTime) {
  for (const char* text :
       {"", "yesterday", "2024-02-30", "2024-13-01", "2024-03-01T24:00:00Z", "2024-03-01T10:60Z",
        "2024-03-01T10:00:00.Z", "2024-03-01T10:00:00.0000000001Z", "2024-03-01T10:00:00Zx",
        "2024-03-01T10:00:00+1", "24-03-01", "2024-3-1", "2024-03-01T10"}) {
    const auto parsed = ParseTime(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(CodeOf(parsed.status()), ErrorCode::kInvalidArgument) << text;
  }
}

TEST(FormatInstant, ReadsBack) {
  for (const int64_t micros : {int64_t{0}, int64_t{-1}, int64_t{1385899200000000},
                               int64_t{951782400123456}, int64_t{-2208988800000000}}) {
    EXPECT_EQ(ParseInstant(FormatInstant(micros)).ValueOrDie(), micros);
    EXPECT_EQ(ParseInstant(FormatInstantShort(micros)).ValueOrDie(), micros);
  }
  EXPECT_EQ(FormatInstant(-1), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(FormatInstantShort(1500000), "1970-01-01T00:00:01.5Z");
  EXPECT_EQ(FormatDate(-1), "1969-12-31");
}

TEST(FormatInstant, SaysEveryDigit) {
  EXPECT_EQ(FormatInstant(1385899205070809), "2013-12-01T12:00:05.070809Z");
  EXPECT_EQ(FormatInstant(253402300799999999), "9999-12-31T23:59:59.999999Z");
  EXPECT_EQ(FormatInstant(253402300800000000), "10000-01-01T00:00:00.000000Z");
  EXPECT_EQ(FormatInstant(-62167219200000000), "0000-01-01T00:00:00.000000Z");
  EXPECT_EQ(FormatInstantShort(1385899205070800), "2013-12-01T12:00:05.0708Z");
  EXPECT_EQ(FormatInstantShort(1385899200000000), "2013-12-01T12:00:00Z");
  std::string text = "at ";
  AppendInstant(-1, &text);
  EXPECT_EQ(text, "at 1969-12-31T23:59:59.999999Z");
  for (const int64_t micros : {INT64_MIN, INT64_MAX}) {
    EXPECT_LT(FormatInstant(micros).size(), kMaxInstantBytes) << micros;
  }
}

TEST(ParseDuration, TakesNumberAndUnit) {
  EXPECT_EQ(ParseDuration("90s").ValueOrDie(), 90 * kMicrosPerSecond);
  EXPECT_EQ(ParseDuration("26h").ValueOrDie(), 26 * kMicrosPerHour);
  EXPECT_EQ(ParseDuration("0s").ValueOrDie(), 0);
  for (const char* text : {"", "1", "h", "-1h", "+1h", "1.5h", "1w", "1h ", "99999999999999999d"}) {
    EXPECT_FALSE(ParseDuration(text).ok()) << text;
  }
}

TEST(FormatDuration, IsTheShortestExactForm) {
  EXPECT_EQ(FormatDuration(24 * kMicrosPerHour), "1d");
  EXPECT_EQ(FormatDuration(90 * kMicrosPerSecond), "90s");
  EXPECT_EQ(FormatDuration(0), "0s");
  EXPECT_EQ(FormatDuration(1001), "1001us");
}

TEST(FloorTo, GoesDownBelowZeroToo) {
  EXPECT_EQ(FloorTo(7, 5), 5);
  EXPECT_EQ(FloorTo(-1, 5), -5);
  EXPECT_EQ(FloorTo(-5, 5), -5);
  EXPECT_EQ(FloorDiv(-6, 5), -2);
  EXPECT_EQ(FloorMod(-6, 5), 4);
  EXPECT_EQ(FloorMod(-5, 5), 0);
}

TEST(FloorTo, HoldsAtTheEarliest) {
  const int64_t earliest = INT64_MIN;
  EXPECT_EQ(FloorTo(earliest, kMicrosPerDay), earliest);
  EXPECT_EQ(FloorDiv(earliest, kMicrosPerDay), earliest / kMicrosPerDay - 1);
  EXPECT_EQ(FloorMod(earliest, kMicrosPerDay), kMicrosPerDay + earliest % kMicrosPerDay);
}

TEST(SaturatingAdd, StopsAtTheEnds) {
  EXPECT_EQ(SaturatingAdd(INT64_MAX, 1), INT64_MAX);
  EXPECT_EQ(SaturatingAdd(INT64_MIN, -1), INT64_MIN);
  EXPECT_EQ(SaturatingAdd(1, 2), 3);
}

}  // namespace
}  // namespace icecore::base
