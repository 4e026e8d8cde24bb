// top_n, quantiles and distinct counts over ranges.

#include <array>
#include <numeric>

#include "icecore/feature/range_window_internal.h"
#include "icecore/feature/rank_index.h"
#include "icecore/state/distinct_sketch.h"
#include "icecore/state/quantile_buckets.h"

namespace icecore::feature {

namespace {

// The usable rows of a window as ranges of usable rows of the key; how many there are.
int64_t UsableRanges(const KeyRanges& key, const UsableRows& usable, int64_t label, int64_t tail,
                     std::vector<RowRange>* ranges) {
  ranges->clear();
  int64_t count = 0;
  key.ForEach(label, tail, [&](int64_t begin, int64_t end) {
    const RowRange range{usable.Before(begin), usable.Before(end)};
    if (range.begin == range.end) return;
    ranges->push_back(range);
    count += range.end - range.begin;
  });
  return count;
}

class QuantileRanges final : public RangeWindowBase {
 public:
  using RangeWindowBase::RangeWindowBase;
  arrow::Result<bool> Answer(const KeyRanges& key) override {
    usable_.Reset(column_, key.begin(), key.end());
    FillCodes(key);
    ForWindows(key, [&](const RangeRead& read, int64_t label, int64_t tail, int64_t place) {
      const int64_t count = UsableRanges(key, usable_, label, tail, &ranges_);
      if (count == 0) return;
      for (const RangeTarget& target : read.targets) {
        working_ = ranges_;
        const int64_t rank = state::QuantileBuckets::RankOf(target.asked->q, count);
        const double value =
            state::QuantileBuckets::MiddleOf(buckets_[index_.Select(&working_, rank - 1)]);
        target.output->PutBits(place, std::bit_cast<uint64_t>(value));
      }
    });
    return true;
  }

 private:
  // The buckets of the key's usable rows, each once, and each row's place among them.
  void FillCodes(const KeyRanges& key) {
    row_buckets_.clear();
    for (int64_t at = key.begin(); at < key.end(); ++at) {
      const auto i = static_cast<size_t>(at);
      if (column_.usable[i] == 0) continue;
      row_buckets_.push_back(
          state::QuantileBuckets::BucketOf(narrow() ? codec().ToDouble((*column_.narrow)[i])
                                                    : codec().DecimalToDouble((*column_.wide)[i])));
    }
    buckets_ = row_buckets_;
    std::sort(buckets_.begin(), buckets_.end());
    buckets_.erase(std::unique(buckets_.begin(), buckets_.end()), buckets_.end());
    codes_.resize(row_buckets_.size());
    for (size_t i = 0; i < codes_.size(); ++i) {
      codes_[i] = static_cast<uint32_t>(
          std::lower_bound(buckets_.begin(), buckets_.end(), row_buckets_[i]) - buckets_.begin());
    }
    index_.Build(&codes_, static_cast<uint32_t>(buckets_.size()));
  }

  std::vector<int32_t> row_buckets_;
  std::vector<int32_t> buckets_;
  std::vector<uint32_t> codes_;
  std::vector<RowRange> ranges_;
  std::vector<RowRange> working_;
  RankIndex index_;
};

class TopNRanges final : public RangeWindowBase {
 public:
  using RangeWindowBase::RangeWindowBase;
  arrow::Result<bool> Answer(const KeyRanges& key) override {
    usable_.Reset(column_, key.begin(), key.end());
    FillCodes(key);
    ForWindows(key, [&](const RangeRead& read, int64_t label, int64_t tail, int64_t place) {
      const int64_t count = UsableRanges(key, usable_, label, tail, &ranges_);
      if (count == 0) return;
      greatest_.clear();
      for (int64_t i = 1; i <= std::min(maker_.spec().n, count); ++i) {
        working_ = ranges_;
        greatest_.push_back(by_value_[index_.Select(&working_, count - i)]);
      }
      PutList(read, place, greatest_);
    });
    return true;
  }

 private:
  // Every row has a code of its own, by value, then position.
  void FillCodes(const KeyRanges& key) {
    by_value_.clear();
    for (int64_t at = key.begin(); at < key.end(); ++at) {
      if (column_.usable[static_cast<size_t>(at)] != 0) by_value_.push_back(at);
    }
    std::stable_sort(by_value_.begin(), by_value_.end(), [this](int64_t a, int64_t b) {
      const auto x = static_cast<size_t>(a);
      const auto y = static_cast<size_t>(b);
      return narrow() ? (*column_.narrow)[x] < (*column_.narrow)[y]
                      : (*column_.wide)[x] < (*column_.wide)[y];
    });
    codes_.resize(by_value_.size());
    for (size_t rank = 0; rank < by_value_.size(); ++rank) {
      codes_[static_cast<size_t>(usable_.Before(by_value_[rank]))] = static_cast<uint32_t>(rank);
    }
    index_.Build(&codes_, static_cast<uint32_t>(by_value_.size()));
  }

  std::vector<int64_t> by_value_;
  std::vector<uint32_t> codes_;
  std::vector<RowRange> ranges_;
  std::vector<RowRange> working_;
  std::vector<int64_t> greatest_;
  RankIndex index_;
};

// Counts how often each hash of the key is in the window. Where a key has more than 256 hashes,
// also which of each register's is the first of those in the window, in order of falling rank, so
// that the registers are known after rows have left.
class DistinctRanges final : public RangeWindowBase {
 public:
  using RangeWindowBase::RangeWindowBase;
  arrow::Result<bool> Answer(const KeyRanges& key) override {
    FillCodes(key);
    for (const RangeRead& read : reads_) {
      counts_.assign(hashes_.size(), 0);
      distinct_ = 0;
      EmptyRegisters();
      int64_t low = key.begin();
      int64_t high = key.begin();
      for (int64_t label = 0; label < key.label_count(); ++label) {
        const int64_t head = key.Head(label);
        const int64_t tail = std::min(key.Tail(read.clock, label), head);
        // Windows that do not touch leave out the rows between them.
        Change(key, low, std::min(tail, high), -1);
        Change(key, std::max(tail, high), head, 1);
        low = tail;
        high = head;
        key.ForEach(label, std::max(key.Tail(read.clock, label), head),
                    [&](int64_t begin, int64_t end) { Change(key, begin, end, 1); });
        const int64_t estimate = distinct_ <= static_cast<int64_t>(state::kMostExact)
                                     ? distinct_
                                     : state::EstimateDistinct(histogram_);
        for (const RangeTarget& target : read.targets) {
          target.output->PutBits(key.Place(label), static_cast<uint64_t>(estimate));
        }
        key.ForEach(label, std::max(key.Tail(read.clock, label), head),
                    [&](int64_t begin, int64_t end) { Change(key, begin, end, -1); });
      }
    }
    return true;
  }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  // Codes of the rows' hashes, by open addressing; kNone of unusable rows.
  void FillCodes(const KeyRanges& key) {
    const size_t slots = std::bit_ceil(static_cast<size_t>(key.row_count()) * 2);
    table_.assign(slots, kNone);
    codes_.resize(static_cast<size_t>(key.row_count()));
    hashes_.clear();
    for (int64_t at = key.begin(); at < key.end(); ++at) {
      const auto i = static_cast<size_t>(at);
      uint32_t& code = codes_[i - static_cast<size_t>(key.begin())];
      code = kNone;
      if (column_.usable[i] == 0) continue;
      const uint64_t hash = (*column_.hashes)[i];
      size_t slot = hash & (slots - 1);
      while (table_[slot] != kNone && hashes_[table_[slot]] != hash)
        slot = (slot + 1) & (slots - 1);
      if (table_[slot] == kNone) {
        table_[slot] = static_cast<uint32_t>(hashes_.size());
        hashes_.push_back(hash);
      }
      code = table_[slot];
    }
    registers_used_ = hashes_.size() > state::kMostExact;
    if (registers_used_) FillRegisters();
  }

  // Codes by register, and in one by falling rank.
  void FillRegisters() {
    ranks_.resize(hashes_.size());
    by_register_.resize(hashes_.size());
    std::iota(by_register_.begin(), by_register_.end(), 0);
    std::sort(by_register_.begin(), by_register_.end(), [this](uint32_t a, uint32_t b) {
      const state::RegisterRank x = state::RegisterRankOf(hashes_[a]);
      const state::RegisterRank y = state::RegisterRankOf(hashes_[b]);
      return x.index != y.index ? x.index < y.index : x.rank > y.rank;
    });
    places_.resize(hashes_.size());
    register_ends_.fill(0);
    for (size_t place = 0; place < by_register_.size(); ++place) {
      const uint32_t code = by_register_[place];
      const state::RegisterRank at = state::RegisterRankOf(hashes_[code]);
      places_[code] = static_cast<uint32_t>(place);
      ranks_[place] = at.rank;
      register_ends_[at.index] = static_cast<uint32_t>(place) + 1;
    }
  }

  void EmptyRegisters() {
    if (!registers_used_) return;
    histogram_.fill(0);
    histogram_[0] = static_cast<int32_t>(state::kRegisters);
    firsts_.fill(kNone);
  }

  void Change(const KeyRanges& key, int64_t begin, int64_t end, int32_t by) {
    for (int64_t at = begin; at < end; ++at) {
      const uint32_t code = codes_[static_cast<size_t>(at - key.begin())];
      if (code == kNone) continue;
      int32_t& count = counts_[code];
      count += by;
      if (by > 0 && count == 1) {
        ++distinct_;
        if (registers_used_) EnterRegister(code);
      } else if (by < 0 && count == 0) {
        --distinct_;
        if (registers_used_) LeaveRegister(code);
      }
    }
  }

  void SetFirst(size_t index, uint32_t place) {
    uint32_t& first = firsts_[index];
    --histogram_[first == kNone ? 0 : ranks_[first]];
    first = place;
    ++histogram_[first == kNone ? 0 : ranks_[first]];
  }
  void EnterRegister(uint32_t code) {
    const size_t index = state::RegisterRankOf(hashes_[code]).index;
    if (firsts_[index] == kNone || places_[code] < firsts_[index]) SetFirst(index, places_[code]);
  }
  void LeaveRegister(uint32_t code) {
    const size_t index = state::RegisterRankOf(hashes_[code]).index;
    if (firsts_[index] != places_[code]) return;
    uint32_t place = places_[code] + 1;
    while (place < register_ends_[index] && counts_[by_register_[place]] == 0) ++place;
    SetFirst(index, place < register_ends_[index] ? place : kNone);
  }

  std::vector<uint32_t> table_;
  std::vector<uint64_t> hashes_;  // by code
  std::vector<uint32_t> codes_;   // by row of the key
  std::vector<int32_t> counts_;   // by code
  int64_t distinct_ = 0;
  bool registers_used_ = false;
  std::vector<uint32_t> by_register_;  // codes
  std::vector<uint32_t> places_;       // of codes in by_register_
  std::vector<uint8_t> ranks_;         // by place
  std::array<uint32_t, state::kRegisters> register_ends_{};
  std::array<uint32_t, state::kRegisters> firsts_{};  // places, or kNone
  state::RankHistogram histogram_{};
};

}  // namespace

std::unique_ptr<RangeWindow> MakeQuantileRanges(const state::Slot& slot, const SweepColumn* column,
                                                const SweepSlice* slice,
                                                std::vector<RangeRead> reads) {
  return std::make_unique<QuantileRanges>(slot, column, slice, std::move(reads));
}

std::unique_ptr<RangeWindow> MakeTopNRanges(const state::Slot& slot, const SweepColumn* column,
                                            const SweepSlice* slice, std::vector<RangeRead> reads) {
  return std::make_unique<TopNRanges>(slot, column, slice, std::move(reads));
}

std::unique_ptr<RangeWindow> MakeDistinctRanges(const state::Slot& slot, const SweepColumn* column,
                                                const SweepSlice* slice,
                                                std::vector<RangeRead> reads) {
  return std::make_unique<DistinctRanges>(slot, column, slice, std::move(reads));
}

}  // namespace icecore::feature
