#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/online/served_files_internal.h"

namespace icecore::online {
namespace {

namespace fs = std::filesystem;

constexpr char kCurrent[] = "served.log";
constexpr char kOlder[] = "served-";  // served-UNIXMICROS.log, so that names sort by age
constexpr int kTries = 16;            // of finding the current file while others rotate

arrow::Status Failed(const std::string& what, const std::string& path, int error) {
  return base::MakeError(base::ErrorCode::kUnavailable,
                         what + " " + path + ": " + std::generic_category().message(error));
}

class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  ~File() { close(descriptor_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return descriptor_; }

 private:
  const int descriptor_;
};

arrow::Status WriteWhole(int file, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written < 0) {
      return Failed("cannot write", path, errno);
    }
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Status ServedFiles::Append(std::string_view records) {
  if (records.empty()) {
    return arrow::Status::OK();
  }
  const std::string path = folder_ + "/" + kCurrent;
  for (int attempt = 0; attempt < kTries; ++attempt) {
    const int opened = open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (opened < 0) {
      return Failed("cannot open", path, errno);
    }
    const File file(opened);
    if (flock(file.get(), LOCK_EX) != 0) {
      return Failed("cannot lock", path, errno);
    }
    struct stat mine;
    struct stat current;
    if (fstat(file.get(), &mine) != 0) {
      return Failed("cannot look at", path, errno);
    }
    if (stat(path.c_str(), &current) != 0 || current.st_ino != mine.st_ino) {
      continue;  // another process rotated between open and lock
    }
    ARROW_RETURN_NOT_OK(WriteWhole(file.get(), records, path));
    return mine.st_size + static_cast<int64_t>(records.size()) >= max_bytes_ / 8
               ? Rotate()
               : arrow::Status::OK();
  }
  return base::MakeError(base::ErrorCode::kUnavailable, path + " is rotated all the time");
}

// Under the lock of the current file.
arrow::Status ServedFiles::Rotate() {
  char name[64];
  std::snprintf(name, sizeof name, "%s%020lld.log", kOlder,
                static_cast<long long>(base::MakeSystemClock()->NowMicros()));
  std::error_code error;
  fs::rename(folder_ + "/" + kCurrent, folder_ + "/" + name, error);
  if (error) {
    return Failed("cannot rename", folder_ + "/" + kCurrent, error.value());
  }
  ARROW_ASSIGN_OR_RAISE(const auto files, List(folder_));
  int64_t bytes = 0;
  for (auto file = files.rbegin(); file != files.rend(); ++file) {
    const auto size = fs::file_size(*file, error);
    bytes += error ? 0 : static_cast<int64_t>(size);
    if (bytes > max_bytes_ - max_bytes_ / 8) {  // the rest is for the file that grows
      fs::remove(*file, error);
    }
  }
  return arrow::Status::OK();
}

arrow::Result<std::vector<std::string>> ServedFiles::List(const std::string& folder) {
  std::vector<std::string> older;
  std::error_code error;
  if (!fs::exists(folder, error)) {
    return older;
  }
  bool has_current = false;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    has_current = has_current || name == kCurrent;
    if (name.starts_with(kOlder) && name.ends_with(".log")) {
      older.push_back(entry->path().string());
    }
  }
  if (error) {
    return Failed("cannot list", folder, error.value());
  }
  std::sort(older.begin(), older.end());
  if (has_current) {
    older.push_back(folder + "/" + kCurrent);
  }
  return older;
}

}  // namespace icecore::online
