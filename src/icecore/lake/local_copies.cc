#include "icecore/lake/local_copies.h"

#include <arrow/io/file.h>
#include <arrow/util/future.h>
#include <arrow/util/thread_pool.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/id.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;

constexpr char kPrefix[] = "lake-copies-";
constexpr char kLockFile[] = "/.lock";
constexpr int64_t kStepBytes = int64_t{8} << 20;
constexpr size_t kAtOnce = 4;
constexpr int kAttempts = 20;

// The lock says that the owner lives; the system drops it with the process. -1: somebody has it.
int TryLock(const std::string& folder, int flags) {
  const int lock = ::open((folder + kLockFile).c_str(), O_RDWR | O_CLOEXEC | flags, 0600);
  if (lock >= 0 && ::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    ::close(lock);
    return -1;
  }
  return lock;
}

// Whether what is locked is the folder's lock file still: somebody who came between its making and
// its locking took the folder for abandoned.
bool Owns(const std::string& folder, int lock) {
  struct stat locked{};
  struct stat there{};
  return ::fstat(lock, &locked) == 0 && ::stat((folder + kLockFile).c_str(), &there) == 0 &&
         locked.st_dev == there.st_dev && locked.st_ino == there.st_ino;
}

// What processes left that were killed.
void RemoveAbandoned(const std::string& parent) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(parent, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kPrefix)) {
      continue;
    }
    if (const int lock = TryLock(entry.path().string(), 0); lock >= 0) {
      std::filesystem::remove_all(entry.path(), error);
      ::close(lock);
    }
  }
}

}  // namespace

arrow::Result<std::unique_ptr<LocalCopies>> LocalCopies::Open(ObjectStore* store,
                                                              const std::string& folder,
                                                              int64_t limit_bytes) {
  RemoveAbandoned(folder);
  std::string own;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    own = folder + "/" + kPrefix + base::NewUuid(base::SystemRandom());
    std::error_code error;
    std::filesystem::create_directories(own, error);
    if (error) break;
    const int lock = TryLock(own, O_CREAT);
    if (lock >= 0 && Owns(own, lock)) {
      return std::unique_ptr<LocalCopies>(
          new LocalCopies(store, std::move(own), lock, limit_bytes));
    }
    if (lock >= 0) ::close(lock);
  }
  return MakeError(ErrorCode::kUnavailable, "cannot make the folder " + own);
}

LocalCopies::~LocalCopies() {
  std::error_code error;
  std::filesystem::remove_all(folder_, error);
  ::close(lock_);
}

arrow::Result<std::vector<LocalCopies::FilePtr>> LocalCopies::Fetch(
    const std::vector<std::string>& objects) {
  std::vector<FilePtr> files(objects.size());
  for (size_t begin = 0; begin < objects.size(); begin += kAtOnce) {
    std::vector<arrow::Future<>> fetches;
    const size_t end = std::min(begin + kAtOnce, objects.size());
    arrow::Status status;
    for (size_t i = begin; i < end && status.ok(); ++i) {
      auto fetch = arrow::io::default_io_context().executor()->Submit(
          // Not as the future's result: its thread may hold that a moment longer than we do.
          [this, &object = objects[i], file = &files[i]] { return FetchOne(object).Value(file); });
      status = fetch.status();
      if (fetch.ok()) {
        fetches.push_back(*std::move(fetch));
      }
    }
    for (const auto& fetch : fetches) {               // all of them, they use `objects` and `files`
      const arrow::Status& fetched = fetch.status();  // waits
      status = status.ok() ? fetched : status;
    }
    ARROW_RETURN_NOT_OK(status);
  }
  DropUnused();
  return files;
}

arrow::Result<LocalCopies::FilePtr> LocalCopies::FetchOne(const std::string& object) {
  if (auto path = store_->LocalPath(object)) {
    return std::make_shared<const File>(File{*std::move(path), object, 0});
  }
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = entries_.find(object); found != entries_.end()) {
      found->second.used = ++uses_;
      return found->second.file;
    }
  }
  ARROW_ASSIGN_OR_RAISE(FilePtr file, Copy(object));
  const std::lock_guard lock(mutex_);
  const auto [entry, is_new] = entries_.try_emplace(object, Entry{file, ++uses_});
  if (is_new) {
    bytes_ += file->size;
  } else {  // another thread was faster
    ::unlink(file->path.c_str());
  }
  return entry->second.file;
}

arrow::Result<LocalCopies::FilePtr> LocalCopies::Copy(const std::string& object) {
  File copy;
  copy.object = object;
  {
    const std::lock_guard lock(mutex_);
    copy.path = folder_ + "/" + std::to_string(++copies_) + ".parquet";
  }
  ARROW_ASSIGN_OR_RAISE(const auto input, store_->OpenInput(object));
  ARROW_ASSIGN_OR_RAISE(copy.size, input->GetSize());
  ARROW_ASSIGN_OR_RAISE(const auto output, arrow::io::FileOutputStream::Open(copy.path));
  for (int64_t offset = 0; offset < copy.size; offset += kStepBytes) {
    ARROW_ASSIGN_OR_RAISE(const auto step, input->ReadAt(offset, kStepBytes));
    const arrow::Status written = output->Write(step);
    if (!written.ok()) {
      static_cast<void>(output->Close());
      ::unlink(copy.path.c_str());
      return MakeError(ErrorCode::kUnavailable,
                       "cannot write the local copy " + copy.path + " of " + object + " (" +
                           std::to_string(copy.size) + " bytes): " + written.message());
    }
  }
  ARROW_RETURN_NOT_OK(output->Close());
  return std::make_shared<const File>(std::move(copy));
}

void LocalCopies::DropUnused() {
  const std::lock_guard lock(mutex_);
  while (bytes_ > limit_bytes_) {
    auto oldest = entries_.end();
    for (auto it = entries_.begin(); it != entries_.end(); ++it) {
      const bool is_held = it->second.file.use_count() > 1;
      if (!is_held && (oldest == entries_.end() || it->second.used < oldest->second.used)) {
        oldest = it;
      }
    }
    if (oldest == entries_.end()) {
      return;
    }
    ::unlink(oldest->second.file->path.c_str());
    bytes_ -= oldest->second.file->size;
    entries_.erase(oldest);
  }
}

}  // namespace icecore::lake
