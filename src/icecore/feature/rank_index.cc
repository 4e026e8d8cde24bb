#include "icecore/feature/rank_index.h"

#include <bit>

namespace icecore::feature {

void RankIndex::Build(std::vector<uint32_t>* codes, uint32_t code_count) {
  const size_t count = codes->size();
  levels_ = static_cast<int>(std::bit_width(code_count > 0 ? code_count - 1 : 0));
  words_ = count / 64 + 1;
  bits_.assign(static_cast<size_t>(levels_) * words_, 0);
  ranks_.resize(bits_.size());
  zeros_.resize(static_cast<size_t>(levels_));
  moved_.resize(count);
  for (int level = 0; level < levels_; ++level) {
    const int shift = levels_ - 1 - level;
    uint64_t* bits = bits_.data() + static_cast<size_t>(level) * words_;
    size_t zeros = 0;
    for (size_t i = 0; i < count; ++i) {
      const uint64_t bit = ((*codes)[i] >> shift) & 1;
      bits[i / 64] |= bit << (i % 64);
      zeros += 1 - bit;
    }
    // Codes with a zero here come first, the order among them kept, then those with a one.
    size_t next[2] = {0, zeros};
    for (size_t i = 0; i < count; ++i) {
      const uint32_t code = (*codes)[i];
      moved_[next[(code >> shift) & 1]++] = code;
    }
    codes->swap(moved_);
    uint32_t ones = 0;
    for (size_t word = 0; word < words_; ++word) {
      ranks_[static_cast<size_t>(level) * words_ + word] = ones;
      ones += static_cast<uint32_t>(std::popcount(bits[word]));
    }
    zeros_[static_cast<size_t>(level)] = static_cast<int64_t>(zeros);
  }
}

int64_t RankIndex::OnesBefore(size_t level, int64_t position) const {
  const size_t at = level * words_ + static_cast<size_t>(position) / 64;
  const uint64_t below = (uint64_t{1} << (position % 64)) - 1;
  return int64_t{ranks_[at]} + std::popcount(bits_[at] & below);
}

uint32_t RankIndex::Select(std::vector<RowRange>* ranges, int64_t k) {
  uint32_t code = 0;
  for (size_t level = 0; level < static_cast<size_t>(levels_); ++level) {
    int64_t zeros = 0;
    ones_.resize(ranges->size());
    for (size_t i = 0; i < ranges->size(); ++i) {
      RowRange& range = (*ranges)[i];
      const RowRange ones{OnesBefore(level, range.begin), OnesBefore(level, range.end)};
      range = {range.begin - ones.begin, range.end - ones.end};
      zeros += range.end - range.begin;
      ones_[i] = {zeros_[level] + ones.begin, zeros_[level] + ones.end};
    }
    const bool one = k >= zeros;
    code = code << 1 | (one ? 1 : 0);
    if (!one) continue;
    k -= zeros;
    ranges->swap(ones_);
  }
  return code;
}

}  // namespace icecore::feature
