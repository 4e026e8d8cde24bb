#include "icecore/lake/object_store.h"

#include <algorithm>

#include "icecore/base/error.h"
#include "icecore/lake/s3/s3_object_store.h"

namespace icecore::lake {

arrow::Result<std::vector<ObjectEntry>> ObjectStore::ListEntries(const std::string& prefix) {
  ARROW_ASSIGN_OR_RAISE(const auto paths, List(prefix, ""));
  std::vector<ObjectEntry> entries;
  for (const std::string& path : paths) {
    const auto info = Stat(path);
    if (info.ok()) {
      entries.push_back({.path = path, .size = info->size, .modified_us = info->modified_us});
    } else if (base::CodeOf(info.status()) != base::ErrorCode::kNotFound) {
      return info.status();
    }
  }
  return entries;
}

arrow::Result<std::vector<ObjectEntry>> ObjectStore::Unfinished(const std::string& /*prefix*/,
                                                                int64_t /*modified_before_us*/,
                                                                bool /*remove*/) {
  return std::vector<ObjectEntry>();
}

arrow::Result<std::unique_ptr<ObjectStore>> ObjectStore::Open(const StorePlace& place) {
  const size_t scheme = place.url.find("://");
  if (scheme == std::string::npos) {
    return OpenLocal(place.url);
  }
  if (place.url.starts_with("s3://")) {
    return S3ObjectStore::Open(place, net::SystemAwsSurroundings());
  }
  return base::MakeError(base::ErrorCode::kUnsupported,
                         "lake: " + place.url + ": " + place.url.substr(0, scheme) +
                             ":// is not supported by this version; a lake is a folder or "
                             "s3://BUCKET/PREFIX, also at any S3-compatible endpoint");
}

arrow::Status CheckObjectPath(std::string_view path) {
  const auto fail = [&](const char* why) {
    return base::MakeError(base::ErrorCode::kInvalidArgument,
                           "object path '" + std::string(path) + "' " + why);
  };
  if (path.empty() || path.front() == '/') {
    return fail("is not relative");
  }
  if (path.find('\0') != std::string_view::npos) {
    return fail("holds a zero byte");
  }
  size_t begin = 0;
  while (begin <= path.size()) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") {
      return fail("has an empty part, '.' or '..'");
    }
    begin = end + 1;
  }
  return arrow::Status::OK();
}

}  // namespace icecore::lake
