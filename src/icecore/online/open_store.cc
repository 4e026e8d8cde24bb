#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "icecore/base/error.h"
#include "icecore/online/lmdb/lmdb_store.h"
#include "icecore/online/store.h"

namespace icecore::online {
namespace {

constexpr std::string_view kMapBytesKey = "map_bytes=";
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

arrow::Result<std::unique_ptr<Store>> OpenLmdb(std::string_view rest,
                                               const std::string& project_root) {
  lmdb::EnvironmentOptions options;
  const char* variable = std::getenv(kMapBytesVariable);
  if (variable != nullptr && *variable != '\0') {
    ARROW_ASSIGN_OR_RAISE(options.map_bytes, ParseMapBytes(variable, kMapBytesVariable));
  }
  const size_t question = rest.find('?');
  if (question != std::string_view::npos) {
    const std::string_view parameter = rest.substr(question + 1);
    if (!parameter.starts_with(kMapBytesKey)) {
      return base::MakeError(
          base::ErrorCode::kInvalidArgument,
          "online: lmdb takes ?map_bytes=N, not '?" + std::string(parameter) + "'");
    }
    ARROW_ASSIGN_OR_RAISE(options.map_bytes, ParseMapBytes(parameter.substr(kMapBytesKey.size()),
                                                           "map_bytes of the online store"));
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

arrow::Result<std::unique_ptr<Store>> OpenStore(const std::string& uri,
                                                const std::string& project_root) {
  const size_t colon = uri.find(':');
  const std::string kind = uri.substr(0, colon);
  if (colon != std::string::npos && kind == "lmdb") {
    return OpenLmdb(std::string_view(uri).substr(colon + 1), project_root);
  }
  if (colon != std::string::npos && (kind == "redis" || kind == "rediss" || kind == "dynamodb")) {
    return base::MakeError(
        base::ErrorCode::kUnsupported,
        "online: this version has no " + kind + " store; use lmdb:PATH, e.g. lmdb:.icecore/online");
  }
  return base::MakeError(base::ErrorCode::kInvalidArgument,
                         "online: '" + kind + "' is no kind of store; expected lmdb:PATH");
}

}  // namespace icecore::online
