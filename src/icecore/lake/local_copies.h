#pragma once
// Data files of a lake as files of this machine, for readers that want files.

#include <arrow/result.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "icecore/lake/object_store.h"

namespace icecore::lake {

// Holds copies of a remote store's objects in a folder of its own below `folder`; it goes with this
// object, and that of a process that was killed goes with the next Open. Only for objects that
// never change. Thread safe.
class LocalCopies {
 public:
  // A copy stays as long as somebody holds it.
  struct File {
    std::string path;  // absolute
    std::string object;
    int64_t size = 0;
  };
  using FilePtr = std::shared_ptr<const File>;

  // `store` is borrowed. Copies that nobody holds are dropped, the least recently used first, when
  // all together are larger than `limit_bytes`; held ones may exceed it.
  static arrow::Result<std::unique_ptr<LocalCopies>> Open(ObjectStore* store,
                                                          const std::string& folder,
                                                          int64_t limit_bytes);
  ~LocalCopies();
  LocalCopies(const LocalCopies&) = delete;
  LocalCopies& operator=(const LocalCopies&) = delete;

  // The absolute folder that all copies lie in.
  const std::string& folder() const { return folder_; }
  // In the order asked. Objects of a store of this machine are not copied.
  arrow::Result<std::vector<FilePtr>> Fetch(const std::vector<std::string>& objects);

 private:
  struct Entry {
    FilePtr file;
    uint64_t used = 0;
  };

  LocalCopies(ObjectStore* store, std::string folder, int lock, int64_t limit_bytes)
      : store_(store), folder_(std::move(folder)), lock_(lock), limit_bytes_(limit_bytes) {}
  arrow::Result<FilePtr> FetchOne(const std::string& object);
  arrow::Result<FilePtr> Copy(const std::string& object);
  void DropUnused();

  ObjectStore* const store_;
  const std::string folder_;
  const int lock_;
  const int64_t limit_bytes_;
  std::mutex mutex_;
  uint64_t uses_ = 0;
  int64_t copies_ = 0;
  int64_t bytes_ = 0;
  std::map<std::string, Entry> entries_;
};

}  // namespace icecore::lake
