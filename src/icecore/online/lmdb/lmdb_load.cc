#include "icecore/online/lmdb/lmdb_load.h"

#include <arrow/array.h>

#include <algorithm>
#include <string>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/online/lmdb/cell_batch.h"
#include "icecore/online/lmdb/key_cells.h"
#include "icecore/online/lmdb/lmdb_store.h"
#include "icecore/online/position_checks.h"

namespace icecore::online::lmdb {
namespace {

// A fresh load whose rows take more writes them in transactions of about as many, so that other
// loads do not wait for all of it, and a kill does not cost all of it.
constexpr int64_t kStretchBytes = int64_t{64} << 20;
// Behind every key: no tag of one is as great.
constexpr std::string_view kBehindAllKeys = "\xff";

arrow::Status WriteAll(Transaction* transaction, MadeCells* cells) {
  ARROW_ASSIGN_OR_RAISE(const auto writer, CellWriter::Open(transaction));
  for (size_t range = 0; range < cells->ranges(); ++range) {
    ARROW_ASSIGN_OR_RAISE(const CellBatch* batch, cells->Take(range));
    ARROW_RETURN_NOT_OK(writer->Write(*batch));
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Status LmdbLoad::Add(const state::PreparedRows& rows) {
  if (committed_) {
    return base::MakeError(base::ErrorCode::kInternal, "this load is committed");
  }
  return rows_.Add(rows);
}

std::optional<ViewPosition> LmdbLoad::Unfinished() const {
  return left_ ? std::optional<ViewPosition>(left_->position) : std::nullopt;
}

void LmdbLoad::Resume() {
  is_making_ = true;
  rows_.StartFrom(left_->from);
}

arrow::Status LmdbLoad::CheckPosition(const ViewRecord& record,
                                      const ViewPosition& position) const {
  if (is_making_) {
    if (!record.in_making) {
      return base::MakeError(base::ErrorCode::kConflict,
                             "view " + view_.name + " was loaded by somebody else meanwhile");
    }
    ARROW_RETURN_NOT_OK(CheckGoesOn(view_, record.in_making->position, position));
  }
  const bool is_new = fresh_ || !record.loaded;
  return CheckAdvance(view_, is_new ? std::nullopt : std::optional(record.position), position);
}

arrow::Status LmdbLoad::Failed(const arrow::Status& status) const {
  const bool corrupt = base::CodeOf(status) == base::ErrorCode::kCorrupt;
  return base::WithContext(status,
                           "view " + view_.name + (corrupt ? " (materialize it with --full)" : ""));
}

arrow::Result<ViewRecord> LmdbLoad::RecordIn(const Transaction& transaction) const {
  ARROW_ASSIGN_OR_RAISE(std::optional<ViewRecord> found, GetView(transaction, view_.name));
  if (!found.has_value()) {
    return base::MakeError(base::ErrorCode::kConflict,
                           "view " + view_.name + " was dropped during its load");
  }
  return *std::move(found);
}

arrow::Result<CellSpace> LmdbLoad::BeginMaking(const ViewPosition& position) {
  if (is_making_) {
    ARROW_ASSIGN_OR_RAISE(const auto reader, folder_->BeginRead());
    ARROW_ASSIGN_OR_RAISE(const ViewRecord record, RecordIn(*reader));
    ARROW_RETURN_NOT_OK(CheckPosition(record, position));
    return record.space_in_making();
  }
  CellSpace space;
  ARROW_RETURN_NOT_OK(folder_->Write([&](Transaction* transaction) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(ViewRecord record, RecordIn(*transaction));
    ARROW_RETURN_NOT_OK(CheckPosition(record, position));
    ARROW_RETURN_NOT_OK(GiveUpLoadInMaking(transaction, &record));
    LoadInMaking& made = record.in_making.emplace();
    made.entity_id = record.entity_id;
    made.position = position;
    made.position.generation = record.position.generation;
    if (!extends()) {
      ARROW_ASSIGN_OR_RAISE(made.entity_id, EntityIdOf(transaction, view_.entity));
      made.position.generation = ++record.last_generation;
    }
    space = record.space_in_making();
    return PutView(transaction, view_.name, record);
  }));
  is_making_ = true;
  return space;
}

arrow::Result<size_t> LmdbLoad::WriteStretch(const ViewPosition& position, MadeCells* cells,
                                             size_t begin) {
  const double bytes_per_row =
      static_cast<double>(rows_.bytes()) / static_cast<double>(rows_.size());
  const auto rows = static_cast<size_t>(static_cast<double>(kStretchBytes) / bytes_per_row);
  size_t end = begin;
  ARROW_RETURN_NOT_OK(folder_->Write([&](Transaction* transaction) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(ViewRecord record, RecordIn(*transaction));
    ARROW_RETURN_NOT_OK(CheckPosition(record, position));
    ARROW_ASSIGN_OR_RAISE(const auto writer, CellWriter::Open(transaction));
    const size_t least = begin == 0 ? rows : cells->end_of(begin - 1) + rows;
    end = begin;
    do {
      ARROW_ASSIGN_OR_RAISE(const CellBatch* batch, cells->Take(end));
      ARROW_RETURN_NOT_OK(writer->Write(*batch));
      ++end;
    } while (end < cells->ranges() && cells->end_of(end - 1) < least);
    record.in_making->from = end < cells->ranges()
                                 ? std::string(rows_.KeyAt(cells->end_of(end - 1)))
                                 : rows_.left_out_from().value_or(std::string(kBehindAllKeys));
    return PutView(transaction, view_.name, record);
  }));
  return end;
}

arrow::Status LmdbLoad::WriteStretches(const ViewPosition& position) {
  ARROW_ASSIGN_OR_RAISE(const CellSpace space, BeginMaking(position));
  ARROW_ASSIGN_OR_RAISE(const auto cells, MadeCells::OfNewKeys(CellsOf(space, position)));
  for (size_t begin = 0; begin < cells->ranges();) {
    ARROW_ASSIGN_OR_RAISE(begin, WriteStretch(position, cells.get(), begin));
  }
  return arrow::Status::OK();
}

arrow::Result<bool> LmdbLoad::NextPass(const ViewPosition& position) {
  if (!(fresh_ || extends()) || committed_ || view_.engine->layout().versioned) {
    return false;
  }
  if (!is_making_ && !rows_.left_out_from() && rows_.bytes() < kStretchBytes) {
    return false;  // Commit writes them in its one transaction
  }
  rows_.Sort();
  if (rows_.size() > 0) {
    if (const auto written = WriteStretches(position); !written.ok()) return Failed(written);
  }
  const bool more = rows_.left_out_from().has_value();
  rows_.NextPass();
  return more;
}

arrow::Status LmdbLoad::TakeNewGeneration(Transaction* transaction, ViewRecord* record) const {
  if (record->loaded) {
    ARROW_RETURN_NOT_OK(PutGarbage(transaction, Garbage{record->space(), ""}));
  }
  record->loaded = true;
  if (is_making_) {
    record->entity_id = record->in_making->entity_id;
    record->position.generation = record->in_making->position.generation;
    record->in_making.reset();
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(record->entity_id, EntityIdOf(transaction, view_.entity));
  record->position.generation = ++record->last_generation;
  return arrow::Status::OK();
}

arrow::Status LmdbLoad::Commit(const ViewPosition& position) {
  if (committed_) {
    return base::MakeError(base::ErrorCode::kInternal, "this load is committed");
  }
  rows_.Sort();
  ARROW_RETURN_NOT_OK(folder_->Write([&](Transaction* transaction) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(ViewRecord record, RecordIn(*transaction));
    ARROW_RETURN_NOT_OK(CheckPosition(record, position));
    // The view goes beyond what a load that was cut off wanted to reach.
    if (!is_making_) ARROW_RETURN_NOT_OK(GiveUpLoadInMaking(transaction, &record));
    const bool is_new = fresh_ || !record.loaded;
    if (is_new) ARROW_RETURN_NOT_OK(TakeNewGeneration(transaction, &record));
    if (extends()) record.in_making.reset();
    const int64_t generation = record.position.generation;
    record.position = position;
    record.position.generation = generation;
    const CellSpace space = record.space();
    const arrow::Status written = view_.engine->layout().versioned
                                      ? WriteVersions(transaction, space, position)
                                  : is_new || extends() ? WriteNewRows(transaction, space, position)
                                                        : UpdateRows(transaction, space, position);
    if (!written.ok()) return Failed(written);
    return PutView(transaction, view_.name, record);
  }));
  committed_ = true;
  rows_.Clear();
  lock_.reset();
  return arrow::Status::OK();
}

MadeCells::Of LmdbLoad::CellsOf(const CellSpace& space, const ViewPosition& position) const {
  return {&rows_,
          view_.engine.get(),
          {position.applied_at, position.seq, position.applied_until},
          space};
}

arrow::Status LmdbLoad::WriteNewRows(Transaction* transaction, const CellSpace& space,
                                     const ViewPosition& position) const {
  ARROW_ASSIGN_OR_RAISE(const auto cells, MadeCells::OfNewKeys(CellsOf(space, position)));
  return WriteAll(transaction, cells.get());
}

arrow::Status LmdbLoad::UpdateRows(Transaction* transaction, const CellSpace& space,
                                   const ViewPosition& position) const {
  {
    ARROW_ASSIGN_OR_RAISE(const auto cells,
                          MadeCells::OfKeys(CellsOf(space, position), transaction));
    ARROW_RETURN_NOT_OK(WriteAll(transaction, cells.get()));
  }
  return SweepExpired(transaction, space, *view_.engine, position.applied_at);
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
  // Versions settle their ends first.
  ARROW_RETURN_NOT_OK(change(state.get()));
  ARROW_RETURN_NOT_OK(state->AdvanceTo(position.applied_at));
  state->SetApplied(position.seq, position.applied_until);
  ARROW_ASSIGN_OR_RAISE(const auto changes, state->TakeChanges());
  return WriteChanges(transaction, key, changes, memory);
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
                        SettleVersions(*view_.engine, rows_.pieces(), position.applied_at, &cells));
  size_t begin = 0;
  while (begin < changes.size()) {
    size_t end = begin + 1;
    while (end < changes.size() && changes[end].owner == changes[begin].owner) {
      ++end;
    }
    const auto apply = [&](state::KeyState* state) -> arrow::Status {
      for (size_t i = begin; i < end; ++i) {
        ARROW_RETURN_NOT_OK(ApplyChange(rows_.pieces(), changes[i], state));
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
    memory->value.clear();
    AppendCellValue(memory->cell_key, key, memory->prefix.shortened(), *change.bytes,
                    &memory->value);
    ARROW_RETURN_NOT_OK(transaction->Put(Table::kCells, memory->cell_key, memory->value));
  }
  return arrow::Status::OK();
}

}  // namespace icecore::online::lmdb
