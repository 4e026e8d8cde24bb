#include <chrono>
#include <cstdlib>
#include <thread>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/lake/s3/s3_client_internal.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;

constexpr int64_t kTimeoutMs = 60000;

bool Changes(const S3Call& call) { return call.method != "GET" && call.method != "HEAD"; }

// Whether a second attempt can end better. 409 is another writer of the same key at this moment.
bool IsTransient(int status, const std::string& code) {
  static constexpr std::string_view kCodes[] = {"SlowDown",
                                                "InternalError",
                                                "ServiceUnavailable",
                                                "Throttling",
                                                "ThrottlingException",
                                                "RequestTimeout",
                                                "ConditionalRequestConflict",
                                                "OperationAborted",
                                                "RequestLimitExceeded",
                                                "TooManyRequests"};
  for (const std::string_view known : kCodes) {
    if (code == known) {
      return true;
    }
  }
  return status == 408 || status == 409 || status == 429 || status == 500 || status == 502 ||
         status == 503 || status == 504;
}

void Sleep(int64_t ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

}  // namespace

std::string S3Client::Named(const S3Call& call) const {
  const std::string what = call.whole_bucket
                               ? place_.ToString()
                               : "s3://" + place_.bucket + "/" + place_.KeyOf(call.path);
  return what + ": " + call.method;
}

arrow::Result<net::HttpResponse> S3Client::SendOnce(const S3Call& call, const std::string& digest,
                                                    int64_t timeout_ms) {
  const int64_t now_us = tuning_.clock->NowMicros();
  ARROW_ASSIGN_OR_RAISE(const auto keys, credentials_->Get(now_us));
  net::AwsRequest signed_part;
  signed_part.method = call.method;
  signed_part.host = place_.Host();
  signed_part.path = place_.RequestPath(call.whole_bucket ? "" : place_.KeyOf(call.path));
  signed_part.query = call.query;
  signed_part.headers = call.headers;
  signed_part.payload_sha256 = digest;
  net::HttpRequest request;
  request.method = call.method;
  request.url = place_.Origin() + net::AwsTarget(signed_part);
  request.headers = net::SignAws(signed_part, keys, place_.region, "s3", now_us);
  request.body = call.body;
  request.timeout_ms = timeout_ms;
  request.max_response_bytes = call.max_response_bytes;
  counts_[static_cast<size_t>(call.kind)].fetch_add(1);
  return http_->Send(request);
}

arrow::Result<S3Answer> S3Client::Send(const S3Call& call) {
  const std::string digest = base::Sha256Hex(call.body);
  net::Backoff backoff(tuning_.retry, tuning_.random);
  S3Answer answer;
  for (;;) {
    auto response = SendOnce(call, digest, std::min(backoff.LeftMs(), kTimeoutMs));
    int64_t wait_at_least_ms = 0;
    arrow::Status failure;
    if (response.ok()) {
      answer.response = *std::move(response);
      const std::string& body = answer.response.body;
      // CompleteMultipartUpload may fail after its 200.
      const bool may_hide_error = call.kind == S3Request::kMultipart && !body.empty();
      answer.error =
          answer.response.status >= 300 || may_hide_error ? ParseErrorBody(body) : S3ErrorBody();
      const int status = answer.response.status;
      if (answer.ok() || !IsTransient(status, answer.error.code)) {
        return answer;
      }
      failure = MakeError(ErrorCode::kUnavailable,
                          Named(call) + ": HTTP " + std::to_string(status) + " " +
                              answer.error.code + ": " + answer.error.message);
      wait_at_least_ms = net::RetryAfterMs(answer.response.Header("retry-after"));
      answer.may_be_done = answer.may_be_done || status >= 500;
    } else {
      failure = base::WithContext(response.status(), Named(call));
      const ErrorCode code = base::CodeOf(failure);
      if (code != ErrorCode::kUnavailable && code != ErrorCode::kOutcomeUnknown) {
        return failure;
      }
      answer.may_be_done = answer.may_be_done || code == ErrorCode::kOutcomeUnknown;
    }
    const auto wait = backoff.NextWaitMs(wait_at_least_ms);
    if (!wait) {
      const bool is_unknown = Changes(call) && answer.may_be_done;
      return MakeError(is_unknown ? ErrorCode::kOutcomeUnknown : ErrorCode::kUnavailable,
                       failure.message() + " (" + std::to_string(backoff.attempts()) +
                           " attempts at " + place_.endpoint + ")");
    }
    counts_[static_cast<size_t>(S3Request::kRepeated)].fetch_add(1);
    (tuning_.sleep ? tuning_.sleep : Sleep)(*wait);
  }
}

arrow::Result<S3Answer> S3Client::SendOk(const S3Call& call) {
  ARROW_ASSIGN_OR_RAISE(auto answer, Send(call));
  if (!answer.ok()) {
    return ErrorOf(call, answer);
  }
  return answer;
}

arrow::Status S3Client::ClockSkew(const S3Call& call, const S3Answer& answer) const {
  const int64_t theirs_us = net::ParseHttpDate(answer.response.Header("date"));
  std::string by;
  if (theirs_us > 0) {
    by = " by " + std::to_string(std::llabs(tuning_.clock->NowMicros() - theirs_us) / 1'000'000) +
         " s";
  }
  return MakeError(ErrorCode::kDenied, Named(call) + ": this machine's clock and the store's are " +
                                           "apart" + by + "; set the machine's clock");
}

arrow::Status S3Client::RefusedBy(const S3Answer& answer, const std::string& what) const {
  const std::string& code = answer.error.code;
  std::string hint =
      "check that these keys may do this in the bucket (s3:GetObject, s3:PutObject, "
      "s3:DeleteObject, s3:ListBucket)";
  if (code == "InvalidAccessKeyId" || code == "SignatureDoesNotMatch") {
    hint = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile";
  } else if (code == "ExpiredToken" || code == "InvalidToken") {
    hint = "get new keys: the session has ended";
  }
  return MakeError(ErrorCode::kDenied,
                   what + "; the keys come from " + credentials_->Origin() + "; " + hint);
}

arrow::Status S3Client::ErrorOf(const S3Call& call, const S3Answer& answer) const {
  const int status = answer.response.status;
  const S3ErrorBody& error = answer.error;
  std::string request_id = answer.response.Header("x-amz-request-id");
  if (request_id.empty()) {
    request_id = error.request_id;
  }
  std::string what = Named(call) + ": HTTP " + std::to_string(status);
  what += error.code.empty() ? "" : " " + error.code;
  what += error.message.empty() ? "" : ": " + error.message;
  what += request_id.empty() ? "" : " (request " + request_id + ")";
  if (error.code == "RequestTimeTooSkewed") {
    return ClockSkew(call, answer);
  }
  if (error.code == "NoSuchBucket" || (status == 404 && call.whole_bucket)) {
    return MakeError(ErrorCode::kInvalidDefinition,
                     what + "; there is no bucket '" + place_.bucket + "' at " + place_.endpoint +
                         ": make it, or correct `lake` in icecore.yaml");
  }
  if (status == 404) {
    return MakeError(ErrorCode::kNotFound, what);
  }
  std::string region = answer.response.Header("x-amz-bucket-region");
  region = region.empty() ? error.region : region;
  const bool is_elsewhere = status == 301 || status == 307 || status == 400;
  if (is_elsewhere && !region.empty() && region != place_.region) {
    return MakeError(ErrorCode::kInvalidDefinition, what + "; the bucket is in region " + region +
                                                        ", asked was " + place_.region +
                                                        ": set lake.region or AWS_REGION");
  }
  if (status == 301 || status == 307 || status == 308) {
    return MakeError(ErrorCode::kInvalidDefinition,
                     what + "; the store sends us elsewhere: check lake.endpoint and lake.region");
  }
  const bool is_token = error.code == "ExpiredToken" || error.code == "InvalidToken";
  if (status == 401 || status == 403 || is_token) {
    return RefusedBy(answer, what);
  }
  if (status == 501 || error.code == "NotImplemented") {
    return MakeError(ErrorCode::kUnsupported, what + "; the store lacks this");
  }
  return MakeError(ErrorCode::kUnavailable,
                   what + "; check lake.endpoint, lake.region and lake.path_style");
}

}  // namespace icecore::lake
