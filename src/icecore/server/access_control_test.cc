#include "icecore/server/access_control.h"

#include <filesystem>
#include <fstream>

#include "icecore/base/error.h"
#include "icecore/server/http_client_fixture.h"
#include "icecore/server/http_server.h"

namespace icecore::server::testing {
namespace {

constexpr char kEchoOne[] = R"({"service":"echo","entities":{"k":1}})";

class AccessControlTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/icecore_access_XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
    path_ = folder_ + "/tokens";
    access_ = AccessControl::Open(path_).ValueOrDie();
    HttpServer::Options options;
    options.port = 0;
    options.access = access_.get();
    server_ = HttpServer::Start(options, &api_).ValueOrDie();
  }
  void TearDown() override {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }
  // The header that a token with the scope makes.
  std::string Issue(const std::string& scope, std::optional<int64_t> expires = std::nullopt) {
    govern::NewToken wanted;
    wanted.scopes = {govern::ParseScope(scope).ValueOrDie()};
    wanted.expires_at_us = expires;
    const auto issued = govern::IssueToken(path_, wanted, base::SystemRandom()).ValueOrDie();
    EXPECT_TRUE(access_->Refresh().ok());
    last_id_ = issued.token.id;
    return "Authorization: Bearer " + issued.text + "\r\n";
  }
  Reply Ask(const std::string& request) {
    Client client(server_->port());
    EXPECT_TRUE(client.Send(request));
    return client.Receive();
  }

  std::string folder_, path_, last_id_;
  FakeApi api_;
  std::unique_ptr<AccessControl> access_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(AccessControlTest, NobodyIsAskedWhileThereIsNoToken) {
  EXPECT_EQ(Ask(Post(kEchoOne)).status, 200);
  EXPECT_EQ(Ask(Get("/metrics")).status, 200);
}

TEST_F(AccessControlTest, RequestsNeedATokenOnceThereIsOne) {
  const std::string token = Issue("read");
  const Reply refused = Ask(Post(kEchoOne));
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.headers.at("WWW-Authenticate"), "Bearer realm=\"icecore\"");
  EXPECT_NE(refused.body.find(R"("code":"unauthenticated")"), std::string::npos);
  EXPECT_NE(refused.body.find(R"("scope":"read")"), std::string::npos);
  EXPECT_EQ(Ask(Post(kEchoOne, token)).status, 200);
  std::string lower = token;
  lower.replace(15, 6, "bearer");
  EXPECT_EQ(Ask(Post(kEchoOne, lower)).status, 200);
  for (const char* wrong : {"Authorization: Bearer \r\n", "Authorization: Bearer ice_1_2\r\n",
                            "Authorization: Basic aWNlOmljZQ==\r\n", "Authorization: \r\n"}) {
    EXPECT_EQ(Ask(Post(kEchoOne, wrong)).status, 401) << wrong;
  }
  EXPECT_EQ(Ask(Get("/wp-admin")).status, 401);
}

TEST_F(AccessControlTest, ProbesAndTheDocumentAreOpen) {
  Issue("read");
  for (const char* path : {"/healthz", "/readyz", "/openapi.json"}) {
    EXPECT_EQ(Ask(Get(path)).status, 200) << path;
  }
}

TEST_F(AccessControlTest, ScopesAreKept) {
  const std::string other = Issue("read:another");
  const std::string metrics = Issue("metrics");
  const std::string echo = Issue("read:echo");
  const Reply refused = Ask(Post(kEchoOne, other));
  EXPECT_EQ(refused.status, 403);
  EXPECT_NE(refused.body.find(R"("scope":"read:echo")"), std::string::npos) << refused.body;
  EXPECT_EQ(Ask(Post(kEchoOne, metrics)).status, 403);
  EXPECT_EQ(Ask(Post(kEchoOne, echo)).status, 200);
  EXPECT_EQ(Ask(Get("/metrics", echo)).status, 403);
  EXPECT_EQ(Ask(Get("/metrics", metrics)).status, 200);
  EXPECT_EQ(Ask(Get("/v1/services", other)).body, R"({"services":[]})");
  EXPECT_NE(Ask(Get("/v1/services", echo)).body.find("echo"), std::string::npos);
  EXPECT_EQ(api_.calls(), 1);
}

TEST_F(AccessControlTest, BodiesOfStrangersAreNotRead) {
  Issue("read");
  Client client(server_->port());
  ASSERT_TRUE(
      client.Send("POST /v1/features HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000"
                  "\r\n\r\n"));
  EXPECT_EQ(client.Receive().status, 401);
  EXPECT_TRUE(client.Ended());
}

TEST_F(AccessControlTest, RevokedAndExpiredTokensOpenNothing) {
  const std::string expired = Issue("read", 1);
  EXPECT_EQ(Ask(Post(kEchoOne, expired)).status, 401);
  const std::string token = Issue("read");
  EXPECT_EQ(Ask(Post(kEchoOne, token)).status, 200);
  ASSERT_TRUE(govern::RevokeToken(path_, last_id_).ok());
  ASSERT_TRUE(access_->Refresh().ok());
  EXPECT_EQ(Ask(Post(kEchoOne, token)).status, 401);
}

TEST_F(AccessControlTest, ALostOrDamagedFileOpensNothing) {
  const std::string token = Issue("read");
  std::ofstream(path_) << "nonsense";
  EXPECT_EQ(base::CodeOf(access_->Refresh()), base::ErrorCode::kCorrupt);
  EXPECT_EQ(Ask(Post(kEchoOne, token)).status, 200);  // what was known stays
  EXPECT_EQ(Ask(Post(kEchoOne)).status, 401);
  std::filesystem::remove(path_);
  EXPECT_TRUE(access_->Refresh().ok());
  EXPECT_EQ(Ask(Post(kEchoOne, token)).status, 401);
}

TEST_F(AccessControlTest, WithTokensAnyHostNameIsRight) {
  const std::string token = Issue("read");
  EXPECT_EQ(Ask("GET /v1/services HTTP/1.1\r\nHost: features.example\r\n" + token + "\r\n").status,
            200);
}

}  // namespace
}  // namespace icecore::server::testing
