#pragma once
// AWS Signature Version 4 in the Authorization header.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace icecore::net {

struct AwsCredentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  // "" for long-lived keys
  int64_t expires_us = INT64_MAX;
};

struct AwsRequest {
  std::string method;
  std::string host;  // as in the Host header, with the port where it is not the scheme's
  std::string path;  // not encoded, begins with '/'
  std::vector<std::pair<std::string, std::string>> query;  // not encoded
  std::map<std::string, std::string> headers;              // lower-case names; all are signed
  std::string payload_sha256;                              // hex, or "UNSIGNED-PAYLOAD"
};

// Every byte but letters, digits and "-._~" as %XX; '/' too unless it is kept.
std::string AwsEncode(std::string_view text, bool keep_slash);

// Path and query as they are signed and must be sent: "/a%20b?list-type=2&prefix=x".
std::string AwsTarget(const AwsRequest& request);

// The headers to send: those of the request, Host, x-amz-date, x-amz-content-sha256, where there
// is one x-amz-security-token, and Authorization.
std::vector<std::pair<std::string, std::string>> SignAws(const AwsRequest& request,
                                                         const AwsCredentials& credentials,
                                                         const std::string& region,
                                                         const std::string& service,
                                                         int64_t now_us);

}  // namespace icecore::net
