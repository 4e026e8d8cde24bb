#pragma once
// Distinct counts of 64-bit hashes: the set itself up to 256, HyperLogLog with 2^12 registers above
// (standard error 1.6 %). The estimate is a function of the registers only: Ertl, "New cardinality
// estimation algorithms for HyperLogLog sketches" (2017), algorithm 6, without tables or libm.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace icecore::state {

inline constexpr int kRegisterBits = 12;
inline constexpr size_t kRegisters = size_t{1} << kRegisterBits;
inline constexpr size_t kMostExact = 256;
inline constexpr int kMostRank = 64 - kRegisterBits + 1;  // 53

// A hash's register (its first 12 bits) and rank (1 + leading zeros of the rest).
struct RegisterRank {
  uint32_t index;
  uint8_t rank;
};
RegisterRank RegisterRankOf(uint64_t hash);

// How many registers hold each rank, 0..53; the counts add up to 4096.
using RankHistogram = std::array<int32_t, kMostRank + 1>;
int64_t EstimateDistinct(const RankHistogram& histogram);

// Mergeable, not invertible.
class DistinctSketch {
 public:
  void Add(uint64_t hash);
  void Merge(const DistinctSketch& other);
  void Reset();
  int64_t Estimate() const;

  void Serialize(std::string* out) const;
  bool Parse(std::string_view* in);

 private:
  bool exact() const { return registers_.empty(); }
  void AddToRegisters(uint64_t hash);
  void SpillWhenLarge();

  std::vector<uint64_t> hashes_;    // sorted, each once; empty when not exact()
  std::vector<uint8_t> registers_;  // 4096 ranks, or empty
};

}  // namespace icecore::state
