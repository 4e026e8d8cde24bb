#pragma once
// Objects in a bucket of S3, or of a store that speaks S3 and knows conditional writes.

#include <arrow/result.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "icecore/base/clock.h"
#include "icecore/base/id.h"
#include "icecore/lake/object_store.h"
#include "icecore/net/aws_credentials.h"
#include "icecore/net/backoff.h"
#include "icecore/net/http_client.h"

namespace icecore::lake {

// Requests as a bill counts them; every attempt counts.
enum class S3Request {
  kGet,
  kHead,
  kPut,
  kPutIfAbsent,
  kList,
  kDelete,
  kMultipart,  // start, complete and abort
  kPart,
  kRepeated,  // of all the above, those that were attempts after the first
};
inline constexpr size_t kS3Requests = 9;

// What tests set; the clock is the machine's: requests are signed with its time.
struct S3Tuning {
  net::RetryLimits retry;
  const base::Clock* clock = nullptr;      // borrowed
  base::Random* random = nullptr;          // borrowed
  std::function<void(int64_t ms)> sleep;   // nullptr: the thread sleeps
  net::HttpClient* http = nullptr;         // borrowed; nullptr: one of the store's own
  int64_t part_bytes = int64_t{16} << 20;  // of multi-part uploads; S3 takes no less than 5 MiB
};

// Every request is repeated on lost connections, throttling and 5xx. A conditional write carries an
// id of its own as metadata, by which a write whose answer was lost is told from another writer's;
// PutIfAbsent ends in kOutcomeUnknown only where the store could not be asked. Before the first
// conditional write of an instance it is made sure that the store refuses to replace (else
// kUnsupported): one object "_icecore/conditional-writes" lies beside the tables for that.
// Errors: keys, signature, policy and clock kDenied; bucket, region, endpoint kInvalidDefinition;
// no answer in spite of all attempts kUnavailable.
class S3ObjectStore : public ObjectStore {
 public:
  // `place.url` begins with s3://. Sends no request.
  static arrow::Result<std::unique_ptr<ObjectStore>> Open(const StorePlace& place,
                                                          const net::AwsSurroundings& surroundings);
  static arrow::Result<std::unique_ptr<S3ObjectStore>> OpenWith(
      const StorePlace& place, const net::AwsSurroundings& surroundings, const S3Tuning& tuning);

  // Requests sent so far.
  virtual int64_t Count(S3Request kind) const = 0;
};

}  // namespace icecore::lake
