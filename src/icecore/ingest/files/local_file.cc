#include "icecore/ingest/files/local_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/ingest/files/file_error.h"

namespace icecore::ingest {
namespace {

constexpr size_t kReadBytes = size_t{1} << 20;

struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) {
      ::close(fd);
    }
  }
};

FileLooks LooksOf(const struct stat& info) {
  return {.size = info.st_size,
          .mtime_ns = int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec,
          .inode = static_cast<int64_t>(info.st_ino)};
}

arrow::Status Changed(const std::string& path) {
  return base::MakeError(base::ErrorCode::kConflict,
                         path + ": the file changed while it was read; it is taken by a later run");
}

}  // namespace

arrow::Result<FileLooks> LookAt(const std::string& absolute_path) {
  struct stat info{};
  if (::stat(absolute_path.c_str(), &info) != 0) {
    return SystemError(errno, "look at the file", absolute_path);
  }
  if (!S_ISREG(info.st_mode)) {
    return BadInput(absolute_path, 0,
                    S_ISDIR(info.st_mode) ? "a folder, not a file" : "not a regular file");
  }
  return LooksOf(info);
}

arrow::Status ReadUnchanged(const std::string& absolute_path, const FileLooks& looks,
                            const std::function<arrow::Status(std::string_view)>& sink) {
  Descriptor file{::open(absolute_path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) {
    return errno == ENOENT ? Changed(absolute_path)
                           : SystemError(errno, "open the file", absolute_path);
  }
  struct stat info{};
  if (::fstat(file.fd, &info) != 0) {
    return SystemError(errno, "look at the file", absolute_path);
  }
  if (!(LooksOf(info) == looks)) {
    return Changed(absolute_path);
  }
  std::vector<char> buffer(kReadBytes);
  int64_t total = 0;
  for (;;) {
    const ssize_t got = ::read(file.fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return SystemError(errno, "read the file", absolute_path);
    }
    if (got == 0) {
      break;
    }
    total += got;
    ARROW_RETURN_NOT_OK(sink(std::string_view(buffer.data(), static_cast<size_t>(got))));
  }
  struct stat by_name{};
  if (::fstat(file.fd, &info) != 0 || ::stat(absolute_path.c_str(), &by_name) != 0 ||
      !(LooksOf(info) == looks) || !(LooksOf(by_name) == looks) || total != looks.size) {
    return Changed(absolute_path);
  }
  return arrow::Status::OK();
}

arrow::Result<std::string> DigestFile(const std::string& absolute_path, const FileLooks& looks) {
  base::Sha256 digest;
  ARROW_RETURN_NOT_OK(ReadUnchanged(absolute_path, looks, [&](std::string_view bytes) {
    digest.Update(bytes);
    return arrow::Status::OK();
  }));
  return digest.FinishHex();
}

}  // namespace icecore::ingest
