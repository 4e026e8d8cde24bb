#include "icecore/lake/located_table.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/id.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;

arrow::Result<std::string> FolderOf(const std::string& place, const std::string& directory) {
  std::string path = place;
  if (const size_t scheme = place.find("://"); scheme != std::string::npos) {
    if (place.substr(0, scheme) != "file") {
      return MakeError(ErrorCode::kUnsupported,
                       "table '" + place + "': only tables of this machine can be read by place");
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

}  // namespace

arrow::Result<LocatedTable> LocateTable(const std::string& place, const std::string& directory) {
  LocatedTable located;
  ARROW_ASSIGN_OR_RAISE(located.folder, FolderOf(place, directory));
  const size_t slash = located.folder.find_last_of('/');
  if (slash + 1 >= located.folder.size()) {
    return MakeError(ErrorCode::kNotFound, "no table at /");
  }
  ARROW_ASSIGN_OR_RAISE(located.store, ObjectStore::OpenLocal(located.folder.substr(0, slash + 1)));
  located.clock = base::MakeSystemClock();
  ARROW_ASSIGN_OR_RAISE(located.table, Table::Open(*located.store, located.folder.substr(slash + 1),
                                                   *located.clock, base::SystemRandom()));
  return located;
}

}  // namespace icecore::lake
