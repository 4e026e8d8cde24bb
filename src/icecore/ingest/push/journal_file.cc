#include "icecore/ingest/push/journal_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "icecore/base/error.h"

namespace icecore::ingest {

using base::ErrorCode;
using base::MakeError;

arrow::Status FileError(const std::string& what, const std::string& path) {
  const int error = errno;
  const ErrorCode code = error == EACCES || error == EPERM || error == EROFS
                             ? ErrorCode::kDenied
                             : ErrorCode::kUnavailable;
  return MakeError(code, what + " " + path + ": " + std::strerror(error));
}

arrow::Result<JournalFile> JournalFile::Open(const std::string& path, int flags) {
  const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
  if (descriptor < 0) return FileError("cannot open", path);
  return JournalFile(descriptor);
}

JournalFile::~JournalFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

arrow::Result<std::string> ReadFrom(const JournalFile& file, int64_t offset,
                                    const std::string& path, int64_t max_bytes) {
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) return FileError("cannot look at", path);
  std::string bytes(static_cast<size_t>(std::clamp<int64_t>(info.st_size - offset, 0, max_bytes)),
                    '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::pread(file.get(), bytes.data() + done, bytes.size() - done,
                              offset + static_cast<int64_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FileError("cannot read", path);
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  bytes.resize(done);
  return bytes;
}

arrow::Status WriteAt(const JournalFile& file, std::string_view bytes, int64_t offset,
                      const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(file.get(), bytes.data(), bytes.size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FileError("cannot write", path);
    bytes.remove_prefix(static_cast<size_t>(n));
    offset += n;
  }
  return arrow::Status::OK();
}

arrow::Status WriteWhole(const std::string& path, std::string_view bytes) {
  ARROW_ASSIGN_OR_RAISE(const JournalFile file,
                        JournalFile::Open(path, O_RDWR | O_CREAT | O_TRUNC));
  ARROW_RETURN_NOT_OK(WriteAt(file, bytes, 0, path));
  return ::fsync(file.get()) == 0 ? arrow::Status::OK() : FileError("cannot sync", path);
}

arrow::Status ReplaceWhole(const std::string& folder, const std::string& temporary,
                           const std::string& path, std::string_view bytes) {
  ARROW_RETURN_NOT_OK(WriteWhole(temporary, bytes));
  if (::rename(temporary.c_str(), path.c_str()) != 0) return FileError("cannot rename", temporary);
  return SyncFolder(folder);
}

arrow::Status SyncFolder(const std::string& folder) {
  ARROW_ASSIGN_OR_RAISE(const JournalFile file, JournalFile::Open(folder, O_RDONLY | O_DIRECTORY));
  return ::fsync(file.get()) == 0 ? arrow::Status::OK() : FileError("cannot sync", folder);
}

arrow::Result<FolderLock> FolderLock::Take(const std::string& folder, int how) {
  ARROW_ASSIGN_OR_RAISE(JournalFile file, JournalFile::Open(folder + "/lock", O_RDWR | O_CREAT));
  while (::flock(file.get(), how) != 0) {
    if (errno != EINTR) return FileError("cannot lock", folder);
  }
  return FolderLock(std::move(file));
}

arrow::Result<std::optional<FolderLock>> FolderLock::TryTake(const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(JournalFile file, JournalFile::Open(path, O_RDWR | O_CREAT));
  if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) {
    return std::optional<FolderLock>(FolderLock(std::move(file)));
  }
  if (errno == EWOULDBLOCK || errno == EINTR) return std::optional<FolderLock>();
  return FileError("cannot lock", path);
}

}  // namespace icecore::ingest
