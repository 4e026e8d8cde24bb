// Any bytes as an AWS credentials file, a Retry-After or a Date header: no crash.

#include <cstddef>
#include <cstdint>
#include <string>

#include "icecore/net/aws_credentials.h"
#include "icecore/net/backoff.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(icecore::net::ParseAwsProfiles(text));
  static_cast<void>(icecore::net::RetryAfterMs(text));
  static_cast<void>(icecore::net::ParseHttpDate(text));
  static_cast<void>(icecore::net::AwsEncode(text, true));
  return 0;
}
