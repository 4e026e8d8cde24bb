#include "icecore/online/lmdb/lmdb_store.h"

#include <arrow/array.h>
#include <unistd.h>

#include <limits>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/time.h"
#include "icecore/online/key_encoding.h"
#include "icecore/online/lmdb/key_cells.h"
#include "icecore/online/lmdb/lmdb_load.h"

namespace icecore::online::lmdb {
namespace {

arrow::Result<ViewRecord> RecordForRead(const Transaction& transaction, const StoredView& view,
                                        int64_t t) {
  ARROW_ASSIGN_OR_RAISE(const std::optional<ViewRecord> record, GetView(transaction, view.name));
  if (!record.has_value() || !record->loaded) {
    return base::MakeError(base::ErrorCode::kNotFound, "view " + view.name +
                                                           " is not in the online store; run "
                                                           "'icecore materialize " +
                                                           view.name + "' first");
  }
  if (record->position.fingerprint != view.fingerprint) {
    return base::MakeError(base::ErrorCode::kConflict,
                           "the online store holds view " + view.name +
                               " by another definition; run 'icecore materialize " + view.name +
                               "'");
  }
  if (t < record->position.applied_at) {
    return base::MakeError(base::ErrorCode::kInvalidArgument,
                           "view " + view.name + " is asked for " + base::FormatInstantShort(t) +
                               ", but the online store no longer holds what was known before " +
                               base::FormatInstantShort(record->position.applied_at) +
                               "; ask for that time or later, or use a training set");
  }
  return *record;
}

arrow::Status ReadRows(Cursor* cursor, const ViewRead& read, const CellSpace& space, int64_t t,
                       state::VectorSink* sink) {
  const int64_t num_rows = read.keys.empty() ? 0 : read.keys[0]->length();
  if (read.keys.size() != read.view->key_types.size()) {
    return base::MakeError(base::ErrorCode::kInternal,
                           "view " + read.view->name + " is read with " +
                               std::to_string(read.keys.size()) + " key columns");
  }
  ARROW_ASSIGN_OR_RAISE(const EncodedKeys keys, EncodeKeys(read.keys, num_rows));
  const state::ViewEngine& engine = *read.view->engine;
  CellPrefix prefix;
  std::vector<state::Cell> cells;
  const std::vector<state::CellRange> ranges = engine.CellsAt(t);
  for (int64_t row = 0; row < num_rows; ++row) {
    cells.clear();
    const std::string_view key = keys.key(row);
    arrow::Status status;
    if (!key.empty()) {
      status = ReadCellsIn(cursor, space, key, ranges, &prefix, &cells);
    }
    if (status.ok() && cells.empty()) {
      status = engine.ReadEmpty(sink);
    } else if (status.ok()) {
      arrow::Result<std::unique_ptr<state::KeyState>> state = engine.LoadKey(cells);
      status = state.ok() ? (*state)->Read(t, sink) : state.status();
    }
    if (!status.ok()) {
      return base::WithContext(
          status, "view " + read.view->name + ", row " + std::to_string(row) + " of the request");
    }
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<std::unique_ptr<LmdbStore>> LmdbStore::Open(const EnvironmentOptions& options) {
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<Environment> env, Environment::Open(options));
  ARROW_ASSIGN_OR_RAISE(auto transaction, Transaction::BeginWrite(env));
  ARROW_RETURN_NOT_OK(CheckFormat(transaction.get()));
  ARROW_RETURN_NOT_OK(transaction->Commit());
  return std::make_unique<LmdbStore>(std::move(env));
}

arrow::Result<std::optional<ViewPosition>> LmdbStore::Position(const std::string& view) {
  ARROW_ASSIGN_OR_RAISE(auto transaction, Transaction::BeginRead(env_));
  ARROW_ASSIGN_OR_RAISE(const std::optional<ViewRecord> record, GetView(*transaction, view));
  if (!record.has_value() || !record->loaded) {
    return std::nullopt;
  }
  return record->position;
}

arrow::Result<ViewRecord> LmdbStore::RecordForLoad(const std::string& view) {
  {
    ARROW_ASSIGN_OR_RAISE(auto reader, Transaction::BeginRead(env_));
    ARROW_ASSIGN_OR_RAISE(const std::optional<ViewRecord> record, GetView(*reader, view));
    if (record.has_value()) {
      return *record;
    }
  }
  ARROW_ASSIGN_OR_RAISE(auto transaction, Transaction::BeginWrite(env_));
  ARROW_ASSIGN_OR_RAISE(const std::optional<ViewRecord> record, GetView(*transaction, view));
  if (record.has_value()) {
    return *record;
  }
  ViewRecord made;
  ARROW_ASSIGN_OR_RAISE(made.view_id, NewViewId(transaction.get()));
  ARROW_RETURN_NOT_OK(PutView(transaction.get(), view, made));
  ARROW_RETURN_NOT_OK(transaction->Commit());
  return made;
}

arrow::Result<std::unique_ptr<ViewLoad>> LmdbStore::BeginLoad(const StoredView& view, bool fresh) {
  ARROW_ASSIGN_OR_RAISE(const ViewRecord seen, RecordForLoad(view.name));
  ARROW_ASSIGN_OR_RAISE(auto lock, LoadLock::Take(env_->directory(), seen.view_id, view.name));
  // Under the lock the record can no longer change; before, the view may have been dropped or
  // loaded.
  ARROW_ASSIGN_OR_RAISE(const ViewRecord record, RecordForLoad(view.name));
  if (record.view_id != seen.view_id) {
    return base::MakeError(base::ErrorCode::kConflict,
                           "view " + view.name + " was dropped just now; try again");
  }
  if (!fresh && record.loaded && record.position.fingerprint != view.fingerprint) {
    return base::MakeError(base::ErrorCode::kConflict,
                           "the online store holds view " + view.name +
                               " by another definition; it needs a fresh load");
  }
  return std::make_unique<LmdbLoad>(env_, view, fresh, std::move(lock));
}

arrow::Result<std::vector<ViewAnswer>> LmdbStore::Read(const std::vector<ViewRead>& reads,
                                                       int64_t t) {
  ARROW_ASSIGN_OR_RAISE(auto transaction, Transaction::BeginRead(env_));
  ARROW_ASSIGN_OR_RAISE(auto cursor, Cursor::Open(transaction.get(), Table::kCells));
  std::vector<ViewAnswer> answers;
  answers.reserve(reads.size());
  for (const ViewRead& read : reads) {
    ARROW_ASSIGN_OR_RAISE(const ViewRecord record, RecordForRead(*transaction, *read.view, t));
    ARROW_ASSIGN_OR_RAISE(auto sink, state::VectorSink::Make(read.view->engine->output_types()));
    ARROW_RETURN_NOT_OK(ReadRows(cursor.get(), read, record.space(), t, sink.get()));
    ViewAnswer answer;
    ARROW_ASSIGN_OR_RAISE(answer.features, sink->Finish());
    answer.position = record.position;
    answer.stale = t > record.position.applied_until;
    answers.push_back(std::move(answer));
  }
  return answers;
}

arrow::Status LmdbStore::Drop(const std::string& view) {
  ARROW_ASSIGN_OR_RAISE(auto reader, Transaction::BeginRead(env_));
  ARROW_ASSIGN_OR_RAISE(const std::optional<ViewRecord> seen, GetView(*reader, view));
  reader.reset();
  if (!seen.has_value()) {
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(auto lock, LoadLock::Take(env_->directory(), seen->view_id, view));
  {
    ARROW_ASSIGN_OR_RAISE(auto transaction, Transaction::BeginWrite(env_));
    ARROW_ASSIGN_OR_RAISE(const std::optional<ViewRecord> record, GetView(*transaction, view));
    if (!record.has_value() || record->view_id != seen->view_id) {
      return arrow::Status::OK();
    }
    if (record->loaded) {
      ARROW_RETURN_NOT_OK(PutGarbage(transaction.get(), Garbage{record->space(), ""}));
    }
    ARROW_RETURN_NOT_OK(PutResume(transaction.get(), record->space(), ""));
    ARROW_RETURN_NOT_OK(RemoveView(transaction.get(), view));
    ARROW_RETURN_NOT_OK(transaction->Commit());
  }
  // Ids are never given twice, so nobody will want this lock again.
  unlink(LoadLock::PathOf(env_->directory(), seen->view_id).c_str());
  return SweepGarbage(env_, seen->view_id, std::numeric_limits<int64_t>::max()).status();
}

arrow::Result<int64_t> LmdbStore::Sweep(int64_t max_cells) {
  return SweepGarbage(env_, std::nullopt, max_cells);
}

arrow::Result<Store::Info> LmdbStore::Describe() {
  ARROW_ASSIGN_OR_RAISE(auto transaction, Transaction::BeginRead(env_));
  Info info;
  info.kind = "lmdb";
  info.bytes = env_->used_bytes();
  ARROW_ASSIGN_OR_RAISE(info.cells, transaction->Count(Table::kCells));
  ARROW_ASSIGN_OR_RAISE(auto views, ListViews(transaction.get()));
  for (auto& [name, record] : views) {
    if (record.loaded) {
      info.views.emplace_back(std::move(name), std::move(record.position));
    }
  }
  return info;
}

}  // namespace icecore::online::lmdb
