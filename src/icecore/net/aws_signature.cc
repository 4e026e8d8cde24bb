#include "icecore/net/aws_signature.h"

#include <algorithm>
#include <ctime>

#include "icecore/base/id.h"

namespace icecore::net {
namespace {

bool IsUnreserved(unsigned char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

std::string EncodeQuery(const std::vector<std::pair<std::string, std::string>>& query) {
  std::vector<std::pair<std::string, std::string>> encoded;
  encoded.reserve(query.size());
  for (const auto& [name, value] : query) {
    encoded.emplace_back(AwsEncode(name, false), AwsEncode(value, false));
  }
  std::sort(encoded.begin(), encoded.end());
  std::string text;
  for (const auto& [name, value] : encoded) {
    text += (text.empty() ? "" : "&") + name + "=" + value;
  }
  return text;
}

// "20130524T000000Z"
std::string AmzDate(int64_t now_us) {
  const auto seconds = static_cast<time_t>(now_us / 1'000'000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[32];
  const size_t size = std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &utc);
  return std::string(text, size);
}

// Runs of spaces count as one, those at the ends as none.
std::string Collapse(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c != ' ' || (!out.empty() && out.back() != ' ')) {
      out += c;
    }
  }
  if (!out.empty() && out.back() == ' ') {
    out.pop_back();
  }
  return out;
}

}  // namespace

std::string AwsEncode(std::string_view text, bool keep_slash) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (IsUnreserved(byte) || (keep_slash && c == '/')) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

std::string AwsTarget(const AwsRequest& request) {
  const std::string query = EncodeQuery(request.query);
  return AwsEncode(request.path, true) + (query.empty() ? "" : "?" + query);
}

std::vector<std::pair<std::string, std::string>> SignAws(const AwsRequest& request,
                                                         const AwsCredentials& credentials,
                                                         const std::string& region,
                                                         const std::string& service,
                                                         int64_t now_us) {
  const std::string date = AmzDate(now_us);
  std::map<std::string, std::string> headers = request.headers;
  headers["host"] = request.host;
  headers["x-amz-date"] = date;
  headers["x-amz-content-sha256"] = request.payload_sha256;
  if (!credentials.session_token.empty()) {
    headers["x-amz-security-token"] = credentials.session_token;
  }
  std::string canonical_headers;
  std::string names;
  for (const auto& [name, value] : headers) {
    canonical_headers += name + ":" + Collapse(value) + "\n";
    names += (names.empty() ? "" : ";") + name;
  }
  const std::string canonical = request.method + "\n" + AwsEncode(request.path, true) + "\n" +
                                EncodeQuery(request.query) + "\n" + canonical_headers + "\n" +
                                names + "\n" + request.payload_sha256;
  const std::string day = date.substr(0, 8);
  const std::string scope = day + "/" + region + "/" + service + "/aws4_request";
  const std::string to_sign =
      "AWS4-HMAC-SHA256\n" + date + "\n" + scope + "\n" + base::Sha256Hex(canonical);
  std::string key = base::HmacSha256("AWS4" + credentials.secret_access_key, day);
  key = base::HmacSha256(key, region);
  key = base::HmacSha256(key, service);
  key = base::HmacSha256(key, "aws4_request");
  headers["authorization"] = "AWS4-HMAC-SHA256 Credential=" + credentials.access_key_id + "/" +
                             scope + ",SignedHeaders=" + names +
                             ",Signature=" + base::HexOf(base::HmacSha256(key, to_sign));
  return {headers.begin(), headers.end()};
}

}  // namespace icecore::net
