#include "icecore/state/distinct_sketch.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>

#include "icecore/state/wire.h"

namespace icecore::state {

namespace {

enum Form : uint8_t { kSet = 0, kSparse = 1, kDense = 2 };

// Three bytes a register set, against one for each: above this dense is smaller.
constexpr size_t kMostSparse = kRegisters / 3;

// sum x^(2^k) 2^(k-1), and its mirror, both until they no longer change.
double Sigma(double x) {
  double y = 1;
  double z = x;
  for (double before = -1; z != before;) {
    x *= x;
    before = z;
    z += x * y;
    y += y;
  }
  return z;
}

double Tau(double x) {
  if (x == 0 || x == 1) return 0;
  double y = 1;
  double z = 1 - x;
  for (double before = -1; z != before;) {
    x = std::sqrt(x);
    before = z;
    y *= 0.5;
    z -= (1 - x) * (1 - x) * y;
  }
  return z / 3;
}

}  // namespace

RegisterRank RegisterRankOf(uint64_t hash) {
  const uint64_t rest = hash << kRegisterBits;
  const int rank = rest == 0 ? kMostRank : std::countl_zero(rest) + 1;
  return {static_cast<uint32_t>(hash >> (64 - kRegisterBits)), static_cast<uint8_t>(rank)};
}

int64_t EstimateDistinct(const RankHistogram& histogram) {
  const double m = kRegisters;
  if (histogram[0] == static_cast<int32_t>(kRegisters)) return 0;
  double z = m * Tau(1 - histogram[kMostRank] / m);
  for (int k = kMostRank - 1; k >= 1; --k) {
    z = 0.5 * (z + histogram[static_cast<size_t>(k)]);
  }
  z += m * Sigma(histogram[0] / m);
  constexpr double kAlpha = 0.72134752044448170368;  // 1 / (2 ln 2)
  return std::llround(kAlpha * m * m / z);
}

void DistinctSketch::Add(uint64_t hash) {
  if (!exact()) {
    AddToRegisters(hash);
    return;
  }
  const auto at = std::lower_bound(hashes_.begin(), hashes_.end(), hash);
  if (at != hashes_.end() && *at == hash) return;
  hashes_.insert(at, hash);
  SpillWhenLarge();
}

void DistinctSketch::AddToRegisters(uint64_t hash) {
  const RegisterRank at = RegisterRankOf(hash);
  registers_[at.index] = std::max(registers_[at.index], at.rank);
}

void DistinctSketch::SpillWhenLarge() {
  if (hashes_.size() <= kMostExact) return;
  registers_.assign(kRegisters, 0);
  for (const uint64_t hash : hashes_) AddToRegisters(hash);
  hashes_.clear();
}

void DistinctSketch::Merge(const DistinctSketch& other) {
  if (exact() && other.exact()) {
    std::vector<uint64_t> both;
    both.reserve(hashes_.size() + other.hashes_.size());
    std::set_union(hashes_.begin(), hashes_.end(), other.hashes_.begin(), other.hashes_.end(),
                   std::back_inserter(both));
    hashes_ = std::move(both);
    SpillWhenLarge();
    return;
  }
  if (exact()) {
    registers_.assign(kRegisters, 0);
    for (const uint64_t hash : hashes_) AddToRegisters(hash);
    hashes_.clear();
  }
  for (const uint64_t hash : other.hashes_) AddToRegisters(hash);
  for (size_t i = 0; i < other.registers_.size(); ++i) {
    registers_[i] = std::max(registers_[i], other.registers_[i]);
  }
}

void DistinctSketch::Reset() {
  hashes_.clear();
  registers_.clear();
}

int64_t DistinctSketch::Estimate() const {
  if (exact()) return static_cast<int64_t>(hashes_.size());
  RankHistogram histogram{};
  for (const uint8_t rank : registers_) ++histogram[rank];
  return EstimateDistinct(histogram);
}

void DistinctSketch::Serialize(std::string* out) const {
  if (exact()) {
    wire::PutByte(kSet, out);
    wire::PutVarint(hashes_.size(), out);
    for (const uint64_t hash : hashes_) wire::PutFixed64(hash, out);
    return;
  }
  const auto used = kRegisters - static_cast<size_t>(
                                     std::count(registers_.begin(), registers_.end(), uint8_t{0}));
  if (used > kMostSparse) {
    wire::PutByte(kDense, out);
    out->append(reinterpret_cast<const char*>(registers_.data()), registers_.size());
    return;
  }
  wire::PutByte(kSparse, out);
  wire::PutVarint(used, out);
  for (size_t i = 0; i < registers_.size(); ++i) {
    if (registers_[i] == 0) continue;
    wire::PutByte(static_cast<uint8_t>(i), out);
    wire::PutByte(static_cast<uint8_t>(i >> 8), out);
    wire::PutByte(registers_[i], out);
  }
}

bool DistinctSketch::Parse(std::string_view* in) {
  Reset();
  uint8_t form = 0;
  uint64_t size = 0;
  if (!wire::GetByte(in, &form)) return false;
  if (form == kDense) {
    if (in->size() < kRegisters) return false;
    registers_.assign(in->begin(), in->begin() + kRegisters);
    in->remove_prefix(kRegisters);
    return std::all_of(registers_.begin(), registers_.end(),
                       [](uint8_t rank) { return rank <= kMostRank; });
  }
  if (!wire::GetVarint(in, &size)) return false;
  if (form == kSet) {
    if (size > kMostExact) return false;
    for (uint64_t i = 0; i < size; ++i) {
      uint64_t hash = 0;
      if (!wire::GetFixed64(in, &hash)) return false;
      if (!hashes_.empty() && hashes_.back() >= hash) return false;
      hashes_.push_back(hash);
    }
    return true;
  }
  if (form != kSparse || size > kMostSparse) return false;
  registers_.assign(kRegisters, 0);
  int64_t previous = -1;
  for (uint64_t i = 0; i < size; ++i) {
    uint8_t low = 0;
    uint8_t high = 0;
    uint8_t rank = 0;
    if (!wire::GetByte(in, &low) || !wire::GetByte(in, &high) || !wire::GetByte(in, &rank)) {
      return false;
    }
    const int64_t index = low | (high << 8);
    if (index <= previous || index >= static_cast<int64_t>(kRegisters) || rank == 0 ||
        rank > kMostRank) {
      return false;
    }
    registers_[static_cast<size_t>(index)] = rank;
    previous = index;
  }
  return true;
}

}  // namespace icecore::state
