#pragma once
// The folder of a store, and the environment in it that counts. What is packed goes to a new folder
// pack-N below; the environment before it keeps a mark that says where to, and the link `current`
// names the newest. Every transaction looks for the mark, so processes go over with their next one.

#include <arrow/result.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>

#include "icecore/online/lmdb/environment.h"
#include "icecore/online/lmdb/file_lock.h"

namespace icecore::online::lmdb {

// In kMeta of an environment that was packed: the name of the folder its content has moved to.
inline constexpr std::string_view kMovedKey = "moved";

// Thread safe. Any number of processes may have one folder open.
class StoreFolder {
 public:
  // Makes an environment where there is none. kCorrupt when `current` names no store.
  static arrow::Result<std::shared_ptr<StoreFolder>> Open(const EnvironmentOptions& options);
  // An environment and the name of its folder below the store's; "": the store's own.
  struct Place {
    std::string pack;
    std::shared_ptr<Environment> env;
  };
  StoreFolder(EnvironmentOptions options, Place place)
      : options_(std::move(options)), place_(std::move(place)) {}

  // Of the environment that counts when the transaction begins; else as Transaction's.
  arrow::Result<std::unique_ptr<Transaction>> BeginRead() { return Begin(false); }
  arrow::Result<std::unique_ptr<Transaction>> BeginWrite() { return Begin(true); }

  // Does `work` in a writing transaction and commits it. Where the map is full, the transaction is
  // given up, the map grows, and `work` is done again: it must leave nothing behind but what it
  // wrote. kLimit where the map cannot grow.
  arrow::Status Write(const std::function<arrow::Status(Transaction*)>& work);

  // The same for every packing: what is locked rests here.
  const std::string& directory() const { return options_.directory; }
  const EnvironmentOptions& options() const { return options_; }
  // As the last transaction found it.
  Place place() const;

 private:
  arrow::Result<std::unique_ptr<Transaction>> Begin(bool write);
  // Opens the environment that counts, unless somebody did who was here before.
  arrow::Status LeaveFor(const Environment* left);

  const EnvironmentOptions options_;
  std::mutex leave_mutex_;  // one thread opens
  mutable std::shared_mutex mutex_;
  Place place_;  // guarded by mutex_
};

// Held while another environment begins to count; who looks for the one that counts and opens it
// shares it meanwhile. kUnavailable when it is not to be had within some seconds.
arrow::Result<std::unique_ptr<FileLock>> TakeSwitchLock(const std::string& directory);

// N of a folder pack-N; 0 for every other name.
int64_t PackNumber(std::string_view name);
// The folder that `current` names, "" where there is no such link: the store's own.
arrow::Result<std::string> CurrentPack(const std::string& directory);
// Makes `current` name the folder, durably. For who holds the exclusive lock.
arrow::Status SetCurrentPack(const std::string& directory, const std::string& name);
// Makes names that were made or removed in a folder durable.
arrow::Status SyncFolder(const std::string& directory);

}  // namespace icecore::online::lmdb
