#include "icecore/online/lmdb/lmdb_store.h"

#include <arrow/array.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/online/answer_rows.h"
#include "icecore/online/key_encoding.h"
#include "icecore/online/lmdb/key_cells.h"
#include "icecore/online/lmdb/lmdb_load.h"
#include "icecore/online/lmdb/pack.h"
#include "icecore/online/position_checks.h"

namespace icecore::online::lmdb {
namespace {

using RecordPtr = std::shared_ptr<const ViewRecord>;

arrow::Result<RecordPtr> RecordForRead(const Transaction& transaction, const StoredView& view,
                                       int64_t t, ViewRecords* records) {
  ARROW_ASSIGN_OR_RAISE(RecordPtr record, records->Get(transaction, view.name));
  const bool is_loaded = record != nullptr && record->loaded;
  ARROW_RETURN_NOT_OK(CheckReadable(view, is_loaded ? &record->position : nullptr, t));
  return record;
}

// One view of a request.
struct ViewAtWork {
  const StoredView* view = nullptr;
  RecordPtr record;
  size_t keys = 0;  // which of the request's encoded keys
  std::vector<state::CellRange> ranges;
  std::optional<AnswerRows> rows;
};

// The views of one request. All of an entity lie side by side in the store, so they are read row by
// row, each row's views in turn.
class ReadRequest {
 public:
  ReadRequest(const Transaction* transaction, Cursor* cursor, int64_t t, size_t views,
              ViewRecords* records)
      : transaction_(transaction), cursor_(cursor), t_(t), records_(records) {
    views_.reserve(views);
  }

  arrow::Status Add(const ViewRead& read) {
    const StoredView& view = *read.view;
    ViewAtWork& work = views_.emplace_back();
    work.view = &view;
    ARROW_ASSIGN_OR_RAISE(work.record, RecordForRead(*transaction_, view, t_, records_));
    if (read.keys.size() != view.key_types.size()) {
      return base::MakeError(base::ErrorCode::kInternal, "view " + view.name + " is read with " +
                                                             std::to_string(read.keys.size()) +
                                                             " key columns");
    }
    ARROW_ASSIGN_OR_RAISE(work.keys, KeysOf(read));
    work.ranges = view.engine->CellsAt(t_);
    work.rows.emplace(&view, t_, keys_[work.keys].num_rows());
    return arrow::Status::OK();
  }

  arrow::Result<std::vector<ViewAnswer>> Run() {
    int64_t rows = 0;
    for (const EncodedKeys& keys : keys_) {
      rows = std::max(rows, keys.num_rows());
    }
    for (int64_t row = 0; row < rows; ++row) {
      for (ViewAtWork& work : views_) {
        if (row >= keys_[work.keys].num_rows()) {
          continue;
        }
        if (const arrow::Status status = ReadRow(row, &work); !status.ok()) {
          return base::WithContext(status, "view " + work.view->name + ", row " +
                                               std::to_string(row) + " of the request");
        }
      }
    }
    std::vector<ViewAnswer> answers;
    answers.reserve(views_.size());
    for (ViewAtWork& work : views_) {
      ViewAnswer& answer = answers.emplace_back();
      ARROW_RETURN_NOT_OK(work.rows->Finish(&answer));
      answer.stale = t_ > work.record->position.applied_until;
      answer.position = {work.record, &work.record->position};
    }
    return answers;
  }

 private:
  // Views of one entity are asked by the same arrays.
  arrow::Result<size_t> KeysOf(const ViewRead& read) {
    const auto known = std::find_if(arrays_.begin(), arrays_.end(),
                                    [&](const auto* arrays) { return *arrays == read.keys; });
    if (known != arrays_.end()) {
      return static_cast<size_t>(known - arrays_.begin());
    }
    const int64_t rows = read.keys.empty() ? 0 : read.keys.front()->length();
    ARROW_ASSIGN_OR_RAISE(EncodedKeys keys, EncodeKeys(read.keys, rows));
    arrays_.push_back(&read.keys);
    keys_.push_back(std::move(keys));
    return keys_.size() - 1;
  }

  arrow::Status ReadRow(int64_t row, ViewAtWork* work) {
    return work->rows->Append(
        row, [&](int64_t at, std::vector<state::CellView>* cells, arrow::Status* damage) {
          const std::string_view key = keys_[work->keys].key(at);
          return key.empty() ? arrow::Status::OK()
                             : ReadCellsIn(cursor_, work->record->space(), key, work->ranges,
                                           &prefix_, cells, damage);
        });
  }

  const Transaction* const transaction_;
  Cursor* const cursor_;
  const int64_t t_;
  ViewRecords* const records_;
  std::vector<ViewAtWork> views_;
  CellPrefix prefix_;
  std::vector<const std::vector<std::shared_ptr<arrow::Array>>*> arrays_;  // each once
  std::vector<EncodedKeys> keys_;                                          // of them
};

}  // namespace

arrow::Result<std::unique_ptr<LmdbStore>> LmdbStore::Open(const EnvironmentOptions& options) {
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<StoreFolder> folder, StoreFolder::Open(options));
  bool has_format = false;
  {
    ARROW_ASSIGN_OR_RAISE(const auto reader, folder->BeginRead());
    ARROW_ASSIGN_OR_RAISE(has_format, CheckFormat(*reader));
  }
  if (!has_format) {
    ARROW_RETURN_NOT_OK(folder->Write(PutFormat));
  }
  return std::make_unique<LmdbStore>(std::move(folder));
}

arrow::Result<std::optional<ViewPosition>> LmdbStore::Position(const std::string& view) {
  ARROW_ASSIGN_OR_RAISE(auto transaction, folder_->BeginRead());
  ARROW_ASSIGN_OR_RAISE(const std::optional<ViewRecord> record, GetView(*transaction, view));
  if (!record.has_value() || !record->loaded) {
    return std::nullopt;
  }
  return record->position;
}

arrow::Result<ViewRecord> LmdbStore::RecordForLoad(const std::string& view) {
  {
    ARROW_ASSIGN_OR_RAISE(auto reader, folder_->BeginRead());
    ARROW_ASSIGN_OR_RAISE(const std::optional<ViewRecord> record, GetView(*reader, view));
    if (record.has_value()) {
      return *record;
    }
  }
  ViewRecord made;
  ARROW_RETURN_NOT_OK(folder_->Write([&](Transaction* transaction) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(const std::optional<ViewRecord> record, GetView(*transaction, view));
    if (record.has_value()) {
      made = *record;
      return arrow::Status::OK();
    }
    made = ViewRecord();
    ARROW_ASSIGN_OR_RAISE(made.view_id, NewViewId(transaction));
    return PutView(transaction, view, made);
  }));
  return made;
}

arrow::Result<std::unique_ptr<ViewLoad>> LmdbStore::BeginLoad(const StoredView& view, bool fresh) {
  ARROW_ASSIGN_OR_RAISE(const ViewRecord seen, RecordForLoad(view.name));
  ARROW_ASSIGN_OR_RAISE(auto lock, TakeLoadLock(folder_->directory(), seen.view_id, view.name));
  // Under the lock the record can no longer change; before, the view may have been dropped or
  // loaded.
  ARROW_ASSIGN_OR_RAISE(const ViewRecord record, RecordForLoad(view.name));
  if (record.view_id != seen.view_id) {
    return base::MakeError(base::ErrorCode::kConflict,
                           "view " + view.name + " was dropped just now; try again");
  }
  if (!fresh) {
    ARROW_RETURN_NOT_OK(
        CheckLoad(view, record.loaded ? std::optional(record.position) : std::nullopt));
  }
  return std::make_unique<LmdbLoad>(folder_, view, fresh, std::move(lock), record.in_making);
}

arrow::Result<std::vector<ViewAnswer>> LmdbStore::Read(const std::vector<ViewRead>& reads,
                                                       int64_t t, int64_t /*deadline_ns*/) {
  ARROW_ASSIGN_OR_RAISE(auto transaction, folder_->BeginRead());
  ARROW_ASSIGN_OR_RAISE(auto cursor, Cursor::Open(transaction.get(), Table::kCells));
  ReadRequest request(transaction.get(), cursor.get(), t, reads.size(), &records_);
  for (const ViewRead& read : reads) {
    ARROW_RETURN_NOT_OK(request.Add(read));
  }
  return request.Run();
}

arrow::Status LmdbStore::Drop(const std::string& view) {
  ARROW_ASSIGN_OR_RAISE(auto reader, folder_->BeginRead());
  ARROW_ASSIGN_OR_RAISE(const std::optional<ViewRecord> seen, GetView(*reader, view));
  reader.reset();
  if (!seen.has_value()) {
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(auto lock, TakeLoadLock(folder_->directory(), seen->view_id, view));
  bool is_gone = false;
  ARROW_RETURN_NOT_OK(folder_->Write([&](Transaction* transaction) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(std::optional<ViewRecord> record, GetView(*transaction, view));
    is_gone = !record.has_value() || record->view_id != seen->view_id;
    if (is_gone) return arrow::Status::OK();
    ARROW_RETURN_NOT_OK(GiveUpLoadInMaking(transaction, &*record));
    if (record->loaded) {
      ARROW_RETURN_NOT_OK(PutGarbage(transaction, Garbage{record->space(), ""}));
    }
    ARROW_RETURN_NOT_OK(PutResume(transaction, record->space(), ""));
    return RemoveView(transaction, view);
  }));
  if (is_gone) return arrow::Status::OK();
  // Ids are never given twice, so nobody will want this lock again.
  unlink(LoadLockPath(folder_->directory(), seen->view_id).c_str());
  return SweepGarbage(folder_.get(), seen->view_id, std::numeric_limits<int64_t>::max()).status();
}

arrow::Result<int64_t> LmdbStore::Sweep(int64_t max_cells) {
  return SweepGarbage(folder_.get(), std::nullopt, max_cells);
}

arrow::Result<PackReport> LmdbStore::Pack(const PackRule& rule) {
  return lmdb::Pack(folder_.get(), rule, [](PackStep) {});
}

arrow::Result<Store::Info> LmdbStore::Describe() {
  ARROW_ASSIGN_OR_RAISE(auto transaction, folder_->BeginRead());
  Info info;
  info.kind = "lmdb";
  info.bytes = transaction->environment().used_bytes();
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
