#include "icecore/online/lmdb/lmdb_load.h"

#include <arrow/array.h>

#include <algorithm>
#include <string>
#include <thread>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/ordered_work.h"
#include "icecore/base/time.h"
#include "icecore/online/lmdb/key_cells.h"
#include "icecore/online/lmdb/lmdb_store.h"

namespace icecore::online::lmdb {
namespace {

// The first bytes of a key after its first tag (which all keys of a view share), as a number that
// sorts alike.
uint64_t FrontOf(std::string_view key) {
  uint64_t front = 0;
  for (size_t i = 1; i <= 8; ++i) {
    front = front << 8 | (i < key.size() ? static_cast<uint8_t>(key[i]) : 0);
  }
  return front;
}

arrow::Status CheckSuffix(std::string_view suffix) {
  return suffix.size() <= kMaxSuffixBytes
             ? arrow::Status::OK()
             : base::MakeError(base::ErrorCode::kInternal,
                               "a cell's suffix has " + std::to_string(suffix.size()) +
                                   " bytes, the store takes " + std::to_string(kMaxSuffixBytes));
}

}  // namespace

arrow::Status LmdbLoad::Add(const state::PreparedRows& rows) {
  if (committed_) {
    return base::MakeError(base::ErrorCode::kInternal, "this load is committed");
  }
  if (rows.num_rows > int64_t{UINT32_MAX} || pieces_.size() >= UINT32_MAX) {
    return base::MakeError(base::ErrorCode::kLimit, "too many rows in one piece of a load");
  }
  if (rows.keys.size() != view_.key_types.size()) {
    return base::MakeError(base::ErrorCode::kInternal,
                           "view " + view_.name + " has " + std::to_string(view_.key_types.size()) +
                               " key columns, not " + std::to_string(rows.keys.size()));
  }
  ARROW_ASSIGN_OR_RAISE(EncodedKeys keys, EncodeKeys(rows.keys, rows.num_rows));
  const uint32_t piece = static_cast<uint32_t>(pieces_.size());
  if (view_.engine->layout().versioned) {
    pieces_.push_back(LoadPiece{rows, std::move(keys)});
    return arrow::Status::OK();
  }
  for (int64_t row = 0; row < rows.num_rows; ++row) {
    const std::string_view key = keys.key(row);
    if (!key.empty()) {
      rows_.push_back(Row{FrontOf(key), piece, static_cast<uint32_t>(row)});
    }
  }
  pieces_.push_back(LoadPiece{rows, std::move(keys)});
  return arrow::Status::OK();
}

void LmdbLoad::SortRows() {
  const auto before = [this](const Row& left, const Row& right) {
    if (left.front != right.front) {
      return left.front < right.front;
    }
    const int order = KeyOf(left).compare(KeyOf(right));
    if (order != 0) {
      return order < 0;
    }
    return std::pair(left.piece, left.row) < std::pair(right.piece, right.row);
  };
  if (!std::is_sorted(rows_.begin(), rows_.end(), before)) {
    std::sort(rows_.begin(), rows_.end(), before);
  }
}

arrow::Status LmdbLoad::CheckPosition(const ViewRecord& record,
                                      const ViewPosition& position) const {
  if (position.fingerprint != view_.fingerprint) {
    return base::MakeError(base::ErrorCode::kInternal, "the load of view " + view_.name +
                                                           " was begun with another fingerprint");
  }
  if (position.applied_until < position.applied_at) {
    return base::MakeError(base::ErrorCode::kInternal,
                           "view " + view_.name + ": applied_until lies before applied_at");
  }
  if (fresh_ || !record.loaded) {
    return arrow::Status::OK();
  }
  const ViewPosition& old = record.position;
  if (old.fingerprint != position.fingerprint) {
    return base::MakeError(base::ErrorCode::kConflict,
                           "view " + view_.name + " was loaded with another definition meanwhile");
  }
  if (position.applied_at < old.applied_at || position.applied_until < old.applied_until) {
    return base::MakeError(base::ErrorCode::kInvalidArgument,
                           "view " + view_.name + " holds what was known at " +
                               base::FormatInstantShort(old.applied_at) +
                               " and cannot go back to " +
                               base::FormatInstantShort(position.applied_at) +
                               "; use a later time, or materialize with --full");
  }
  if (position.seq < old.seq) {
    return base::MakeError(
        base::ErrorCode::kConflict,
        "view " + view_.name + " already holds rows up to _seq " + std::to_string(old.seq));
  }
  return arrow::Status::OK();
}

arrow::Status LmdbLoad::Commit(const ViewPosition& position) {
  if (committed_) {
    return base::MakeError(base::ErrorCode::kInternal, "this load is committed");
  }
  if (!view_.engine->layout().versioned) {
    SortRows();
  }
  ARROW_ASSIGN_OR_RAISE(auto transaction, folder_->BeginWrite());
  ARROW_ASSIGN_OR_RAISE(const std::optional<ViewRecord> found, GetView(*transaction, view_.name));
  if (!found.has_value()) {
    return base::MakeError(base::ErrorCode::kConflict,
                           "view " + view_.name + " was dropped during its load");
  }
  ViewRecord record = *found;
  ARROW_RETURN_NOT_OK(CheckPosition(record, position));
  const bool is_new = fresh_ || !record.loaded;
  if (is_new) {
    if (record.loaded) {
      ARROW_RETURN_NOT_OK(PutGarbage(transaction.get(), Garbage{record.space(), ""}));
    }
    ARROW_ASSIGN_OR_RAISE(record.entity_id, EntityIdOf(transaction.get(), view_.entity));
    ++record.last_generation;
    record.loaded = true;
  }
  record.position = position;
  record.position.generation = record.last_generation;
  const CellSpace space = record.space();
  const arrow::Status written = view_.engine->layout().versioned
                                    ? WriteVersions(transaction.get(), space, position)
                                : is_new ? WriteNewKeys(transaction.get(), space, position)
                                         : WriteRows(transaction.get(), space, position);
  if (!written.ok()) {
    const bool corrupt = base::CodeOf(written) == base::ErrorCode::kCorrupt;
    return base::WithContext(
        written, "view " + view_.name + (corrupt ? " (materialize it with --full)" : ""));
  }
  ARROW_RETURN_NOT_OK(PutView(transaction.get(), view_.name, record));
  ARROW_RETURN_NOT_OK(transaction->Commit());
  committed_ = true;
  pieces_.clear();
  rows_.clear();
  lock_.reset();
  return arrow::Status::OK();
}

template <typename Change>
arrow::Status LmdbLoad::WriteKey(Transaction* transaction, Cursor* cursor, const CellSpace& space,
                                 std::string_view key, const ViewPosition& position,
                                 const Change& change, WorkingMemory* memory) const {
  ARROW_RETURN_NOT_OK(ReadCells(cursor, space, key, &memory->prefix, &memory->cells));
  std::unique_ptr<state::KeyState> state;
  if (memory->cells.empty()) {
    state = view_.engine->NewKey();
  } else {
    ARROW_ASSIGN_OR_RAISE(state, view_.engine->LoadKey(memory->cells));
  }
  // Rows that are due already then go straight into tiles; versions settle their ends first.
  const bool versioned = view_.engine->layout().versioned;
  if (!versioned) {
    ARROW_RETURN_NOT_OK(state->AdvanceTo(position.applied_at));
  }
  ARROW_RETURN_NOT_OK(change(state.get()));
  if (versioned) {
    ARROW_RETURN_NOT_OK(state->AdvanceTo(position.applied_at));
  }
  state->SetApplied(position.seq, position.applied_until);
  ARROW_ASSIGN_OR_RAISE(const auto changes, state->TakeChanges());
  return WriteChanges(transaction, key, changes, memory);
}

size_t LmdbLoad::EndOfKey(size_t begin) const {
  const std::string_view key = KeyOf(rows_[begin]);
  size_t end = begin + 1;
  while (end < rows_.size() && rows_[end].front == rows_[begin].front && KeyOf(rows_[end]) == key) {
    ++end;
  }
  return end;
}

arrow::Status LmdbLoad::AddRows(size_t begin, size_t end, state::KeyState* state) const {
  for (size_t i = begin; i < end; ++i) {
    const Row& row = rows_[i];
    ARROW_RETURN_NOT_OK(state->Add(pieces_[row.piece].rows, static_cast<int64_t>(row.row)));
  }
  return arrow::Status::OK();
}

// Cells in order, one behind the other in one piece of memory.
struct LmdbLoad::NewCells {
  struct Sizes {
    size_t key = 0;
    size_t value = 0;
  };
  std::string bytes;
  std::vector<Sizes> sizes;
};

arrow::Status LmdbLoad::MakeCells(size_t begin, size_t end, const CellSpace& space,
                                  const ViewPosition& position, NewCells* cells) const {
  CellPrefix prefix;
  std::string cell_key;
  std::string value;
  while (begin < end) {
    const std::string_view key = KeyOf(rows_[begin]);
    const size_t next = EndOfKey(begin);
    const std::unique_ptr<state::KeyState> state = view_.engine->NewKey();
    ARROW_RETURN_NOT_OK(state->AdvanceTo(position.applied_at));
    ARROW_RETURN_NOT_OK(AddRows(begin, next, state.get()));
    state->SetApplied(position.seq, position.applied_until);
    ARROW_ASSIGN_OR_RAISE(const auto changes, state->TakeChanges());
    prefix.Assign(space, key);
    for (const state::CellChange& change : changes) {
      if (!change.bytes.has_value()) continue;
      ARROW_RETURN_NOT_OK(CheckSuffix(change.suffix));
      cell_key.assign(prefix.bytes());
      cell_key.append(change.suffix);
      EncodeCellValue(cell_key, key, prefix.shortened(), *change.bytes, &value);
      cells->bytes.append(cell_key).append(value);
      cells->sizes.push_back({cell_key.size(), value.size()});
    }
    begin = next;
  }
  return arrow::Status::OK();
}

arrow::Status LmdbLoad::WriteNewKeys(Transaction* transaction, const CellSpace& space,
                                     const ViewPosition& position) const {
  constexpr size_t kRowsAtOnce = 2048;
  // This thread writes; beside it one is enough to keep a second core at work.
  const size_t makers = std::max<size_t>(std::thread::hardware_concurrency(), 2) - 1;
  const size_t ahead = 2 * makers + 1;
  std::vector<size_t> bounds = {0};
  while (bounds.back() < rows_.size()) {
    const size_t last = std::min(bounds.back() + kRowsAtOnce, rows_.size()) - 1;
    bounds.push_back(EndOfKey(last));
  }
  std::vector<NewCells> memory(ahead);
  ARROW_ASSIGN_OR_RAISE(auto cursor, Cursor::Open(transaction, Table::kCells));
  ARROW_ASSIGN_OR_RAISE(const bool any, cursor->Last());
  std::string last_key(any ? cursor->key() : std::string_view());
  bool at_end = true;  // of the table, until a key is not behind the last
  const auto make = [&](size_t i) {
    NewCells& cells = memory[i % ahead];
    cells.bytes.clear();
    cells.sizes.clear();
    return MakeCells(bounds[i], bounds[i + 1], space, position, &cells);
  };
  const auto take = [&](size_t i) -> arrow::Status {
    std::string_view rest = memory[i % ahead].bytes;
    for (const NewCells::Sizes& sizes : memory[i % ahead].sizes) {
      const std::string_view key = rest.substr(0, sizes.key);
      // Other views' cells may lie behind, and keys that are hashed in part come in no order.
      at_end = at_end && key > last_key;
      ARROW_RETURN_NOT_OK(cursor->Put(key, rest.substr(sizes.key, sizes.value), at_end));
      if (at_end) last_key = key;
      rest.remove_prefix(sizes.key + sizes.value);
    }
    return arrow::Status::OK();
  };
  return base::MakeAndTake(bounds.size() - 1, makers, ahead, make, take);
}

arrow::Status LmdbLoad::WriteRows(Transaction* transaction, const CellSpace& space,
                                  const ViewPosition& position) const {
  WorkingMemory memory;
  ARROW_ASSIGN_OR_RAISE(auto cursor, Cursor::Open(transaction, Table::kCells));
  for (size_t begin = 0; begin < rows_.size();) {
    const size_t end = EndOfKey(begin);
    const auto add = [&](state::KeyState* state) { return AddRows(begin, end, state); };
    ARROW_RETURN_NOT_OK(
        WriteKey(transaction, cursor.get(), space, KeyOf(rows_[begin]), position, add, &memory));
    begin = end;
  }
  return SweepExpired(transaction, space, *view_.engine, position.applied_at);
}

// The cells of table keys beside those of entity keys, in the same transaction.
class LmdbLoad::LmdbChainCells final : public ChainCells {
 public:
  LmdbChainCells(Transaction* transaction, Cursor* cursor, const CellSpace& space)
      : transaction_(transaction), cursor_(cursor), space_(space) {}

  arrow::Result<std::optional<std::string>> Get(const std::string& key) override {
    ARROW_RETURN_NOT_OK(ReadCells(cursor_, space_, key, &memory_.prefix, &memory_.cells));
    if (memory_.cells.empty()) {
      return std::nullopt;
    }
    return std::move(memory_.cells.front().bytes);
  }
  arrow::Status Put(const std::string& key, const std::string& bytes) override {
    memory_.prefix.Assign(space_, key);
    return WriteChanges(transaction_, key, {{"", bytes}}, &memory_);
  }

 private:
  Transaction* transaction_;
  Cursor* cursor_;
  CellSpace space_;
  WorkingMemory memory_;
};

arrow::Status LmdbLoad::WriteVersions(Transaction* transaction, const CellSpace& space,
                                      const ViewPosition& position) const {
  WorkingMemory memory;
  ARROW_ASSIGN_OR_RAISE(auto cursor, Cursor::Open(transaction, Table::kCells));
  LmdbChainCells cells(transaction, cursor.get(), space);
  ARROW_ASSIGN_OR_RAISE(const std::vector<OwnerChange> changes,
                        SettleVersions(*view_.engine, pieces_, position.applied_at, &cells));
  size_t begin = 0;
  while (begin < changes.size()) {
    size_t end = begin + 1;
    while (end < changes.size() && changes[end].owner == changes[begin].owner) {
      ++end;
    }
    const auto apply = [&](state::KeyState* state) -> arrow::Status {
      for (size_t i = begin; i < end; ++i) {
        ARROW_RETURN_NOT_OK(ApplyChange(pieces_, changes[i], state));
      }
      return arrow::Status::OK();
    };
    ARROW_RETURN_NOT_OK(
        WriteKey(transaction, cursor.get(), space, changes[begin].owner, position, apply, &memory));
    begin = end;
  }
  return arrow::Status::OK();
}

arrow::Status LmdbLoad::WriteChanges(Transaction* transaction, std::string_view key,
                                     const std::vector<state::CellChange>& changes,
                                     WorkingMemory* memory) {
  for (const state::CellChange& change : changes) {
    ARROW_RETURN_NOT_OK(CheckSuffix(change.suffix));
    memory->cell_key.assign(memory->prefix.bytes());
    memory->cell_key.append(change.suffix);
    if (!change.bytes.has_value()) {
      ARROW_RETURN_NOT_OK(transaction->Delete(Table::kCells, memory->cell_key));
      continue;
    }
    EncodeCellValue(memory->cell_key, key, memory->prefix.shortened(), *change.bytes,
                    &memory->value);
    ARROW_RETURN_NOT_OK(transaction->Put(Table::kCells, memory->cell_key, memory->value));
  }
  return arrow::Status::OK();
}

}  // namespace icecore::online::lmdb
