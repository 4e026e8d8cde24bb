#include "icecore/server/request_json.h"

#include <gtest/gtest.h>

#include <tuple>

#include "icecore/base/error.h"
#include "icecore/server/plain_request.h"

namespace icecore::server {
namespace {

using base::CodeOf;
using base::ErrorCode;

arrow::Result<FeatureRequest> Parse(const std::string& body) {
  FeatureRequestParser parser(1 << 20, 5);
  return parser.Parse(body);
}

TEST(RequestJson, ScalarsKeepTheirTypes) {
  const FeatureRequest request =
      Parse(R"({"service":"s","entities":{"a":["x\u00e9\u0000",1,-1,2.0,1e3]},
                "request":{"b":true,"c":null,"d":18446744073709551615,"e":9223372036854775807},
                "at":"2013-12-01T12:00:00Z"})")
          .ValueOrDie();
  EXPECT_EQ(request.service, "s");
  EXPECT_EQ(request.num_rows, 5);
  ASSERT_EQ(request.entities.size(), 1u);
  EXPECT_EQ(request.entities[0].name, "a");
  EXPECT_EQ(request.entities[0].values,
            (std::vector<JsonScalar>{std::string("x\xc3\xa9\0", 4), int64_t{1}, int64_t{-1}, 2.0,
                                     1000.0}));
  ASSERT_EQ(request.request.size(), 4u);
  EXPECT_EQ(request.request[0].values, std::vector<JsonScalar>{true});
  EXPECT_EQ(request.request[1].values, std::vector<JsonScalar>{std::monostate()});
  EXPECT_EQ(request.request[2].values, std::vector<JsonScalar>{UINT64_MAX});
  EXPECT_EQ(request.request[3].values, std::vector<JsonScalar>{INT64_MAX});
  EXPECT_EQ(request.at_us, 1385899200000000);
}

// What is read in one pass is what the parser of all JSON, which reads tickets too, makes of it.
TEST(RequestJson, PlainBodiesAreReadAlike) {
  const FeatureRequestParser parser(1 << 20, 5);
  for (const std::string body :
       {R"({"service":"s","entities":{"a":[1,-2,0,-0,9223372036854775807]}})",
        R"( { "request" : { "r" : -1.5e-3 , "q" : [ 0.1 , 1E5 ] } , "entities" : { } ,
            "service" : "a b" } )",
        R"({"entities":{"a":"x","b":["",5],"c":[]},"service":"s"})",
        R"({"service":"s","entities":{"a":[1.7976931348623157e308,5e-324,-0.0]}})"}) {
    const auto plain = ReadPlainRequest(body, 5);
    ASSERT_TRUE(plain.has_value()) << body;
    TicketOptions ignored;
    const auto all = parser.ParseTicket(body, &ignored);
    const auto parsed = parser.Parse(body);
    EXPECT_EQ(all.status(), parsed.status()) << body;
    if (!all.ok()) continue;
    EXPECT_EQ(parsed->service, all->service);
    EXPECT_EQ(parsed->num_rows, all->num_rows);
    for (const auto& columns : {&FeatureRequest::entities, &FeatureRequest::request}) {
      ASSERT_EQ(((*parsed).*columns).size(), ((*all).*columns).size()) << body;
      for (size_t i = 0; i < ((*all).*columns).size(); ++i) {
        EXPECT_EQ(((*parsed).*columns)[i].name, ((*all).*columns)[i].name);
        EXPECT_EQ(((*parsed).*columns)[i].values, ((*all).*columns)[i].values) << body;
      }
    }
  }
}

TEST(RequestJson, WhatIsNotPlainIsLeftToTheParser) {
  for (const char* body : {"",
                           "{",
                           "{}",
                           "[]",
                           R"({"service":"s"})",
                           R"({"entities":{}})",
                           R"({"service":"","entities":{}})",
                           R"({"service":"s","service":"s","entities":{}})",
                           R"({"service":"s","entities":{},"entities":{}})",
                           R"({"service":"s","entities":{},"x":1})",
                           R"({"service":"s","entities":{},"at":"2013-12-01T12:00:00Z"})",
                           R"({"service":"s","entities":{"a":1,"a":2}})",
                           R"({"service":"s","entities":{"a":null}})",
                           R"({"service":"s","entities":{"a":[1,2,3,4,5,6]}})",
                           R"({"service":"s","entities":{}} 1)",
                           R"({"service":"s","entities":{"a":01}})",
                           R"({"service":"s","entities":{"a":1.}})",
                           R"({"service":"s","entities":{"a":-}})",
                           R"({"service":"s","entities":{"a":1e}})",
                           R"({"service":"s","entities":{"a":1e999}})",
                           R"({"service":"s","entities":{"a":[1,]}})",
                           R"({"service":"s","entities":{"a":9223372036854775808}})",
                           R"({"service":"s","entities":{"a":"\u0041"}})",
                           R"({"service":"é","entities":{}})",
                           R"({"service":"s","entities":{"a":"\"}})",
                           R"({"service":"s","entities":{,}})"}) {
    EXPECT_FALSE(ReadPlainRequest(body, 5).has_value()) << body;
  }
}

TEST(RequestJson, RowsAreTheCommonLength) {
  const auto rows = [](const std::string& entities, const std::string& request = "{}") {
    return Parse(R"({"service":"s","entities":)" + entities + R"(,"request":)" + request + "}")
        .ValueOrDie()
        .num_rows;
  };
  EXPECT_EQ(rows("{}"), 1);
  EXPECT_EQ(rows(R"({"a":1})"), 1);
  EXPECT_EQ(rows(R"({"a":[1],"b":[1,2,3]})"), 3);
  EXPECT_EQ(rows(R"({"a":1,"b":[1,2]})", R"({"c":[3,4]})"), 2);
  EXPECT_EQ(rows(R"({"a":[]})"), 0);
  EXPECT_EQ(rows(R"({"a":[],"b":1})"), 0);
}

TEST(RequestJson, ErrorsNameTheField) {
  const std::vector<std::tuple<std::string, ErrorCode, std::string>> cases = {
      {R"({"entities":{}})", ErrorCode::kInvalidArgument, "service"},
      {R"({"service":"","entities":{}})", ErrorCode::kInvalidArgument, "service"},
      {R"({"service":7,"entities":{}})", ErrorCode::kInvalidArgument, "service"},
      {R"({"service":"s"})", ErrorCode::kInvalidArgument, "entities"},
      {R"({"service":"s","entities":[]})", ErrorCode::kInvalidArgument, "entities"},
      {R"({"service":"s","entities":{"a":{}}})", ErrorCode::kInvalidArgument, "entities.a"},
      {R"({"service":"s","entities":{"a":[1,[2]]}})", ErrorCode::kInvalidArgument, "entities.a[1]"},
      {R"({"service":"s","entities":{"a":1,"a":2}})", ErrorCode::kInvalidArgument, "entities.a"},
      {R"({"service":"s","entities":{"a":[1,2],"b":[1,2,3]}})", ErrorCode::kInvalidArgument,
       "entities.b"},
      {R"({"service":"s","entities":{"a":[1,2],"b":[]}})", ErrorCode::kInvalidArgument,
       "entities.b"},
      {R"({"service":"s","entities":{"a":[1,2]},"request":{"c":[1,2,3]}})",
       ErrorCode::kInvalidArgument, "request.c"},
      {R"({"service":"s","entities":{},"at":12})", ErrorCode::kInvalidArgument, "at"},
      {R"({"service":"s","entities":{},"at":"noon"})", ErrorCode::kInvalidArgument, "at"},
      {R"({"service":"s","entities":{},"entity":{}})", ErrorCode::kInvalidArgument, "entity"},
      {R"({"service":"s","service":"s","entities":{}})", ErrorCode::kInvalidArgument, "service"},
      {R"({"service":"s","entities":{"a":[1,2,3,4,5,6]}})", ErrorCode::kLimit, ""},
      {R"([1])", ErrorCode::kInvalidArgument, ""},
      {"", ErrorCode::kInvalidArgument, ""},
      {"{", ErrorCode::kInvalidArgument, ""},
      {R"({"service":"s","entities":{}} x)", ErrorCode::kInvalidArgument, ""},
      {"{\"service\":\"\xff\",\"entities\":{}}", ErrorCode::kInvalidArgument, ""},
      {R"({"service":"s","entities":{"a":1e999}})", ErrorCode::kInvalidArgument, ""},
      {R"({"service":"s","entities":{"a":NaN}})", ErrorCode::kInvalidArgument, ""},
      {std::string(100'000, '['), ErrorCode::kInvalidArgument, ""},
      {std::string((1 << 20) + 1, ' '), ErrorCode::kLimit, ""}};
  for (const auto& [body, code, field] : cases) {
    const arrow::Status status = Parse(body).status();
    ASSERT_FALSE(status.ok()) << body.substr(0, 100);
    EXPECT_EQ(CodeOf(status), code) << body.substr(0, 100) << " " << status;
    EXPECT_EQ(FieldOf(status), field) << body.substr(0, 100) << " " << status;
  }
}

TEST(RequestJson, OneParserServesManyBodies) {
  FeatureRequestParser parser(1 << 20, 100'000);
  const std::string start = R"({"service":"s","entities":{"a":[)";
  std::string large = start + "1";
  for (int i = 0; i < 90'000; ++i) large += ",1";
  large += "]}}";
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(parser.Parse(large).ValueOrDie().num_rows, 90'001);
    EXPECT_FALSE(parser.Parse("{").ok());
    EXPECT_EQ(parser.Parse(start + "1,2]}}").ValueOrDie().num_rows, 2);
  }
}

}  // namespace
}  // namespace icecore::server
