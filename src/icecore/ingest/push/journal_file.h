#pragma once
// Files of a journal's folder: read, written and synced whole, and the lock over them.

#include <arrow/result.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace icecore::ingest {

// What errno says of a path: kDenied where it may not be done, else kUnavailable.
arrow::Status FileError(const std::string& what, const std::string& path);

// An open file. Closes on destruction.
class JournalFile {
 public:
  static arrow::Result<JournalFile> Open(const std::string& path, int flags);
  JournalFile(JournalFile&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  JournalFile& operator=(JournalFile&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~JournalFile();
  int get() const { return descriptor_; }

 private:
  explicit JournalFile(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

// At most max_bytes; fewer where the file ends before.
arrow::Result<std::string> ReadFrom(const JournalFile& file, int64_t offset,
                                    const std::string& path, int64_t max_bytes = INT64_MAX);
arrow::Status WriteAt(const JournalFile& file, std::string_view bytes, int64_t offset,
                      const std::string& path);
// A new file, or its content anew, durable but for its name.
arrow::Status WriteWhole(const std::string& path, std::string_view bytes);
// As WriteWhole and then, durably, under `path`; written as `temporary`.
arrow::Status ReplaceWhole(const std::string& folder, const std::string& temporary,
                           const std::string& path, std::string_view bytes);
arrow::Status SyncFolder(const std::string& folder);

// Held over everything that one process must not see half-done of another.
class FolderLock {
 public:
  // how: LOCK_SH or LOCK_EX, of <folder>/lock.
  static arrow::Result<FolderLock> Take(const std::string& folder, int how);
  // nullopt where somebody holds it.
  static arrow::Result<std::optional<FolderLock>> TryTake(const std::string& path);

 private:
  explicit FolderLock(JournalFile file) : file_(std::move(file)) {}
  JournalFile file_;  // closing it lets go
};

}  // namespace icecore::ingest
