#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <utility>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/base/suggest.h"
#include "icecore/online/dynamodb/dynamo_table.h"
#include "icecore/online/items/item_store.h"
#include "icecore/online/lmdb/lmdb_store.h"
#include "icecore/online/redis/redis_table.h"
#include "icecore/online/store.h"

namespace icecore::online {
namespace {

constexpr std::string_view kMapBytesKey = "map_bytes";
constexpr std::string_view kMaxMapBytesKey = "max_map_bytes";
constexpr char kMapBytesVariable[] = "ICECORE_LMDB_MAP_BYTES";

arrow::Result<int64_t> ParseMapBytes(std::string_view text, std::string_view origin) {
  int64_t bytes = 0;
  for (const char c : text) {
    if (c < '0' || c > '9' || bytes > (int64_t{1} << 50)) {
      bytes = 0;
      break;
    }
    bytes = bytes * 10 + (c - '0');
  }
  if (bytes == 0) {
    return base::MakeError(base::ErrorCode::kInvalidArgument,
                           std::string(origin) + " is '" + std::string(text) +
                               "', expected a number of bytes, e.g. 68719476736");
  }
  return bytes;
}

// KEY=N[&KEY=N]
arrow::Status ReadParameters(std::string_view text, lmdb::EnvironmentOptions* options) {
  while (true) {
    const std::string_view parameter = text.substr(0, text.find('&'));
    const std::string_view key = parameter.substr(0, parameter.find('='));
    int64_t* const value = key == kMapBytesKey      ? &options->map_bytes
                           : key == kMaxMapBytesKey ? &options->max_map_bytes
                                                    : nullptr;
    if (value == nullptr || key.size() == parameter.size()) {
      return base::MakeError(
          base::ErrorCode::kInvalidArgument,
          "online: lmdb takes ?map_bytes=N and max_map_bytes=N, not '?" + std::string(parameter) +
              "'" +
              base::DidYouMean(key, {std::string(kMapBytesKey), std::string(kMaxMapBytesKey)}));
    }
    ARROW_ASSIGN_OR_RAISE(*value, ParseMapBytes(parameter.substr(key.size() + 1),
                                                std::string(key) + " of the online store"));
    if (parameter.size() == text.size()) break;
    text.remove_prefix(parameter.size() + 1);
  }
  if (options->max_map_bytes > 0) {
    options->map_bytes = std::min(options->map_bytes, options->max_map_bytes);
  }
  return arrow::Status::OK();
}

arrow::Result<std::unique_ptr<Store>> OpenLmdb(std::string_view rest,
                                               const std::string& project_root) {
  lmdb::EnvironmentOptions options;
  const char* variable = std::getenv(kMapBytesVariable);
  if (variable != nullptr && *variable != '\0') {
    ARROW_ASSIGN_OR_RAISE(options.map_bytes, ParseMapBytes(variable, kMapBytesVariable));
  }
  const size_t question = rest.find('?');
  if (question != std::string_view::npos) {
    ARROW_RETURN_NOT_OK(ReadParameters(rest.substr(question + 1), &options));
    rest = rest.substr(0, question);
  }
  if (rest.empty()) {
    return base::MakeError(base::ErrorCode::kInvalidArgument,
                           "online: lmdb needs a folder, e.g. lmdb:.icecore/online");
  }
  options.directory =
      (std::filesystem::path(project_root) / std::filesystem::path(rest)).lexically_normal();
  while (options.directory.size() > 1 && options.directory.back() == '/') {
    options.directory.pop_back();
  }
  ARROW_ASSIGN_OR_RAISE(auto store, lmdb::LmdbStore::Open(options));
  return store;
}

}  // namespace

arrow::Result<std::unique_ptr<Store>> OpenStore(const StorePlace& place) {
  const size_t colon = place.url.find(':');
  const std::string kind = colon == std::string::npos ? "" : place.url.substr(0, colon);
  if (kind == "lmdb") {
    return OpenLmdb(std::string_view(place.url).substr(colon + 1), place.project_root);
  }
  const bool is_url = colon != std::string::npos && place.url.compare(colon, 3, "://") == 0;
  if (is_url && (kind == "redis" || kind == "rediss")) {
    ARROW_ASSIGN_OR_RAISE(redis::RedisPlace server, redis::ParseRedisPlace(place));
    return std::make_unique<ItemStore>(std::make_unique<redis::RedisTable>(std::move(server)),
                                       base::MakeSystemClock());
  }
  if (is_url && kind == "dynamodb") {
    ARROW_ASSIGN_OR_RAISE(auto table, dynamodb::DynamoTable::Open(place));
    return std::make_unique<ItemStore>(std::move(table), base::MakeSystemClock());
  }
  return base::MakeError(base::ErrorCode::kInvalidDefinition,
                         "online: expected lmdb:FOLDER, redis://HOST:PORT, rediss://HOST:PORT or "
                         "dynamodb://REGION/PREFIX" +
                             (kind.empty() ? "" : ", not a store of kind '" + kind + "'"));
}

arrow::Result<std::unique_ptr<Store>> OpenStore(const std::string& uri,
                                                const std::string& project_root) {
  StorePlace place;
  place.url = uri;
  place.project_root = project_root;
  return OpenStore(place);
}

}  // namespace icecore::online
