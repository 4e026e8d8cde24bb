#include "icecore/online/lmdb/cell_batch.h"

#include <utility>

#include "icecore/base/error.h"

namespace icecore::online::lmdb {

arrow::Status CheckSuffix(std::string_view suffix) {
  return suffix.size() <= kMaxSuffixBytes
             ? arrow::Status::OK()
             : base::MakeError(base::ErrorCode::kInternal,
                               "a cell's suffix has " + std::to_string(suffix.size()) +
                                   " bytes, the store takes " + std::to_string(kMaxSuffixBytes));
}

arrow::Status CellBatch::AppendKey(std::string_view suffix) {
  ARROW_RETURN_NOT_OK(CheckSuffix(suffix));
  cell_key_.assign(prefix_->bytes());
  cell_key_.append(suffix);
  bytes_.append(cell_key_);
  return arrow::Status::OK();
}

arrow::Status CellBatch::Put(std::string_view suffix, std::string_view state) {
  ARROW_RETURN_NOT_OK(AppendKey(suffix));
  const size_t before = bytes_.size();
  AppendCellValue(cell_key_, key_, prefix_->shortened(), state, &bytes_);
  changes_.push_back({cell_key_.size(), bytes_.size() - before});
  return arrow::Status::OK();
}

arrow::Status CellBatch::Delete(std::string_view suffix) {
  ARROW_RETURN_NOT_OK(AppendKey(suffix));
  changes_.push_back({cell_key_.size(), 0});
  return arrow::Status::OK();
}

void CellBatch::Clear() {
  bytes_.clear();
  changes_.clear();
}

arrow::Result<std::unique_ptr<CellWriter>> CellWriter::Open(Transaction* transaction) {
  ARROW_ASSIGN_OR_RAISE(auto cursor, Cursor::Open(transaction, Table::kCells));
  ARROW_ASSIGN_OR_RAISE(const bool any, cursor->Last());
  std::string last_key(any ? cursor->key() : std::string_view());
  std::unique_ptr<CellWriter> writer(new CellWriter(transaction, std::move(cursor)));
  writer->last_key_ = std::move(last_key);
  return writer;
}

arrow::Status CellWriter::Write(const CellBatch& batch) {
  const auto put = [this](std::string_view key, std::string_view value) -> arrow::Status {
    // Other views' cells may lie behind, and keys that are hashed in part come in no order.
    at_end_ = at_end_ && key > last_key_;
    ARROW_RETURN_NOT_OK(cursor_->Put(key, value, at_end_));
    if (at_end_) last_key_ = key;
    return arrow::Status::OK();
  };
  return batch.ForEach(
      put, [this](std::string_view key) { return transaction_->Delete(Table::kCells, key); });
}

}  // namespace icecore::online::lmdb
