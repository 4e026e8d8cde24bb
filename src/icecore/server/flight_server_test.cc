#include "icecore/server/flight_server.h"

#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_dict.h>
#include <arrow/array/builder_time.h>
#include <arrow/flight/client.h>
#include <arrow/ipc/dictionary.h>
#include <arrow/table.h>
#include <arrow/util/align_util.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <stdexcept>
#include <thread>

#include "icecore/base/clock.h"
#include "icecore/base/id.h"
#include "icecore/server/flight_batches.h"
#include "icecore/server/http_client_fixture.h"
#include "icecore/server/http_server.h"

namespace icecore::server::testing {
namespace {

namespace flight = arrow::flight;
using ::testing::HasSubstr;

// FakeApi whose services can all be described.
class FlightApi : public FakeApi {
 public:
  arrow::Result<std::vector<ServiceDescription>> ListServices() override {
    ARROW_ASSIGN_OR_RAISE(auto services, FakeApi::ListServices());
    for (const char* name : {"closed", "thrower", "busy", "corrupt"}) {
      services.push_back(services.front());
      services.back().name = name;
    }
    return services;
  }
  arrow::Result<FeatureResponse> GetFeatures(const FeatureRequest& request,
                                             int64_t deadline_ns) override {
    deadline_ns_ = deadline_ns;
    return FakeApi::GetFeatures(request, deadline_ns);
  }
  int64_t deadline_ns() const { return deadline_ns_; }

 private:
  std::atomic<int64_t> deadline_ns_ = 0;
};

std::shared_ptr<arrow::Array> Int64s(const std::vector<std::optional<int64_t>>& values) {
  arrow::Int64Builder builder;
  for (const auto& value : values) {
    EXPECT_TRUE((value ? builder.Append(*value) : builder.AppendNull()).ok());
  }
  return *builder.Finish();
}

std::shared_ptr<arrow::RecordBatch> Keys(const std::vector<std::optional<int64_t>>& values) {
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("k", arrow::int64())}),
                                  static_cast<int64_t>(values.size()),
                                  arrow::ArrayVector{Int64s(values)});
}

flight::FlightStatusCode FlightCodeOf(const arrow::Status& status) {
  const auto detail = flight::FlightStatusDetail::UnwrapStatus(status);
  return detail == nullptr ? flight::FlightStatusCode::Failed : detail->code();
}

class FlightServerTest : public ::testing::Test {
 protected:
  // Throws, which ends the test, where it cannot.
  void Start(const FlightServer::Options& options = {}) {
    auto server = FlightServer::Start(options, &api_, &metrics_);
    if (!server.ok()) throw std::runtime_error(server.status().ToString());
    server_ = *std::move(server);
    client_ = Connect();
  }
  void TearDown() override { api_.Open(); }

  std::unique_ptr<flight::FlightClient> Connect() {
    auto location = flight::Location::Parse(server_->Url());
    auto client = flight::FlightClient::Connect(*location);
    EXPECT_TRUE(client.ok()) << client.status();
    return *std::move(client);
  }

  // The answers to the batches, in one exchange.
  arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> Exchange(
      const flight::FlightDescriptor& descriptor,
      const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches,
      const flight::FlightCallOptions& options = {}) {
    ARROW_ASSIGN_OR_RAISE(auto exchange, client_->DoExchange(options, descriptor));
    std::vector<std::shared_ptr<arrow::RecordBatch>> answers;
    arrow::Status status = exchange.writer->Begin(batches.front()->schema());
    for (const auto& batch : batches) {
      if (status.ok()) status = exchange.writer->WriteRecordBatch(*batch);
      auto answer = status.ok() ? exchange.reader->Next() : status;
      status = answer.status();
      if (status.ok() && answer->data == nullptr) break;
      if (status.ok()) {
        // As a client does that reads values: they come unaligned.
        ARROW_ASSIGN_OR_RAISE(auto aligned, arrow::util::EnsureAlignment(
                                                answer->data, 8, arrow::default_memory_pool()));
        answers.push_back(std::move(aligned));
      }
    }
    // Says why the server ended the stream, where it did.
    ARROW_RETURN_NOT_OK(exchange.writer->Close());
    ARROW_RETURN_NOT_OK(status);
    return answers;
  }

  // The receipts of the batches, each with its key.
  arrow::Result<std::vector<std::string>> Put(
      const flight::FlightDescriptor& descriptor,
      const std::vector<std::pair<std::shared_ptr<arrow::RecordBatch>, std::string>>& batches,
      const flight::FlightCallOptions& options = {}) {
    ARROW_ASSIGN_OR_RAISE(auto put,
                          client_->DoPut(options, descriptor, batches.front().first->schema()));
    std::vector<std::string> receipts;
    for (const auto& [batch, key] : batches) {
      const arrow::Status written =
          key.empty() ? put.writer->WriteRecordBatch(*batch)
                      : put.writer->WriteWithMetadata(*batch, arrow::Buffer::FromString(key));
      std::shared_ptr<arrow::Buffer> receipt;
      if (!written.ok() || !put.reader->ReadMetadata(&receipt).ok() || receipt == nullptr) break;
      receipts.push_back(receipt->ToString());
    }
    ARROW_RETURN_NOT_OK(put.writer->Close());
    return receipts;
  }

  FlightApi api_;
  Metrics metrics_;
  std::unique_ptr<FlightServer> server_;
  std::unique_ptr<flight::FlightClient> client_;
};

TEST_F(FlightServerTest, BatchesOfKeysBecomeBatchesOfFeatures) {
  Start();
  const auto answers =
      Exchange(flight::FlightDescriptor::Path({"echo"}), {Keys({1, {}}), Keys({}), Keys({3})});
  ASSERT_TRUE(answers.ok()) << answers.status();
  ASSERT_EQ(answers->size(), 3U);
  EXPECT_EQ((*answers)[0]->schema()->field_names(), std::vector<std::string>{"n"});
  EXPECT_TRUE((*answers)[0]->column(0)->Equals(Int64s({1, {}})));
  EXPECT_EQ((*answers)[1]->num_rows(), 0);
  EXPECT_TRUE((*answers)[2]->column(0)->Equals(Int64s({3})));
  EXPECT_THAT(metrics_.Text({}), HasSubstr("icecore_feature_rows_total{service=\"echo\"} 3"));
  EXPECT_THAT(metrics_.Text({}),
              HasSubstr("icecore_flight_batch_duration_seconds_count{method=\"DoExchange\"} 3"));
}

TEST_F(FlightServerTest, StatusesAndEventTimesWhereTheyAreWanted) {
  Start();
  const auto answers = Exchange(
      flight::FlightDescriptor::Command(R"({"service":"echo","statuses":true,"event_times":true})"),
      {Keys({1, {}}), Keys({2, {}})});
  ASSERT_TRUE(answers.ok()) << answers.status();
  for (const auto& answer : *answers) {
    EXPECT_EQ(answer->schema()->field_names(),
              (std::vector<std::string>{"n", "n.status", "n.event_time"}));
    EXPECT_TRUE(answer->ValidateFull().ok());
    const auto& statuses = static_cast<const arrow::DictionaryArray&>(*answer->column(1));
    const auto& names = static_cast<const arrow::StringArray&>(*statuses.dictionary());
    EXPECT_EQ(names.GetView(statuses.GetValueIndex(0)), "present");
    EXPECT_EQ(names.GetView(statuses.GetValueIndex(1)), "not_found");
    EXPECT_TRUE(
        answer->column(2)->type()->Equals(*arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")));
    EXPECT_TRUE(answer->column(2)->IsNull(1));
  }
}

// Where statuses are not wanted, nothing could tell what is damaged from a null.
TEST_F(FlightServerTest, ADamagedKeyIsMarkedOrAnError) {
  Start();
  const auto command = flight::FlightDescriptor::Command(R"({"service":"echo","statuses":true})");
  const auto answers = Exchange(command, {Keys({1, kDamagedKey}), Keys({kDamagedKey})});
  ASSERT_TRUE(answers.ok()) << answers.status();
  const auto& first = *(*answers)[0];
  EXPECT_TRUE(first.column(0)->IsValid(0));
  EXPECT_TRUE(first.column(0)->IsNull(1));
  const auto& statuses =
      static_cast<const arrow::DictionaryArray&>(*first.GetColumnByName("n.status"));
  const auto& names = static_cast<const arrow::StringArray&>(*statuses.dictionary());
  EXPECT_EQ(names.GetView(statuses.GetValueIndex(0)), "present");
  EXPECT_EQ(names.GetView(statuses.GetValueIndex(1)), "error");
  const auto bare = Exchange(flight::FlightDescriptor::Path({"echo"}), {Keys({1, kDamagedKey})});
  EXPECT_EQ(FlightCodeOf(bare.status()), flight::FlightStatusCode::Internal);
  EXPECT_NE(bare.status().message().find("v is damaged"), std::string::npos) << bare.status();
}

TEST_F(FlightServerTest, ServicesAreDescribed) {
  Start();
  auto listing = client_->ListFlights();
  ASSERT_TRUE(listing.ok()) << listing.status();
  auto first = (*listing)->Next();
  ASSERT_TRUE(first.ok() && *first != nullptr);
  EXPECT_EQ((*first)->descriptor().path, std::vector<std::string>{"echo"});
  EXPECT_THAT((*first)->app_metadata(),
              HasSubstr(R"("keys":[{"name":"k","type":"int64"}],"request":[{"name":"r")"));
  const auto schema = [&](std::vector<std::string> path) {
    arrow::ipc::DictionaryMemo memo;
    auto result = client_->GetSchema(flight::FlightDescriptor::Path(std::move(path)));
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? (*(*result)->GetSchema(&memo))->field_names() : std::vector<std::string>{};
  };
  EXPECT_EQ(schema({"echo"}), std::vector<std::string>{"n"});
  EXPECT_EQ(schema({"echo", "request"}), (std::vector<std::string>{"k", "r"}));
}

TEST_F(FlightServerTest, ATicketNamesItsKeys) {
  Start();
  const std::string ticket = R"({"service":"echo","entities":{"k":[7,null]},"statuses":true})";
  auto info = client_->GetFlightInfo(flight::FlightDescriptor::Command(ticket));
  ASSERT_TRUE(info.ok()) << info.status();
  ASSERT_EQ((*info)->endpoints().size(), 1U);
  auto stream = client_->DoGet((*info)->endpoints().front().ticket);
  ASSERT_TRUE(stream.ok()) << stream.status();
  auto table = (*stream)->ToTable();
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ((*table)->num_rows(), 2);
  EXPECT_TRUE((*table)->column(0)->chunk(0)->Equals(Int64s({7, {}})));
  for (const char* wrong :
       {"", "{", R"({"service":"echo"})", R"({"service":"echo","entity":{}})"}) {
    auto refused = client_->DoGet(flight::Ticket(std::string(wrong)));
    const arrow::Status status = refused.ok() ? (*refused)->ToTable().status() : refused.status();
    EXPECT_TRUE(status.IsInvalid()) << wrong << ": " << status;
  }
}

TEST_F(FlightServerTest, ErrorsHaveFlightsCodes) {
  Start();
  const auto of = [&](const std::string& service) {
    return Exchange(flight::FlightDescriptor::Path({service}), {Keys({1})}).status();
  };
  EXPECT_TRUE(of("none").IsKeyError()) << of("none");
  EXPECT_EQ(FlightCodeOf(of("busy")), flight::FlightStatusCode::Unavailable) << of("busy");
  EXPECT_EQ(FlightCodeOf(of("corrupt")), flight::FlightStatusCode::Internal) << of("corrupt");
  EXPECT_THAT(of("thrower").message(), HasSubstr("unexpected: thrown"));
  const auto unknown = Exchange(
      flight::FlightDescriptor::Command(R"({"service":"echo","statusses":true})"), {Keys({1})});
  EXPECT_TRUE(unknown.status().IsInvalid());
  EXPECT_THAT(unknown.status().message(), HasSubstr("statuses"));
  EXPECT_THAT(metrics_.Text({}),
              HasSubstr("icecore_flight_calls_total{method=\"DoExchange\",status=\"not_found\"}"));
}

TEST_F(FlightServerTest, BatchesHaveLimits) {
  FlightServer::Options options;
  options.service.max_rows = 2;
  options.service.max_body_bytes = 4096;
  Start(options);
  const auto of = [&](const std::vector<std::optional<int64_t>>& keys) {
    return Exchange(flight::FlightDescriptor::Path({"echo"}), {Keys(keys)}).status();
  };
  EXPECT_TRUE(of({1, 2}).ok());
  EXPECT_TRUE(of({1, 2, 3}).IsInvalid());
  EXPECT_THAT(of({1, 2, 3}).message(), HasSubstr("at most 2"));
  const auto wide = arrow::RecordBatch::Make(arrow::schema({arrow::field("k", arrow::utf8())}), 1,
                                             arrow::ArrayVector{*arrow::MakeArrayFromScalar(
                                                 *arrow::MakeScalar(std::string(8192, 'x')), 1)});
  const auto refused = Exchange(flight::FlightDescriptor::Path({"echo"}), {wide});
  EXPECT_THAT(refused.status().message(), HasSubstr("4096 bytes"));
}

TEST_F(FlightServerTest, EachBatchHasADeadline) {
  FlightServer::Options options;
  options.service.answer_timeout_ms = 5000;
  Start(options);
  const int64_t begin_ns = base::MonotonicNanos();
  ASSERT_TRUE(Exchange(flight::FlightDescriptor::Path({"echo"}), {Keys({1})}).ok());
  EXPECT_GT(api_.deadline_ns(), begin_ns);
  EXPECT_LE(api_.deadline_ns(), base::MonotonicNanos() + 5'000'000'000);
}

TEST_F(FlightServerTest, RowsArePushed) {
  Start();
  const auto receipts = Put(flight::FlightDescriptor::Path({"events"}),
                            {{Keys({1, {}}), ""}, {Keys({2}), "a"}, {Keys({2}), "a"}});
  ASSERT_TRUE(receipts.ok()) << receipts.status();
  EXPECT_EQ(*receipts,
            (std::vector<std::string>{R"({"source":"events","rows":2,"duplicate":false})",
                                      R"({"source":"events","rows":1,"duplicate":false})",
                                      R"({"source":"events","rows":1,"duplicate":true})"}));
  const auto pushed = api_.pushed();
  EXPECT_EQ(pushed.at(0).lines.text(), "{\"k\":1}\n{\"k\":null}\n");
  EXPECT_EQ(pushed.at(1).key, "a");
  const auto keyed = flight::FlightDescriptor::Command(R"({"view":"seen","idempotency_key":"b"})");
  EXPECT_EQ(Put(keyed, {{Keys({3}), ""}})->front(),
            R"({"source":"events","rows":1,"duplicate":false})");
  EXPECT_EQ(Put(keyed, {{Keys({3}), ""}})->front(),
            R"({"source":"events","rows":1,"duplicate":true})");
  // One key cannot stand for two batches.
  EXPECT_TRUE(Put(keyed, {{Keys({3}), ""}, {Keys({4}), ""}}).status().IsInvalid());
  EXPECT_TRUE(
      Put(flight::FlightDescriptor::Path({"none"}), {{Keys({3}), ""}}).status().IsKeyError());
}

TEST_F(FlightServerTest, AMessageWithoutABatchIsNoEnd) {
  Start();
  auto put = client_->DoPut(flight::FlightDescriptor::Path({"events"}), Keys({1})->schema());
  ASSERT_TRUE(put.ok()) << put.status();
  ASSERT_TRUE(put->writer->WriteMetadata(arrow::Buffer::FromString("key")).ok());
  const arrow::Status status = put->writer->Close();
  EXPECT_TRUE(status.IsInvalid()) << status;
  EXPECT_THAT(status.message(), HasSubstr("no batch"));
  EXPECT_TRUE(api_.pushed().empty());
}

TEST_F(FlightServerTest, RowsThatJsonHasNoFormForAreRefused) {
  Start();
  const auto naive = arrow::RecordBatch::Make(
      arrow::schema({arrow::field("at", arrow::timestamp(arrow::TimeUnit::MICRO))}), 1,
      arrow::ArrayVector{*arrow::MakeArrayOfNull(arrow::timestamp(arrow::TimeUnit::MICRO), 1)});
  const auto status = Put(flight::FlightDescriptor::Path({"events"}), {{naive, ""}}).status();
  EXPECT_TRUE(status.IsInvalid());
  EXPECT_THAT(status.message(), HasSubstr("'at': is a time without a zone"));
  EXPECT_TRUE(api_.pushed().empty());
}

TEST_F(FlightServerTest, TokensOpenWhatTheirScopesSay) {
  const std::string path =
      ::testing::TempDir() + "flight_tokens_" + base::NewUuid(base::SystemRandom());
  const auto token = [&](govern::Right right, const std::string& name) {
    govern::NewToken wanted;
    wanted.scopes = {{right, name}};
    auto issued = govern::IssueToken(path, wanted, base::SystemRandom());
    EXPECT_TRUE(issued.ok()) << issued.status();
    return *std::move(issued);
  };
  const auto reader = token(govern::Right::kRead, "echo");
  const auto pusher = token(govern::Right::kPush, "events");
  auto access = AccessControl::Open(path);
  ASSERT_TRUE(access.ok()) << access.status();
  FlightServer::Options options;
  options.service.access = access->get();
  Start(options);
  const auto with = [](const std::string& text) {
    flight::FlightCallOptions call;
    if (!text.empty()) call.headers.emplace_back("authorization", "Bearer " + text);
    return call;
  };
  const auto read = [&](const std::string& service, const std::string& text) {
    return Exchange(flight::FlightDescriptor::Path({service}), {Keys({1})}, with(text)).status();
  };
  EXPECT_TRUE(read("echo", reader.text).ok());
  EXPECT_EQ(FlightCodeOf(read("echo", "")), flight::FlightStatusCode::Unauthenticated);
  EXPECT_EQ(FlightCodeOf(read("echo", reader.text + "x")),
            flight::FlightStatusCode::Unauthenticated);
  EXPECT_EQ(FlightCodeOf(read("busy", reader.text)), flight::FlightStatusCode::Unauthorized);
  EXPECT_THAT(read("busy", reader.text).message(), HasSubstr("read:busy"));
  EXPECT_EQ(FlightCodeOf(read("echo", pusher.text)), flight::FlightStatusCode::Unauthorized);
  const auto push = [&](const std::string& source, const std::string& text) {
    return Put(flight::FlightDescriptor::Path({source}), {{Keys({1}), ""}}, with(text)).status();
  };
  EXPECT_TRUE(push("events", pusher.text).ok());
  EXPECT_EQ(FlightCodeOf(push("events", reader.text)), flight::FlightStatusCode::Unauthorized);
  EXPECT_EQ(FlightCodeOf(push("none", reader.text)), flight::FlightStatusCode::Unauthorized);
  // A caller sees what it may read.
  auto listing = client_->ListFlights(with(reader.text), {});
  ASSERT_TRUE(listing.ok()) << listing.status();
  ASSERT_TRUE((*listing)->Next().ok());
  EXPECT_EQ(*(*listing)->Next(), nullptr);
  // A stream whose token is revoked ends before its next batch.
  auto exchange = client_->DoExchange(with(reader.text), flight::FlightDescriptor::Path({"echo"}));
  ASSERT_TRUE(exchange.ok()) << exchange.status();
  ASSERT_TRUE(exchange->writer->Begin(Keys({1})->schema()).ok());
  ASSERT_TRUE(exchange->writer->WriteRecordBatch(*Keys({1})).ok());
  ASSERT_TRUE(exchange->reader->Next().ok());
  ASSERT_TRUE(govern::RevokeToken(path, reader.token.id).ok());
  ASSERT_TRUE((*access)->Refresh().ok());
  (void)exchange->writer->WriteRecordBatch(*Keys({1}));
  EXPECT_FALSE(exchange->reader->Next().ok());
  EXPECT_EQ(FlightCodeOf(exchange->writer->Close()), flight::FlightStatusCode::Unauthenticated);
  std::filesystem::remove(path);
}

TEST_F(FlightServerTest, NotBeyondLoopbackWithoutTlsAndTokens) {
  FlightServer::Options options;
  options.address = "0.0.0.0";
  const auto refused = FlightServer::Start(options, &api_, &metrics_);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.status().message(), HasSubstr("--tls-cert"));
  EXPECT_THAT(refused.status().message(), HasSubstr("icecore token new"));
}

TEST_F(FlightServerTest, ATakenPortIsNamed) {
  Start();
  FlightServer::Options options;
  options.port = server_->port();
  const auto taken = FlightServer::Start(options, &api_, &metrics_);
  ASSERT_FALSE(taken.ok());
  EXPECT_EQ(base::CodeOf(taken.status()), base::ErrorCode::kUnavailable);
  EXPECT_THAT(taken.status().message(), HasSubstr(std::to_string(options.port)));
}

TEST_F(FlightServerTest, CallsAreBounded) {
  FlightServer::Options options;
  options.service.max_calls = 1;
  Start(options);
  auto idle = client_->DoExchange(flight::FlightDescriptor::Path({"echo"}));
  ASSERT_TRUE(idle.ok()) << idle.status();
  ASSERT_TRUE(idle->writer->Begin(Keys({1})->schema()).ok());
  ASSERT_TRUE(idle->writer->WriteRecordBatch(*Keys({1})).ok());
  ASSERT_TRUE(idle->reader->Next().ok());
  const auto refused = Exchange(flight::FlightDescriptor::Path({"echo"}), {Keys({1})});
  EXPECT_EQ(FlightCodeOf(refused.status()), flight::FlightStatusCode::Unavailable);
  EXPECT_TRUE(idle->writer->Close().ok());
}

TEST_F(FlightServerTest, ADrainEndsWhatIsBeingAnswered) {
  Start();
  auto answer = std::async(std::launch::async, [&] {
    return Exchange(flight::FlightDescriptor::Path({"closed"}), {Keys({5})});
  });
  // An idle stream does not hold it up.
  auto other = Connect();
  auto idle = other->DoExchange(flight::FlightDescriptor::Path({"echo"}));
  ASSERT_TRUE(idle.ok()) << idle.status();
  ASSERT_TRUE(idle->writer->Begin(Keys({1})->schema()).ok());
  api_.AwaitWaiting(1);
  server_->Drain();
  EXPECT_EQ(FlightCodeOf(other->ListFlights().status()), flight::FlightStatusCode::Unavailable);
  const int64_t begin_ns = base::MonotonicNanos();
  std::thread waiter([&] { server_->Wait(); });
  api_.Open();
  const auto answers = answer.get();
  waiter.join();
  ASSERT_TRUE(answers.ok()) << answers.status();
  EXPECT_TRUE(answers->front()->column(0)->Equals(Int64s({5})));
  EXPECT_FALSE(idle->writer->Close().ok());
  EXPECT_LT(base::MonotonicNanos() - begin_ns, 14'000'000'000);
}

TEST_F(FlightServerTest, ACutWaitsForNothing) {
  Start();
  auto idle = client_->DoExchange(flight::FlightDescriptor::Path({"echo"}));
  ASSERT_TRUE(idle.ok()) << idle.status();
  ASSERT_TRUE(idle->writer->Begin(Keys({1})->schema()).ok());
  server_->Cut();
  server_->Wait();
  EXPECT_FALSE(idle->writer->Close().ok());
}

TEST(FlightBatchesTest, RowsBecomeLines) {
  arrow::StringDictionaryBuilder names;
  ASSERT_TRUE(names.Append("ann").ok() && names.Append("ann").ok());
  std::shared_ptr<arrow::Array> who;
  ASSERT_TRUE(names.Finish(&who).ok());
  const auto batch = arrow::RecordBatch::Make(
      arrow::schema({arrow::field("who \"x\"", who->type()), arrow::field("n", arrow::int64())}), 2,
      arrow::ArrayVector{who, Int64s({9007199254740993, {}})});
  EXPECT_EQ(*LinesOfBatch(*batch, 1000),
            "{\"who \\\"x\\\"\":\"ann\",\"n\":9007199254740993}\n"
            "{\"who \\\"x\\\"\":\"ann\",\"n\":null}\n");
  EXPECT_EQ(base::CodeOf(LinesOfBatch(*batch, 20).status()), base::ErrorCode::kLimit);
  const auto twice = arrow::RecordBatch::Make(
      arrow::schema({arrow::field("n", arrow::int64()), arrow::field("n", arrow::int64())}), 1,
      arrow::ArrayVector{Int64s({1}), Int64s({2})});
  EXPECT_EQ(FieldOf(LinesOfBatch(*twice, 1000).status()), "n");
}

std::shared_ptr<arrow::RecordBatch> OneColumn(const std::shared_ptr<arrow::Array>& values) {
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("c", values->type())}),
                                  values->length(), arrow::ArrayVector{values});
}

template <typename Builder, typename Value>
std::shared_ptr<arrow::Array> OneValue(const std::shared_ptr<arrow::DataType>& type, Value value) {
  Builder builder(type, arrow::default_memory_pool());
  EXPECT_TRUE(builder.Append(value).ok());
  return *builder.Finish();
}

TEST(FlightBatchesTest, LinesSayValuesExactly) {
  using arrow::TimeUnit;
  const auto line = [](const std::shared_ptr<arrow::Array>& values) {
    const auto lines = LinesOfBatch(*OneColumn(values), 1000);
    return lines.ok() ? *lines : lines.status().message();
  };
  const auto at = [&](TimeUnit::type unit, int64_t value) {
    return line(OneValue<arrow::TimestampBuilder>(arrow::timestamp(unit, "UTC"), value));
  };
  EXPECT_EQ(line(OneValue<arrow::FloatBuilder>(arrow::float32(), 0.1F)),
            "{\"c\":0.10000000149011612}\n");
  EXPECT_EQ(line(OneValue<arrow::DoubleBuilder>(arrow::float64(), -0.0)), "{\"c\":-0.0}\n");
  // Never earlier than it was.
  EXPECT_EQ(at(TimeUnit::NANO, 1), "{\"c\":\"1970-01-01T00:00:00.000001Z\"}\n");
  EXPECT_EQ(at(TimeUnit::NANO, -1), "{\"c\":\"1970-01-01T00:00:00.000000Z\"}\n");
  EXPECT_EQ(at(TimeUnit::SECOND, 253402300799), "{\"c\":\"9999-12-31T23:59:59.000000Z\"}\n");
  EXPECT_THAT(at(TimeUnit::SECOND, 253402300800), HasSubstr("beyond the years"));
  EXPECT_THAT(at(TimeUnit::SECOND, INT64_MAX), HasSubstr("cannot be pushed"));
  EXPECT_EQ(line(OneValue<arrow::Date32Builder>(arrow::date32(), -719528)),
            "{\"c\":\"0000-01-01\"}\n");
  EXPECT_THAT(line(OneValue<arrow::Date32Builder>(arrow::date32(), -719529)),
              HasSubstr("beyond the years"));
}

TEST(FlightBatchesTest, LongValuesMeantManyTimesAreRefused) {
  const std::string text(500, 'x');
  arrow::StringDictionaryBuilder encoded;
  arrow::StringViewBuilder views;
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(encoded.Append(text).ok() && views.Append(text).ok());
  }
  std::shared_ptr<arrow::Array> dictionary;
  ASSERT_TRUE(encoded.Finish(&dictionary).ok());
  EXPECT_EQ(base::CodeOf(CheckBatch(*OneColumn(dictionary), 10, 4999)), base::ErrorCode::kLimit);
  EXPECT_TRUE(CheckBatch(*OneColumn(dictionary), 10, 5000).ok());
  // Views of one value, as a client may send them.
  const auto one = *views.Finish();
  auto data = one->data()->Copy();
  const auto* first = one->data()->GetValues<arrow::BinaryViewType::c_type>(1);
  const std::vector<arrow::BinaryViewType::c_type> same(100, *first);
  data->buffers[1] = arrow::Buffer::FromVector(same);
  data->length = 100;
  EXPECT_EQ(base::CodeOf(CheckBatch(*OneColumn(arrow::MakeArray(data)), 100, 49'999)),
            base::ErrorCode::kLimit);
  const auto lists = *arrow::MakeArrayOfNull(arrow::list(arrow::int64()), 1);
  const auto of_lists = *arrow::DictionaryArray::FromArrays(
      arrow::dictionary(arrow::int64(), lists->type()), Int64s({0, 0}), lists);
  EXPECT_EQ(base::CodeOf(CheckBatch(*OneColumn(of_lists), 10, 1000)),
            base::ErrorCode::kInvalidArgument);
}

TEST(FlightBatchesTest, ABatchThatPointsOutsideItselfIsRefused) {
  auto offsets = arrow::Buffer::FromString(std::string("\0\0\0\0\xff\0\0\0", 8));
  auto data = arrow::ArrayData::Make(arrow::utf8(), 1,
                                     {nullptr, offsets, arrow::Buffer::FromString("abc")});
  const auto batch = arrow::RecordBatch::Make(arrow::schema({arrow::field("k", arrow::utf8())}), 1,
                                              arrow::ArrayVector{arrow::MakeArray(data)});
  EXPECT_EQ(base::CodeOf(CheckBatch(*batch, 10, 1000)), base::ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace icecore::server::testing
