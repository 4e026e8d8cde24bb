#include "icecore/server/push_json.h"

#include <nlohmann/json.hpp>

#include "icecore/base/error.h"
#include "icecore/server/http_client_fixture.h"
#include "icecore/server/http_server.h"

namespace icecore::server::testing {
namespace {

using nlohmann::json;

arrow::Result<ParsedPush> ParsePushed(const std::string& body, bool write = false) {
  return ParsePush(body, write, 1 << 20, 3);
}

std::string PushedFieldAtFault(const std::string& body, bool write = false) {
  return FieldOf(ParsePushed(body, write).status());
}

TEST(PushJsonTest, RowsBecomeLines) {
  const auto ours =
      ParsePushed(
          R"({"source":"s","rows":[{"b":1,"a":"x\n"},{"a":null,"n":18446744073709551615}]})")
          .ValueOrDie();
  EXPECT_EQ(ours.form, PushForm::kOurs);
  EXPECT_EQ(ours.rows.source, "s");
  EXPECT_EQ(ours.rows.lines.text(),
            "{\"b\":1,\"a\":\"x\\n\"}\n{\"a\":null,\"n\":18446744073709551615}\n");
  const auto feast =
      ParsePushed(
          R"({"push_source_name":"s","df":{"k":[1,2],"v":[0.1,[true]]},"to":"online","x":1})")
          .ValueOrDie();
  EXPECT_EQ(feast.form, PushForm::kFeast);
  EXPECT_EQ(feast.rows.lines.text(), "{\"k\":1,\"v\":0.1}\n{\"k\":2,\"v\":[true]}\n");
  const auto write = ParsePushed(R"({"feature_view_name":"v","df":{"k":[]}})", true).ValueOrDie();
  EXPECT_EQ(write.rows.view, "v");
  EXPECT_EQ(write.rows.lines.text(), "");
}

// Numbers lose no digit, and a body laid out for people is rows one a line all the same.
TEST(PushJsonTest, ValuesStayAsTheyWereWritten) {
  const std::string row = R"({"d":12345678901234567890.123456789012345678,"e":1e400,"s":"\u00e4"})";
  EXPECT_EQ(ParsePushed(R"({"source":"s","rows":[)" + row + "]}").ValueOrDie().rows.lines.text(),
            row + "\n");
  EXPECT_EQ(
      ParsePushed("{\"source\":\"s\",\n\"rows\":[\n{\n\"a\": 1.10,\r\n\"b\": [1,\n2]\n}\n]\n}")
          .ValueOrDie()
          .rows.lines.text(),
      "{ \"a\": 1.10,  \"b\": [1, 2] }\n");
  EXPECT_EQ(ParsePushed("{\"push_source_name\":\"s\",\"df\":{\"a\":[1.10,-0.0,\"x\\n\"],"
                        "\"b\\t\":[[\n],null,true]}}")
                .ValueOrDie()
                .rows.lines.text(),
            "{\"a\":1.10,\"b\\t\":[ ]}\n{\"a\":-0.0,\"b\\t\":null}\n"
            "{\"a\":\"x\\n\",\"b\\t\":true}\n");
  EXPECT_EQ(ParsePushed(R"({"s\u006furce":"\u0073","rows":[]})").ValueOrDie().rows.source, "s");
}

TEST(PushJsonTest, WhatIsWrongIsNamed) {
  EXPECT_EQ(PushedFieldAtFault("{\"source\":\"\xff\",\"rows\":[]}"), "body");
  EXPECT_EQ(PushedFieldAtFault(R"({"source":"s","source":"s","rows":[]})"), "source");
  EXPECT_EQ(PushedFieldAtFault(R"({"source":"s","rows":[],"rows":[]})"), "rows");
  EXPECT_EQ(PushedFieldAtFault(R"({"source":"s","rows":[{"a":}]})"), "body");
  EXPECT_EQ(PushedFieldAtFault(R"({"push_source_name":"s","df":{"a":[1],"a":[1]}})"), "df.a");
  EXPECT_EQ(PushedFieldAtFault(R"({"push_source_name":"s","df":{"a":[1]},"to":1})"), "to");
  EXPECT_EQ(PushedFieldAtFault("["), "body");
  EXPECT_EQ(PushedFieldAtFault("[]"), "body");
  EXPECT_EQ(PushedFieldAtFault("{\"source\":\"s\",\"rows\":" + std::string(100, '[')), "body");
  EXPECT_EQ(PushedFieldAtFault("{}"), "source");
  EXPECT_EQ(PushedFieldAtFault(R"({"source":""})"), "source");
  EXPECT_EQ(PushedFieldAtFault(R"({"source":"s","rows":{}})"), "rows");
  EXPECT_EQ(PushedFieldAtFault(R"({"source":"s","rows":[{},1]})"), "rows[1]");
  EXPECT_EQ(PushedFieldAtFault(R"({"push_source_name":"s"})"), "df");
  EXPECT_EQ(PushedFieldAtFault(R"({"push_source_name":"s","df":{"a":1}})"), "df.a");
  EXPECT_EQ(PushedFieldAtFault(R"({"push_source_name":"s","df":{"a":[1],"b":[]}})"), "df.b");
  EXPECT_EQ(PushedFieldAtFault(R"({"push_source_name":"s","df":{"a":[1]},"to":"offline"})"), "to");
  EXPECT_EQ(PushedFieldAtFault(R"({"df":{"a":[1]}})", true), "feature_view_name");
  EXPECT_EQ(base::CodeOf(ParsePushed(R"({"source":"s","rows":[{},{},{},{}]})").status()),
            base::ErrorCode::kLimit);
}

class PushServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    HttpServer::Options options;
    options.port = 0;
    server_ = HttpServer::Start(options, &api_).ValueOrDie();
  }
  Reply Push(const std::string& body, const std::string& headers = "",
             const std::string& path = "/push") {
    Client client(server_->port());
    EXPECT_TRUE(client.Send(PostTo(path, body, headers)));
    return client.Receive();
  }

  FakeApi api_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(PushServerTest, EachFormHasItsAnswer) {
  const Reply ours = Push(R"({"source":"events","rows":[{"a":1},{"a":2}]})");
  EXPECT_EQ(ours.status, 200);
  EXPECT_EQ(ours.body, R"({"source":"events","rows":2,"duplicate":false})");
  const Reply feast = Push(R"({"push_source_name":"events","df":{"a":[1]}})");
  EXPECT_EQ(feast.status, 200);
  EXPECT_EQ(feast.body, "");
  const Reply write =
      Push(R"({"feature_view_name":"seen","df":{"a":[1]}})", "", "/write-to-online-store");
  EXPECT_EQ(write.status, 200);
  EXPECT_EQ(write.body, "null");
  ASSERT_EQ(api_.pushed().size(), 3);
  EXPECT_EQ(api_.pushed()[0].lines.text(), "{\"a\":1}\n{\"a\":2}\n");
}

TEST_F(PushServerTest, AKeyIsTakenOnce) {
  const std::string key = "Idempotency-Key: k1\r\n";
  const std::string body = R"({"source":"events","rows":[{"a":1}]})";
  EXPECT_NE(Push(body, key).body.find("\"duplicate\":false"), std::string::npos);
  EXPECT_NE(Push(body, key).body.find("\"duplicate\":true"), std::string::npos);
  EXPECT_NE(Push(body).body.find("\"duplicate\":false"), std::string::npos);
}

TEST_F(PushServerTest, ErrorsHaveTheFormOfTheRequest) {
  const Reply ours = Push(R"({"source":"evnts","rows":[]})");
  EXPECT_EQ(ours.status, 404);
  EXPECT_EQ(json::parse(ours.body)["error"]["code"], "not_found");
  EXPECT_EQ(Push(R"({"rows":[]})").status, 400);
  const Reply feast = Push(R"({"push_source_name":"evnts","df":{"a":[1]}})");
  EXPECT_EQ(feast.status, 404);
  EXPECT_EQ(json::parse(json::parse(feast.body).get<std::string>())["class"],
            "PushSourceNotFoundException");
  EXPECT_EQ(Push(R"({"push_source_name":"events"})").status, 422);
}

}  // namespace
}  // namespace icecore::server::testing
