#include "icecore/online/lmdb/environment.h"

#include <fcntl.h>
#include <lmdb.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <system_error>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/log.h"

namespace icecore::online::lmdb {
namespace {

constexpr int64_t kSmallestMapBytes = int64_t{1} << 20;
constexpr unsigned kMaxReaders = 512;
// Less than so much is not worth waiting for all transactions.
constexpr int64_t kSmallestGrowth = int64_t{256} << 10;
// A map of which less than a quarter is left grows before the next load.
constexpr int64_t kRoomParts = 4;
// Another process may give the map one size after the other.
constexpr int kMaxBegins = 8;

// LMDB forbids two environments of one file in one process (closing one drops the other's locks),
// so open ones are found here by file identity.
class OpenEnvironments {
 public:
  static OpenEnvironments& Instance() {
    static OpenEnvironments* const instance = new OpenEnvironments;
    return *instance;
  }
  std::mutex mutex;
  std::map<std::pair<dev_t, ino_t>, std::weak_ptr<Environment>> by_folder;
};

base::ErrorCode CodeFor(int code) {
  switch (code) {
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return base::ErrorCode::kLimit;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_PANIC:
    case MDB_BAD_TXN:
      return base::ErrorCode::kCorrupt;
    case MDB_VERSION_MISMATCH:
      return base::ErrorCode::kUnsupported;
    case MDB_READERS_FULL:
    case ENOMEM:
    case EAGAIN:
    case EIO:
      return base::ErrorCode::kUnavailable;
    case EACCES:
    case EPERM:
    case EROFS:
      return base::ErrorCode::kDenied;
    default:
      return base::ErrorCode::kInternal;
  }
}

arrow::Status LmdbError(int code, std::string_view what, const std::string& directory,
                        int64_t map_bytes) {
  std::string message = std::string(what) + " in the online store at " + directory + ": ";
  if (code == MDB_MAP_FULL) {
    message += "its map of " + std::to_string(map_bytes) +
               " bytes is full; run again: what was committed stays";
  } else if (code == MDB_INVALID || code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND) {
    message +=
        std::string(mdb_strerror(code)) +
        "; remove the online store's folder and materialize again: the lake holds everything";
  } else {
    message += mdb_strerror(code);
  }
  return base::MakeError(CodeFor(code), std::move(message));
}

MDB_val ToVal(std::string_view bytes) {
  return MDB_val{bytes.size(), const_cast<char*>(bytes.data())};
}

}  // namespace

arrow::Status Environment::MakeFolder(const std::string& directory) {
  std::error_code error;
  if (std::filesystem::is_directory(directory, error)) {
    return arrow::Status::OK();
  }
  std::filesystem::create_directories(std::filesystem::path(directory).parent_path(), error);
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return base::MakeError(errno == EACCES || errno == EPERM || errno == EROFS
                               ? base::ErrorCode::kDenied
                               : base::ErrorCode::kUnavailable,
                           "cannot make the online store's folder " + directory + ": " +
                               std::generic_category().message(errno));
  }
  return arrow::Status::OK();
}

arrow::Result<std::shared_ptr<Environment>> Environment::Open(const EnvironmentOptions& options) {
  ARROW_RETURN_NOT_OK(MakeFolder(options.directory));
  std::shared_ptr<Environment> made(new Environment(options));
  made->folder_ = open(options.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct stat info{};
  if (made->folder_ < 0 || fstat(made->folder_, &info) != 0) {
    return base::MakeError(
        errno == EACCES || errno == EPERM ? base::ErrorCode::kDenied
                                          : base::ErrorCode::kUnavailable,
        "the online store's path " + options.directory +
            " cannot be opened as a folder: " + std::generic_category().message(errno));
  }
  OpenEnvironments& open = OpenEnvironments::Instance();
  std::lock_guard lock(open.mutex);
  std::weak_ptr<Environment>& entry = open.by_folder[{info.st_dev, info.st_ino}];
  std::shared_ptr<Environment> env = entry.lock();
  if (env != nullptr && env->in_own_process()) {
    return env;
  }
  env = std::move(made);
  int64_t map_bytes = std::max(options.map_bytes, kSmallestMapBytes);
  arrow::Status status = env->OpenFiles(map_bytes);
  while (!status.ok() && base::CodeOf(status) == base::ErrorCode::kUnavailable &&
         map_bytes / 2 >= kSmallestMapBytes) {
    map_bytes /= 2;
    status = env->OpenFiles(map_bytes);
  }
  ARROW_RETURN_NOT_OK(status);
  ARROW_RETURN_NOT_OK(env->OpenTables());
  entry = env;
  return env;
}

Environment::Environment(const EnvironmentOptions& options)
    : directory_(options.directory), process_(getpid()), max_map_bytes_(options.max_map_bytes) {}

bool Environment::in_own_process() const { return process_ == getpid(); }

arrow::Status Environment::Error(int code, std::string_view what) const {
  return LmdbError(code, what, directory_, map_bytes());
}

arrow::Status Environment::OpenFiles(int64_t map_bytes) {
  PadFile();
  int code = mdb_env_create(&environment_);
  if (code == 0) code = mdb_env_set_maxdbs(environment_, 4);
  if (code == 0) code = mdb_env_set_maxreaders(environment_, kMaxReaders);
  if (code == 0) code = mdb_env_set_mapsize(environment_, static_cast<size_t>(map_bytes));
  // MDB_NOTLS: a reader's slot belongs to its transaction, not to its thread.
  if (code == 0) code = mdb_env_open(environment_, directory_.c_str(), MDB_NOTLS, 0600);
  if (code != 0) {
    mdb_env_close(environment_);
    environment_ = nullptr;
    return LmdbError(code, "cannot open the files", directory_, map_bytes);
  }
  MDB_stat stat{};
  mdb_env_stat(environment_, &stat);
  page_bytes_ = static_cast<int64_t>(stat.ms_psize);
  MDB_envinfo info{};
  mdb_env_info(environment_, &info);
  map_bytes_ = static_cast<int64_t>(info.me_mapsize);
  // Readers that died without a word would keep old pages alive for ever.
  int dead = 0;
  mdb_reader_check(environment_, &dead);
  return arrow::Status::OK();
}

// As a reader, who waits for nobody.
arrow::Result<bool> Environment::FindTables() {
  MDB_txn* transaction = nullptr;
  int code = mdb_txn_begin(environment_, nullptr, MDB_RDONLY, &transaction);
  if (code == MDB_MAP_RESIZED) {
    ARROW_RETURN_NOT_OK(SetMapSize(0));
    code = mdb_txn_begin(environment_, nullptr, MDB_RDONLY, &transaction);
  }
  if (code != 0) {
    return Error(code, "cannot begin a transaction");
  }
  code = mdb_dbi_open(transaction, "meta", 0, &meta_);
  if (code == 0) code = mdb_dbi_open(transaction, "cells", 0, &cells_);
  if (code == 0) {
    code = mdb_txn_commit(transaction);  // which keeps the handles
  } else {
    mdb_txn_abort(transaction);
  }
  if (code != 0 && code != MDB_NOTFOUND) {
    return Error(code, "cannot open the tables");
  }
  return code == 0;
}

arrow::Status Environment::OpenTables() {
  ARROW_ASSIGN_OR_RAISE(const bool found, FindTables());
  if (found) {
    return arrow::Status::OK();
  }
  MDB_txn* transaction = nullptr;
  int code = mdb_txn_begin(environment_, nullptr, 0, &transaction);
  if (code == MDB_MAP_RESIZED) {
    ARROW_RETURN_NOT_OK(SetMapSize(0));
    code = mdb_txn_begin(environment_, nullptr, 0, &transaction);
  }
  if (code == 0) {
    code = mdb_dbi_open(transaction, "meta", MDB_CREATE, &meta_);
    if (code == 0) code = mdb_dbi_open(transaction, "cells", MDB_CREATE, &cells_);
    if (code == 0) {
      code = mdb_txn_commit(transaction);
    } else {
      mdb_txn_abort(transaction);
    }
  }
  return code == 0 ? arrow::Status::OK() : Error(code, "cannot open the tables");
}

// A page beyond the end of the file would be a bus error at its first touch. Padded with zeros it
// is MDB_CORRUPTED instead. (Pages at the end that were never written because they were freed at
// once are padded too, which does no harm; fallocate never shortens nor overwrites.) Layout of a
// meta page in LMDB 0.9: 16 bytes of page header, magic, version, address, size, two tables of 48
// bytes whose first field is the page size, last page number.
void Environment::PadFile() const {
  const std::string path = directory_ + "/data.mdb";
  const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) {
    return;
  }
  constexpr uint32_t kMetaMagic = 0xBEEFC0DE;
  constexpr off_t kLastPageOffset = 16 + 4 + 4 + 8 + 8 + 2 * 48;
  struct stat info{};
  uint32_t magic = 0;
  uint32_t page_size = 0;
  uint64_t last_page[2] = {0, 0};
  if (fstat(file, &info) == 0 && pread(file, &magic, sizeof magic, 16) == sizeof magic &&
      pread(file, &page_size, sizeof page_size, 40) == sizeof page_size && magic == kMetaMagic &&
      pread(file, &last_page[0], sizeof(uint64_t), kLastPageOffset) == sizeof(uint64_t) &&
      pread(file, &last_page[1], sizeof(uint64_t), kLastPageOffset + off_t{page_size}) ==
          sizeof(uint64_t)) {
    const off_t needed = static_cast<off_t>((std::max(last_page[0], last_page[1]) + 1) * page_size);
    if (needed > info.st_size && fallocate(file, 0, info.st_size, needed - info.st_size) != 0) {
      base::Log(base::LogLevel::kWarning, "cannot pad " + path);
    }
  }
  close(file);
}

arrow::Status Environment::SetMapSize(int64_t bytes) {
  const int code = mdb_env_set_mapsize(environment_, static_cast<size_t>(bytes));
  if (code == 0) {
    MDB_envinfo info{};
    mdb_env_info(environment_, &info);
    map_bytes_ = static_cast<int64_t>(info.me_mapsize);
    return arrow::Status::OK();
  }
  // LMDB gives up the old map first, and cannot be asked whether it has one.
  if (code != EINVAL) is_unmapped_ = true;
  return Error(code, "cannot change the size of the map");
}

arrow::Status Environment::AdoptMapSize() {
  const std::unique_lock lock(map_gate_);
  return SetMapSize(0);
}

namespace {

// A map that the machine refuses would cost the one there is, so it is tried beside it.
bool HasAddressSpace(int64_t bytes) {
  void* const trial = mmap(nullptr, static_cast<size_t>(bytes), PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (trial == MAP_FAILED) return false;
  munmap(trial, static_cast<size_t>(bytes));
  return true;
}

}  // namespace

arrow::Status Environment::CannotGrow(const std::string& why) const {
  return base::MakeError(base::ErrorCode::kLimit, "the map of the online store at " + directory_ +
                                                      ", of " + std::to_string(map_bytes()) +
                                                      " bytes, is full and cannot grow: " + why +
                                                      "; then run again: what was committed stays");
}

// Under the gate.
arrow::Result<int64_t> Environment::GreaterMapBytes(int64_t before) const {
  int64_t bytes = 2 * before;
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(directory_, error);
  const auto available = error ? INT64_MAX / 2 : static_cast<int64_t>(space.available);
  const bool is_disk_the_bound = used_bytes() + available < bytes;
  if (is_disk_the_bound) bytes = used_bytes() + available;
  const bool is_maximum_the_bound = max_map_bytes_ > 0 && max_map_bytes_ < bytes;
  if (is_maximum_the_bound) bytes = max_map_bytes_;
  bytes -= bytes % page_bytes_;
  if (bytes >= before + kSmallestGrowth) {
    if (HasAddressSpace(bytes)) return bytes;
    return CannotGrow("the machine refuses " + std::to_string(bytes) +
                      " bytes of address space (ulimit -v)");
  }
  return CannotGrow(is_maximum_the_bound
                        ? "max_map_bytes is " + std::to_string(max_map_bytes_) +
                              "; give it more (online: lmdb:PATH?max_map_bytes=N)"
                        : "the disk has " + std::to_string(available) +
                              " bytes left; make room, or put the store on another disk");
}

arrow::Status Environment::Grow(int64_t full_bytes) {
  const std::unique_lock lock(map_gate_);
  const int64_t before = map_bytes();
  if (before > full_bytes) return arrow::Status::OK();  // another thread was here
  ARROW_RETURN_NOT_OK(SetMapSize(0));
  if (map_bytes() > full_bytes) return arrow::Status::OK();  // another process was
  const auto bytes = GreaterMapBytes(before);
  // What was not committed to yet is less than this process had.
  ARROW_RETURN_NOT_OK(SetMapSize(bytes.ok() ? *bytes : before));
  ARROW_RETURN_NOT_OK(bytes.status());
  base::Log(base::LogLevel::kInfo, "the map of the online store at " + directory_ + " grew from " +
                                       std::to_string(before) + " to " + std::to_string(*bytes) +
                                       " bytes");
  return arrow::Status::OK();
}

void Environment::MakeRoom() {
  const int64_t bytes = map_bytes();
  {
    const std::shared_lock lock(map_gate_);
    if (is_unmapped_ || bytes - used_bytes() >= bytes / kRoomParts ||
        !GreaterMapBytes(bytes).ok()) {
      return;
    }
  }
  if (const arrow::Status grown = Grow(bytes); !grown.ok()) {
    base::Log(base::LogLevel::kDebug, grown.message());
  }
}

Environment::~Environment() {
  // A child after fork must leave the parent's lock table alone.
  if (environment_ != nullptr && in_own_process()) {
    mdb_env_close(environment_);
  }
  if (folder_ >= 0) {
    close(folder_);
  }
}

int64_t Environment::used_bytes() const {
  MDB_envinfo info{};
  mdb_env_info(environment_, &info);
  return static_cast<int64_t>(info.me_last_pgno + 1) * page_bytes();
}

namespace {

arrow::Status OpenedBeforeFork() {
  return base::MakeError(base::ErrorCode::kInternal,
                         "the online store was opened before fork; open it in the child");
}

// `turn`: null for a reader.
arrow::Result<std::unique_ptr<Transaction>> Begin(std::shared_ptr<Environment> env,
                                                  std::unique_ptr<WriteTurn> turn) {
  int code = 0;
  for (int attempt = 0; attempt < kMaxBegins; ++attempt) {
    env->map_gate().lock_shared();
    if (env->is_unmapped()) {
      env->map_gate().unlock_shared();
      return base::MakeError(base::ErrorCode::kUnavailable,
                             "the machine refused this process the map of the online store at " +
                                 env->directory() + " while its size changed; start it again");
    }
    MDB_txn* transaction = nullptr;
    code = mdb_txn_begin(env->handle(), nullptr, turn == nullptr ? MDB_RDONLY : 0U, &transaction);
    if (code == 0) {
      return std::make_unique<Transaction>(std::move(env), transaction, std::move(turn), true);
    }
    env->map_gate().unlock_shared();
    if (code == MDB_MAP_RESIZED) {
      ARROW_RETURN_NOT_OK(env->AdoptMapSize());
    } else if (code == MDB_READERS_FULL) {
      int dead = 0;
      mdb_reader_check(env->handle(), &dead);
    } else {
      break;
    }
  }
  return env->Error(code, "cannot begin a transaction");
}

}  // namespace

WriteTurn::WriteTurn(std::shared_ptr<Environment> env)
    : env_(std::move(env)), lock_(env_->write_mutex()) {}

arrow::Result<std::unique_ptr<WriteTurn>> WriteTurn::Take(std::shared_ptr<Environment> env) {
  std::unique_ptr<WriteTurn> turn(new WriteTurn(std::move(env)));
  // LMDB itself locks other files and in other ways.
  while (flock(turn->env_->folder(), LOCK_EX) != 0) {
    if (errno != EINTR) {
      return turn->env_->Error(errno, "cannot lock the folder");
    }
  }
  return turn;
}

WriteTurn::~WriteTurn() { flock(env_->folder(), LOCK_UN); }

Transaction::Transaction(std::shared_ptr<Environment> env, MDB_txn* transaction,
                         std::unique_ptr<WriteTurn> turn, bool holds_gate)
    : turn_(std::move(turn)),
      env_(std::move(env)),
      transaction_(transaction),
      holds_gate_(holds_gate) {}

arrow::Result<std::unique_ptr<Transaction>> Transaction::BeginRead(
    std::shared_ptr<Environment> env) {
  if (!env->in_own_process()) return OpenedBeforeFork();
  return Begin(std::move(env), nullptr);
}

arrow::Result<std::unique_ptr<Transaction>> Transaction::BeginWrite(
    std::shared_ptr<Environment> env) {
  if (!env->in_own_process()) return OpenedBeforeFork();
  ARROW_ASSIGN_OR_RAISE(auto turn, WriteTurn::Take(env));
  // A reader that died keeps the pages of its snapshot; a writer is the one that suffers.
  int dead = 0;
  mdb_reader_check(env->handle(), &dead);
  env->MakeRoom();
  return Begin(std::move(env), std::move(turn));
}

arrow::Result<std::unique_ptr<Transaction>> Transaction::BeginBeside(const Transaction& writer) {
  const std::shared_ptr<Environment>& env = writer.env_;
  MDB_txn* transaction = nullptr;
  int code = mdb_txn_begin(env->handle(), nullptr, MDB_RDONLY, &transaction);
  if (code == MDB_READERS_FULL) {
    int dead = 0;
    mdb_reader_check(env->handle(), &dead);
    code = mdb_txn_begin(env->handle(), nullptr, MDB_RDONLY, &transaction);
  }
  if (code != 0) return env->Error(code, "cannot begin a transaction");
  return std::make_unique<Transaction>(env, transaction, nullptr, false);
}

Transaction::~Transaction() {
  if (transaction_ != nullptr) {
    mdb_txn_abort(transaction_);
  }
  if (holds_gate_) env_->map_gate().unlock_shared();
}

arrow::Status Transaction::WriteError(int code, std::string_view what) {
  is_map_full_ = is_map_full_ || code == MDB_MAP_FULL;
  return env_->Error(code, what);
}

arrow::Result<std::optional<std::string_view>> Transaction::Get(Table table,
                                                                std::string_view key) const {
  MDB_val key_val = ToVal(key);
  MDB_val value{};
  const int code = mdb_get(transaction_, env_->table(table), &key_val, &value);
  if (code == MDB_NOTFOUND) {
    return std::nullopt;
  }
  if (code != 0) {
    return env_->Error(code, "cannot read");
  }
  return std::string_view(static_cast<const char*>(value.mv_data), value.mv_size);
}

arrow::Status Transaction::Put(Table table, std::string_view key, std::string_view value) {
  MDB_val key_val = ToVal(key);
  MDB_val value_val = ToVal(value);
  const int code = mdb_put(transaction_, env_->table(table), &key_val, &value_val, 0);
  return code == 0 ? arrow::Status::OK() : WriteError(code, "cannot write");
}

arrow::Status Transaction::Delete(Table table, std::string_view key) {
  MDB_val key_val = ToVal(key);
  const int code = mdb_del(transaction_, env_->table(table), &key_val, nullptr);
  return code == 0 || code == MDB_NOTFOUND ? arrow::Status::OK()
                                           : WriteError(code, "cannot delete");
}

arrow::Result<int64_t> Transaction::Count(Table table) const {
  MDB_stat stat{};
  const int code = mdb_stat(transaction_, env_->table(table), &stat);
  if (code != 0) {
    return env_->Error(code, "cannot count");
  }
  return static_cast<int64_t>(stat.ms_entries);
}

arrow::Result<std::optional<std::string>> Transaction::MovedTo(std::string_view key) const {
  const uint64_t snapshot = mdb_txn_id(transaction_);
  // The number of a writer is that of a state which somebody else may write in its place.
  if (turn_ == nullptr && env_->unmoved_snapshot().load(std::memory_order_relaxed) == snapshot) {
    return std::nullopt;
  }
  ARROW_ASSIGN_OR_RAISE(const auto value, Get(Table::kMeta, key));
  if (value.has_value()) {
    return std::string(*value);
  }
  if (turn_ == nullptr) {
    env_->unmoved_snapshot().store(snapshot, std::memory_order_relaxed);
  }
  return std::nullopt;
}

arrow::Status Transaction::Commit() {
  const int code = mdb_txn_commit(transaction_);
  transaction_ = nullptr;
  return code == 0 ? arrow::Status::OK() : WriteError(code, "cannot commit");
}

arrow::Result<std::unique_ptr<Cursor>> Cursor::Open(Transaction* transaction, Table table) {
  MDB_cursor* cursor = nullptr;
  const int code =
      mdb_cursor_open(transaction->handle(), transaction->environment().table(table), &cursor);
  if (code != 0) {
    return transaction->environment().Error(code, "cannot open a cursor");
  }
  return std::unique_ptr<Cursor>(new Cursor(transaction, cursor));
}

Cursor::~Cursor() { mdb_cursor_close(cursor_); }

arrow::Result<bool> Cursor::Move(int operation) {
  MDB_val key = ToVal(key_);
  MDB_val value{};
  const int code = mdb_cursor_get(cursor_, &key, &value, static_cast<MDB_cursor_op>(operation));
  if (code != 0) {
    key_ = {};
    value_ = {};
  }
  if (code == MDB_NOTFOUND) {
    return false;
  }
  if (code != 0) {
    return transaction_->environment().Error(code, "cannot read");
  }
  key_ = std::string_view(static_cast<const char*>(key.mv_data), key.mv_size);
  value_ = std::string_view(static_cast<const char*>(value.mv_data), value.mv_size);
  return true;
}

arrow::Result<bool> Cursor::Seek(std::string_view key) {
  key_ = key;
  // LMDB knows no empty key.
  return Move(key.empty() ? MDB_FIRST : MDB_SET_RANGE);
}

arrow::Result<bool> Cursor::Next() { return Move(MDB_NEXT); }

arrow::Result<bool> Cursor::Last() { return Move(MDB_LAST); }

arrow::Status Cursor::Put(std::string_view key, std::string_view value, bool at_end) {
  MDB_val key_val = ToVal(key);
  MDB_val value_val = ToVal(value);
  const int code = mdb_cursor_put(cursor_, &key_val, &value_val, at_end ? MDB_APPEND : 0U);
  key_ = {};
  value_ = {};
  return code == 0 ? arrow::Status::OK() : transaction_->WriteError(code, "cannot write");
}

arrow::Result<bool> Cursor::DeleteAndNext() {
  const int code = mdb_cursor_del(cursor_, 0);
  if (code != 0) {
    return transaction_->WriteError(code, "cannot delete");
  }
  // After a delete LMDB's MDB_NEXT stays on the record that took the place.
  return Move(MDB_NEXT);
}

}  // namespace icecore::online::lmdb
