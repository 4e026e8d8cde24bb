#include "icecore/server/feast_json.h"

#include <arrow/builder.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "icecore/base/error.h"
#include "icecore/server/feature_answers_fixture.h"
#include "icecore/server/http_client_fixture.h"
#include "icecore/server/http_server.h"

namespace icecore::server::testing {
namespace {

using nlohmann::json;

arrow::Result<FeastRequest> Parse(const std::string& body) {
  return ParseFeastRequest(body, 1 << 20, 100);
}

std::string FieldAtFault(const std::string& body) { return FieldOf(Parse(body).status()); }

TEST(FeastRequestTest, FeaturesOrAService) {
  const auto features =
      Parse(R"({"features":["v:a","w:b","v:a"],"entities":{"k":[1,"x",null],"r":[1.5,true,2]},)"
            R"("full_feature_names":true,"include_feature_view_version_metadata":false})")
          .ValueOrDie();
  EXPECT_EQ(features.request.features, (std::vector<std::string>{"v:a", "w:b"}));
  EXPECT_EQ(features.request.num_rows, 3);
  EXPECT_TRUE(features.full_feature_names);
  EXPECT_TRUE(features.request.columns_together);
  ASSERT_EQ(features.request.entities.size(), 2);
  EXPECT_EQ(std::get<int64_t>(features.request.entities[0].values[0]), 1);
  const auto service =
      Parse(R"({"feature_service":"s","features":["v:a"],"entities":{"k":[]}})").ValueOrDie();
  EXPECT_EQ(service.request.service, "s");
  EXPECT_TRUE(service.request.features.empty());
  EXPECT_EQ(service.request.num_rows, 0);
}

TEST(FeastRequestTest, WhatIsWrongIsNamed) {
  EXPECT_EQ(FieldAtFault(R"({"features":["v:a"]})"), "entities");
  EXPECT_EQ(FieldAtFault(R"({"entities":{"k":[1]}})"), "features");
  EXPECT_EQ(FieldAtFault(R"({"entities":{"k":1},"features":["v:a"]})"), "entities.k");
  EXPECT_EQ(FieldAtFault(R"({"entities":{"k":[[1]]},"features":["v:a"]})"), "entities.k");
  EXPECT_EQ(FieldAtFault(R"({"entities":{"k":[1],"l":[]},"features":["v:a"]})"), "entities.l");
  EXPECT_EQ(FieldAtFault(R"({"entities":{"k":[1],"k":[1]},"features":["v:a"]})"), "entities.k");
  EXPECT_EQ(FieldAtFault(R"({"entities":{"k":[1]},"features":["a"]})"), "features");
  EXPECT_EQ(FieldAtFault(R"({"entities":{"k":[1]},"features":["v:a","w:a"]})"), "features");
  EXPECT_EQ(FieldAtFault(R"({"entities":{"k":[1]},"feature_service":1})"), "feature_service");
  EXPECT_EQ(FieldAtFault(R"({"entities":{},"full_feature_names":1})"), "full_feature_names");
  EXPECT_EQ(FieldAtFault("{"), "2");
  EXPECT_FALSE(Parse("7").ok());
  std::string many = R"({"features":["v:a"],"entities":{"k":[0)";
  for (int i = 0; i < 100; ++i) many += ",0";
  EXPECT_EQ(base::CodeOf(Parse(many + "]}}").status()), base::ErrorCode::kLimit);
}

TEST(FeastRequestTest, UnknownFieldsAreSkippedToADepth) {
  EXPECT_TRUE(Parse(R"({"x":{"y":[[{"z":1}],2]},"entities":{"k":[1]},"features":["v:a"]})").ok());
  EXPECT_EQ(FieldAtFault(R"({"x":)" + std::string(100, '[')), "x");
}

class FeastServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    HttpServer::Options options;
    options.port = 0;
    server_ = HttpServer::Start(options, &api_).ValueOrDie();
  }
  Reply Ask(const std::string& request) {
    Client client(server_->port());
    EXPECT_TRUE(client.Send(request));
    return client.Receive();
  }
  Reply Online(const std::string& body) { return Ask(PostTo("/get-online-features", body)); }

  FakeApi api_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(FeastServerTest, KeysComeFirst) {
  const Reply reply = Online(R"({"features":["v:n"],"entities":{"k":[5,"x"],"ignored":[1,2]}})");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(json::parse(reply.body), json::parse(R"({"results":[
      {"values":[5,"x"],"statuses":["PRESENT","PRESENT"],
       "event_timestamps":["1970-01-01T00:00:00Z","1970-01-01T00:00:00Z"]},
      {"values":[5,null],"statuses":["PRESENT","NOT_FOUND"],
       "event_timestamps":["1970-01-01T00:00:00Z","1970-01-01T00:00:00Z"]}],
      "metadata":{"feature_names":["k","n"]}})"));
  const Reply full =
      Online(R"({"features":["v:n"],"entities":{"k":[5]},"full_feature_names":true})");
  EXPECT_NE(full.body.find(R"("feature_names":["k","v__n"])"), std::string::npos);
  const Reply service = Online(R"({"feature_service":"echo","entities":{"k":[5]}})");
  EXPECT_NE(service.body.find(R"("feature_names":["k","n"])"), std::string::npos);
}

TEST_F(FeastServerTest, ErrorsAreThoseThatTheClientKnows) {
  const Reply invalid = Online(R"({"features":["v:n"]})");
  EXPECT_EQ(invalid.status, 422);
  EXPECT_EQ(json::parse(invalid.body)["detail"][0]["loc"][1], "entities");
  const Reply unknown = Online(R"({"feature_service":"none","entities":{"k":[1]}})");
  EXPECT_EQ(unknown.status, 404);
  const json detail = json::parse(json::parse(unknown.body).get<std::string>());
  EXPECT_EQ(detail["module"], "feast.errors");
  EXPECT_EQ(detail["class"], "FeatureServiceNotFoundException");
  const Reply busy = Online(R"({"feature_service":"busy","entities":{"k":[1]}})");
  EXPECT_EQ(busy.status, 503);
  EXPECT_EQ(busy.headers.at("Retry-After"), "1");
  EXPECT_TRUE(json::parse(busy.body).is_string());
}

TEST_F(FeastServerTest, ADamagedKeyIsInvalid) {
  const Reply some = Online(R"({"features":["v:n"],"entities":{"k":[5,-13]}})");
  EXPECT_EQ(some.status, 200);
  const json feature = json::parse(some.body)["results"][1];
  EXPECT_EQ(feature["values"], json::parse("[5,null]"));
  EXPECT_EQ(feature["statuses"], json::parse(R"(["PRESENT","INVALID"])"));
  const Reply none = Online(R"({"features":["v:n"],"entities":{"k":[-13]}})");
  EXPECT_EQ(none.status, 500);
  EXPECT_EQ(json::parse(none.body), "v is damaged");
}

TEST_F(FeastServerTest, Health) {
  EXPECT_EQ(Ask(Get("/health")).status, 200);
  EXPECT_EQ(Ask(Get("/health")).body, "");
  api_.set_ready(false);
  EXPECT_EQ(Ask(Get("/health")).status, 503);
}

TEST(FeastResponseTest, TimesAreSecondsAndJsonHasNoNaN) {
  FeastRequest feast;
  feast.request.service = "s";
  FeatureResponse response;
  response.num_rows = 2;
  response.full_names = {"v__t", "v__d"};
  arrow::TimestampBuilder times(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                                arrow::default_memory_pool());
  ASSERT_TRUE(times.AppendValues({-1, 1'500'000}).ok());
  arrow::DoubleBuilder doubles;
  ASSERT_TRUE(doubles.AppendValues({std::nan(""), 0.1}).ok());
  for (auto* builder : std::initializer_list<arrow::ArrayBuilder*>{&times, &doubles}) {
    AddFeature("f",
               {builder->Finish().ValueOrDie(),
                {state::ValueStatus::kPresent, state::ValueStatus::kExpired},
                {1'500'000, std::nullopt}},
               &response);
  }
  std::string out;
  ASSERT_TRUE(AppendFeastResponse(feast, response, &out).ok());
  const json answer = json::parse(out);
  EXPECT_EQ(answer["results"][0]["values"], json::parse("[-1,1]"));
  EXPECT_EQ(answer["results"][1]["values"], json::parse("[null,0.1]"));
  EXPECT_EQ(answer["results"][1]["statuses"], json::parse(R"(["PRESENT","OUTSIDE_MAX_AGE"])"));
  EXPECT_EQ(answer["results"][0]["event_timestamps"],
            json::parse(R"(["1970-01-01T00:00:01.500Z","1970-01-01T00:00:00Z"])"));
}

}  // namespace
}  // namespace icecore::server::testing
