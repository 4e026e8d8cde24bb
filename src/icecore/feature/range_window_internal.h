#pragma once
// What windows over ranges share.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "icecore/feature/range_window.h"

namespace icecore::feature {

// Which rows of a key are usable: how many in a range, the next and the last one.
class UsableRows {
 public:
  void Reset(const SweepColumn& column, int64_t begin, int64_t end) {
    begin_ = begin;
    const auto first = column.usable.begin() + begin;
    all_ = column.all_usable ||
           std::find(first, column.usable.begin() + end, 0) == column.usable.begin() + end;
    if (all_) return;
    const auto count = static_cast<size_t>(end - begin);
    before_.resize(count + 1);
    last_.resize(count);
    uint32_t usable = 0;
    int64_t last = -1;
    for (size_t i = 0; i < count; ++i) {
      before_[i] = usable;
      if (first[static_cast<std::ptrdiff_t>(i)] != 0) {
        ++usable;
        last = begin + static_cast<int64_t>(i);
      }
      last_[i] = last;
    }
    before_[count] = usable;
  }

  bool all() const { return all_; }
  // Usable rows before `position`, of the key.
  int64_t Before(int64_t position) const {
    return all_ ? position - begin_ : int64_t{before_[static_cast<size_t>(position - begin_)]};
  }
  int64_t Count(int64_t begin, int64_t end) const { return Before(end) - Before(begin); }
  // The last usable row in [begin, end), or -1.
  int64_t Last(int64_t begin, int64_t end) const {
    const int64_t at = all_ ? end - 1 : last_[static_cast<size_t>(end - 1 - begin_)];
    return at >= begin ? at : -1;
  }

 private:
  bool all_ = true;
  int64_t begin_ = 0;
  std::vector<uint32_t> before_;
  std::vector<int64_t> last_;
};

class RangeWindowBase : public RangeWindow {
 public:
  RangeWindowBase(const state::Slot& slot, const SweepColumn* column, const SweepSlice* slice,
                  std::vector<RangeRead> reads)
      : maker_(*slot.maker), column_(*column), slice_(*slice), reads_(std::move(reads)) {}

 protected:
  // Calls answer(read, label, tail, place) for each window of the key.
  template <typename Answer>
  void ForWindows(const KeyRanges& key, const Answer& answer) const {
    for (const RangeRead& read : reads_) {
      for (int64_t label = 0; label < key.label_count(); ++label) {
        answer(read, label, key.Tail(read.clock, label), key.Place(label));
      }
    }
  }
  // The rows of one list, at `positions`.
  void PutList(const RangeRead& read, int64_t place, const std::vector<int64_t>& positions) const {
    for (const RangeTarget& target : read.targets) {
      target.lists->labels.push_back(static_cast<uint32_t>(place));
      target.lists->sizes.push_back(static_cast<uint32_t>(positions.size()));
      for (const int64_t at : positions) target.lists->rows.push_back(slice_.RowAt(at));
      target.output->statuses[static_cast<size_t>(place)] = state::ValueStatus::kPresent;
    }
  }
  const state::ValueCodec& codec() const { return *maker_.codec(); }
  bool narrow() const { return codec().form() == state::ValueForm::kNarrow; }

  const state::StateMaker& maker_;
  const SweepColumn& column_;
  const SweepSlice& slice_;
  const std::vector<RangeRead> reads_;
  UsableRows usable_;
};

std::unique_ptr<RangeWindow> MakeQuantileRanges(const state::Slot& slot, const SweepColumn* column,
                                                const SweepSlice* slice,
                                                std::vector<RangeRead> reads);
std::unique_ptr<RangeWindow> MakeTopNRanges(const state::Slot& slot, const SweepColumn* column,
                                            const SweepSlice* slice, std::vector<RangeRead> reads);
std::unique_ptr<RangeWindow> MakeDistinctRanges(const state::Slot& slot, const SweepColumn* column,
                                                const SweepSlice* slice,
                                                std::vector<RangeRead> reads);

}  // namespace icecore::feature
