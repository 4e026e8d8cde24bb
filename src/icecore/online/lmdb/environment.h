#pragma once
// LMDB behind Arrow errors: one environment per path and process, transactions and cursors that
// close themselves. Only environment.cc includes <lmdb.h>.

#include <arrow/result.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>

struct MDB_cursor;
struct MDB_env;
struct MDB_txn;

namespace icecore::online::lmdb {

struct EnvironmentOptions {
  std::string directory;
  // Address space reserved, and so the most the store can hold; halved where the machine refuses.
  int64_t map_bytes = int64_t{64} << 30;
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
  int64_t map_bytes() const;
  int64_t used_bytes() const;
  int64_t page_bytes() const;

  // For Transaction and Cursor.
  MDB_env* handle() const { return environment_; }
  unsigned table(Table table) const { return table == Table::kMeta ? meta_ : cells_; }
  // Shared by every transaction while it lives; exclusive to change the size of the map.
  std::shared_mutex& map_mutex() { return map_mutex_; }
  // The last snapshot that was found to be without a mark of a move.
  std::atomic<uint64_t>& unmoved_snapshot() { return unmoved_snapshot_; }
  bool in_own_process() const;
  // Takes over the size that another process has given the map.
  arrow::Status AdoptMapSize();
  arrow::Status Error(int code, std::string_view what) const;

 private:
  explicit Environment(std::string directory);
  arrow::Status OpenFiles(int64_t map_bytes);
  arrow::Status OpenTables();
  arrow::Result<bool> FindTables();
  void PadFile() const;

  std::string directory_;
  int folder_ = -1;  // open, so that no other folder gets its inode while this environment lives
  int64_t process_ = 0;
  MDB_env* environment_ = nullptr;
  unsigned meta_ = 0;
  unsigned cells_ = 0;
  std::shared_mutex map_mutex_;
  std::atomic<uint64_t> unmoved_snapshot_{0};
};

// A snapshot for reading, or the one writing transaction; aborted unless committed. Belongs to the
// thread that began it. Bytes read live until the next write or the transaction's end.
class Transaction {
 public:
  static arrow::Result<std::unique_ptr<Transaction>> BeginRead(std::shared_ptr<Environment> env);
  // Waits for the writer before it, of whatever process.
  static arrow::Result<std::unique_ptr<Transaction>> BeginWrite(std::shared_ptr<Environment> env);
  // Takes over `transaction` and a shared hold of the map's mutex.
  Transaction(std::shared_ptr<Environment> env, MDB_txn* transaction, bool writes);
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

 private:
  std::shared_ptr<Environment> env_;
  MDB_txn* transaction_;
  const bool writes_;
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
