#pragma once
// Changes of cells, made by one thread and written by another.

#include <arrow/result.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "icecore/online/lmdb/cell_format.h"
#include "icecore/online/lmdb/environment.h"
#include "icecore/state/key_updater.h"

namespace icecore::online::lmdb {

// kInternal for the suffix of a cell that the store does not take.
arrow::Status CheckSuffix(std::string_view suffix);

// In the order in which they were made, one behind the other in one piece of memory.
class CellBatch final : public state::CellChanges {
 public:
  // What follows is of the key (encoded) with this prefix; both outlive it.
  void Begin(std::string_view key, const CellPrefix* prefix) {
    key_ = key;
    prefix_ = prefix;
  }
  arrow::Status Put(std::string_view suffix, std::string_view state) override;
  arrow::Status Delete(std::string_view suffix) override;
  // Forgets all, and keeps the memory.
  void Clear();
  // Calls put(key, value) and remove(key) in order, until one fails.
  template <typename OnPut, typename OnDelete>
  arrow::Status ForEach(const OnPut& put, const OnDelete& remove) const {
    std::string_view rest = bytes_;
    for (const Change& change : changes_) {
      const std::string_view key = rest.substr(0, change.key_bytes);
      const std::string_view value = rest.substr(change.key_bytes, change.value_bytes);
      ARROW_RETURN_NOT_OK(value.empty() ? remove(key) : put(key, value));
      rest.remove_prefix(change.key_bytes + change.value_bytes);
    }
    return arrow::Status::OK();
  }

 private:
  struct Change {
    size_t key_bytes = 0;
    size_t value_bytes = 0;  // 0: the cell goes
  };
  arrow::Status AppendKey(std::string_view suffix);

  std::string_view key_;
  const CellPrefix* prefix_ = nullptr;
  std::string cell_key_;
  std::string bytes_;  // of each change its key and its value
  std::vector<Change> changes_;
};

// Writes them in a transaction; keys in order are written fastest.
class CellWriter {
 public:
  static arrow::Result<std::unique_ptr<CellWriter>> Open(Transaction* transaction);
  arrow::Status Write(const CellBatch& batch);

 private:
  CellWriter(Transaction* transaction, std::unique_ptr<Cursor> cursor)
      : transaction_(transaction), cursor_(std::move(cursor)) {}

  Transaction* const transaction_;
  const std::unique_ptr<Cursor> cursor_;
  std::string last_key_;  // of the table, while at_end_
  bool at_end_ = true;    // of the table, until a key is not behind the last
};

}  // namespace icecore::online::lmdb
