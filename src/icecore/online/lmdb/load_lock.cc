#include "icecore/online/lmdb/load_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "icecore/base/error.h"

namespace icecore::online::lmdb {

std::string LoadLock::PathOf(const std::string& directory, uint32_t view_id) {
  return directory + "/load-" + std::to_string(view_id) + ".lock";
}

arrow::Result<std::unique_ptr<LoadLock>> LoadLock::Take(const std::string& directory,
                                                        uint32_t view_id, const std::string& view) {
  const std::string path = PathOf(directory, view_id);
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) {
    return base::MakeError(base::ErrorCode::kUnavailable,
                           "cannot open " + path + ": " + std::generic_category().message(errno));
  }
  auto lock = std::make_unique<LoadLock>(file);
  // flock belongs to the open file, so that it also excludes a second load of the same process.
  if (flock(file, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      return base::MakeError(base::ErrorCode::kUnavailable,
                             "cannot lock " + path + ": " + std::generic_category().message(errno));
    }
    return base::MakeError(base::ErrorCode::kConflict,
                           "view " + view + " is being loaded by somebody else; try again later");
  }
  return lock;
}

LoadLock::~LoadLock() { close(file_); }

}  // namespace icecore::online::lmdb
