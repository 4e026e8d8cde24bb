#pragma once
// Locks on files of a store's folder, and errors of its files.

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace icecore::online::lmdb {

// "WHAT PATH: why", by errno: kDenied, kLimit for a full disk, else kUnavailable.
arrow::Status FileError(std::string_view what, const std::string& path, int error);

// Held until it is destroyed; the system gives it back when the process dies. It also excludes
// others of the same process.
class FileLock {
 public:
  // Takes nothing yet. Makes the file where it is missing.
  static arrow::Result<std::unique_ptr<FileLock>> Open(std::string path);
  FileLock(std::string path, int file) : path_(std::move(path)), file_(file) {}
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  // Exclusively; false where somebody else holds it.
  arrow::Result<bool> TryTake();
  // Beside others that share it; waits for who has it alone.
  arrow::Status WaitShared();

 private:
  const std::string path_;
  const int file_;
};

// The right to load one view, of one process at a time. kConflict when another load, of this or
// another process, holds it.
arrow::Result<std::unique_ptr<FileLock>> TakeLoadLock(const std::string& directory,
                                                      uint32_t view_id, const std::string& view);
// The file behind that lock, for removing it with its view.
std::string LoadLockPath(const std::string& directory, uint32_t view_id);

}  // namespace icecore::online::lmdb
