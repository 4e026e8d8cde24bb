#include <arrow/record_batch.h>
#include <arrow/util/byte_size.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "icecore/lake/read_ahead_internal.h"

namespace icecore::lake {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

class AheadReader : public arrow::RecordBatchReader {
 public:
  AheadReader(RowRequest request, std::vector<DataFile> files, AheadLimits limits)
      : request_(std::move(request)), files_(std::move(files)), limits_(limits) {
    request_.use_threads = false;
  }

  ~AheadReader() override {
    {
      const std::lock_guard lock(mutex_);
      is_stopped_ = true;
    }
    changed_.notify_all();
    decoders_.clear();
  }

  std::shared_ptr<arrow::Schema> schema() const override { return request_.columns; }

  arrow::Status ReadNext(BatchPtr* out) override {
    *out = nullptr;
    while (decoders_.size() < limits_.threads) {
      decoders_.emplace_back([this] { DecodeAll(); });
    }
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] {
        return pieces_.empty() ? is_planned_ : !pieces_.front()->batches.empty() || IsFrontDone();
      });
      if (pieces_.empty()) {
        return arrow::Status::OK();
      }
      Piece& front = *pieces_.front();
      if (!front.batches.empty()) {
        *out = std::move(front.batches.front());
        front.batches.pop_front();
        held_bytes_ -= arrow::util::TotalBufferSize(**out);
        changed_.notify_all();
        return arrow::Status::OK();
      }
      ARROW_RETURN_NOT_OK(*front.end);  // an error stays in front, and is told again
      pieces_.pop_front();
      changed_.notify_all();
    }
  }

 private:
  // Rows that one thread decodes.
  struct Piece {
    std::deque<BatchPtr> batches;      // decoded, not taken
    std::optional<arrow::Status> end;  // of the decoding
  };

  bool IsFrontDone() const { return pieces_.front()->end.has_value(); }

  void DecodeAll() {
    while (true) {
      std::shared_ptr<Piece> piece;
      std::unique_ptr<FileRows> rows;
      const arrow::Status opened = Begin(&piece, &rows);
      if (piece == nullptr) {
        return;
      }
      arrow::Status end = opened.ok() ? Decode(rows.get(), piece.get()) : opened;
      const std::lock_guard lock(mutex_);
      piece->end = std::move(end);
      changed_.notify_all();
    }
  }

  arrow::Status Decode(FileRows* rows, Piece* piece) {
    while (true) {
      ARROW_ASSIGN_OR_RAISE(BatchPtr batch, rows->Next());
      if (batch == nullptr) {
        return arrow::Status::OK();
      }
      std::unique_lock lock(mutex_);
      held_bytes_ += arrow::util::TotalBufferSize(*batch);
      piece->batches.push_back(std::move(batch));
      changed_.notify_all();
      // The piece that is being taken always goes on.
      changed_.wait(lock, [&] {
        return is_stopped_ || held_bytes_ < limits_.bytes || pieces_.front().get() == piece;
      });
      if (is_stopped_) {
        return arrow::Status::OK();
      }
    }
  }

  // The next piece, which has its place behind the others from here on; none at the end. Files are
  // opened one at a time.
  arrow::Status Begin(std::shared_ptr<Piece>* piece, std::unique_ptr<FileRows>* rows) {
    const std::lock_guard turn(planning_);
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return is_stopped_ || pieces_.size() <= limits_.threads; });
      if (is_stopped_ || is_planned_) {
        return arrow::Status::OK();
      }
    }
    arrow::Status opened = NextPiece(rows);
    const std::lock_guard lock(mutex_);
    if (opened.ok() && *rows == nullptr) {
      is_planned_ = true;
    } else {
      *piece = std::make_shared<Piece>();
      pieces_.push_back(*piece);
      is_planned_ = !opened.ok();  // nobody asks for what comes after an error
    }
    changed_.notify_all();
    return opened;
  }

  // nullptr after the last.
  arrow::Status NextPiece(std::unique_ptr<FileRows>* rows) {
    while (file_ == nullptr || next_group_ == file_->group_rows().size()) {
      if (next_file_ == files_.size()) {
        return arrow::Status::OK();
      }
      next_group_ = 0;
      ARROW_ASSIGN_OR_RAISE(file_, FileRows::Open(request_, {files_[next_file_++], std::nullopt}));
    }
    const std::vector<int64_t>& groups = file_->group_rows();
    const size_t first = next_group_;
    for (int64_t count = 0; next_group_ < groups.size() && count < limits_.piece_rows;) {
      count += groups[next_group_++];
    }
    if (first == 0 && next_group_ == groups.size()) {
      *rows = std::move(file_);
      return arrow::Status::OK();
    }
    return file_->OfGroups(first, next_group_).Value(rows);
  }

  RowRequest request_;
  const std::vector<DataFile> files_;
  const AheadLimits limits_;

  std::mutex planning_;  // guards these, and is taken before mutex_
  std::unique_ptr<FileRows> file_;
  size_t next_file_ = 0;
  size_t next_group_ = 0;  // of file_

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Piece>> pieces_;  // begun and not taken, in order
  int64_t held_bytes_ = 0;                     // in their batches
  bool is_planned_ = false;                    // no more pieces come
  bool is_stopped_ = false;

  std::vector<std::jthread> decoders_;
};

}  // namespace

std::shared_ptr<arrow::RecordBatchReader> ReadAhead(RowRequest request, std::vector<DataFile> files,
                                                    AheadLimits limits) {
  return std::make_shared<AheadReader>(std::move(request), std::move(files), limits);
}

}  // namespace icecore::lake
