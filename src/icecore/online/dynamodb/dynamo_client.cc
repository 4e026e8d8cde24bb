#include "icecore/online/dynamodb/dynamo_client.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "icecore/base/error.h"

namespace icecore::online::dynamodb {
namespace {

using base::ErrorCode;
using base::MakeError;

constexpr size_t kMaxIdle = 32;

bool IsTransient(int status, const std::string& error) {
  for (const char* known :
       {"ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded",
        "TransactionConflictException", "TransactionInProgressException",
        "ReplicatedWriteConflictException", "InternalServerError", "ServiceUnavailable"}) {
    if (error == known) return true;
  }
  return status >= 500 || status == 429 || status == 408;
}

// {"__type": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", "message": "…"}
void ParseError(const std::string& body, DynamoAnswer* answer) {
  const auto json = nlohmann::json::parse(body, nullptr, false);
  if (!json.is_object()) return;
  const auto text = [&](const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  const std::string type = text("__type");
  const size_t hash = type.rfind('#');
  answer->error = hash == std::string::npos ? type : type.substr(hash + 1);
  answer->message = text("message").empty() ? text("Message") : text("message");
}

}  // namespace

arrow::Result<std::unique_ptr<DynamoClient>> DynamoClient::Open(const StorePlace& place,
                                                                const DynamoTuning& tuning) {
  const net::AwsSurroundings surroundings = net::SystemAwsSurroundings();
  ARROW_ASSIGN_OR_RAISE(const auto settings, net::ReadAwsSettings(place.profile, surroundings));
  ARROW_ASSIGN_OR_RAISE(DynamoPlace parsed, ParseDynamoPlace(place, settings, surroundings));
  net::HttpClient::Options options;
  options.ca_file = settings.ca_bundle;
  options.max_idle = kMaxIdle;
  options.connect_timeout_ms = 2000;
  ARROW_ASSIGN_OR_RAISE(auto http, net::HttpClient::Open(options));
  ARROW_ASSIGN_OR_RAISE(auto credentials,
                        net::OpenAwsCredentials(settings, surroundings, http.get()));
  return std::make_unique<DynamoClient>(std::move(parsed), std::move(http), std::move(credentials),
                                        tuning);
}

DynamoClient::DynamoClient(DynamoPlace place, std::unique_ptr<net::HttpClient> http,
                           std::unique_ptr<net::AwsCredentialsSource> credentials,
                           const DynamoTuning& tuning)
    : place_(std::move(place)),
      http_(std::move(http)),
      credentials_(std::move(credentials)),
      tuning_(tuning),
      clock_(base::MakeSystemClock()) {}

std::string DynamoClient::Named(const std::string& operation) const {
  return "DynamoDB table '" + place_.table + "' at " + place_.endpoint + ": " + operation;
}

arrow::Result<net::HttpResponse> DynamoClient::SendOnce(const std::string& operation,
                                                        const std::string& body,
                                                        int64_t timeout_ms) {
  const int64_t now_us = clock_->NowMicros();
  ARROW_ASSIGN_OR_RAISE(const auto keys, credentials_->Get(now_us));
  net::AwsRequest signed_part;
  signed_part.method = "POST";
  signed_part.host = place_.Host();
  signed_part.path = "/";
  signed_part.headers = {{"content-type", "application/x-amz-json-1.0"},
                         {"x-amz-target", "DynamoDB_20120810." + operation}};
  signed_part.payload_sha256 = base::Sha256Hex(body);
  net::HttpRequest request;
  request.method = "POST";
  request.url = place_.endpoint + "/";
  request.headers = net::SignAws(signed_part, keys, place_.region, "dynamodb", now_us);
  request.body = body;
  request.timeout_ms = timeout_ms;
  request.max_response_bytes = int64_t{64} << 20;
  return http_->Send(request);
}

arrow::Result<DynamoAnswer> DynamoClient::Send(const std::string& operation,
                                               const std::string& body, int64_t within_ms) {
  net::RetryLimits limits = tuning_.retry;
  limits.deadline_ms = std::min(limits.deadline_ms, within_ms);
  net::Backoff backoff(limits, &base::SystemRandom());
  while (true) {
    auto response = SendOnce(operation, body, std::min(backoff.LeftMs(), tuning_.timeout_ms));
    std::string failure;
    if (response.ok()) {
      DynamoAnswer answer;
      answer.ok = response->status == 200;
      answer.body = std::move(response->body);
      if (!answer.ok) ParseError(answer.body, &answer);
      if (answer.ok || !IsTransient(response->status, answer.error)) return answer;
      failure = Named(operation) + ": HTTP " + std::to_string(response->status) + " " +
                answer.error + " " + answer.message;
    } else {
      const ErrorCode code = base::CodeOf(response.status());
      failure = Named(operation) + ": " + response.status().message();
      if (code != ErrorCode::kUnavailable && code != ErrorCode::kOutcomeUnknown) {
        return MakeError(code, failure);
      }
    }
    const auto wait_ms = backoff.NextWaitMs(0);
    if (!wait_ms) {
      return MakeError(ErrorCode::kUnavailable,
                       failure + " (" + std::to_string(backoff.attempts()) + " attempts)");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(*wait_ms));
  }
}

arrow::Status DynamoClient::ErrorOf(const std::string& operation,
                                    const DynamoAnswer& answer) const {
  const std::string what = Named(operation) + ": " + answer.error +
                           (answer.message.empty() ? "" : ": " + answer.message);
  for (const char* refused :
       {"AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException",
        "ExpiredTokenException", "MissingAuthenticationTokenException",
        "IncompleteSignatureException", "SubscriptionRequiredException"}) {
    if (answer.error == refused) {
      return MakeError(ErrorCode::kDenied,
                       what + "; the keys come from " + credentials_->Origin() +
                           "; they need dynamodb:BatchGetItem, BatchWriteItem, GetItem, PutItem, "
                           "DeleteItem, Scan and DescribeTable on the table");
    }
  }
  if (answer.error == "ResourceNotFoundException") {
    return MakeError(ErrorCode::kNotFound,
                     "there is no DynamoDB table '" + place_.table + "' in " + place_.region +
                         "; run 'icecore materialize', which makes it where the keys may "
                         "(dynamodb:CreateTable)");
  }
  return MakeError(ErrorCode::kUnavailable, what);
}

arrow::Result<std::string> DynamoClient::SendOk(const std::string& operation,
                                                const std::string& body, int64_t within_ms) {
  ARROW_ASSIGN_OR_RAISE(DynamoAnswer answer, Send(operation, body, within_ms));
  if (!answer.ok) return ErrorOf(operation, answer);
  return std::move(answer.body);
}

net::Backoff DynamoClient::NewBackoff(int64_t deadline_ns) const {
  net::RetryLimits limits = tuning_.retry;
  const int64_t left_ms = (deadline_ns - base::MonotonicNanos()) / 1'000'000;
  limits.deadline_ms = std::min(limits.deadline_ms, std::max<int64_t>(left_ms, 1));
  return {limits, &base::SystemRandom()};
}

arrow::Status DynamoClient::WaitForMore(net::Backoff* backoff) const {
  const auto wait_ms = backoff->NextWaitMs(0);
  if (!wait_ms) {
    return MakeError(ErrorCode::kUnavailable, "DynamoDB table '" + place_.table + "' at " +
                                                  place_.endpoint +
                                                  " leaves requests undone: it is throttled (" +
                                                  std::to_string(backoff->attempts()) +
                                                  " attempts); give the table more capacity");
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(*wait_ms));
  return arrow::Status::OK();
}

}  // namespace icecore::online::dynamodb
