#pragma once
// The right to load one view, of one process at a time; the system gives it back when the process
// dies.

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <string>

namespace icecore::online::lmdb {

class LoadLock {
 public:
  // kConflict when another load, of this or another process, holds it; kUnavailable when the file
  // cannot be locked for another reason.
  static arrow::Result<std::unique_ptr<LoadLock>> Take(const std::string& directory,
                                                       uint32_t view_id, const std::string& view);
  explicit LoadLock(int file) : file_(file) {}
  ~LoadLock();
  LoadLock(const LoadLock&) = delete;
  LoadLock& operator=(const LoadLock&) = delete;

  // The file behind the lock, for removing it with its view.
  static std::string PathOf(const std::string& directory, uint32_t view_id);

 private:
  int file_;
};

}  // namespace icecore::online::lmdb
