#include "icecore/online/dynamodb/dynamo_place.h"

#include <algorithm>
#include <string_view>

#include "icecore/base/error.h"

namespace icecore::online::dynamodb {
namespace {

constexpr size_t kMinTableBytes = 3;
constexpr size_t kMaxTableBytes = 255;

arrow::Status Wrong(const std::string& what) {
  return base::MakeError(base::ErrorCode::kInvalidDefinition,
                         "online: " + what +
                             "; expected dynamodb://REGION/PREFIX, e.g. "
                             "dynamodb://eu-central-1/flights-online");
}

bool IsTableName(std::string_view name) {
  return name.size() >= kMinTableBytes && name.size() <= kMaxTableBytes &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-' || c == '.';
         });
}

std::string EndpointOf(const StorePlace& place, const net::AwsSettings& settings,
                       const net::AwsSurroundings& surroundings) {
  if (!place.endpoint.empty()) return place.endpoint;
  for (const char* name : {"AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"}) {
    const auto value = surroundings.environment(name);
    if (value.has_value() && !value->empty()) return *value;
  }
  const auto found = settings.keys.find("endpoint_url");
  return found == settings.keys.end() ? "" : found->second;
}

}  // namespace

std::string DynamoPlace::Host() const { return endpoint.substr(endpoint.find("://") + 3); }

arrow::Result<DynamoPlace> ParseDynamoPlace(const StorePlace& place,
                                            const net::AwsSettings& settings,
                                            const net::AwsSurroundings& surroundings) {
  const std::string rest = place.url.substr(place.url.find("://") + 3);
  const size_t slash = rest.find('/');
  if (slash == std::string::npos) return Wrong("'" + place.url + "' has no prefix");
  DynamoPlace parsed;
  parsed.region = slash == 0 ? settings.region : rest.substr(0, slash);
  parsed.table = rest.substr(slash + 1);
  if (parsed.region.empty()) {
    return Wrong("no region: '" + place.url + "' has none, nor has the environment (AWS_REGION)");
  }
  if (!IsTableName(parsed.table)) {
    return Wrong("'" + parsed.table +
                 "' is no name of a table (3 to 255 letters, digits, '_', '-', '.')");
  }
  parsed.endpoint = EndpointOf(place, settings, surroundings);
  if (parsed.endpoint.empty()) {
    parsed.endpoint = "https://dynamodb." + parsed.region +
                      (parsed.region.starts_with("cn-") ? ".amazonaws.com.cn" : ".amazonaws.com");
  }
  while (parsed.endpoint.ends_with('/')) parsed.endpoint.pop_back();
  const bool is_url =
      parsed.endpoint.starts_with("http://") || parsed.endpoint.starts_with("https://");
  if (!is_url || parsed.Host().empty() || parsed.Host().find('/') != std::string::npos) {
    return Wrong("the endpoint '" + parsed.endpoint + "' is no http(s)://HOST[:PORT]");
  }
  return parsed;
}

}  // namespace icecore::online::dynamodb
