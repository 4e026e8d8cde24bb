#pragma once
// Where a Redis server or Cluster is and how it is spoken to.

#include <arrow/result.h>

#include <string>
#include <vector>

#include "icecore/online/store.h"

namespace icecore::online::redis {

struct RedisNode {
  std::string host;
  int port = 6379;
  std::string ToString() const;  // "host:port", an IPv6 address in brackets
  bool operator==(const RedisNode&) const = default;
};

// "host", "host:port", "[address]:port"; `port` where it is left out. kInvalidDefinition.
arrow::Result<RedisNode> ParseNode(const std::string& text, int port);

struct RedisPlace {
  std::vector<RedisNode> nodes;  // at least one; several: nodes of one Cluster, any will do
  bool tls = false;
  std::string username;
  std::string password;
  int database = 0;
  std::string prefix;  // of every key
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
};

// redis://[USER[:PASSWORD]@]HOST[:PORT][,HOST[:PORT]…][/DATABASE][?prefix=NAME], rediss:// with
// TLS. What stands before the last '@' is user and password as they are, not percent-encoded, so
// that a reference may hold any character. Errors name the part, never its user or password.
arrow::Result<RedisPlace> ParseRedisPlace(const StorePlace& place);

}  // namespace icecore::online::redis
