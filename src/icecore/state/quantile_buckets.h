#pragma once
// Quantiles by logarithmic buckets, never collapsed. A bucket is a power of two cut into 64 equal
// parts, found in the bits of the float64 without any libm, so its middle is within 1/128 of every
// value in it. After DDSketch (Masson, Rim, Lee: VLDB 2019), with the linear interpolation of the
// logarithm.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace icecore::state {

// Mergeable and invertible. Values are never NaN.
class QuantileBuckets {
 public:
  void Add(double value, bool remove);
  void Merge(const QuantileBuckets& other);
  void Subtract(const QuantileBuckets& other);
  void Reset();

  int64_t count() const { return count_; }
  // The value of rank RankOf(q, n): the middle of its bucket. Not of an empty state.
  double Quantile(double q) const;

  // ceil(q * n), at least 1. q * n within 1e-9 of a whole number is that number, as q was written
  // in decimals.
  static int64_t RankOf(double q, int64_t count);

  void Serialize(std::string* out) const;
  bool Parse(std::string_view* in);

  // Signed, increasing with the value; 0 holds both zeros.
  static int32_t BucketOf(double value);
  static double MiddleOf(int32_t bucket);

 private:
  void AddCount(int32_t bucket, int64_t count);

  std::map<int32_t, int64_t> buckets_;
  int64_t count_ = 0;
};

}  // namespace icecore::state
