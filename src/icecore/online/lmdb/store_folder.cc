#include "icecore/online/lmdb/store_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/base/log.h"
#include "icecore/online/lmdb/file_lock.h"

namespace icecore::online::lmdb {
namespace {

constexpr std::string_view kPackPrefix = "pack-";
constexpr char kCurrent[] = "/current";
constexpr char kSwitchLock[] = "/switch.lock";
// A transaction that finds the store moved so often in a row gives up.
constexpr int kMaxMoves = 16;
// Who opens holds the lock for milliseconds.
constexpr int64_t kSwitchLockNanos = 10'000'000'000;
constexpr auto kSwitchLockPause = std::chrono::milliseconds(1);

arrow::Result<std::shared_ptr<Environment>> OpenPack(const EnvironmentOptions& options,
                                                     const std::string& name) {
  EnvironmentOptions pack = options;
  if (!name.empty()) {
    pack.directory += "/" + name;
  }
  std::error_code error;
  if (!name.empty() && !std::filesystem::is_regular_file(pack.directory + "/data.mdb", error)) {
    return base::MakeError(base::ErrorCode::kCorrupt,
                           "the online store has moved to " + pack.directory +
                               ", which is gone; remove the folder " + options.directory +
                               " and materialize again: the lake holds everything");
  }
  return Environment::Open(pack);
}

arrow::Result<StoreFolder::Place> OpenCurrent(const EnvironmentOptions& options) {
  // Whoever has it exclusively switches, which takes milliseconds.
  ARROW_ASSIGN_OR_RAISE(const auto lock, FileLock::Open(options.directory + kSwitchLock));
  ARROW_RETURN_NOT_OK(lock->WaitShared());
  ARROW_ASSIGN_OR_RAISE(std::string name, CurrentPack(options.directory));
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<Environment> env, OpenPack(options, name));
    // The link may be behind: who packed may have died between the mark and the link.
    std::optional<std::string> next;
    {
      ARROW_ASSIGN_OR_RAISE(const auto reader, Transaction::BeginRead(env));
      ARROW_ASSIGN_OR_RAISE(next, reader->MovedTo(kMovedKey));
    }
    if (!next.has_value()) {
      return StoreFolder::Place{std::move(name), std::move(env)};
    }
    if (PackNumber(*next) <= PackNumber(name)) {
      return base::MakeError(base::ErrorCode::kCorrupt,
                             "the online store at " + env->directory() + " says it has moved to '" +
                                 *next + "'; remove the folder " + options.directory +
                                 " and materialize again");
    }
    name = *std::move(next);
  }
}

}  // namespace

arrow::Result<std::unique_ptr<FileLock>> TakeSwitchLock(const std::string& directory) {
  ARROW_ASSIGN_OR_RAISE(auto lock, FileLock::Open(directory + kSwitchLock));
  const int64_t deadline = base::MonotonicNanos() + kSwitchLockNanos;
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(const bool taken, lock->TryTake());
    if (taken) {
      return lock;
    }
    if (base::MonotonicNanos() > deadline) {
      return base::MakeError(
          base::ErrorCode::kUnavailable,
          "other processes kept opening the online store at " + directory + "; try again later");
    }
    std::this_thread::sleep_for(kSwitchLockPause);
  }
}

int64_t PackNumber(std::string_view name) {
  if (!name.starts_with(kPackPrefix)) {
    return 0;
  }
  name.remove_prefix(kPackPrefix.size());
  int64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  const bool whole = error == std::errc() && end == name.data() + name.size() && number > 0;
  return whole && std::to_string(number) == name ? number : 0;
}

arrow::Result<std::string> CurrentPack(const std::string& directory) {
  const std::string path = directory + kCurrent;
  std::error_code error;
  const std::filesystem::path target = std::filesystem::read_symlink(path, error);
  if (error == std::errc::no_such_file_or_directory) {
    return "";
  }
  if (error || PackNumber(target.string()) == 0) {
    return base::MakeError(base::ErrorCode::kCorrupt,
                           path + " is no link to a folder pack-N; remove the folder " + directory +
                               " and materialize again: the lake holds everything");
  }
  return target.string();
}

arrow::Status SetCurrentPack(const std::string& directory, const std::string& name) {
  const std::string path = directory + kCurrent;
  const std::string made = path + ".new";
  unlink(made.c_str());
  if (symlink(name.c_str(), made.c_str()) != 0) {
    return FileError("cannot make", made, errno);
  }
  if (rename(made.c_str(), path.c_str()) != 0) {
    return FileError("cannot make", path, errno);
  }
  return SyncFolder(directory);
}

arrow::Status SyncFolder(const std::string& directory) {
  const int folder = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) {
    return FileError("cannot open", directory, errno);
  }
  const int error = fsync(folder) == 0 ? 0 : errno;
  close(folder);
  return error == 0 ? arrow::Status::OK() : FileError("cannot sync", directory, error);
}

arrow::Result<std::shared_ptr<StoreFolder>> StoreFolder::Open(const EnvironmentOptions& options) {
  ARROW_RETURN_NOT_OK(Environment::MakeFolder(options.directory));
  ARROW_ASSIGN_OR_RAISE(Place place, OpenCurrent(options));
  return std::make_shared<StoreFolder>(options, std::move(place));
}

StoreFolder::Place StoreFolder::place() const {
  std::shared_lock lock(mutex_);
  return place_;
}

arrow::Result<std::unique_ptr<Transaction>> StoreFolder::Begin(bool write) {
  for (int move = 0; move < kMaxMoves; ++move) {
    std::shared_ptr<Environment> env;
    {
      std::shared_lock lock(mutex_);
      env = place_.env;
    }
    ARROW_ASSIGN_OR_RAISE(auto transaction,
                          write ? Transaction::BeginWrite(env) : Transaction::BeginRead(env));
    ARROW_ASSIGN_OR_RAISE(const auto moved, transaction->MovedTo(kMovedKey));
    if (!moved.has_value()) {
      return transaction;
    }
    transaction.reset();
    ARROW_RETURN_NOT_OK(LeaveFor(env.get()));
  }
  return base::MakeError(base::ErrorCode::kUnavailable,
                         "the online store at " + directory() + " is packed again and again");
}

arrow::Status StoreFolder::Write(const std::function<arrow::Status(Transaction*)>& work) {
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(auto transaction, BeginWrite());
    arrow::Status status = work(transaction.get());
    if (status.ok()) status = transaction->Commit();
    if (status.ok() || !transaction->is_map_full()) return status;
    const std::shared_ptr<Environment> env = transaction->shared_environment();
    const int64_t full_bytes = env->map_bytes();
    transaction.reset();
    ARROW_RETURN_NOT_OK(env->Grow(full_bytes));
  }
}

arrow::Status StoreFolder::LeaveFor(const Environment* left) {
  std::lock_guard leaving(leave_mutex_);
  if (place().env.get() != left) {
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(Place next, OpenCurrent(options_));
  base::Log(base::LogLevel::kInfo, "the online store was packed and is read from " +
                                       next.env->directory() + " from now on");
  std::unique_lock lock(mutex_);
  std::swap(place_, next);
  lock.unlock();
  return arrow::Status::OK();  // the last transaction of the one that was left closes it
}

}  // namespace icecore::online::lmdb
