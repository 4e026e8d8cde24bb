#include "icecore/lake/s3/s3_place.h"

#include <algorithm>
#include <cctype>

#include "icecore/base/error.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;

constexpr std::string_view kScheme = "s3://";

bool IsNameCharacter(unsigned char c) {
  return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_';
}

bool IsName(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), IsNameCharacter);
}

arrow::Status CheckEndpoint(const std::string& endpoint) {
  const bool has_scheme = endpoint.starts_with("https://") || endpoint.starts_with("http://");
  const std::string host = has_scheme ? endpoint.substr(endpoint.find("://") + 3) : "";
  const bool is_plain = !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return IsNameCharacter(byte) || c == ':' || c == '[' || c == ']';
  });
  if (!is_plain) {
    return MakeError(ErrorCode::kInvalidDefinition,
                     "the S3 endpoint must be http(s)://HOST[:PORT] without a path; look at "
                     "lake.endpoint in icecore.yaml and AWS_ENDPOINT_URL");
  }
  return arrow::Status::OK();
}

}  // namespace

std::string S3Place::ToString() const {
  return std::string(kScheme) + bucket + (prefix.empty() ? "" : "/" + prefix);
}

std::string S3Place::Host() const {
  const std::string host = endpoint.substr(endpoint.find("://") + 3);
  return path_style ? host : bucket + "." + host;
}

std::string S3Place::Origin() const {
  return endpoint.substr(0, endpoint.find("://") + 3) + Host();
}

std::string S3Place::RequestPath(const std::string& key) const {
  return (path_style ? "/" + bucket : "") + "/" + key;
}

std::string S3Place::KeyOf(const std::string& path) const {
  return prefix.empty() ? path : prefix + "/" + path;
}

arrow::Result<S3Place> ResolveS3Place(const StorePlace& place, const net::AwsSettings& settings) {
  S3Place out;
  const std::string rest = place.url.substr(kScheme.size());
  const size_t slash = std::min(rest.find('/'), rest.size());
  out.bucket = rest.substr(0, slash);
  out.prefix = slash < rest.size() ? rest.substr(slash + 1) : "";
  while (out.prefix.ends_with('/')) {
    out.prefix.pop_back();
  }
  if (!IsName(out.bucket)) {
    return MakeError(ErrorCode::kInvalidDefinition,
                     "lake: " + place.url + ": must be s3://BUCKET or s3://BUCKET/PREFIX");
  }
  if (!out.prefix.empty()) {
    if (const arrow::Status valid = CheckObjectPath(out.prefix); !valid.ok()) {
      return MakeError(ErrorCode::kInvalidDefinition, "lake: " + place.url + ": the prefix '" +
                                                          out.prefix +
                                                          "' has an empty part, '.' or '..'");
    }
  }
  out.region = !place.region.empty() ? place.region : settings.region;
  if (out.region.empty()) {
    out.region = "us-east-1";
  }
  if (!IsName(out.region)) {
    return MakeError(ErrorCode::kInvalidDefinition,
                     "'" + out.region + "' is no region; look at lake.region and AWS_REGION");
  }
  out.endpoint = !place.endpoint.empty() ? place.endpoint : settings.s3_endpoint;
  const bool is_given = !out.endpoint.empty();
  if (!is_given) {
    out.endpoint = "https://s3." + out.region + ".amazonaws.com" +
                   (out.region.starts_with("cn-") ? ".cn" : "");
  }
  while (out.endpoint.ends_with('/')) {
    out.endpoint.pop_back();
  }
  ARROW_RETURN_NOT_OK(CheckEndpoint(out.endpoint));
  out.path_style = place.path_style.value_or(is_given || out.bucket.find('.') != std::string::npos);
  return out;
}

}  // namespace icecore::lake
