#pragma once
// LMDB behind Arrow errors: one environment per path and process, transactions and cursors that
// close themselves. Only environment.cc includes <lmdb.h>.

#include <arrow/result.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "icecore/online/lmdb/map_gate.h"

struct MDB_cursor;
struct MDB_env;
struct MDB_txn;

namespace icecore::online::lmdb {

struct EnvironmentOptions {
  std::string directory;
  // Address space reserved at first, and so what the store can hold until the map grows; halved
  // where the machine refuses.
  int64_t map_bytes = int64_t{64} << 30;
  // The map never grows beyond; 0: the disk is the bound.
  int64_t max_map_bytes = 0;
};

// A database of the environment.
enum class Table { kMeta, kCells };

// Thread safe. Not to be used in a child after fork: every transaction there is refused.
class Environment {
 public:
  // Makes the folder, of the owner alone, where it is missing.
  static arrow::Status MakeFolder(const std::string& directory);
  // Makes the folder (0700) and files (0600) where missing. A second Open of the same folder in one
  // process gives the same environment, whose map size stands. kCorrupt when the files are no LMDB
  // environment.
  static arrow::Result<std::shared_ptr<Environment>> Open(const EnvironmentOptions& options);
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  const std::string& directory() const { return directory_; }
  int64_t map_bytes() const { return map_bytes_.load(std::memory_order_relaxed); }
  int64_t page_bytes() const { return page_bytes_; }
  // Of the file; for who holds the gate, as every transaction does.
  int64_t used_bytes() const;

  // For Transaction and Cursor.
  MDB_env* handle() const { return environment_; }
  unsigned table(Table table) const { return table == Table::kMeta ? meta_ : cells_; }
  MapGate& map_gate() { return map_gate_; }
  // The last snapshot that was found to be without a mark of a move.
  std::atomic<uint64_t>& unmoved_snapshot() { return unmoved_snapshot_; }
  bool in_own_process() const;
  bool is_unmapped() const { return is_unmapped_; }
  int folder() const { return folder_; }
  std::mutex& write_mutex() { return write_mutex_; }
  // Takes over the size that another process has given the map.
  arrow::Status AdoptMapSize();
  // Gives the map more than `full_bytes`: twice its size, as far as the disk and max_map_bytes
  // allow. Waits for the transactions of this process, and holds up those that begin meanwhile.
  // kLimit, which says why, where it can have no more.
  arrow::Status Grow(int64_t full_bytes);
  // For who has the turn to write, before a transaction: grows a map that is nearly full. Where it
  // cannot, the transaction may still find room.
  void MakeRoom();
  arrow::Status Error(int code, std::string_view what) const;

 private:
  explicit Environment(const EnvironmentOptions& options);
  arrow::Status OpenFiles(int64_t map_bytes);
  arrow::Status OpenTables();
  arrow::Result<bool> FindTables();
  void PadFile() const;
  // Under the gate, exclusively: gives the map `bytes`, or, with 0, what another process gave it.
  arrow::Status SetMapSize(int64_t bytes);
  // What a map of `before` bytes grows to; kLimit, which says why it cannot.
  arrow::Result<int64_t> GreaterMapBytes(int64_t before) const;
  arrow::Status CannotGrow(const std::string& why) const;

  std::string directory_;
  int folder_ = -1;  // open, so that no other folder gets its inode while this environment lives
  int64_t process_ = 0;
  MDB_env* environment_ = nullptr;
  unsigned meta_ = 0;
  unsigned cells_ = 0;
  const int64_t max_map_bytes_;
  std::atomic<int64_t> map_bytes_{0};
  int64_t page_bytes_ = 0;
  std::atomic<bool> is_unmapped_{false};  // the map was lost while it changed its size
  MapGate map_gate_;
  std::mutex write_mutex_;  // one thread of the process waits for the turn to write
  std::atomic<uint64_t> unmoved_snapshot_{0};
};

// The right to begin the writing transaction, of one thread of all processes. It is waited for
// outside the gate, so that who waits for a long load elsewhere never holds up a change of the map.
class WriteTurn {
 public:
  // Waits for who has it.
  static arrow::Result<std::unique_ptr<WriteTurn>> Take(std::shared_ptr<Environment> env);
  ~WriteTurn();
  WriteTurn(const WriteTurn&) = delete;
  WriteTurn& operator=(const WriteTurn&) = delete;

 private:
  explicit WriteTurn(std::shared_ptr<Environment> env);

  const std::shared_ptr<Environment> env_;
  std::unique_lock<std::mutex> lock_;
};

// A snapshot for reading, or the one writing transaction; aborted unless committed. Belongs to the
// thread that began it. Bytes read live until the next write or the transaction's end.
class Transaction {
 public:
  static arrow::Result<std::unique_ptr<Transaction>> BeginRead(std::shared_ptr<Environment> env);
  // Waits for the writer before it, of whatever process.
  static arrow::Result<std::unique_ptr<Transaction>> BeginWrite(std::shared_ptr<Environment> env);
  // What was committed before `writer` began, for another thread while `writer` lives, whose hold
  // of the map's gate serves both. kUnavailable where all readers' slots are taken.
  static arrow::Result<std::unique_ptr<Transaction>> BeginBeside(const Transaction& writer);
  // Takes over `transaction` and, unless it is beside a writer, a shared hold of the map's gate;
  // `turn`: of a writer.
  Transaction(std::shared_ptr<Environment> env, MDB_txn* transaction,
              std::unique_ptr<WriteTurn> turn, bool holds_gate);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  arrow::Result<std::optional<std::string_view>> Get(Table table, std::string_view key) const;
  arrow::Status Put(Table table, std::string_view key, std::string_view value);
  // A missing key is no error.
  arrow::Status Delete(Table table, std::string_view key);
  arrow::Result<int64_t> Count(Table table) const;
  // Where what is stored has moved to: the value of `key` in kMeta. Readers look it up once in each
  // state of the environment.
  arrow::Result<std::optional<std::string>> MovedTo(std::string_view key) const;
  // Durable when it returns OK. kLimit when the map is full.
  arrow::Status Commit();

  MDB_txn* handle() const { return transaction_; }
  const Environment& environment() const { return *env_; }
  const std::shared_ptr<Environment>& shared_environment() const { return env_; }
  // Whether a write has failed for want of room in the map: it can be done again in a greater one.
  bool is_map_full() const { return is_map_full_; }
  // The error of a write.
  arrow::Status WriteError(int code, std::string_view what);

 private:
  std::unique_ptr<WriteTurn> turn_;  // goes last
  std::shared_ptr<Environment> env_;
  MDB_txn* transaction_;
  const bool holds_gate_;
  bool is_map_full_ = false;
};

// A place in a table, in key order. Must not outlive its transaction.
class Cursor {
 public:
  static arrow::Result<std::unique_ptr<Cursor>> Open(Transaction* transaction, Table table);
  ~Cursor();
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;

  // To the first key >= `key`; false when there is none.
  arrow::Result<bool> Seek(std::string_view key);
  arrow::Result<bool> Next();
  // Valid after a true Seek or Next; empty before, and after any other.
  std::string_view key() const { return key_; }
  std::string_view value() const { return value_; }
  // To the last key; false when there is none.
  arrow::Result<bool> Last();
  // Writes a record. Keys in order are written fastest; `at_end`: the key lies behind all others.
  // kLimit when the map is full.
  arrow::Status Put(std::string_view key, std::string_view value, bool at_end);
  // Removes the record here and moves to the one after it; false when there is none.
  arrow::Result<bool> DeleteAndNext();

 private:
  Cursor(Transaction* transaction, MDB_cursor* cursor)
      : transaction_(transaction), cursor_(cursor) {}
  arrow::Result<bool> Move(int operation);

  Transaction* transaction_;
  MDB_cursor* cursor_;
  std::string_view key_;
  std::string_view value_;
};

}  // namespace icecore::online::lmdb
