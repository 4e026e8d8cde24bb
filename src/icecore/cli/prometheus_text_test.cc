#include "icecore/cli/prometheus_text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace icecore::cli {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(PrometheusTextTest, SamplesWithTheirLabels) {
  const auto samples =
      ParsePrometheusText(
          "# HELP a Things.\n# TYPE a counter\na{x=\"1\",y=\"q\\\"\\\\\\n,}\"} 3 1700000000000\n\n"
          "b 1e-5\nc_bucket{le=\"+Inf\",} +Inf\nd Nan\n")
          .ValueOrDie();
  ASSERT_EQ(samples.size(), 4);
  EXPECT_EQ(samples[0].name, "a");
  EXPECT_EQ(samples[0].labels.at("x"), "1");
  EXPECT_EQ(samples[0].labels.at("y"), "q\"\\\n,}");
  EXPECT_EQ(samples[0].value, 3);
  EXPECT_EQ(samples[1].value, 1e-5);
  EXPECT_EQ(samples[2].value, kInfinity);
  EXPECT_TRUE(std::isnan(samples[3].value));
}

TEST(PrometheusTextTest, NonsenseIsAnErrorThatNamesTheLine) {
  for (const char* wrong :
       {"a", "a{", "a{x=1} 2", "a{x=\"1} 2", "a 1 2 3", "{} 1", "a 1x", "\x01"}) {
    const auto samples = ParsePrometheusText(std::string("b 1\n") + wrong);
    ASSERT_FALSE(samples.ok()) << wrong;
    EXPECT_NE(samples.status().message().find("line 2"), std::string::npos) << wrong;
  }
}

TEST(PrometheusTextTest, QuantilesOfWhatCameBetween) {
  const Buckets before = {{0.1, 10}, {0.2, 10}, {kInfinity, 10}};
  EXPECT_LT(QuantileBetween(before, before, 0.5), 0);
  EXPECT_LT(QuantileBetween({}, {}, 0.5), 0);
  const Buckets after = {{0.1, 10}, {0.2, 110}, {kInfinity, 110}};
  EXPECT_DOUBLE_EQ(QuantileBetween(before, after, 0.5), 0.15);
  EXPECT_DOUBLE_EQ(QuantileBetween(before, after, 1.0), 0.2);
  const Buckets beyond = {{0.1, 10}, {0.2, 10}, {kInfinity, 20}};
  EXPECT_DOUBLE_EQ(QuantileBetween(before, beyond, 0.99), 0.2);
  EXPECT_DOUBLE_EQ(QuantileBetween({}, {{0.1, 4}, {kInfinity, 4}}, 0.25), 0.025);
}

}  // namespace
}  // namespace icecore::cli
