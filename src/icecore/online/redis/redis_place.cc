#include "icecore/online/redis/redis_place.h"

#include <charconv>
#include <filesystem>
#include <optional>
#include <string_view>

#include "icecore/base/error.h"

namespace icecore::online::redis {
namespace {

constexpr char kExample[] =
    "; expected redis://HOST[:PORT][,HOST[:PORT]…][/DATABASE][?prefix=NAME]";

arrow::Status Wrong(const std::string& what) {
  return base::MakeError(base::ErrorCode::kInvalidDefinition, "online: " + what + kExample);
}

std::optional<int> Number(std::string_view text, int most) {
  int value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0 || value > most) {
    return std::nullopt;
  }
  return value;
}

// The path as the process must open it.
std::string InProject(const std::string& root, const std::string& path) {
  if (path.empty()) return path;
  return (std::filesystem::path(root) / path).lexically_normal().string();
}

arrow::Status TakeQuery(std::string_view query, RedisPlace* place) {
  constexpr std::string_view kPrefix = "prefix=";
  if (!query.starts_with(kPrefix) || query.size() == kPrefix.size()) {
    return Wrong("redis takes ?prefix=NAME, not '?" + std::string(query) + "'");
  }
  place->prefix = query.substr(kPrefix.size());
  return arrow::Status::OK();
}

arrow::Status TakeNodes(std::string_view hosts, RedisPlace* place) {
  while (true) {
    const size_t comma = hosts.find(',');
    ARROW_ASSIGN_OR_RAISE(RedisNode node, ParseNode(std::string(hosts.substr(0, comma)), 6379));
    place->nodes.push_back(std::move(node));
    if (comma == std::string_view::npos) return arrow::Status::OK();
    hosts.remove_prefix(comma + 1);
  }
}

}  // namespace

std::string RedisNode::ToString() const {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

arrow::Result<RedisNode> ParseNode(const std::string& text, int port) {
  RedisNode node;
  node.port = port;
  size_t end = text.find(':');
  if (text.starts_with("[")) {
    const size_t close = text.find(']');
    if (close == std::string::npos) return Wrong("'" + text + "' lacks its ']'");
    node.host = text.substr(1, close - 1);
    end = close + 1 < text.size() ? close + 1 : std::string::npos;
    if (end != std::string::npos && text[end] != ':') return Wrong("'" + text + "' is no host");
  } else {
    node.host = text.substr(0, end);
  }
  if (end != std::string::npos) {
    const auto given = Number(std::string_view(text).substr(end + 1), 65535);
    if (!given || *given == 0) return Wrong("'" + text + "' has no port from 1 to 65535");
    node.port = *given;
  }
  if (node.host.empty()) return Wrong("a host is missing");
  return node;
}

arrow::Result<RedisPlace> ParseRedisPlace(const StorePlace& given) {
  RedisPlace place;
  std::string_view rest = given.url;
  place.tls = rest.starts_with("rediss://");
  rest.remove_prefix(rest.find("://") + 3);
  place.username = given.username;
  place.password = given.password;
  if (const size_t at = rest.rfind('@'); at != std::string_view::npos) {
    const std::string_view user = rest.substr(0, at);
    const size_t colon = user.find(':');
    place.username = user.substr(0, colon);
    if (colon != std::string_view::npos) place.password = user.substr(colon + 1);
    rest.remove_prefix(at + 1);
  }
  place.prefix = given.project.empty() ? "icecore" : given.project;
  if (const size_t question = rest.find('?'); question != std::string_view::npos) {
    ARROW_RETURN_NOT_OK(TakeQuery(rest.substr(question + 1), &place));
    rest = rest.substr(0, question);
  }
  if (place.prefix.find_first_of("{}") != std::string::npos || place.prefix.size() > 200) {
    return Wrong("the prefix has at most 200 bytes and no braces");
  }
  if (const size_t slash = rest.find('/'); slash != std::string_view::npos) {
    const std::string_view path = rest.substr(slash + 1);
    const auto database = path.empty() ? std::optional<int>(0) : Number(path, 1'000'000);
    if (!database) return Wrong("'" + std::string(path) + "' is no number of a database");
    place.database = *database;
    rest = rest.substr(0, slash);
  }
  ARROW_RETURN_NOT_OK(TakeNodes(rest, &place));
  place.ca_file = InProject(given.project_root, given.ca_file);
  place.cert_file = InProject(given.project_root, given.cert_file);
  place.key_file = InProject(given.project_root, given.key_file);
  if (!place.tls && !(place.ca_file + place.cert_file + place.key_file).empty()) {
    return Wrong("ca_file, cert_file and key_file are for rediss://");
  }
  return place;
}

}  // namespace icecore::online::redis
