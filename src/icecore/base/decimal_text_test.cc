#include "icecore/base/decimal_text.h"

#include <gtest/gtest.h>

namespace icecore::base {
namespace {

std::string Parsed(std::string_view text, int32_t precision, int32_t scale) {
  const auto value = ParseDecimal(text, precision, scale);
  return value ? value->ToString(scale) : "none";
}

TEST(ParseDecimal, NumbersThatTheTypeHolds) {
  EXPECT_EQ(Parsed("12.5", 5, 2), "12.50");
  EXPECT_EQ(Parsed("-1.250", 5, 2), "-1.25");
  EXPECT_EQ(Parsed("1E+2", 5, 2), "100.00");
  EXPECT_EQ(Parsed("0E-18", 38, 10), "0E-10");
  EXPECT_EQ(Parsed("99999999999999999999999999999999999999", 38, 0),
            "99999999999999999999999999999999999999");
}

TEST(ParseDecimal, WhatTheTypeDoesNotHoldIsNone) {
  for (const char* text : {"", "x", "1.5x", "1.255", "1000", "1E+3"}) {
    EXPECT_EQ(Parsed(text, 5, 2), "none") << text;
  }
}

TEST(ParseDecimal, MoreDigitsThanADecimalHasAreNone) {
  for (const char* text : {"340282366920938463463374607431768211457",  // one, modulo 2^128
                           "99999999999999999999999999999999999999999999999999",
                           "1.0000000000000000000000000000000000000000"}) {
    EXPECT_EQ(Parsed(text, 38, 0), "none") << text;
  }
}

TEST(ParseDecimal, ExponentsOfAnySize) {
  for (const char* text : {"1E-999999999", "-5E-0999999909", "1E+999999999", "1E-39", "1E+39"}) {
    EXPECT_EQ(Parsed(text, 38, 0), "none") << text;
  }
  EXPECT_EQ(Parsed("0E-999999999", 38, 0), "0");
}

}  // namespace
}  // namespace icecore::base
