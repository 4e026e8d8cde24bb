#include "icecore/state/quantile_buckets.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "icecore/state/wire.h"

namespace icecore::state {

namespace {

constexpr int kPartBits = 6;
constexpr int32_t kParts = 1 << kPartBits;
// Exponents of doubles, subnormals normalised: -1074 .. 1023; then infinity.
constexpr int32_t kLeastExponent = -1074;
constexpr int32_t kInfinity = (1024 - kLeastExponent) * kParts + 1;

}  // namespace

int32_t QuantileBuckets::BucketOf(double value) {
  const auto bits = std::bit_cast<uint64_t>(value);
  const uint64_t magnitude = bits & ~(uint64_t{1} << 63);
  if (magnitude == 0) return 0;
  uint64_t mantissa = magnitude & ((uint64_t{1} << 52) - 1);
  int32_t exponent = static_cast<int32_t>(magnitude >> 52) - 1023;
  if (exponent == -1023) {
    const int shift = std::countl_zero(mantissa) - 11;
    mantissa = (mantissa << shift) & ((uint64_t{1} << 52) - 1);
    exponent = -1022 - shift;
  }
  const auto part = static_cast<int32_t>(mantissa >> (52 - kPartBits));
  const int32_t bucket =
      exponent == 1024 ? kInfinity : (exponent - kLeastExponent) * kParts + part + 1;
  return (bits >> 63) != 0 ? -bucket : bucket;
}

double QuantileBuckets::MiddleOf(int32_t bucket) {
  if (bucket == 0) return 0.0;
  const int32_t index = (bucket < 0 ? -bucket : bucket) - 1;
  double middle = std::numeric_limits<double>::infinity();
  if (index + 1 < kInfinity) {
    const int32_t exponent = index / kParts + kLeastExponent;
    // (64 + part + 1/2) * 2^(exponent - 6): exact, save among subnormals, where it rounds.
    const double scaled = static_cast<double>(2 * (kParts + index % kParts) + 1);
    const int power = exponent - kPartBits - 1;
    const int first = std::max(power, -1000);
    auto two_to = [](int p) {
      return std::bit_cast<double>(static_cast<uint64_t>(p + 1023) << 52);
    };
    middle = scaled * two_to(first) * two_to(power - first);
  }
  return bucket < 0 ? -middle : middle;
}

void QuantileBuckets::AddCount(int32_t bucket, int64_t count) {
  count_ += count;
  const auto at = buckets_.try_emplace(bucket, 0).first;
  at->second += count;
  if (at->second == 0) buckets_.erase(at);
}

void QuantileBuckets::Add(double value, bool remove) { AddCount(BucketOf(value), remove ? -1 : 1); }

void QuantileBuckets::Merge(const QuantileBuckets& other) {
  for (const auto& [bucket, count] : other.buckets_) AddCount(bucket, count);
}

void QuantileBuckets::Subtract(const QuantileBuckets& other) {
  for (const auto& [bucket, count] : other.buckets_) AddCount(bucket, -count);
}

void QuantileBuckets::Reset() {
  buckets_.clear();
  count_ = 0;
}

int64_t QuantileBuckets::RankOf(double q, int64_t count) {
  const double exact = q * static_cast<double>(count);
  const double nearest = std::nearbyint(exact);
  const double wanted = std::abs(exact - nearest) < 1e-9 ? nearest : std::ceil(exact);
  return std::clamp<int64_t>(static_cast<int64_t>(wanted), 1, count);
}

double QuantileBuckets::Quantile(double q) const {
  int64_t rank = RankOf(q, count_);
  for (const auto& [bucket, count] : buckets_) {
    rank -= count;
    if (rank <= 0) return MiddleOf(bucket);
  }
  return MiddleOf(buckets_.rbegin()->first);
}

void QuantileBuckets::Serialize(std::string* out) const {
  wire::PutVarint(buckets_.size(), out);
  int64_t previous = 0;
  for (const auto& [bucket, count] : buckets_) {
    wire::PutSigned(bucket - previous, out);
    wire::PutVarint(static_cast<uint64_t>(count), out);
    previous = bucket;
  }
}

bool QuantileBuckets::Parse(std::string_view* in) {
  Reset();
  uint64_t size = 0;
  if (!wire::GetVarint(in, &size) || size > in->size()) return false;
  int64_t bucket = 0;
  for (uint64_t i = 0; i < size; ++i) {
    int64_t step = 0;
    uint64_t count = 0;
    if (!wire::GetSigned(in, &step) || !wire::GetVarint(in, &count)) return false;
    if ((i > 0 && step <= 0) || step > int64_t{2} * kInfinity || step < -kInfinity) return false;
    bucket += step;
    if (bucket > kInfinity || count == 0 || count > uint64_t{1} << 48) return false;
    AddCount(static_cast<int32_t>(bucket), static_cast<int64_t>(count));
  }
  return true;
}

}  // namespace icecore::state
