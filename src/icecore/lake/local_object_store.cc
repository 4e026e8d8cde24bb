// Objects as files of a folder. A write goes to a hidden temporary file of the same folder, is
// synced, and gets its name by rename (replace) or link (only if absent); then the folder is
// synced.
#include <arrow/buffer.h>
#include <arrow/io/file.h>
#include <arrow/io/interfaces.h>
#include <arrow/util/future.h>
#include <arrow/util/thread_pool.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/lake/object_store.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;

constexpr std::string_view kTemporaryPrefix = ".icecore-tmp-";

arrow::Status SystemError(int error, const std::string& what, const std::string& file) {
  ErrorCode code = ErrorCode::kUnavailable;
  if (error == ENOENT || error == ENOTDIR) {
    code = ErrorCode::kNotFound;
  } else if (error == EACCES || error == EPERM || error == EROFS) {
    code = ErrorCode::kDenied;
  }
  return MakeError(code, what + " " + file + ": " + std::strerror(error));
}

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }
  // 0, or the errno of close, which may report a write that failed late.
  int Close() { return ::close(std::exchange(fd_, -1)) == 0 ? 0 : errno; }

 private:
  int fd_;
};

std::string ParentOf(const std::string& file) { return file.substr(0, file.rfind('/')); }

arrow::Status SyncFolder(const std::string& folder) {
  FileDescriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0 || ::fsync(fd.get()) != 0) {
    return SystemError(errno, "cannot sync folder", folder);
  }
  return arrow::Status::OK();
}

// Makes the folder and its parents; every folder that got a new entry is synced.
arrow::Status MakeFolders(const std::string& folder) {
  if (::mkdir(folder.c_str(), 0777) == 0) {
    return SyncFolder(ParentOf(folder).empty() ? "/" : ParentOf(folder));
  }
  if (errno == EEXIST) {
    return arrow::Status::OK();
  }
  if (errno != ENOENT || ParentOf(folder).empty()) {
    return SystemError(errno, "cannot make folder", folder);
  }
  ARROW_RETURN_NOT_OK(MakeFolders(ParentOf(folder)));
  if (::mkdir(folder.c_str(), 0777) != 0 && errno != EEXIST) {
    return SystemError(errno, "cannot make folder", folder);
  }
  return SyncFolder(ParentOf(folder));
}

arrow::Status WriteFully(int fd, std::string_view bytes, const std::string& file) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) {
        continue;
      }
      return SystemError(errno, "cannot write", file);
    }
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return arrow::Status::OK();
}

// Files that have their names and may not rest on the disk yet: a table's data files, which nobody
// looks for before a commit names them. Syncing them together right before that commit costs one
// turn of the file system's journal instead of two for each. Thread safe.
class UnsyncedFiles {
 public:
  arrow::Status Add(std::unique_ptr<FileDescriptor> fd, const std::string& file) {
    const std::lock_guard lock(mutex_);
    // Begins to write; waits for nothing.
    static_cast<void>(::sync_file_range(fd->get(), 0, 0, SYNC_FILE_RANGE_WRITE));
    files_[file] = std::move(fd);
    return files_.size() < kMostFiles ? arrow::Status::OK() : Await(StartAll());
  }

  // All that were added rest on the disk with their names, and so does `fd`. Everything is waited
  // for at once: the disk flushes its cache once or twice, not once per file. What fails stays and
  // fails again: a second fsync would report success for bytes that are lost.
  arrow::Status SyncWith(int fd, const std::string& file) {
    const std::lock_guard lock(mutex_);
    const auto others = StartAll();
    const int error = ::fsync(fd) == 0 ? 0 : errno;
    ARROW_RETURN_NOT_OK(Await(others));
    return error == 0 ? arrow::Status::OK() : SystemError(error, "cannot sync", file);
  }

  void Forget(const std::string& file) {
    const std::lock_guard lock(mutex_);
    files_.erase(file);
    failed_.erase(file);
  }

 private:
  static constexpr size_t kMostFiles = 128;

  using Syncs = std::vector<std::pair<std::string, arrow::Future<>>>;

  // Syncs every file and every folder with one, on Arrow's threads for I/O.
  Syncs StartAll() {
    Syncs syncs;
    std::set<std::string> folders;
    for (auto& [file, fd] : files_) {
      syncs.emplace_back(file, Start([open = std::shared_ptr(std::move(fd)), name = file] {
                           return ::fsync(open->get()) == 0
                                      ? arrow::Status::OK()
                                      : SystemError(errno, "cannot sync", name);
                         }));
      folders.insert(ParentOf(file));
    }
    files_.clear();
    for (const std::string& folder : folders) {
      syncs.emplace_back(folder, Start([folder] {
                           const arrow::Status synced = SyncFolder(folder);
                           // A folder that is gone has nothing to sync.
                           return !synced.ok() && base::CodeOf(synced) == ErrorCode::kNotFound
                                      ? arrow::Status::OK()
                                      : synced;
                         }));
    }
    return syncs;
  }

  template <typename Sync>
  static arrow::Future<> Start(const Sync& sync) {
    auto started = arrow::io::default_io_context().executor()->Submit(sync);
    return started.ok() ? arrow::Future<>(*started) : arrow::Future<>::MakeFinished(sync());
  }

  arrow::Status Await(const Syncs& syncs) {
    for (const auto& [name, sync] : syncs) {
      if (!sync.status().ok()) {
        failed_.insert(name);
      }
    }
    return failed_.empty() ? arrow::Status::OK()
                           : MakeError(ErrorCode::kUnavailable, "cannot sync " + *failed_.begin());
  }

  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<FileDescriptor>> files_;
  std::set<std::string> failed_;
};

// A file without its final name yet; removed on destruction unless it got one.
class TemporaryFile {
 public:
  static arrow::Result<std::unique_ptr<TemporaryFile>> Create(std::string target) {
    const std::string folder = ParentOf(target);
    std::string name =
        folder + "/" + std::string(kTemporaryPrefix) + base::NewUuid(base::SystemRandom());
    constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    int fd = ::open(name.c_str(), kFlags, 0666);
    if (fd < 0 && errno == ENOENT) {
      ARROW_RETURN_NOT_OK(MakeFolders(folder));
      fd = ::open(name.c_str(), kFlags, 0666);
    }
    if (fd < 0) {
      return SystemError(errno, "cannot create", name);
    }
    return std::unique_ptr<TemporaryFile>(
        new TemporaryFile(fd, std::move(name), std::move(target)));
  }
  ~TemporaryFile() { ::unlink(name_.c_str()); }

  arrow::Status Write(std::string_view bytes) { return WriteFully(fd_->get(), bytes, target_); }

  arrow::Status Replace(UnsyncedFiles* before) {
    ARROW_RETURN_NOT_OK(Finish(before));
    if (::rename(name_.c_str(), target_.c_str()) != 0) {
      return SystemError(errno, "cannot rename to", target_);
    }
    return SyncFolder(ParentOf(target_));
  }

  // false: the target exists.
  arrow::Result<bool> LinkIfAbsent(UnsyncedFiles* before) {
    ARROW_RETURN_NOT_OK(Finish(before));
    ARROW_ASSIGN_OR_RAISE(const bool named, GiveName());
    if (named) {
      ARROW_RETURN_NOT_OK(SyncFolder(ParentOf(target_)));
    }
    return named;
  }

  // As LinkIfAbsent, but to be synced later.
  arrow::Result<bool> LinkUnsynced(UnsyncedFiles* later) {
    ARROW_ASSIGN_OR_RAISE(const bool named, GiveName());
    if (named) {
      ARROW_RETURN_NOT_OK(later->Add(std::move(fd_), target_));
    }
    return named;
  }

 private:
  TemporaryFile(int fd, std::string name, std::string target)
      : fd_(std::make_unique<FileDescriptor>(fd)),
        name_(std::move(name)),
        target_(std::move(target)) {}

  arrow::Status Finish(UnsyncedFiles* before) {
    ARROW_RETURN_NOT_OK(before->SyncWith(fd_->get(), target_));
    if (const int error = fd_->Close(); error != 0) {
      return SystemError(error, "cannot close", target_);
    }
    return arrow::Status::OK();
  }

  // link(2) fails on an existing name on every file system that has links; the others have a
  // rename that does.
  arrow::Result<bool> GiveName() {
    if (::link(name_.c_str(), target_.c_str()) == 0) {
      return true;
    }
    if (errno == EPERM || errno == EOPNOTSUPP || errno == EMLINK) {
      if (::renameat2(AT_FDCWD, name_.c_str(), AT_FDCWD, target_.c_str(), RENAME_NOREPLACE) == 0) {
        return true;
      }
    }
    if (errno == EEXIST) {
      return false;
    }
    return SystemError(errno, "cannot give its name to", target_);
  }

  std::unique_ptr<FileDescriptor> fd_;
  const std::string name_;
  const std::string target_;
};

class LocalOutput : public arrow::io::OutputStream {
 public:
  LocalOutput(std::unique_ptr<TemporaryFile> file, std::string path, UnsyncedFiles* unsynced)
      : file_(std::move(file)), path_(std::move(path)), unsynced_(unsynced) {
    buffer_.reserve(kBufferBytes);
  }

  arrow::Status Close() override {
    if (closed()) {
      return arrow::Status::OK();
    }
    const std::unique_ptr<TemporaryFile> file = std::move(file_);
    ARROW_RETURN_NOT_OK(file->Write(buffer_));
    ARROW_ASSIGN_OR_RAISE(const bool created, file->LinkUnsynced(unsynced_));
    if (!created) {
      return MakeError(ErrorCode::kConflict, "object " + path_ + " exists already");
    }
    return arrow::Status::OK();
  }
  arrow::Status Abort() override {
    file_.reset();
    return arrow::Status::OK();
  }
  bool closed() const override { return file_ == nullptr; }
  arrow::Result<int64_t> Tell() const override { return position_; }

  using arrow::io::OutputStream::Write;
  arrow::Status Write(const void* data, int64_t bytes) override {
    if (closed()) {
      return MakeError(ErrorCode::kInternal, "write to " + path_ + " after its end");
    }
    const std::string_view view(static_cast<const char*>(data), static_cast<size_t>(bytes));
    position_ += bytes;
    if (buffer_.size() + view.size() > kBufferBytes) {
      ARROW_RETURN_NOT_OK(file_->Write(buffer_));
      buffer_.clear();
    }
    if (view.size() > kBufferBytes) {
      return file_->Write(view);
    }
    buffer_ += view;
    return arrow::Status::OK();
  }

 private:
  static constexpr size_t kBufferBytes = size_t{1} << 20;

  std::unique_ptr<TemporaryFile> file_;
  const std::string path_;
  UnsyncedFiles* const unsynced_;
  std::string buffer_;
  int64_t position_ = 0;
};

class LocalObjectStore : public ObjectStore {
 public:
  explicit LocalObjectStore(std::string root) : root_(std::move(root)) {}

  arrow::Status Put(const std::string& path, std::string_view bytes) override {
    ARROW_RETURN_NOT_OK(CheckObjectPath(path));
    ARROW_ASSIGN_OR_RAISE(auto file, TemporaryFile::Create(FileOf(path)));
    ARROW_RETURN_NOT_OK(file->Write(bytes));
    return file->Replace(&unsynced_);
  }

  arrow::Result<bool> PutIfAbsent(const std::string& path, std::string_view bytes) override {
    ARROW_RETURN_NOT_OK(CheckObjectPath(path));
    ARROW_ASSIGN_OR_RAISE(auto file, TemporaryFile::Create(FileOf(path)));
    ARROW_RETURN_NOT_OK(file->Write(bytes));
    return file->LinkIfAbsent(&unsynced_);
  }

  arrow::Result<std::string> Get(const std::string& path) override {
    return GetRange(path, 0, INT64_MAX);
  }

  arrow::Result<std::string> GetRange(const std::string& path, int64_t offset,
                                      int64_t length) override {
    ARROW_RETURN_NOT_OK(CheckObjectPath(path));
    const std::string file = FileOf(path);
    FileDescriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat info{};
    if (fd.get() < 0 || ::fstat(fd.get(), &info) != 0) {
      return SystemError(errno, "cannot open", file);
    }
    std::string bytes(static_cast<size_t>(std::clamp<int64_t>(info.st_size - offset, 0, length)),
                      '\0');
    size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t got = ::pread(fd.get(), bytes.data() + done, bytes.size() - done,
                                  offset + static_cast<int64_t>(done));
      if (got < 0 && errno == EINTR) {
        continue;
      }
      if (got < 0) {
        return SystemError(errno, "cannot read", file);
      }
      if (got == 0) {
        break;
      }
      done += static_cast<size_t>(got);
    }
    bytes.resize(done);
    return bytes;
  }

  arrow::Result<std::vector<std::string>> List(const std::string& prefix,
                                               const std::string& start_after) override {
    std::vector<std::string> paths;
    ARROW_RETURN_NOT_OK(Walk(prefix, [&](const std::string& path, bool is_temporary) {
      if (!is_temporary && path > start_after) {
        paths.push_back(path);
      }
      return arrow::Status::OK();
    }));
    std::sort(paths.begin(), paths.end());
    return paths;
  }

  arrow::Result<std::vector<ObjectEntry>> Unfinished(const std::string& prefix,
                                                     int64_t modified_before_us,
                                                     bool remove) override {
    std::vector<ObjectEntry> entries;
    ARROW_RETURN_NOT_OK(Walk(prefix, [&](const std::string& path, bool is_temporary) {
      const auto info = Stat(path);  // its writer may just be done with it
      if (is_temporary && info.ok() && info->modified_us < modified_before_us) {
        entries.push_back({.path = path, .size = info->size, .modified_us = info->modified_us});
      }
      return arrow::Status::OK();
    }));
    if (remove) {
      for (const ObjectEntry& entry : entries) {
        ARROW_RETURN_NOT_OK(Delete(entry.path));
      }
    }
    return entries;
  }

  arrow::Result<ObjectInfo> Stat(const std::string& path) override {
    ARROW_RETURN_NOT_OK(CheckObjectPath(path));
    struct stat info{};
    if (::stat(FileOf(path).c_str(), &info) != 0) {
      return SystemError(errno, "cannot look at", FileOf(path));
    }
    return ObjectInfo{.size = info.st_size,
                      .modified_us = info.st_mtim.tv_sec * 1'000'000 + info.st_mtim.tv_nsec / 1000};
  }

  arrow::Result<bool> Exists(const std::string& path) override {
    const auto info = Stat(path);
    if (info.ok()) {
      return true;
    }
    if (base::CodeOf(info.status()) == ErrorCode::kNotFound) {
      return false;
    }
    return info.status();
  }

  arrow::Status Delete(const std::string& path) override {
    ARROW_RETURN_NOT_OK(CheckObjectPath(path));
    const std::string file = FileOf(path);
    unsynced_.Forget(file);
    if (::unlink(file.c_str()) != 0) {
      if (errno == ENOENT || errno == ENOTDIR) {
        return arrow::Status::OK();
      }
      return SystemError(errno, "cannot delete", file);
    }
    return SyncFolder(ParentOf(file));
  }

  arrow::Result<std::shared_ptr<arrow::io::OutputStream>> OpenOutput(
      const std::string& path) override {
    ARROW_RETURN_NOT_OK(CheckObjectPath(path));
    ARROW_ASSIGN_OR_RAISE(auto file, TemporaryFile::Create(FileOf(path)));
    return std::make_shared<LocalOutput>(std::move(file), path, &unsynced_);
  }

  arrow::Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenInput(
      const std::string& path) override {
    ARROW_RETURN_NOT_OK(Stat(path).status());
    ARROW_ASSIGN_OR_RAISE(auto file, arrow::io::ReadableFile::Open(FileOf(path)));
    return file;
  }

  std::optional<std::string> LocalPath(const std::string& path) const override {
    return FileOf(path);
  }

 private:
  std::string FileOf(const std::string& path) const { return root_ + "/" + path; }

  // (path, whether it is a temporary file).
  using Visitor = std::function<arrow::Status(const std::string&, bool)>;

  // All files whose paths begin with `prefix`; of temporary ones those in such folders.
  arrow::Status Walk(const std::string& prefix, const Visitor& visit) {
    const size_t slash = prefix.rfind('/');
    const std::string folder = slash == std::string::npos ? "" : prefix.substr(0, slash + 1);
    if (!folder.empty()) {
      ARROW_RETURN_NOT_OK(CheckObjectPath(folder.substr(0, slash)));
    }
    return WalkFolder(folder, prefix, visit);
  }

  // `folder` is "" or ends with '/'.
  arrow::Status WalkFolder(const std::string& folder, const std::string& prefix,
                           const Visitor& visit) {
    const std::string full = FileOf(folder);
    const std::unique_ptr<DIR, int (*)(DIR*)> handle(::opendir(full.c_str()), ::closedir);
    if (handle == nullptr) {
      if (errno == ENOENT || errno == ENOTDIR) {
        return arrow::Status::OK();
      }
      return SystemError(errno, "cannot list", full);
    }
    std::string path;  // one for all: a log has many thousand names, and most are not wanted
    while (true) {
      errno = 0;
      const dirent* entry = ::readdir(handle.get());
      if (entry == nullptr) {
        return errno == 0 ? arrow::Status::OK() : SystemError(errno, "cannot list", full);
      }
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") {
        continue;
      }
      path.assign(folder).append(name);
      if (name.starts_with(kTemporaryPrefix)) {
        ARROW_RETURN_NOT_OK(visit(path, true));
      } else if (IsFolder(*entry, path)) {
        // Below a folder every path begins with "path/".
        const std::string below = path + "/";
        if (below.starts_with(prefix) || prefix.starts_with(below)) {
          ARROW_RETURN_NOT_OK(WalkFolder(below, prefix, visit));
        }
      } else if (path.starts_with(prefix)) {
        ARROW_RETURN_NOT_OK(visit(path, false));
      }
    }
  }

  bool IsFolder(const dirent& entry, const std::string& path) const {
    if (entry.d_type != DT_UNKNOWN && entry.d_type != DT_LNK) {
      return entry.d_type == DT_DIR;
    }
    struct stat info{};
    return ::stat(FileOf(path).c_str(), &info) == 0 && S_ISDIR(info.st_mode);
  }

  const std::string root_;
  UnsyncedFiles unsynced_;
};

}  // namespace

arrow::Result<std::unique_ptr<ObjectStore>> ObjectStore::OpenLocal(std::string root) {
  std::error_code error;
  const std::filesystem::path path(std::move(root));
  std::string absolute = std::filesystem::absolute(path, error).lexically_normal().string();
  if (error) {
    return SystemError(error.value(), "cannot resolve", path.string());
  }
  while (absolute.size() > 1 && absolute.back() == '/') {
    absolute.pop_back();
  }
  ARROW_RETURN_NOT_OK(MakeFolders(absolute));
  return std::make_unique<LocalObjectStore>(std::move(absolute));
}

}  // namespace icecore::lake
