#pragma once
// Requests to one bucket: signed, repeated while that can help, counted, errors in words.

#include <arrow/result.h>

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "icecore/lake/s3/s3_object_store.h"
#include "icecore/lake/s3/s3_place.h"
#include "icecore/lake/s3/s3_xml_internal.h"
#include "icecore/net/aws_credentials.h"
#include "icecore/net/backoff.h"
#include "icecore/net/http_client.h"

namespace icecore::lake {

// The metadata header by which a writer knows its own object again.
inline constexpr char kWriteId[] = "x-amz-meta-icecore-write";

struct S3Call {
  S3Request kind = S3Request::kGet;
  std::string method;
  std::string path;  // of the object, relative to the lake; unused with `whole_bucket`
  bool whole_bucket = false;
  std::vector<std::pair<std::string, std::string>> query;
  std::map<std::string, std::string> headers;  // lower-case names
  std::string_view body;
  int64_t max_response_bytes = int64_t{16} << 20;
};

struct S3Answer {
  net::HttpResponse response;
  S3ErrorBody error;  // of a status of 300 and above, and of 200 with an error inside
  // An earlier attempt may have been done although its answer was lost or an error.
  bool may_be_done = false;

  bool ok() const { return response.status < 300 && error.code.empty(); }
};

// Thread safe.
class S3Client {
 public:
  // Everything is borrowed but `place`.
  S3Client(S3Place place, net::HttpClient* http, net::AwsCredentialsSource* credentials,
           const S3Tuning& tuning)
      : place_(std::move(place)), http_(http), credentials_(credentials), tuning_(tuning) {}

  const S3Place& place() const { return place_; }
  base::Random* random() const { return tuning_.random; }

  // The first answer that no repetition would better. Without one: kUnavailable, or
  // kOutcomeUnknown where a change may have been done.
  arrow::Result<S3Answer> Send(const S3Call& call);
  // What the answer means to a user. kNotFound for an object (not a bucket) that is not there.
  arrow::Status ErrorOf(const S3Call& call, const S3Answer& answer) const;
  // Send, and ErrorOf unless it is a success.
  arrow::Result<S3Answer> SendOk(const S3Call& call);

  int64_t Count(S3Request kind) const { return counts_[static_cast<size_t>(kind)].load(); }

 private:
  arrow::Result<net::HttpResponse> SendOnce(const S3Call& call, const std::string& digest,
                                            int64_t timeout_ms);
  std::string Named(const S3Call& call) const;
  arrow::Status ClockSkew(const S3Call& call, const S3Answer& answer) const;
  arrow::Status RefusedBy(const S3Answer& answer, const std::string& what) const;

  const S3Place place_;
  net::HttpClient* const http_;
  net::AwsCredentialsSource* const credentials_;
  const S3Tuning tuning_;
  std::array<std::atomic<int64_t>, kS3Requests> counts_{};
};

}  // namespace icecore::lake
