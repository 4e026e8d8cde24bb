#include "icecore/cli/top.h"

#include <gtest/gtest.h>

namespace icecore::cli {
namespace {

std::vector<MetricSample> Parse(const std::string& text) {
  return ParsePrometheusText(text).ValueOrDie();
}

constexpr char kBefore[] =
    "icecore_http_requests_total{route=\"/v1/features\",status=\"200\"} 100\n"
    "icecore_feature_requests_total{service=\"m\",status=\"200\"} 100\n";
constexpr char kAfter[] =
    "icecore_http_requests_total{route=\"/v1/features\",status=\"200\"} 300\n"
    "icecore_http_requests_total{route=\"/metrics\",status=\"200\"} 2\n"
    "icecore_http_refused_total{reason=\"queue\"} 4\n"
    "icecore_http_requests_queued 3\n"
    "icecore_store_ready 1\n"
    "icecore_feature_requests_total{service=\"m\",status=\"200\"} 300\n"
    "icecore_feature_requests_total{service=\"m\",status=\"500\"} 10\n"
    "icecore_feature_values_total{service=\"m\",status=\"present\"} 75\n"
    "icecore_feature_values_total{service=\"m\",status=\"null\"} 25\n"
    "icecore_feature_request_duration_seconds_bucket{service=\"m\",le=\"0.001\"} 100\n"
    "icecore_feature_request_duration_seconds_bucket{service=\"m\",le=\"+Inf\"} 100\n"
    "icecore_view_freshness_seconds{view=\"v\"} 200\n"
    "icecore_view_applied_sequence{view=\"v\"} 7\n";

TEST(TopTest, RatesAreOfWhatCameBetween) {
  const ServerLoad load = LoadBetween(Parse(kBefore), Parse(kAfter), 2);
  EXPECT_DOUBLE_EQ(load.requests_per_second, 101);
  EXPECT_DOUBLE_EQ(load.refused_per_second, 2);
  EXPECT_EQ(load.queued, 3);
  EXPECT_TRUE(load.store_ready);
  ASSERT_EQ(load.services.size(), 1);
  EXPECT_DOUBLE_EQ(load.services[0].requests_per_second, 105);
  EXPECT_DOUBLE_EQ(load.services[0].failed_per_second, 5);
  EXPECT_DOUBLE_EQ(load.services[0].present_share, 0.75);
  EXPECT_DOUBLE_EQ(load.services[0].p50_ms, 0.5);
  ASSERT_EQ(load.views.size(), 1);
  EXPECT_EQ(load.views[0].freshness_s, 200);
}

TEST(TopTest, AServerThatStartedAnewCountsFromZero) {
  const ServerLoad load = LoadBetween(Parse(kAfter), Parse(kBefore), 1);
  EXPECT_DOUBLE_EQ(load.requests_per_second, 100);
}

TEST(TopTest, TextAndJson) {
  const ServerLoad load = LoadBetween(Parse(kBefore), Parse(kAfter), 2);
  EXPECT_NE(LoadText(load).find("3 min ago"), std::string::npos) << LoadText(load);
  EXPECT_NE(LoadJson(load).find("\"present_share\": 0.75"), std::string::npos);
  EXPECT_NE(LoadText(LoadBetween({}, {}, 1)).find("NOT READY"), std::string::npos);
}

}  // namespace
}  // namespace icecore::cli
