#pragma once
// Pieces of work made by several threads and taken by one, in order, while those behind are made.

#include <arrow/result.h>

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace icecore::base {

// Calls make(0) … make(count - 1), each once, on `threads` threads of its own. make(i) begins only
// when Take(i - ahead + 1) is called, so that `ahead` pieces of memory, used in turns, are enough.
// The first error ends all. threads and ahead are at least 1.
class OrderedMaker {
 public:
  OrderedMaker(size_t count, size_t threads, size_t ahead,
               std::function<arrow::Status(size_t)> make);
  // Waits for what has begun, and begins no more.
  ~OrderedMaker();
  OrderedMaker(const OrderedMaker&) = delete;
  OrderedMaker& operator=(const OrderedMaker&) = delete;

  // Waits until `piece` is made; whoever took the one before it is done with that. In order, by one
  // thread. An error may be that of a later piece.
  arrow::Status Take(size_t piece);

 private:
  void MakeAll();
  bool Begin(size_t* piece);

  const size_t count_;
  const size_t ahead_;
  const std::function<arrow::Status(size_t)> make_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<bool> made_;  // of the pieces ahead, by turns
  size_t next_ = 0;         // to be begun
  size_t done_ = 0;         // pieces before it are done with
  bool ended_ = false;
  arrow::Status error_;
  std::vector<std::jthread> threads_;
};

}  // namespace icecore::base
