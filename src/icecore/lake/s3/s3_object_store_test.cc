#include "icecore/lake/s3/s3_object_store.h"

#include <arrow/io/interfaces.h>
#include <arrow/table.h>

#include <functional>
#include <utility>

#include "icecore/lake/envelope.h"
#include "icecore/lake/lake_fixture.h"
#include "icecore/lake/s3/fake_s3_fixture.h"
#include "icecore/lake/s3/s3_place.h"
#include "icecore/lake/s3/s3_xml_internal.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using Fault = FakeS3::Fault;

constexpr char kSecret[] = "SECRET-OF-THE-TEST";

class S3ObjectStoreTest : public LakeFixture {
 protected:
  void SetUp() override {
    LakeFixture::SetUp();
    s3_ = Open();
  }

  std::unique_ptr<S3ObjectStore> Open() {
    StorePlace place;
    place.url = "s3://bucket/lake";
    place.endpoint = "http://fake:9000";
    S3Tuning tuning;
    tuning.http = &fake_;
    tuning.clock = &clock_;
    tuning.random = &random_;
    tuning.sleep = [this](int64_t ms) {
      slept_ms_ += ms;
      if (const auto once = std::exchange(on_sleep_, nullptr)) {
        once();
      }
    };
    tuning.part_bytes = 1000;
    return Must(S3ObjectStore::OpenWith(place, Surroundings(), tuning));
  }
  net::AwsSurroundings Surroundings() {
    return {[this](const std::string& name) -> std::optional<std::string> {
              const auto found = environment_.find(name);
              return found == environment_.end() ? std::nullopt : std::optional(found->second);
            },
            [](const std::string& path) -> arrow::Result<std::string> {
              return base::MakeError(ErrorCode::kNotFound, path);
            }};
  }
  // The `at`th request from now on, of those with `method`, has the fault.
  void FailOnce(const std::string& method, Fault fault, int times = 1) {
    fake_.plan = [method, fault, times, seen = 0](
                     int, const net::HttpRequest& request) mutable -> std::optional<Fault> {
      const bool is_probe = request.url.find("_icecore/") != std::string::npos;
      return request.method == method && !is_probe && ++seen <= times ? std::optional(fault)
                                                                      : std::nullopt;
    };
  }
  static Fault Lost(bool is_done) {
    Fault fault;
    fault.is_done = is_done;
    fault.lost = true;
    return fault;
  }
  static Fault Status(int status, const std::string& code) {
    Fault fault;
    fault.status = status;
    fault.code = code;
    return fault;
  }

  std::map<std::string, std::string> environment_ = {{"AWS_ACCESS_KEY_ID", "KEY"},
                                                     {"AWS_SECRET_ACCESS_KEY", kSecret}};
  FakeS3 fake_;
  int64_t slept_ms_ = 0;
  std::function<void()> on_sleep_;  // once
  std::unique_ptr<S3ObjectStore> s3_;
};

TEST_F(S3ObjectStoreTest, ALostAnswerIsToldFromAnotherWriter) {
  FailOnce("PUT", Lost(true));
  EXPECT_TRUE(Must(s3_->PutIfAbsent("ours", "x")));
  FailOnce("PUT", Lost(false));
  EXPECT_TRUE(Must(s3_->PutIfAbsent("not yet", "x")));
  // Done, and reported as an error of the server.
  Fault error = Status(500, "InternalError");
  error.is_done = true;
  FailOnce("PUT", error);
  EXPECT_TRUE(Must(s3_->PutIfAbsent("ours too", "x")));
  EXPECT_FALSE(Must(Open()->PutIfAbsent("ours", "x")));
}

TEST_F(S3ObjectStoreTest, AnotherWriterBetweenTwoAttemptsWins) {
  // The first attempt fails undone; before the second another writes the same bytes.
  const auto other = Open();
  ASSERT_OK(other->PutIfAbsent("warm", "").status());
  on_sleep_ = [&] { EXPECT_TRUE(Must(other->PutIfAbsent("raced", "same"))); };
  FailOnce("PUT", Status(500, "InternalError"));
  EXPECT_FALSE(Must(s3_->PutIfAbsent("raced", "same")));
  EXPECT_EQ(on_sleep_, nullptr);
}

TEST_F(S3ObjectStoreTest, AnUnknownOutcomeIsSaid) {
  ASSERT_OK(s3_->PutIfAbsent("warm", "").status());
  FailOnce("PUT", Lost(true), 100);
  EXPECT_EQ(CodeOfFailed(s3_->PutIfAbsent("x", "x")), ErrorCode::kOutcomeUnknown);
  FailOnce("PUT", Lost(false), 100);
  EXPECT_EQ(CodeOfFailed(s3_->PutIfAbsent("y", "x")), ErrorCode::kUnavailable);
}

TEST_F(S3ObjectStoreTest, TransientErrorsAreRepeatedWithinBounds) {
  ASSERT_OK(s3_->Put("x", "1"));
  for (const auto& [status, code] : std::vector<std::pair<int, std::string>>{
           {503, "SlowDown"}, {500, "InternalError"}, {429, ""}, {409, "OperationAborted"}}) {
    FailOnce("GET", Status(status, code), 3);
    EXPECT_EQ(Must(s3_->Get("x")), "1") << code;
  }
  EXPECT_EQ(s3_->Count(S3Request::kRepeated), 12);
  FailOnce("GET", Status(503, "SlowDown"), 1000);
  const int before = fake_.requests();
  const auto failed = s3_->Get("x");
  EXPECT_EQ(CodeOfFailed(failed), ErrorCode::kUnavailable);
  EXPECT_EQ(fake_.requests() - before, 8);
  EXPECT_NE(failed.status().message().find("SlowDown"), std::string::npos);
  EXPECT_NE(failed.status().message().find("s3://bucket/lake/x"), std::string::npos);
}

TEST_F(S3ObjectStoreTest, RetryAfterIsKept) {
  ASSERT_OK(s3_->Put("x", "1"));
  Fault fault = Status(503, "SlowDown");
  fault.headers["retry-after"] = "7";
  FailOnce("GET", fault);
  EXPECT_EQ(Must(s3_->Get("x")), "1");
  EXPECT_EQ(slept_ms_, 7000);
}

TEST_F(S3ObjectStoreTest, ErrorsSayWhatToCheckAndKeepSecrets) {
  const auto message = [&](const arrow::Status& status, ErrorCode code) {
    EXPECT_EQ(base::CodeOf(status), code) << status.message();
    EXPECT_EQ(status.message().find(kSecret), std::string::npos);
    return status.message();
  };
  ASSERT_OK(s3_->Put("x", "1"));
  FailOnce("GET", Status(403, "AccessDenied"));
  EXPECT_NE(message(s3_->Get("x").status(), ErrorCode::kDenied).find("the environment"),
            std::string::npos);
  FailOnce("GET", Status(403, "SignatureDoesNotMatch"));
  EXPECT_NE(message(s3_->Get("x").status(), ErrorCode::kDenied).find("AWS_SECRET_ACCESS_KEY"),
            std::string::npos);
  Fault skew = Status(403, "RequestTimeTooSkewed");
  skew.headers["date"] = "Tue, 14 Nov 2023 21:13:20 GMT";  // an hour before clock_
  FailOnce("GET", skew);
  EXPECT_NE(message(s3_->Get("x").status(), ErrorCode::kDenied).find("3600 s"), std::string::npos);
  Fault moved = Status(301, "PermanentRedirect");
  moved.headers["x-amz-bucket-region"] = "eu-west-3";
  FailOnce("GET", moved);
  EXPECT_NE(message(s3_->Get("x").status(), ErrorCode::kInvalidDefinition).find("eu-west-3"),
            std::string::npos);
  FailOnce("GET", Status(404, "NoSuchBucket"));
  message(s3_->Get("x").status(), ErrorCode::kInvalidDefinition);
  Fault html = Status(400, "");
  FailOnce("GET", html);
  EXPECT_NE(message(s3_->Get("x").status(), ErrorCode::kUnavailable).find("lake.endpoint"),
            std::string::npos);
}

TEST_F(S3ObjectStoreTest, AStoreThatReplacesInSpiteOfTheConditionIsRefused) {
  fake_.ignores_conditions = true;
  EXPECT_EQ(CodeOfFailed(s3_->PutIfAbsent("x", "1")), ErrorCode::kUnsupported);
  EXPECT_EQ(CodeOfFailed(s3_->OpenOutput("x")), ErrorCode::kUnsupported);
  EXPECT_FALSE(Must(s3_->Exists("x")));
}

TEST_F(S3ObjectStoreTest, UploadsInPartsSurviveLostAnswersAndLeaveNothing) {
  const std::string bytes(4500, 'p');
  for (const bool is_done : {false, true}) {
    FailOnce("POST", Lost(is_done), 2);  // of starting (twice) and so of completing too
    const std::string path = is_done ? "done" : "not";
    const auto output = Must(s3_->OpenOutput(path));
    ASSERT_OK(output->Write(bytes));
    FailOnce("POST", Lost(is_done));
    ASSERT_OK(output->Close());
    EXPECT_EQ(Must(s3_->Get(path)), bytes);
  }
  fake_.plan = nullptr;
  const size_t left = fake_.open_uploads();  // of starts whose answer was lost
  const auto output = Must(s3_->OpenOutput("aborted"));
  ASSERT_OK(output->Write(bytes));
  EXPECT_EQ(fake_.open_uploads(), left + 1);
  ASSERT_OK(output->Abort());
  EXPECT_EQ(fake_.open_uploads(), left);
  FailOnce("PUT", Status(403, "AccessDenied"), 100);
  const auto denied = Must(s3_->OpenOutput("denied"));
  static_cast<void>(denied->Write(bytes));
  EXPECT_FALSE(denied->Close().ok());
  EXPECT_EQ(fake_.open_uploads(), left);
}

// What a commit and a load cost.
TEST_F(S3ObjectStoreTest, CommitsAndLoadsTakeFewRequests) {
  const auto table = OpenTable(*s3_);
  ASSERT_OK(Create(*table, Schema()));
  ASSERT_OK(Append(*table, 10).status());
  const auto read = Must(table->Load());
  const int before = fake_.requests();
  const int64_t puts = s3_->Count(S3Request::kPutIfAbsent);
  ASSERT_OK(AppendTo(*table, *read, 10).status());
  EXPECT_EQ(fake_.requests() - before, 2);  // the data file and the log entry
  EXPECT_EQ(s3_->Count(S3Request::kPutIfAbsent) - puts, 2);
  const int loads = fake_.requests();
  fake_.page_keys = 1000;
  const auto loaded = Must(table->Load());
  EXPECT_EQ(loaded->version, read->version + 1);
  EXPECT_EQ(fake_.requests() - loads, 1);  // one list; the new entry is its own
  const int again = fake_.requests();
  ASSERT_OK(table->Load().status());
  EXPECT_EQ(fake_.requests() - again, 1);  // one list
  const int scans = fake_.requests();
  EXPECT_EQ(Must(ReadAll(*s3_, *loaded, ScanOptions()))->num_rows(), 20);
  EXPECT_EQ(fake_.requests() - scans, 2);  // small files come with their footers
}

TEST_F(S3ObjectStoreTest, TheTableSurvivesLostAnswersOfEveryRequest) {
  for (int at = 1; at < 40; ++at) {
    for (const bool is_done : {false, true}) {
      const std::string path = "t" + std::to_string(at) + (is_done ? "-done" : "-not");
      const auto table = Must(Table::Open(*s3_, path, clock_, random_));
      const int first = fake_.requests();
      fake_.plan = [=](int number, const net::HttpRequest&) -> std::optional<Fault> {
        return number == first + at ? std::optional(Lost(is_done)) : std::nullopt;
      };
      ASSERT_OK(Create(*table, Schema()));
      ASSERT_OK(Append(*table, 3).status());
      ASSERT_OK(Append(*table, 4).status());
      const auto snapshot = Must(table->Load());
      EXPECT_EQ(snapshot->version, 2);
      EXPECT_EQ(snapshot->last_seq(), 7);
      EXPECT_EQ(Must(ReadAll(*s3_, *snapshot, ScanOptions()))->num_rows(), 7);
    }
  }
}

TEST(S3PlaceTest, ResolvesStylesAndEndpoints) {
  net::AwsSettings settings;
  StorePlace place;
  place.url = "s3://my-bucket/a/b/";
  auto aws = Must(ResolveS3Place(place, settings));
  EXPECT_EQ(aws.Origin() + aws.RequestPath(aws.KeyOf("t/1")),
            "https://my-bucket.s3.us-east-1.amazonaws.com/a/b/t/1");
  place.url = "s3://my.bucket";
  settings.region = "cn-north-1";
  aws = Must(ResolveS3Place(place, settings));
  EXPECT_EQ(aws.Origin() + aws.RequestPath(aws.KeyOf("t")),
            "https://s3.cn-north-1.amazonaws.com.cn/my.bucket/t");
  settings.s3_endpoint = "http://127.0.0.1:9000/";
  EXPECT_EQ(Must(ResolveS3Place(place, settings)).Origin(), "http://127.0.0.1:9000");
  place.path_style = false;
  place.endpoint = "https://store.example";
  EXPECT_EQ(Must(ResolveS3Place(place, settings)).Host(), "my.bucket.store.example");
}

TEST(S3PlaceTest, RefusesWhatCannotBeMeant) {
  const auto refused = [](const std::string& url, const std::string& endpoint,
                          const std::string& region) {
    StorePlace place;
    place.url = url;
    place.endpoint = endpoint;
    place.region = region;
    EXPECT_EQ(CodeOfFailed(ResolveS3Place(place, net::AwsSettings())),
              ErrorCode::kInvalidDefinition)
        << url << endpoint << region;
  };
  refused("s3://", "", "");
  refused("s3:///x", "", "");
  refused("s3://a b", "", "");
  refused("s3://b/../x", "", "");
  refused("s3://b", "127.0.0.1:9000", "");
  refused("s3://b", "http://user:password@host", "");
  refused("s3://b", "http://host/path", "");
  refused("s3://b", "", "eu west");
}

TEST(S3XmlTest, AnswersThatAreNoneAreRefused) {
  const std::string good =
      "<ListBucketResult><IsTruncated>false</IsTruncated><EncodingType>url</EncodingType>"
      "<Contents><Key>a+b%2Bc%zz%</Key></Contents></ListBucketResult>";
  EXPECT_EQ(Must(ParseListPage(good)).objects.at(0).key, "a b+c%zz%");
  std::string deep;
  for (int i = 0; i < 100; ++i) {
    deep += "<a>";
  }
  for (const std::string& bad :
       {std::string(), good.substr(0, good.size() - 3), std::string("<html><body/></html>"), deep,
        "<!DOCTYPE x [<!ENTITY e \"x\">]>" + good,
        std::string("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>")}) {
    EXPECT_EQ(CodeOfFailed(ParseListPage(bad)), ErrorCode::kUnavailable) << bad;
    EXPECT_EQ(CodeOfFailed(ParseUploadId(bad)), ErrorCode::kUnavailable) << bad;
    EXPECT_EQ(CodeOfFailed(ParseUploadsPage(bad)), ErrorCode::kUnavailable) << bad;
    EXPECT_EQ(ParseErrorBody(bad).code, "");
  }
  EXPECT_EQ(ParseErrorBody("<ErrorResponse><Error><Code>X</Code></Error></ErrorResponse>").code,
            "X");
  EXPECT_EQ(EscapeXml("<\"&\x01>"), "&lt;&quot;&amp;&#1;&gt;");
}

}  // namespace
}  // namespace icecore::lake
