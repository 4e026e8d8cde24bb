#include "icecore/online/lmdb/made_cells.h"

#include <algorithm>
#include <string_view>
#include <thread>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/online/lmdb/key_cells.h"

namespace icecore::online::lmdb {
namespace {

// With fewer rows, threads cost more than they save.
constexpr size_t kFewRows = 1024;
// Ranges are small enough that the writer soon has the first, and large enough that passing them on
// costs nothing beside making them.
constexpr size_t kRowsAtOnce = 512;
constexpr size_t kMostNewRowsAtOnce = 2048;
// What new cells may take before they are written: makers go on while a transaction is committed.
constexpr int64_t kNewBytesAhead = int64_t{16} << 20;
constexpr size_t kNewRangesAhead = 32;

// The one that writes waits for the disk and for ranges now and then.
size_t Threads(size_t rows) {
  return rows < kFewRows ? 0 : std::max(std::thread::hardware_concurrency(), 2U) - 1;
}

size_t NewRowsAtOnce(const LoadRows& rows) {
  if (rows.size() == 0) return 1;
  const int64_t row_bytes = std::max<int64_t>(rows.bytes() / static_cast<int64_t>(rows.size()), 1);
  const int64_t range_bytes = kNewBytesAhead / static_cast<int64_t>(kNewRangesAhead);
  return std::clamp<size_t>(static_cast<size_t>(range_bytes / row_bytes), 1, kMostNewRowsAtOnce);
}

}  // namespace

// Makes one range after the other in memory that it keeps. Used by one thread at a time.
class MadeCells::Maker {
 public:
  static arrow::Result<std::unique_ptr<Maker>> New(const Of& of) {
    ARROW_ASSIGN_OR_RAISE(auto updater, state::KeyUpdater::Make(*of.engine));
    return std::make_unique<Maker>(of, std::move(updater));
  }
  Maker(const Of& of, std::unique_ptr<state::KeyUpdater> updater)
      : of_(of), updater_(std::move(updater)) {}

  // Cells are read as the transaction has them.
  arrow::Status ReadFrom(Transaction* transaction) {
    return Cursor::Open(transaction, Table::kCells).Value(&cursor_);
  }
  // As they were before `writer`, which outlives this.
  arrow::Status ReadBeside(const Transaction& writer) {
    ARROW_ASSIGN_OR_RAISE(snapshot_, Transaction::BeginBeside(writer));
    return ReadFrom(snapshot_.get());
  }

  arrow::Status Make(size_t begin, size_t end) {
    batch_.Clear();
    while (begin < end) {
      const std::string_view key = of_.rows->KeyAt(begin);
      const size_t next = of_.rows->EndOfKey(begin);
      if (cursor_ == nullptr) {
        prefix_.Assign(of_.space, key);
      } else {
        ARROW_RETURN_NOT_OK(ReadCells(cursor_.get(), of_.space, key, &prefix_, &cells_));
      }
      batch_.Begin(key, &prefix_);
      of_.rows->Places(begin, next, &places_);
      ARROW_RETURN_NOT_OK(updater_->Update(cells_, places_, of_.reach, &batch_));
      begin = next;
    }
    return arrow::Status::OK();
  }
  const CellBatch& batch() const { return batch_; }

 private:
  const Of& of_;
  const std::unique_ptr<state::KeyUpdater> updater_;
  std::unique_ptr<Transaction> snapshot_;
  std::unique_ptr<Cursor> cursor_;  // null: there are no cells
  CellPrefix prefix_;
  std::vector<state::CellView> cells_;
  std::vector<state::RowAt> places_;
  CellBatch batch_;
};

MadeCells::MadeCells(const Of& of, size_t rows_at_once) : of_(of), bounds_({0}) {
  const size_t end = of_.rows->size();
  while (bounds_.back() < end) {
    bounds_.push_back(of_.rows->EndOfKey(std::min(bounds_.back() + rows_at_once, end) - 1));
  }
}

MadeCells::~MadeCells() = default;

void MadeCells::Start(size_t threads) {
  if (makers_.empty()) return;
  made_.emplace(ranges(), threads, makers_.size(), [this](size_t range) {
    return makers_[range % makers_.size()]->Make(bounds_[range], bounds_[range + 1]);
  });
}

arrow::Result<std::unique_ptr<MadeCells>> MadeCells::OfNewKeys(const Of& of) {
  std::unique_ptr<MadeCells> cells(new MadeCells(of, NewRowsAtOnce(*of.rows)));
  ARROW_ASSIGN_OR_RAISE(cells->own_, Maker::New(cells->of_));
  const size_t threads = Threads(of.rows->size());
  const size_t ahead = threads == 0 ? 0 : std::min(cells->ranges(), threads + kNewRangesAhead);
  for (size_t i = 0; i < ahead; ++i) {
    ARROW_ASSIGN_OR_RAISE(cells->makers_.emplace_back(), Maker::New(cells->of_));
  }
  cells->Start(threads);
  return cells;
}

arrow::Result<std::unique_ptr<MadeCells>> MadeCells::OfKeys(const Of& of,
                                                            Transaction* transaction) {
  std::unique_ptr<MadeCells> cells(new MadeCells(of, kRowsAtOnce));
  ARROW_ASSIGN_OR_RAISE(cells->own_, Maker::New(cells->of_));
  ARROW_RETURN_NOT_OK(cells->own_->ReadFrom(transaction));
  const size_t threads = Threads(of.rows->size());
  for (size_t i = 0; threads > 0 && i < 2 * threads + 1; ++i) {
    ARROW_ASSIGN_OR_RAISE(auto maker, Maker::New(cells->of_));
    const arrow::Status begun = maker->ReadBeside(*transaction);
    if (base::CodeOf(begun) == base::ErrorCode::kUnavailable) break;  // readers have all slots
    ARROW_RETURN_NOT_OK(begun);
    cells->makers_.push_back(std::move(maker));
  }
  cells->Start(threads);
  return cells;
}

arrow::Result<const CellBatch*> MadeCells::Take(size_t range) {
  if (!made_ || range < next_) {
    ARROW_RETURN_NOT_OK(own_->Make(bounds_[range], bounds_[range + 1]));
    return &own_->batch();
  }
  ARROW_RETURN_NOT_OK(made_->Take(range));
  next_ = range + 1;
  return &makers_[range % makers_.size()]->batch();
}

}  // namespace icecore::online::lmdb
