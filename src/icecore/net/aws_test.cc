#include <deque>

#include "icecore/base/error.h"
#include "icecore/net/aws_credentials.h"
#include "icecore/net/aws_signature.h"
#include "icecore/net/backoff.h"

#include <gtest/gtest.h>

namespace icecore::net {
namespace {

using base::ErrorCode;

constexpr int64_t kDay = 1'369'353'600'000'000;  // 2013-05-24T00:00:00Z

// The examples of "Signature Calculations for the Authorization Header" in the S3 API reference.
AwsCredentials ExampleKeys() {
  return {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "", INT64_MAX};
}

AwsRequest ExampleRequest(const std::string& method, const std::string& path) {
  AwsRequest request;
  request.method = method;
  request.host = "examplebucket.s3.amazonaws.com";
  request.path = path;
  request.payload_sha256 = base::Sha256Hex("");
  return request;
}

std::string SignatureOf(const AwsRequest& request) {
  for (const auto& [name, value] : SignAws(request, ExampleKeys(), "us-east-1", "s3", kDay)) {
    if (name == "authorization") {
      return value.substr(value.find("Signature=") + 10);
    }
  }
  return "";
}

TEST(AwsSignatureTest, SignsThePublishedExamples) {
  AwsRequest get = ExampleRequest("GET", "/test.txt");
  get.headers["range"] = "bytes=0-9";
  EXPECT_EQ(SignatureOf(get), "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  AwsRequest put = ExampleRequest("PUT", "/test$file.text");
  put.headers["date"] = "Fri, 24 May 2013 00:00:00 GMT";
  put.headers["x-amz-storage-class"] = "REDUCED_REDUNDANCY";
  put.payload_sha256 = base::Sha256Hex("Welcome to Amazon S3.");
  EXPECT_EQ(SignatureOf(put), "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
  AwsRequest lifecycle = ExampleRequest("GET", "/");
  lifecycle.query = {{"lifecycle", ""}};
  EXPECT_EQ(SignatureOf(lifecycle),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  AwsRequest list = ExampleRequest("GET", "/");
  list.query = {{"prefix", "J"}, {"max-keys", "2"}};
  EXPECT_EQ(SignatureOf(list), "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(AwsSignatureTest, EncodesAllButUnreserved) {
  EXPECT_EQ(AwsEncode("a/b c+d%é~", true), "a/b%20c%2Bd%25%C3%A9~");
  EXPECT_EQ(AwsEncode("a/b", false), "a%2Fb");
  AwsRequest list = ExampleRequest("GET", "/a b/");
  list.query = {{"prefix", "x/y=&"}, {"list-type", "2"}};
  EXPECT_EQ(AwsTarget(list), "/a%20b/?list-type=2&prefix=x%2Fy%3D%26");
}

TEST(AwsSignatureTest, SendsTheSessionToken) {
  AwsCredentials keys = ExampleKeys();
  keys.session_token = "token";
  bool found = false;
  for (const auto& [name, value] :
       SignAws(ExampleRequest("GET", "/x"), keys, "eu-west-1", "s3", kDay)) {
    found = found || (name == "x-amz-security-token" && value == "token");
    EXPECT_EQ(value.find(keys.secret_access_key), std::string::npos);
  }
  EXPECT_TRUE(found);
}

class FakeHttp : public HttpClient {
 public:
  arrow::Result<HttpResponse> Send(const HttpRequest& request) override {
    urls.push_back(request.method + " " + request.url);
    if (answers.empty()) {
      return base::MakeError(ErrorCode::kUnavailable, "nobody there");
    }
    HttpResponse response;
    response.status = answers.front().first;
    response.body = answers.front().second;
    answers.pop_front();
    return response;
  }
  std::deque<std::pair<int, std::string>> answers;
  std::vector<std::string> urls;
};

class AwsCredentialsTest : public ::testing::Test {
 protected:
  AwsSurroundings Surroundings() {
    return {[this](const std::string& name) -> std::optional<std::string> {
              const auto found = environment_.find(name);
              return found == environment_.end() ? std::nullopt : std::optional(found->second);
            },
            [this](const std::string& path) -> arrow::Result<std::string> {
              const auto found = files_.find(path);
              if (found == files_.end()) {
                return base::MakeError(ErrorCode::kNotFound, path);
              }
              return found->second;
            }};
  }
  arrow::Result<AwsCredentials> Keys(const std::string& profile, int64_t now_us) {
    ARROW_ASSIGN_OR_RAISE(const auto settings, ReadAwsSettings(profile, Surroundings()));
    ARROW_ASSIGN_OR_RAISE(source_, OpenAwsCredentials(settings, Surroundings(), &http_));
    return source_->Get(now_us);
  }

  std::map<std::string, std::string> environment_ = {{"HOME", "/home/me"}};
  std::map<std::string, std::string> files_ = {
      {"/home/me/.aws/credentials",
       "# keys\n[default]\naws_access_key_id = A\naws_secret_access_key=S\n\n[other]\r\n"
       "aws_access_key_id=B\r\naws_secret_access_key = T\r\naws_session_token= U\r\n"},
      {"/home/me/.aws/config",
       "[default]\nregion = eu-central-1\ns3 =\n  region = no\n[profile other]\n"
       "endpoint_url=https://store.example\n[profile role]\nrole_arn = arn:aws:iam::1:role/x\n"}};
  FakeHttp http_;
  std::unique_ptr<AwsCredentialsSource> source_;
};

TEST_F(AwsCredentialsTest, ReadsProfiles) {
  EXPECT_EQ(Keys("", 0)->access_key_id, "A");
  EXPECT_EQ(ReadAwsSettings("", Surroundings())->region, "eu-central-1");
  const auto other = Keys("other", 0);
  EXPECT_EQ(other->secret_access_key, "T");
  EXPECT_EQ(other->session_token, "U");
  EXPECT_EQ(source_->Origin(), "profile 'other'");
  EXPECT_EQ(ReadAwsSettings("other", Surroundings())->s3_endpoint, "https://store.example");
  environment_["AWS_PROFILE"] = "other";
  EXPECT_EQ(Keys("", 0)->access_key_id, "B");
  const auto wrong = Keys("othr", 0);
  EXPECT_EQ(base::CodeOf(wrong.status()), ErrorCode::kInvalidDefinition);
  EXPECT_NE(wrong.status().message().find("other"), std::string::npos);
}

TEST_F(AwsCredentialsTest, TheEnvironmentComesFirstUnlessAProfileIsAsked) {
  environment_["AWS_ACCESS_KEY_ID"] = "E";
  EXPECT_EQ(base::CodeOf(Keys("", 0).status()), ErrorCode::kDenied);
  environment_["AWS_SECRET_ACCESS_KEY"] = "F";
  EXPECT_EQ(Keys("", 0)->access_key_id, "E");
  EXPECT_EQ(Keys("other", 0)->access_key_id, "B");
  environment_["AWS_REGION"] = "us-west-2";
  environment_["AWS_ENDPOINT_URL"] = "http://all";
  environment_["AWS_ENDPOINT_URL_S3"] = "http://s3";
  EXPECT_EQ(ReadAwsSettings("", Surroundings())->region, "us-west-2");
  EXPECT_EQ(ReadAwsSettings("", Surroundings())->s3_endpoint, "http://s3");
}

TEST_F(AwsCredentialsTest, RefusesByNameWhatItCannotDo) {
  const auto role = Keys("role", 0);
  EXPECT_EQ(base::CodeOf(role.status()), ErrorCode::kUnsupported);
  EXPECT_NE(role.status().message().find("role_arn"), std::string::npos);
  files_.clear();
  environment_["AWS_WEB_IDENTITY_TOKEN_FILE"] = "/token";
  EXPECT_EQ(base::CodeOf(Keys("", 0).status()), ErrorCode::kUnsupported);
  environment_.erase("AWS_WEB_IDENTITY_TOKEN_FILE");
  const auto nobody = Keys("", 0);
  EXPECT_EQ(base::CodeOf(nobody.status()), ErrorCode::kDenied);
  EXPECT_NE(nobody.status().message().find("AWS_ACCESS_KEY_ID"), std::string::npos);
}

TEST_F(AwsCredentialsTest, LentKeysAreRenewedBeforeTheyExpire) {
  files_.clear();
  const std::string keys =
      R"({"AccessKeyId":"L","SecretAccessKey":"M","Token":"N","Expiration":"2013-05-24T06:00:00Z"})";
  http_.answers = {{200, "session"}, {200, "my-role\n"}, {200, keys}};
  EXPECT_EQ(Keys("", kDay)->session_token, "N");
  EXPECT_EQ(http_.urls[0], "PUT http://169.254.169.254/latest/api/token");
  EXPECT_EQ(http_.urls[2],
            "GET http://169.254.169.254/latest/meta-data/iam/security-credentials/my-role");
  EXPECT_TRUE(source_->Get(kDay + 3'600'000'000).ok());
  EXPECT_EQ(http_.urls.size(), 3);
  // Near the end it asks again, and lives with the old ones while nobody answers.
  EXPECT_TRUE(source_->Get(kDay + int64_t{5} * 3'600'000'000 + int64_t{57} * 60'000'000).ok());
  EXPECT_EQ(http_.urls.size(), 4);
  EXPECT_EQ(base::CodeOf(source_->Get(kDay + int64_t{7} * 3'600'000'000).status()),
            ErrorCode::kDenied);
}

TEST_F(AwsCredentialsTest, ContainersHaveAServiceOfTheirOwn) {
  files_.clear();
  environment_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/x";
  http_.answers = {{200, R"({"AccessKeyId":"L","SecretAccessKey":"M"})"}};
  EXPECT_EQ(Keys("", kDay)->access_key_id, "L");
  EXPECT_EQ(http_.urls[0], "GET http://169.254.170.2/v2/x");
  http_.answers = {{200, "[1"}};
  EXPECT_EQ(base::CodeOf(Keys("", kDay).status()), ErrorCode::kDenied);
}

TEST(BackoffTest, WaitsLongerAtRandomAndGivesUp) {
  base::SeededRandom random(7);
  Backoff backoff(
      {.attempts = 5, .first_wait_ms = 100, .longest_wait_ms = 300, .deadline_ms = 60000}, &random);
  for (const int64_t bound : {100, 200, 300, 300}) {
    const auto wait = backoff.NextWaitMs(0);
    ASSERT_TRUE(wait.has_value());
    EXPECT_GE(*wait, 0);
    EXPECT_LE(*wait, bound);
  }
  EXPECT_FALSE(backoff.NextWaitMs(0).has_value());
  EXPECT_EQ(backoff.attempts(), 5);
}

TEST(BackoffTest, ProgressBeginsAnewAndKeepsTheDeadline) {
  base::SeededRandom random(1);
  Backoff backoff({.attempts = 2, .first_wait_ms = 1, .longest_wait_ms = 1, .deadline_ms = 5000},
                  &random);
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(backoff.NextWaitMs(0).has_value());
    backoff.Progress();
  }
  EXPECT_TRUE(backoff.NextWaitMs(0).has_value());
  EXPECT_FALSE(backoff.NextWaitMs(0).has_value());
  backoff.Progress();
  EXPECT_FALSE(backoff.NextWaitMs(5001).has_value());
}

TEST(BackoffTest, KeepsToWhatTheServerAsksAndToTheDeadline) {
  base::SeededRandom random(7);
  Backoff backoff({.attempts = 5, .first_wait_ms = 1, .longest_wait_ms = 1, .deadline_ms = 5000},
                  &random);
  EXPECT_EQ(backoff.NextWaitMs(RetryAfterMs("2")), 2000);
  EXPECT_FALSE(backoff.NextWaitMs(RetryAfterMs("3600")).has_value());
  EXPECT_EQ(RetryAfterMs("Fri, 31 Dec 1999 23:59:59 GMT"), 0);
  EXPECT_EQ(RetryAfterMs("-1"), 0);
  EXPECT_EQ(RetryAfterMs(""), 0);
}

}  // namespace
}  // namespace icecore::net
