#pragma once
// Rows of a key that are active and have not entered its tiles yet: what its windows read of them,
// side by side. No state depends on the order or the grouping of its rows, so they may wait here
// and enter together, which costs a fraction of entering one by one; those whose tiles end before
// that never make a tile.

#include <arrow/result.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "icecore/state/view_plan.h"
#include "icecore/state/view_state.h"

namespace icecore::state {

// Not thread safe. The plan outlives it.
class RowBuffer {
 public:
  using Values = std::vector<std::shared_ptr<arrow::Array>>;

  static constexpr size_t kMostRows = 64;
  // Of values that are not narrow; the last row may go beyond.
  static constexpr size_t kMostWideBytes = size_t{1} << 16;

  // The rows by event time. Valid until the buffer changes.
  struct Sorted {
    size_t count = 0;
    std::array<RowOrder, kMostRows> orders;
    std::array<int64_t, kMostRows> entered_at;
    std::array<const uint64_t*, kMostRows> content;  // for Usable, Passes and Value
  };

  explicit RowBuffer(const ViewPlan* plan);

  bool empty() const { return count_ == 0; }
  bool full() const { return count_ == kMostRows || wide_.size() >= kMostWideBytes; }

  // Takes a row, which was active when the key stood at `entered_at`: row `row` of `values`, or
  // its values encoded (ValueCodec::Encode). Not when full().
  arrow::Status Add(const RowOrder& order, int64_t entered_at, std::span<const uint8_t> masks,
                    const Values& values, int64_t row);
  arrow::Status AddEncoded(const RowOrder& order, int64_t entered_at,
                           std::span<const uint8_t> masks, const std::vector<std::string>& values);
  void Sort(Sorted* sorted) const;
  void Clear();

  // `column` of the plan's: neither null nor NaN.
  static bool Usable(const uint64_t* content, int column) { return Bit(content, column); }
  bool Passes(const uint64_t* content, int mask) const {
    return mask < 0 || Bit(content, column_count_ + mask);
  }
  // Of a usable value: itself where it is narrow, else what Wide takes.
  uint64_t Value(const uint64_t* content, int column) const {
    return content[bit_words_ + static_cast<size_t>(column)];
  }
  std::string_view Wide(uint64_t value) const;

 private:
  static constexpr size_t kOrderWords = 4;

  static bool Bit(const uint64_t* content, int at) {
    return (content[at / 64] >> (at % 64) & 1) != 0;
  }
  uint64_t* Append(const RowOrder& order, int64_t entered_at, std::span<const uint8_t> masks);
  arrow::Status PutValues(const Values& values, int64_t row, uint64_t* content);
  arrow::Status PutEncoded(const std::vector<std::string>& values, uint64_t* content);
  // Takes the last row off again where it could not be read.
  arrow::Status KeepIf(arrow::Status read);
  uint64_t PutWide(std::string_view bytes);

  const ViewPlan* plan_;
  int column_count_;
  size_t bit_words_;
  size_t row_words_;
  size_t count_ = 0;
  // Of each row: its order and entered_at, a bit per column and per mask, a word per column.
  std::vector<uint64_t> words_;
  std::string wide_;  // lengths (fixed64) and bytes
};

}  // namespace icecore::state
