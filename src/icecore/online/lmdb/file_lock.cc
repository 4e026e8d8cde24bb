#include "icecore/online/lmdb/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "icecore/base/error.h"

namespace icecore::online::lmdb {

arrow::Status FileError(std::string_view what, const std::string& path, int error) {
  const bool denied = error == EACCES || error == EPERM || error == EROFS;
  const bool full = error == ENOSPC || error == EDQUOT;
  return base::MakeError(
      denied ? base::ErrorCode::kDenied
      : full ? base::ErrorCode::kLimit
             : base::ErrorCode::kUnavailable,
      std::string(what) + " " + path + ": " + std::generic_category().message(error));
}

arrow::Result<std::unique_ptr<FileLock>> FileLock::Open(std::string path) {
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) {
    return FileError("cannot open", path, errno);
  }
  return std::make_unique<FileLock>(std::move(path), file);
}

FileLock::~FileLock() { close(file_); }

arrow::Result<bool> FileLock::TryTake() {
  while (flock(file_, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return false;
    }
    if (errno != EINTR) {
      return FileError("cannot lock", path_, errno);
    }
  }
  return true;
}

arrow::Status FileLock::WaitShared() {
  while (flock(file_, LOCK_SH) != 0) {
    if (errno != EINTR) {
      return FileError("cannot lock", path_, errno);
    }
  }
  return arrow::Status::OK();
}

arrow::Result<std::unique_ptr<FileLock>> TakeLoadLock(const std::string& directory,
                                                      uint32_t view_id, const std::string& view) {
  ARROW_ASSIGN_OR_RAISE(auto lock, FileLock::Open(LoadLockPath(directory, view_id)));
  ARROW_ASSIGN_OR_RAISE(const bool taken, lock->TryTake());
  if (!taken) {
    return base::MakeError(base::ErrorCode::kConflict,
                           "view " + view + " is being loaded by somebody else; try again later");
  }
  return lock;
}

std::string LoadLockPath(const std::string& directory, uint32_t view_id) {
  return directory + "/load-" + std::to_string(view_id) + ".lock";
}

}  // namespace icecore::online::lmdb
