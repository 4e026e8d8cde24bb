#include "icecore/server/http_server.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "icecore/base/clock.h"
#include "icecore/server/http_client_fixture.h"

namespace icecore::server::testing {
namespace {

constexpr char kEcho[] = R"({"service":"echo","entities":{"k":[1,"x"]}})";
constexpr char kClosed[] = R"({"service":"closed","entities":{"k":1}})";

class HttpServerTest : public ::testing::Test {
 protected:
  void Start(HttpServer::Options options = {}) {
    options.port = 0;
    auto server = HttpServer::Start(options, &api_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = std::move(*server);
  }
  void TearDown() override { api_.Open(); }
  Reply Ask(const std::string& request, bool head = false) {
    Client client(server_->port());
    EXPECT_TRUE(client.Send(request));
    return client.Receive(head);
  }
  bool MetricsHave(const std::string& line) {
    return Ask(Get("/metrics")).body.find(line) != std::string::npos;
  }
  // Asks until the metrics hold the line; false after ten seconds.
  bool AwaitMetric(const std::string& line) {
    const int64_t deadline = base::MonotonicNanos() + 10'000'000'000;
    while (!MetricsHave(line)) {
      if (base::MonotonicNanos() > deadline) return false;
    }
    return true;
  }

  FakeApi api_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, VectorsComeBackColumnByColumn) {
  Start();
  const Reply reply = Ask(Post(kEcho));
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.headers.at("Content-Type"), "application/json");
  EXPECT_EQ(reply.body,
            R"({"service":"echo","at":"2013-12-01T12:00:00.000000Z","num_rows":2,"features":{)"
            R"("n":{"values":[1,null],"statuses":["present","not_found"],)"
            R"("event_times":["1970-01-01T00:00:00.000000Z",null]}},)"
            R"("views":{"v":{"definition":"abc","seq":7,)"
            R"("applied_at":"2013-12-01T12:00:00.000000Z","stale":false}}})");
  EXPECT_EQ(Ask(Post(R"({"service":"echo","entities":{"k":[]}})"))
                    .body.find(R"("num_rows":0,"features":{"n":{"values":[],"statuses":[]}})") !=
                std::string::npos,
            true);
}

TEST_F(HttpServerTest, ErrorsHaveCodeStatusAndField) {
  Start();
  const auto check = [&](const std::string& body, int status, const std::string& part) {
    const Reply reply = Ask(Post(body));
    EXPECT_EQ(reply.status, status) << reply.body;
    EXPECT_NE(reply.body.find(part), std::string::npos) << reply.body;
    EXPECT_TRUE(reply.body.starts_with(R"({"error":{"code":")")) << reply.body;
  };
  check("", 400, "invalid_argument");
  check("{", 400, "invalid_argument");
  check(R"({"service":"echo","entities":{"a":[1,2],"b":[1,2,3]}})", 400, R"("field":"entities.b")");
  check(R"({"service":"none","entities":{}})", 404, R"("code":"not_found")");
  check(R"({"service":"field","entities":{}})", 400, R"("field":"entities.carrier")");
  check(R"({"service":"corrupt","entities":{}})", 500, R"("code":"corrupt")");
  check(R"({"service":"thrower","entities":{}})", 500, R"("code":"internal")");
  check(R"({"service":"busy","entities":{}})", 503, R"("code":"unavailable")");
  std::string many = R"({"service":"echo","entities":{"k":[0)";
  for (int i = 0; i < 10'000; ++i) many += ",0";
  check(many + "]}}", 413, R"("code":"limit")");
  EXPECT_EQ(Ask(Post(R"({"service":"busy","entities":{}})")).headers.at("Retry-After"), "1");
}

TEST_F(HttpServerTest, ADamagedKeyIsAnErrorOfItsOwn) {
  Start();
  const Reply some = Ask(Post(R"({"service":"echo","entities":{"k":[1,-13,3,-13]}})"));
  EXPECT_EQ(some.status, 200);
  const auto answer = nlohmann::json::parse(some.body);
  EXPECT_EQ(answer["features"]["n"]["values"], nlohmann::json::parse("[1,null,3,null]"));
  EXPECT_EQ(answer["features"]["n"]["statuses"],
            nlohmann::json::parse(R"(["present","error","present","error"])"));
  const auto errors = nlohmann::json::parse(
      R"([{"view":"v","features":["n"],"rows":[1,3],"code":"corrupt","message":"v is damaged"}])");
  EXPECT_EQ(answer["errors"], errors);
  EXPECT_FALSE(nlohmann::json::parse(Ask(Post(kEcho)).body).contains("errors"));
  for (const char* keys : {"-13", "[-13]", "[-13,-13]"}) {
    const Reply none =
        Ask(Post(std::string(R"({"service":"echo","entities":{"k":)") + keys + "}}"));
    EXPECT_EQ(none.status, 500);
    const auto failed = nlohmann::json::parse(none.body);
    EXPECT_EQ(failed["error"]["code"], "corrupt");
    EXPECT_EQ(failed["error"]["message"], "v is damaged");
    EXPECT_EQ(failed["errors"][0]["rows"].size(), std::string(keys).size() > 5 ? 2u : 1u);
  }
  EXPECT_TRUE(MetricsHave("icecore_feature_values_total{service=\"echo\",status=\"error\"} 6\n"));
  EXPECT_TRUE(MetricsHave("icecore_feature_requests_total{service=\"echo\",status=\"500\"} 3\n"));
  EXPECT_TRUE(MetricsHave("icecore_store_errors_total{code=\"corrupt\"} 3\n"));
}

TEST_F(HttpServerTest, PathsAndMethods) {
  Start();
  EXPECT_EQ(Ask(Get("/healthz")).body, R"({"status":"alive"})");
  EXPECT_EQ(Ask(Get("/readyz?verbose=1")).status, 200);
  api_.set_ready(false);
  EXPECT_EQ(Ask(Get("/readyz")).status, 503);
  EXPECT_EQ(Ask(Get("/healthz")).status, 200);
  EXPECT_EQ(Ask(Get("/v1/services")).body,
            R"({"services":[{"name":"echo","description":"gives \"back\"",)"
            R"("keys":[{"name":"k","type":"int64"}],"request":[{"name":"r","type":"float64"}],)"
            R"("features":[{"name":"n","type":"int64"}]}]})");
  const Reply unknown = Ask(Get("/v1/feature"));
  EXPECT_EQ(unknown.status, 404);
  EXPECT_NE(unknown.body.find("/v1/features"), std::string::npos);
  const Reply wrong = Ask(Get("/v1/features"));
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.headers.at("Allow"), "POST");
  EXPECT_EQ(Ask("DELETE /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").headers.at("Allow"),
            "GET, HEAD");
  const Reply head = Ask("HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", true);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.headers.at("Content-Length"), "18");
  EXPECT_EQ(head.body, "");
}

TEST_F(HttpServerTest, OpenApiIsJson) {
  Start();
  const auto document = nlohmann::json::parse(Ask(Get("/openapi.json")).body, nullptr, false);
  ASSERT_FALSE(document.is_discarded());
  for (const char* path : {"/v1/features", "/v1/services", "/metrics", "/healthz", "/readyz"}) {
    EXPECT_TRUE(document["paths"].contains(path)) << path;
  }
}

TEST_F(HttpServerTest, MetricsCount) {
  Start();
  Ask(Post(kEcho));
  Ask(Post(R"({"service":"none","entities":{}})"));
  Ask(Get("/wp-admin"));
  const std::string text = Ask(Get("/metrics")).body;
  for (const char* line :
       {"icecore_http_requests_total{route=\"/v1/features\",status=\"200\"} 1\n",
        "icecore_http_requests_total{route=\"/v1/features\",status=\"404\"} 1\n",
        "icecore_http_requests_total{route=\"other\",status=\"404\"} 1\n",
        "icecore_feature_requests_total{service=\"echo\",status=\"200\"} 1\n",
        "icecore_feature_rows_total{service=\"echo\"} 2\n",
        "icecore_http_request_duration_seconds_count{route=\"/v1/features\"} 2\n",
        "icecore_view_applied_sequence{view=\"v\"} 7\n", "# HELP icecore_http_requests_in_flight ",
        "# TYPE icecore_http_connections gauge"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
  EXPECT_EQ(text.find("service=\"none\""), std::string::npos);
  EXPECT_EQ(text.find("wp-admin"), std::string::npos);
}

TEST_F(HttpServerTest, MetricsTellHowLongRowsTook) {
  Start();
  EXPECT_TRUE(
      MetricsHave("icecore_view_event_to_servable_seconds_bucket{view=\"v\",le=\"1\"} 0\n"));
  EXPECT_TRUE(
      MetricsHave("icecore_view_event_to_servable_seconds_bucket{view=\"v\",le=\"2.5\"} 1\n"));
  EXPECT_TRUE(
      MetricsHave("icecore_view_event_to_servable_seconds_bucket{view=\"v\",le=\"+Inf\"} 1\n"));
  EXPECT_TRUE(MetricsHave("icecore_view_event_to_servable_seconds_sum{view=\"v\"} 2\n"));
  EXPECT_TRUE(MetricsHave("icecore_view_known_to_servable_seconds_count{view=\"v\"} 0\n"));
  EXPECT_TRUE(
      MetricsHave("icecore_view_commit_to_servable_seconds_bucket{view=\"v\",le=\"0.01\"} 0\n"));
  EXPECT_TRUE(
      MetricsHave("icecore_view_commit_to_servable_seconds_bucket{view=\"v\",le=\"0.05\"} 1\n"));
  EXPECT_TRUE(
      MetricsHave("icecore_push_to_servable_seconds_bucket{source=\"events\",le=\"0.1\"} 1\n"));
}

TEST_F(HttpServerTest, MetricsTellWhatGoesWrongWithPushesAndLoads) {
  Start();
  const std::string text = Ask(Get("/metrics")).body;
  for (const char* line :
       {"icecore_push_backlog{source=\"events\"} 5\n", "icecore_push_runs_total{result=\"ok\"} 7\n",
        "icecore_push_runs_total{result=\"failed\"} 2\n",
        "icecore_load_errors_total{code=\"unavailable\",view=\"v\"} 3\n",
        "icecore_view_damaged_keys_total{view=\"v\"} 4\n",
        "icecore_served_log_dropped_total 11\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
}

TEST_F(HttpServerTest, ARequestThatFailsIsOneLineThatSaysWhy) {
  std::FILE* const out = std::tmpfile();
  ASSERT_NE(out, nullptr);
  ::testing::internal::CaptureStderr();
  std::string id;
  {
    RequestLog log(out, 1 << 20);
    HttpServer::Options options;
    options.request_log = &log;
    Start(options);
    id = Ask(Post(R"({"service":"corrupt","entities":{}})")).headers.at("X-Request-Id");
    Ask(PostTo("/get-online-features", R"({"feature_service":"corrupt","entities":{}})"));
    server_.reset();
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  std::rewind(out);
  for (const char* path : {"/v1/features", "/get-online-features"}) {
    char line[4096];
    ASSERT_NE(std::fgets(line, sizeof line, out), nullptr);
    const auto record = nlohmann::json::parse(line);
    EXPECT_EQ(record["path"], path);
    EXPECT_EQ(record["code"], "corrupt");
    EXPECT_EQ(record["message"], "a cell is damaged");
    EXPECT_EQ(record["request_id"] == id, path == std::string("/v1/features"));
  }
  std::fclose(out);
}

TEST_F(HttpServerTest, ConnectionsAreKeptAndClosedAsAsked) {
  Start();
  Client client(server_->port());
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(client.Send(Post(kEcho)));
    EXPECT_EQ(client.Receive().status, 200);
  }
  ASSERT_TRUE(client.Send(Get("/healthz", "Connection: close\r\n")));
  EXPECT_EQ(client.Receive().headers.at("Connection"), "close");
  EXPECT_TRUE(client.Ended());
  Client old(server_->port());
  ASSERT_TRUE(old.Send("GET /healthz HTTP/1.0\r\n\r\n"));
  EXPECT_EQ(old.Receive().status, 200);
  EXPECT_TRUE(old.Ended());
}

TEST_F(HttpServerTest, PipelinedRequestsAreAnsweredInOrder) {
  Start();
  Client client(server_->port());
  std::string requests;
  for (int i = 0; i < 50; ++i) {
    requests += i % 3 == 0
                    ? Get("/healthz")
                    : Post(R"({"service":"echo","entities":{"k":)" + std::to_string(i) + "}}");
  }
  ASSERT_TRUE(client.Send(requests));
  for (int i = 0; i < 50; ++i) {
    const Reply reply = client.Receive();
    EXPECT_EQ(reply.status, 200);
    const std::string expected =
        i % 3 == 0 ? R"({"status":"alive"})" : R"("values":[)" + std::to_string(i) + "]";
    EXPECT_NE(reply.body.find(expected), std::string::npos) << i << " " << reply.body;
  }
}

TEST_F(HttpServerTest, BodiesInChunksAndAfterContinue) {
  Start();
  const std::string body = kEcho;
  EXPECT_EQ(
      Ask("POST /v1/features HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
          "5\r\n" +
          body.substr(0, 5) + "\r\n" + "26\r\n" + body.substr(5) + "\r\n0\r\n\r\n")
          .status,
      200);
  Client client(server_->port());
  const std::string request = Post(kEcho, "Expect: 100-continue\r\n");
  const size_t header = request.find("\r\n\r\n") + 4;
  ASSERT_TRUE(client.Send(request.substr(0, header)));
  EXPECT_EQ(client.Receive().status, 100);
  ASSERT_TRUE(client.Send(request.substr(header)));
  EXPECT_EQ(client.Receive().status, 200);
}

TEST_F(HttpServerTest, LongBodiesAreRefusedUnread) {
  Start();
  Client client(server_->port());
  ASSERT_TRUE(
      client.Send("POST /v1/features HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
                  "104857600\r\n\r\n{"));
  const Reply reply = client.Receive();
  EXPECT_EQ(reply.status, 413);
  EXPECT_EQ(reply.headers.at("Connection"), "close");
  EXPECT_TRUE(client.Ended());

  // In chunks the length is known only as it comes.
  Client chunked(server_->port());
  ASSERT_TRUE(chunked.Send(
      "POST /v1/features HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"));
  const std::string chunk = "10000\r\n" + std::string(0x10000, ' ') + "\r\n";
  int64_t sent = 0;
  while (sent < 100 << 20 && chunked.Send(chunk)) {
    sent += 0x10000;
  }
  EXPECT_LT(sent, 100 << 20);
  EXPECT_EQ(api_.calls(), 0);
}

TEST_F(HttpServerTest, EncodedBodiesAreRefused) {
  Start();
  const Reply refused = Ask(Post(kEcho, "Content-Encoding: gzip\r\n"));
  EXPECT_EQ(refused.status, 415);
  EXPECT_EQ(refused.headers.at("Accept-Encoding"), "identity");
  EXPECT_NE(refused.body.find("Content-Encoding"), std::string::npos) << refused.body;
  EXPECT_EQ(Ask(Post(kEcho, "Content-Encoding: Identity\r\n")).status, 200);
}

TEST_F(HttpServerTest, BrokenRequestsAreRefused) {
  Start();
  EXPECT_EQ(Ask("\x16\x03\x01 nonsense\r\n\r\n").status, 400);
  EXPECT_EQ(Ask("GET / HTTP/3.7\r\n\r\n").status, 400);
  EXPECT_EQ(Ask(Get("/healthz", "X: " + std::string(20'000, 'x') + "\r\n")).status, 431);
  EXPECT_EQ(
      Ask("GET /" + std::string(100'000, 'x') + " HTTP/1.1\r\nHost: localhost\r\n\r\n").status,
      431);
  EXPECT_EQ(
      Ask("POST /v1/features HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n").status,
      400);
  EXPECT_EQ(Ask("POST /v1/features HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
                "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
                .status,
            400);
  EXPECT_EQ(Ask("GET /healthz HTTP/1.1\r\n\r\n").status, 400);
}

TEST_F(HttpServerTest, OtherHostsAreRefused) {
  Start();
  const auto status = [&](const std::string& host) {
    return Ask("GET /healthz HTTP/1.1\r\nHost: " + host + "\r\n\r\n").status;
  };
  EXPECT_EQ(status("evil.example"), 403);
  EXPECT_EQ(status("localhost.evil.example:80"), 403);
  EXPECT_EQ(status("10.0.0.1"), 403);
  EXPECT_EQ(status("LocalHost:8080"), 200);
  EXPECT_EQ(status("127.0.0.1:1"), 200);
  EXPECT_EQ(status("[::1]:80"), 200);
}

TEST_F(HttpServerTest, OnlyLoopbackUnlessInsecureIsSaid) {
  HttpServer::Options options;
  options.port = 0;
  for (const char* address : {"0.0.0.0", "::", "192.0.2.1"}) {
    options.address = address;
    EXPECT_EQ(base::CodeOf(HttpServer::Start(options, &api_).status()), base::ErrorCode::kDenied);
  }
  options.address = "somewhere";
  EXPECT_EQ(base::CodeOf(HttpServer::Start(options, &api_).status()),
            base::ErrorCode::kInvalidArgument);
  options.address = "localhost";
  auto first = HttpServer::Start(options, &api_).ValueOrDie();
  options.port = first->port();
  EXPECT_EQ(base::CodeOf(HttpServer::Start(options, &api_).status()),
            base::ErrorCode::kUnavailable);
  options.address = "0.0.0.0";
  options.insecure = true;
  options.port = 0;
  auto remote = HttpServer::Start(options, &api_).ValueOrDie();
  Client client(remote->port());
  ASSERT_TRUE(client.Send("GET /healthz HTTP/1.1\r\nHost: features.example\r\n\r\n"));
  EXPECT_EQ(client.Receive().status, 200);
}

TEST_F(HttpServerTest, SlowClientsAreCut) {
  HttpServer::Options options;
  options.request_timeout_ms = 300;
  Start(options);
  // A byte now and then does not help.
  const int64_t begin = base::MonotonicNanos();
  const std::string request = Post(std::string(10'000, ' '));
  Client client(server_->port());
  size_t sent = 0;
  while (sent < request.size() && client.Send(request.substr(sent, 1)) && !client.EndsWithin(20)) {
    ++sent;
  }
  EXPECT_LT(sent, request.size() / 10);
  EXPECT_LT(base::MonotonicNanos() - begin, 10'000'000'000);
  // Nor does saying nothing.
  Client silent(server_->port());
  EXPECT_TRUE(silent.Ended());
  EXPECT_TRUE(AwaitMetric("icecore_http_timeouts_total 2\n"));
}

TEST_F(HttpServerTest, IdleConnectionsAreCut) {
  HttpServer::Options options;
  options.idle_timeout_ms = 100;
  Start(options);
  Client client(server_->port());
  ASSERT_TRUE(client.Send(Get("/healthz")));
  EXPECT_EQ(client.Receive().status, 200);
  EXPECT_TRUE(client.Ended());
}

TEST_F(HttpServerTest, AFullQueueRefusesAtOnce) {
  HttpServer::Options options;
  options.workers = 1;
  options.max_queued_requests = 1;
  Start(options);
  Client first(server_->port());
  ASSERT_TRUE(first.Send(Post(kClosed)));
  api_.AwaitWaiting(1);
  Client second(server_->port());
  ASSERT_TRUE(second.Send(Post(kEcho)));
  ASSERT_TRUE(AwaitMetric("icecore_http_requests_in_flight 3\n"));  // with the one that asks
  Client third(server_->port());
  ASSERT_TRUE(third.Send(Post(kEcho)));
  const Reply refused = third.Receive();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.headers.at("Retry-After"), "1");
  EXPECT_TRUE(MetricsHave("icecore_http_refused_total{reason=\"queue\"} 1\n"));
  for (const char* probe : {"/healthz", "/readyz", "/health"}) {
    EXPECT_EQ(Ask(Get(probe)).status, 200) << probe;
  }
  api_.Open();
  EXPECT_EQ(first.Receive().status, 200);
  EXPECT_EQ(second.Receive().status, 200);
  // The refused one may ask again on its connection.
  ASSERT_TRUE(third.Send(Post(kEcho)));
  EXPECT_EQ(third.Receive().status, 200);
}

TEST_F(HttpServerTest, ASlowQueueShedsWhatWouldWaitLongest) {
  HttpServer::Options options;
  options.workers = 1;
  options.max_queued_requests = 100;
  options.max_queue_wait_ms = 0;
  Start(options);
  Client first(server_->port());
  ASSERT_TRUE(first.Send(Post(kClosed)));
  api_.AwaitWaiting(1);
  Client second(server_->port());
  ASSERT_TRUE(second.Send(Post(kEcho)));
  ASSERT_TRUE(AwaitMetric("icecore_http_requests_queued 1\n"));
  // There is room, but the one that waits has waited too long already.
  Client third(server_->port());
  ASSERT_TRUE(third.Send(Post(kEcho)));
  const Reply refused = third.Receive();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.headers.at("Retry-After"), "1");
  EXPECT_TRUE(MetricsHave("icecore_http_refused_total{reason=\"shed\"} 1\n"));
  EXPECT_TRUE(MetricsHave("icecore_http_refused_total{reason=\"queue\"} 0\n"));
  api_.Open();
  EXPECT_EQ(first.Receive().status, 200);
  EXPECT_EQ(second.Receive().status, 200);
  // With the queue empty there is nothing to wait for.
  ASSERT_TRUE(third.Send(Post(kEcho)));
  EXPECT_EQ(third.Receive().status, 200);
}

TEST_F(HttpServerTest, AnswersHaveADeadline) {
  HttpServer::Options options;
  options.workers = 1;
  options.answer_timeout_ms = 200;
  Start(options);
  Client client(server_->port());
  ASSERT_TRUE(client.Send(Post(kClosed)));
  EXPECT_EQ(client.Receive().status, 503);
  // Waits behind the stuck one until its own deadline has passed.
  Client waiting(server_->port());
  ASSERT_TRUE(waiting.Send(Post(kEcho)));
  EXPECT_EQ(waiting.Receive().status, 503);
  api_.Open();
  ASSERT_TRUE(client.Send(Post(R"({"service":"echo","entities":{"k":5}})")));
  EXPECT_NE(client.Receive().body.find("\"values\":[5]"), std::string::npos);
}

TEST_F(HttpServerTest, TooManyConnectionsAreRefused) {
  HttpServer::Options options;
  options.max_connections = 2;
  Start(options);
  Client first(server_->port());
  auto second = std::make_unique<Client>(server_->port());
  for (Client* client : {&first, second.get()}) {
    ASSERT_TRUE(client->Send(Get("/healthz")));
    EXPECT_EQ(client->Receive().status, 200);
  }
  Client third(server_->port());
  const Reply refused = third.Receive();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.headers.at("Retry-After"), "1");
  second.reset();
  const int64_t deadline = base::MonotonicNanos() + 10'000'000'000;
  int status = 0;
  while (status != 200 && base::MonotonicNanos() < deadline) {
    Client next(server_->port());
    next.Send(Get("/healthz"));
    status = next.Receive().status;
  }
  EXPECT_EQ(status, 200);
}

TEST_F(HttpServerTest, BodiesUnderWayHaveABound) {
  HttpServer::Options options;
  options.max_pending_bytes = 1000;
  Start(options);
  Client first(server_->port());
  const std::string request = Post(kEcho + std::string(800, ' '));
  ASSERT_TRUE(first.Send(request.substr(0, request.size() - 1)));
  const int64_t deadline = base::MonotonicNanos() + 10'000'000'000;
  int status = 200;
  while (status == 200 && base::MonotonicNanos() < deadline) {
    status = Ask(Post(kEcho + std::string(800, ' '))).status;
  }
  EXPECT_EQ(status, 503);
  ASSERT_TRUE(first.Send(request.substr(request.size() - 1)));
  EXPECT_EQ(first.Receive().status, 200);
  EXPECT_EQ(Ask(request).status, 200);
}

TEST_F(HttpServerTest, ManyClientsAtOnce) {
  Start();
  constexpr int kClients = 16;
  constexpr int kRequests = 100;
  std::atomic<int> right = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([&, i] {
      Client client(server_->port());
      for (int j = 0; j < kRequests; ++j) {
        const std::string number = std::to_string(i * kRequests + j);
        client.Send(Post(R"({"service":"echo","entities":{"k":)" + number + "}}"));
        const Reply reply = client.Receive();
        right += reply.status == 200 &&
                 reply.body.find("\"values\":[" + number + "]") != std::string::npos;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(right.load(), kClients * kRequests);
  EXPECT_EQ(api_.calls(), kClients * kRequests);
}

TEST_F(HttpServerTest, DrainAnswersWhatIsUnderWay) {
  std::stop_source stop;
  HttpServer::Options options;
  options.stop = stop.get_token();
  Start(options);
  const uint16_t port = server_->port();
  Client idle(port);
  ASSERT_TRUE(idle.Send(Get("/healthz")));
  EXPECT_EQ(idle.Receive().status, 200);
  Client busy(port);
  ASSERT_TRUE(busy.Send(Post(kClosed)));
  api_.AwaitWaiting(1);
  stop.request_stop();
  EXPECT_TRUE(idle.Ended());
  EXPECT_FALSE(Client(port).connected());
  api_.Open();
  const Reply reply = busy.Receive();
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.headers.at("Connection"), "close");
  EXPECT_TRUE(busy.Ended());
  server_->Wait();
}

TEST_F(HttpServerTest, DrainEndsInTime) {
  HttpServer::Options options;
  options.drain_timeout_ms = 100;
  Start(options);
  Client half(server_->port());
  ASSERT_TRUE(half.Send("POST /v1/features HTTP/1.1\r\n"));
  ASSERT_TRUE(AwaitMetric("icecore_http_connections 2\n"));
  server_->Drain();
  server_->Wait();
  EXPECT_TRUE(half.Ended());
}

TEST_F(HttpServerTest, SignalsDrain) {
  HttpServer::Options options;
  options.drain_on_signals = true;
  Start(options);
  ASSERT_EQ(Ask(Get("/healthz")).status, 200);
  ASSERT_EQ(raise(SIGTERM), 0);
  server_->Wait();
  EXPECT_FALSE(Client(server_->port()).connected());
}

}  // namespace
}  // namespace icecore::server::testing
