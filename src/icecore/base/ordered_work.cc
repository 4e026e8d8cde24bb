#include "icecore/base/ordered_work.h"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace icecore::base {
namespace {

class OrderedWork {
 public:
  OrderedWork(size_t count, size_t ahead, const std::function<arrow::Status(size_t)>& make)
      : count_(count), ahead_(ahead), make_(make), made_(ahead, false) {}

  void MakeAll() {
    size_t piece = 0;
    while (Begin(&piece)) {
      arrow::Status status = make_(piece);
      const std::lock_guard lock(mutex_);
      if (status.ok()) {
        made_[piece % ahead_] = true;
      } else if (error_.ok()) {
        error_ = std::move(status);
      }
      changed_.notify_all();
    }
  }

  // Waits for piece `taken`, or an error.
  arrow::Status WaitFor(size_t piece) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !error_.ok() || made_[piece % ahead_]; });
    return error_;
  }

  void Taken(size_t piece, const arrow::Status& status) {
    const std::lock_guard lock(mutex_);
    made_[piece % ahead_] = false;
    taken_ = piece + 1;
    if (!status.ok() && error_.ok()) error_ = status;
    changed_.notify_all();
  }

 private:
  bool Begin(size_t* piece) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !error_.ok() || next_ == count_ || next_ < taken_ + ahead_; });
    if (!error_.ok() || next_ == count_) return false;
    *piece = next_++;
    return true;
  }

  const size_t count_;
  const size_t ahead_;
  const std::function<arrow::Status(size_t)>& make_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<bool> made_;  // of the pieces ahead, by turns
  size_t next_ = 0;         // to be begun
  size_t taken_ = 0;        // how many
  arrow::Status error_;
};

}  // namespace

arrow::Status MakeAndTake(size_t count, size_t threads, size_t ahead,
                          const std::function<arrow::Status(size_t)>& make,
                          const std::function<arrow::Status(size_t)>& take) {
  OrderedWork work(count, ahead, make);
  std::vector<std::jthread> makers;
  for (size_t i = 0; i < threads && i < count; ++i) {
    makers.emplace_back([&work] { work.MakeAll(); });
  }
  for (size_t piece = 0; piece < count; ++piece) {
    ARROW_RETURN_NOT_OK(work.WaitFor(piece));
    const arrow::Status status = take(piece);
    work.Taken(piece, status);
    ARROW_RETURN_NOT_OK(status);
  }
  return arrow::Status::OK();
}

}  // namespace icecore::base
