#include "icecore/lake/located_table.h"

#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/id.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;

constexpr std::string_view kBucketScheme = "s3://";

arrow::Result<std::string> FolderOf(const std::string& place, const std::string& directory) {
  std::string path = place;
  if (const size_t scheme = place.find("://"); scheme != std::string::npos) {
    if (place.substr(0, scheme) != "file") {
      return MakeError(ErrorCode::kUnsupported,
                       "table '" + place + "': a table is a folder, a file: or an s3:// URL");
    }
    path = place.substr(scheme + 3);
  }
  std::error_code error;
  const auto absolute =
      std::filesystem::weakly_canonical(std::filesystem::path(directory) / path, error);
  if (error || !std::filesystem::is_directory(absolute, error)) {
    return MakeError(ErrorCode::kNotFound, "table '" + place + "': there is no such folder");
  }
  std::string folder = absolute.string();
  while (folder.size() > 1 && folder.ends_with('/')) {
    folder.pop_back();
  }
  return folder;
}

// The table's own name below the store that is opened.
arrow::Result<std::string> OpenBucket(const std::string& place, LocatedTable* located) {
  located->folder = place;
  while (located->folder.ends_with('/')) {
    located->folder.pop_back();
  }
  const size_t slash = located->folder.find_last_of('/');
  if (slash < kBucketScheme.size()) {
    return MakeError(ErrorCode::kUnsupported,
                     "table '" + place + "': a table lies below a bucket, s3://BUCKET/TABLE");
  }
  StorePlace above;
  above.url = located->folder.substr(0, slash);
  ARROW_ASSIGN_OR_RAISE(located->store, ObjectStore::Open(above));
  return located->folder.substr(slash + 1);
}

arrow::Result<std::string> OpenFolder(const std::string& place, const std::string& directory,
                                      LocatedTable* located) {
  ARROW_ASSIGN_OR_RAISE(located->folder, FolderOf(place, directory));
  const size_t slash = located->folder.find_last_of('/');
  if (slash + 1 >= located->folder.size()) {
    return MakeError(ErrorCode::kNotFound, "no table at /");
  }
  ARROW_ASSIGN_OR_RAISE(located->store,
                        ObjectStore::OpenLocal(located->folder.substr(0, slash + 1)));
  return located->folder.substr(slash + 1);
}

}  // namespace

arrow::Result<LocatedTable> LocateTable(const std::string& place, const std::string& directory) {
  LocatedTable located;
  ARROW_ASSIGN_OR_RAISE(const std::string name, place.starts_with(kBucketScheme)
                                                    ? OpenBucket(place, &located)
                                                    : OpenFolder(place, directory, &located));
  located.clock = base::MakeSystemClock();
  ARROW_ASSIGN_OR_RAISE(located.table,
                        Table::Open(*located.store, name, *located.clock, base::SystemRandom()));
  return located;
}

}  // namespace icecore::lake
