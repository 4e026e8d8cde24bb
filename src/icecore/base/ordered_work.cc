#include "icecore/base/ordered_work.h"

#include <algorithm>
#include <utility>

namespace icecore::base {

OrderedMaker::OrderedMaker(size_t count, size_t threads, size_t ahead,
                           std::function<arrow::Status(size_t)> make)
    : count_(count), ahead_(ahead), make_(std::move(make)), made_(ahead, false) {
  for (size_t i = 0; i < std::min(threads, count); ++i) {
    threads_.emplace_back([this] { MakeAll(); });
  }
}

OrderedMaker::~OrderedMaker() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  changed_.notify_all();
  threads_.clear();
}

void OrderedMaker::MakeAll() {
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

bool OrderedMaker::Begin(size_t* piece) {
  std::unique_lock lock(mutex_);
  changed_.wait(
      lock, [&] { return ended_ || !error_.ok() || next_ == count_ || next_ < done_ + ahead_; });
  if (ended_ || !error_.ok() || next_ == count_) return false;
  *piece = next_++;
  return true;
}

arrow::Status OrderedMaker::Take(size_t piece) {
  std::unique_lock lock(mutex_);
  if (piece > 0) made_[(piece - 1) % ahead_] = false;
  done_ = piece;
  changed_.notify_all();
  changed_.wait(lock, [&] { return !error_.ok() || made_[piece % ahead_]; });
  return error_;
}

}  // namespace icecore::base
