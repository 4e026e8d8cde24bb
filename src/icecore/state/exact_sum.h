#pragma once
// Exact sums: a sparse fixed-point accumulator wide enough for any sum of doubles and of their
// squares, of 64-bit integers and of decimals. Nothing is rounded before the result, so sums can be
// merged and subtracted in any order and grouping with the same bits; a result is rounded once, to
// nearest even. After Neal, "Fast exact summation using small and large superaccumulators" (2015);
// here with only the limbs in use. Bytes: docs/formats/state.md.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace icecore::state {

// Limbs with room for a few in place: most sums need two to four.
class Limbs {
 public:
  Limbs() = default;
  Limbs(const Limbs& other);
  Limbs& operator=(const Limbs& other);
  Limbs(Limbs&& other) noexcept;
  Limbs& operator=(Limbs&& other) noexcept;
  ~Limbs() { delete[] heap_; }

  int32_t size() const { return size_; }
  uint64_t* data() { return heap_ != nullptr ? heap_ : inline_; }
  const uint64_t* data() const { return heap_ != nullptr ? heap_ : inline_; }
  uint64_t& operator[](int32_t i) { return data()[i]; }
  uint64_t operator[](int32_t i) const { return data()[i]; }
  void Clear() { size_ = 0; }
  void PushBack(uint64_t limb);
  // `count` zero limbs before the first.
  void PushFront(int32_t count);
  // `count` limbs off the front.
  void PopFront(int32_t count);
  void PopBack() { --size_; }

 private:
  static constexpr int32_t kInline = 4;
  void Reserve(int32_t capacity);

  uint64_t inline_[kInline] = {};
  uint64_t* heap_ = nullptr;
  int32_t capacity_ = kInline;
  int32_t size_ = 0;
};

// A number sum(limb[i] * 2^(64 * (low + i))) in two's complement over its limbs; no limbs is zero.
class FixedPoint {
 public:
  // magnitude (least limb first) * 2^exponent, subtracted when negative. The exponent lies within
  // +-4096, the magnitude has at most four limbs.
  void AddScaled(std::span<const uint64_t> magnitude, int exponent, bool negative);
  void Add(const FixedPoint& other) { Combine(other, false); }
  void Subtract(const FixedPoint& other) { Combine(other, true); }
  void Clear();

  bool IsZero() const;
  bool IsNegative() const;
  // |number| = magnitude * 2^(64 * low).
  std::vector<uint64_t> Magnitude(int32_t* low) const;

  // Equal numbers have equal bytes, whatever way they came about.
  void Serialize(std::string* out) const;
  bool Parse(std::string_view* in);

 private:
  void Combine(const FixedPoint& other, bool subtract);
  void Cover(int32_t low, int32_t high);
  // Adds or subtracts limbs at position `at`, the first bit of the last not set, where they are all
  // in use; false, with nothing done, elsewhere.
  bool AddWithin(int32_t at, const uint64_t* words, int32_t count, bool negative);
  // Adds limbs at position `at`, continued by `extension` upwards, plus a carry.
  void AddAt(int32_t at, const uint64_t* limbs, int32_t count, uint64_t extension, uint64_t flip);
  void Trim();

  Limbs limbs_;
  int32_t low_ = 0;
};

// Unsigned integers of any length, least limb first, as the results of sums need them.
namespace big {

using Number = std::vector<uint64_t>;

void Trim(Number* number);
Number Multiply(const Number& a, const Number& b);
Number MultiplySmall(Number a, uint64_t factor);
Number ShiftLeft(const Number& a, int64_t bits);
// a - b in sign and magnitude.
Number Difference(const Number& a, const Number& b, bool* negative);
// a := floor(a / divisor); the remainder.
uint64_t DivideSmall(Number* a, uint64_t divisor);
int64_t BitLength(const Number& a);

// magnitude * 2^exponent, plus something less than one unit of its last bit when `sticky`, rounded
// to nearest even; overflow is infinite. Zero is +0.0.
double Round(const Number& magnitude, int64_t exponent, bool sticky, bool negative);

// The same of 128 bits, without memory.
double RoundWide(unsigned __int128 magnitude, int64_t exponent, bool sticky, bool negative);

// magnitude * 2^exponent / (product of the divisors), rounded once.
double RoundQuotient(Number magnitude, int64_t exponent, std::span<const uint64_t> divisors,
                     bool negative);

}  // namespace big

}  // namespace icecore::state
