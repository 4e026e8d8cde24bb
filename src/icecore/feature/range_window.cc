#include "icecore/feature/range_window.h"

#include <bit>
#include <cmath>
#include <limits>

#include "icecore/feature/range_window_internal.h"
#include "icecore/state/moment_ranges.h"

namespace icecore::feature {

namespace {

using state::AggregateKind;
using state::StateKind;

class CountRanges final : public RangeWindowBase {
 public:
  using RangeWindowBase::RangeWindowBase;
  arrow::Result<bool> Answer(const KeyRanges& key) override {
    usable_.Reset(column_, key.begin(), key.end());
    ForWindows(key, [&](const RangeRead& read, int64_t label, int64_t tail, int64_t place) {
      int64_t count = 0;
      key.ForEach(label, tail,
                  [&](int64_t begin, int64_t end) { count += usable_.Count(begin, end); });
      for (const RangeTarget& target : read.targets) {
        target.output->PutBits(place, static_cast<uint64_t>(count));
      }
    });
    return true;
  }
};

// sum, mean, variance and stddev of narrow numbers.
class MomentWindows final : public RangeWindowBase {
 public:
  using RangeWindowBase::RangeWindowBase;
  arrow::Result<bool> Answer(const KeyRanges& key) override {
    usable_.Reset(column_, key.begin(), key.end());
    if (!moments_.Build(codec(), column_.narrow->data(),
                        usable_.all() ? nullptr : column_.usable.data(), key.cuts(),
                        maker_.with_squares())) {
      return false;
    }
    arrow::Status status;
    ForWindows(key, [&](const RangeRead& read, int64_t label, int64_t tail, int64_t place) {
      state::MomentRanges::Sums sums;
      key.ForEach(label, tail, [&](int64_t begin, int64_t end) {
        moments_.Add(key.CutAt(begin), key.CutAt(end), &sums);
      });
      if (sums.count == 0 || !status.ok()) return;
      status = Put(sums, read, place);
    });
    ARROW_RETURN_NOT_OK(status);
    return true;
  }

 private:
  arrow::Status Put(const state::MomentRanges::Sums& sums, const RangeRead& read, int64_t place) {
    double variance = -1;  // not known yet
    for (const RangeTarget& target : read.targets) {
      const AggregateKind kind = target.asked->kind;
      if (state::NeedsSquares(kind)) {
        if (sums.count < 2) continue;
        if (variance < 0) variance = moments_.Variance(sums);
        PutDouble(target, place, kind == AggregateKind::kStddev ? std::sqrt(variance) : variance);
      } else if (kind == AggregateKind::kMean) {
        PutDouble(target, place, moments_.Mean(sums));
      } else if (target.output->form == SweepOutput::Form::kInt64) {
        ARROW_ASSIGN_OR_RAISE(const int64_t sum, moments_.SumAsInt64(sums));
        target.output->PutBits(place, static_cast<uint64_t>(sum));
      } else {
        PutDouble(target, place, moments_.SumAsDouble(sums));
      }
    }
    return arrow::Status::OK();
  }
  static void PutDouble(const RangeTarget& target, int64_t place, double value) {
    target.output->PutBits(place, std::bit_cast<uint64_t>(value));
  }

  state::MomentRanges moments_;
};

// min and max, as the least of keys that unusable rows have the greatest of: of each piece between
// cuts first. A table of the least of 1, 2, 4, … blocks of pieces answers for whole blocks, so a
// window reads less than two blocks of them.
class ExtremeRanges final : public RangeWindowBase {
 public:
  using RangeWindowBase::RangeWindowBase;
  arrow::Result<bool> Answer(const KeyRanges& key) override {
    usable_.Reset(column_, key.begin(), key.end());
    if (narrow()) {
      FillPieces(key, column_.narrow->data(), max());
    } else {
      FillRanks(key);
    }
    FillTable();
    ForWindows(key, [&](const RangeRead& read, int64_t label, int64_t tail, int64_t place) {
      uint64_t least = std::numeric_limits<uint64_t>::max();
      int64_t count = 0;
      key.ForEach(label, tail, [&](int64_t begin, int64_t end) {
        least = std::min(least, Least(key.CutAt(begin), key.CutAt(end)));
        count += usable_.Count(begin, end);
      });
      if (count == 0) return;
      const uint64_t value = max() ? ~least : least;
      for (const RangeTarget& target : read.targets) {
        if (narrow()) {
          target.output->PutBits(place, value);
        } else {
          target.output->PutRow(place, slice_.RowAt(by_value_[value]));
        }
      }
    });
    return true;
  }

 private:
  static constexpr size_t kBlock = 64;

  bool max() const { return state::StateKindOf(maker_.spec().kind) == StateKind::kMax; }

  // The least of each piece of the values at the key's positions, turned over where `flip`.
  void FillPieces(const KeyRanges& key, const uint64_t* values, bool flip) {
    const std::vector<int64_t>& cuts = key.cuts();
    const uint8_t* usable = usable_.all() ? nullptr : column_.usable.data();
    keys_.resize(cuts.size() - 1);
    for (size_t i = 0; i + 1 < cuts.size(); ++i) {
      keys_[i] = flip ? LeastOf<true>(values, usable, cuts[i], cuts[i + 1])
                      : LeastOf<false>(values, usable, cuts[i], cuts[i + 1]);
    }
  }
  template <bool kFlip>
  static uint64_t LeastOf(const uint64_t* values, const uint8_t* usable, int64_t begin,
                          int64_t end) {
    constexpr uint64_t kTurned = kFlip ? ~uint64_t{0} : 0;
    uint64_t least = ~uint64_t{0};
    for (int64_t at = begin; at < end; ++at) {
      if (usable == nullptr || usable[at] != 0) least = std::min(least, values[at] ^ kTurned);
    }
    return least;
  }

  // Values of any length become their place among the key's values.
  void FillRanks(const KeyRanges& key) {
    by_value_.clear();
    for (int64_t at = key.begin(); at < key.end(); ++at) {
      if (column_.usable[static_cast<size_t>(at)] != 0) by_value_.push_back(at);
    }
    std::sort(by_value_.begin(), by_value_.end(), [this](int64_t a, int64_t b) {
      return (*column_.wide)[static_cast<size_t>(a)] < (*column_.wide)[static_cast<size_t>(b)];
    });
    if (ranks_.size() < static_cast<size_t>(key.end())) {
      ranks_.resize(static_cast<size_t>(key.end()));
    }
    for (size_t rank = 0; rank < by_value_.size(); ++rank) {
      ranks_[static_cast<size_t>(by_value_[rank])] = rank;
    }
    FillPieces(key, ranks_.data(), max());
  }

  void FillTable() {
    const size_t blocks = keys_.size() / kBlock;
    table_.clear();
    if (blocks == 0) return;
    std::vector<uint64_t> level(blocks);
    for (size_t block = 0; block < blocks; ++block) {
      level[block] = Scan(block * kBlock, (block + 1) * kBlock);
    }
    table_.push_back(std::move(level));
    for (size_t span = 2; span <= blocks; span *= 2) {
      const std::vector<uint64_t>& half = table_.back();
      std::vector<uint64_t> next(blocks - span + 1);
      for (size_t i = 0; i < next.size(); ++i) {
        next[i] = std::min(half[i], half[i + span / 2]);
      }
      table_.push_back(std::move(next));
    }
  }

  uint64_t Scan(size_t begin, size_t end) const {
    uint64_t least = ~uint64_t{0};
    for (size_t i = begin; i < end; ++i) least = std::min(least, keys_[i]);
    return least;
  }

  // Of the pieces [begin, end).
  uint64_t Least(size_t begin, size_t end) const {
    const size_t first = (begin + kBlock - 1) / kBlock;
    const size_t last = end / kBlock;
    if (last < first + 2) return Scan(begin, end);
    const auto level = static_cast<size_t>(std::bit_width(last - first)) - 1;
    const std::vector<uint64_t>& spans = table_[level];
    const uint64_t whole = std::min(spans[first], spans[last - (size_t{1} << level)]);
    return std::min({Scan(begin, first * kBlock), whole, Scan(last * kBlock, end)});
  }

  std::vector<uint64_t> keys_;                // by piece of the key
  std::vector<std::vector<uint64_t>> table_;  // by log2 of blocks, by first block
  std::vector<int64_t> by_value_;             // positions, of values that are not narrow
  std::vector<uint64_t> ranks_;               // by position, likewise
};

// first, last and last_n: positions are ordered by (e, a, s).
class EdgeRanges final : public RangeWindowBase {
 public:
  using RangeWindowBase::RangeWindowBase;
  arrow::Result<bool> Answer(const KeyRanges& key) override {
    usable_.Reset(column_, key.begin(), key.end());
    ForWindows(key, [&](const RangeRead& read, int64_t label, int64_t tail, int64_t place) {
      switch (maker_.spec().kind) {
        case AggregateKind::kFirst:
          return PutRow(read, place, First(key, label, tail));
        case AggregateKind::kLast:
          return PutRow(read, place, Last(key, label, tail));
        default:
          return PutLastN(read, key, label, tail, place);
      }
    });
    return true;
  }

 private:
  void PutRow(const RangeRead& read, int64_t place, int64_t position) const {
    if (position < 0) return;
    for (const RangeTarget& target : read.targets) {
      target.output->PutRow(place, slice_.RowAt(position));
    }
  }
  int64_t First(const KeyRanges& key, int64_t label, int64_t tail) const {
    int64_t found = -1;
    key.ForEach(label, tail, [&](int64_t begin, int64_t end) {
      if (found >= 0 || usable_.Count(begin, end) == 0) return;
      // The place where the count of usable rows steps.
      int64_t low = begin;
      int64_t high = end - 1;
      while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (usable_.Count(begin, middle + 1) > 0) {
          high = middle;
        } else {
          low = middle + 1;
        }
      }
      found = low;
    });
    return found;
  }
  int64_t Last(const KeyRanges& key, int64_t label, int64_t tail) const {
    int64_t found = -1;
    key.ForEachDown(label, tail, [&](int64_t begin, int64_t end) {
      if (found < 0) found = usable_.Last(begin, end);
    });
    return found;
  }
  void PutLastN(const RangeRead& read, const KeyRanges& key, int64_t label, int64_t tail,
                int64_t place) {
    const auto wanted = static_cast<size_t>(maker_.spec().n);
    newest_.clear();
    key.ForEachDown(label, tail, [&](int64_t begin, int64_t end) {
      while (newest_.size() < wanted && begin < end) {
        const int64_t at = usable_.Last(begin, end);
        if (at < 0) return;
        newest_.push_back(at);
        end = at;
      }
    });
    if (newest_.empty()) return;
    std::reverse(newest_.begin(), newest_.end());
    PutList(read, place, newest_);
  }

  std::vector<int64_t> newest_;
};

}  // namespace

std::unique_ptr<RangeWindow> MakeRangeWindow(const state::Slot& slot, const SweepColumn* column,
                                             const SweepSlice* slice,
                                             std::vector<RangeRead> reads) {
  const state::StateMaker& maker = *slot.maker;
  switch (state::StateKindOf(maker.spec().kind)) {
    case StateKind::kCount:
      return std::make_unique<CountRanges>(slot, column, slice, std::move(reads));
    case StateKind::kMoments:
      if (maker.codec()->form() != state::ValueForm::kNarrow) return nullptr;
      return std::make_unique<MomentWindows>(slot, column, slice, std::move(reads));
    case StateKind::kMin:
    case StateKind::kMax:
      return std::make_unique<ExtremeRanges>(slot, column, slice, std::move(reads));
    case StateKind::kFirst:
    case StateKind::kLast:
    case StateKind::kLastN:
      return std::make_unique<EdgeRanges>(slot, column, slice, std::move(reads));
    case StateKind::kQuantile:
      return MakeQuantileRanges(slot, column, slice, std::move(reads));
    case StateKind::kTopN:
      return MakeTopNRanges(slot, column, slice, std::move(reads));
    case StateKind::kDistinct:
      return MakeDistinctRanges(slot, column, slice, std::move(reads));
  }
  return nullptr;
}

}  // namespace icecore::feature
