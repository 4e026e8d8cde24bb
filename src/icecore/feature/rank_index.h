#pragma once
// The k-th smallest of any ranges of a sequence of codes, in one step per bit of a code: a wavelet
// matrix (Claude, Navarro, Ordonez, "The wavelet matrix", 2015). Flat: a bit per code and level.

#include <cstdint>
#include <vector>

#include "icecore/feature/key_ranges.h"

namespace icecore::feature {

// Not thread safe; reused from key to key.
class RankIndex {
 public:
  // Codes are below `code_count`. Takes the codes as working memory.
  void Build(std::vector<uint32_t>* codes, uint32_t code_count);
  // The k-th smallest code (from 0) of those in the ranges, which hold more than k; ranges are
  // taken as working memory.
  uint32_t Select(std::vector<RowRange>* ranges, int64_t k);

 private:
  // Set bits of a level before `position`.
  int64_t OnesBefore(size_t level, int64_t position) const;

  int levels_ = 0;
  size_t words_ = 0;             // of one level, one more than the bits need
  std::vector<uint64_t> bits_;   // levels, one after another
  std::vector<uint32_t> ranks_;  // ones before each word
  std::vector<int64_t> zeros_;   // of each level
  std::vector<uint32_t> moved_;
  std::vector<RowRange> ones_;
};

}  // namespace icecore::feature
