#pragma once
// Requests to DynamoDB: signed, repeated while that can help, errors in words.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <string>

#include "icecore/base/clock.h"
#include "icecore/base/id.h"
#include "icecore/net/aws_credentials.h"
#include "icecore/net/backoff.h"
#include "icecore/net/http_client.h"
#include "icecore/online/dynamodb/dynamo_place.h"

namespace icecore::online::dynamodb {

struct DynamoTuning {
  net::RetryLimits retry{10, 50, 2000, 30000};
  int64_t timeout_ms = 10000;  // of one attempt
};

struct DynamoAnswer {
  bool ok = false;
  std::string body;   // JSON
  std::string error;  // its type without the namespace: "ConditionalCheckFailedException"
  std::string message;
};

// Thread safe.
class DynamoClient {
 public:
  // Keys come from where the AWS tools take them (net/aws_credentials.h).
  static arrow::Result<std::unique_ptr<DynamoClient>> Open(const StorePlace& place,
                                                           const DynamoTuning& tuning);
  DynamoClient(DynamoPlace place, std::unique_ptr<net::HttpClient> http,
               std::unique_ptr<net::AwsCredentialsSource> credentials, const DynamoTuning& tuning);

  const DynamoPlace& place() const { return place_; }

  // The answer that no repetition would better. Requests may be done more than once. Without an
  // answer kUnavailable. `within_ms`: of all attempts together, where that is less than the tuning
  // allows.
  arrow::Result<DynamoAnswer> Send(const std::string& operation, const std::string& body,
                                   int64_t within_ms = INT64_MAX);
  // What the answer means to a user.
  arrow::Status ErrorOf(const std::string& operation, const DynamoAnswer& answer) const;
  // Send, and ErrorOf unless it is a success: the body.
  arrow::Result<std::string> SendOk(const std::string& operation, const std::string& body,
                                    int64_t within_ms = INT64_MAX);

  // The wait before the next attempt at what an answer has left undone; kUnavailable at the end.
  arrow::Status WaitForMore(net::Backoff* backoff) const;
  // Its waits end by `deadline_ns` (base::MonotonicNanos), or sooner.
  net::Backoff NewBackoff(int64_t deadline_ns = INT64_MAX) const;

 private:
  arrow::Result<net::HttpResponse> SendOnce(const std::string& operation, const std::string& body,
                                            int64_t timeout_ms);
  std::string Named(const std::string& operation) const;

  const DynamoPlace place_;
  const std::unique_ptr<net::HttpClient> http_;
  const std::unique_ptr<net::AwsCredentialsSource> credentials_;
  const DynamoTuning tuning_;
  const std::unique_ptr<base::Clock> clock_;
};

}  // namespace icecore::online::dynamodb
