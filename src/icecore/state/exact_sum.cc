#include "icecore/state/exact_sum.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "icecore/state/wire.h"

namespace icecore::state {

namespace {

using Wide = unsigned __int128;

// Sums of squares of doubles need 2^-2148 .. 2^(2048 + 64): bounds for what bytes may claim.
constexpr int64_t kMinLow = -64;
constexpr int64_t kMaxHigh = 64;

}  // namespace

Limbs::Limbs(const Limbs& other) { *this = other; }

Limbs& Limbs::operator=(const Limbs& other) {
  if (this == &other) return *this;
  size_ = 0;
  Reserve(other.size_);
  std::copy_n(other.data(), other.size_, data());
  size_ = other.size_;
  return *this;
}

Limbs::Limbs(Limbs&& other) noexcept { *this = std::move(other); }

Limbs& Limbs::operator=(Limbs&& other) noexcept {
  if (this == &other) return *this;
  delete[] heap_;
  std::copy_n(other.inline_, kInline, inline_);
  heap_ = std::exchange(other.heap_, nullptr);
  capacity_ = std::exchange(other.capacity_, kInline);
  size_ = std::exchange(other.size_, 0);
  return *this;
}

void Limbs::Reserve(int32_t capacity) {
  if (capacity <= capacity_) return;
  capacity = std::max(capacity, capacity_ * 2);
  auto* grown = new uint64_t[static_cast<size_t>(capacity)];
  std::copy_n(data(), size_, grown);
  delete[] heap_;
  heap_ = grown;
  capacity_ = capacity;
}

void Limbs::PushBack(uint64_t limb) {
  Reserve(size_ + 1);
  data()[size_++] = limb;
}

void Limbs::PushFront(int32_t count) {
  Reserve(size_ + count);
  uint64_t* at = data();
  std::copy_backward(at, at + size_, at + size_ + count);
  std::fill_n(at, count, 0);
  size_ += count;
}

void Limbs::PopFront(int32_t count) {
  uint64_t* at = data();
  std::copy(at + count, at + size_, at);
  size_ -= count;
}

void FixedPoint::Clear() {
  limbs_.Clear();
  low_ = 0;
}

bool FixedPoint::IsZero() const {
  const uint64_t* at = limbs_.data();
  return std::all_of(at, at + limbs_.size(), [](uint64_t limb) { return limb == 0; });
}

bool FixedPoint::IsNegative() const {
  return limbs_.size() > 0 && (limbs_[limbs_.size() - 1] >> 63) != 0;
}

void FixedPoint::Cover(int32_t low, int32_t high) {
  if (limbs_.size() == 0) low_ = low;
  if (low < low_) {
    limbs_.PushFront(low_ - low);
    low_ = low;
  }
  const uint64_t extension = IsNegative() ? ~uint64_t{0} : 0;
  while (low_ + limbs_.size() < high) limbs_.PushBack(extension);
}

void FixedPoint::AddAt(int32_t at, const uint64_t* limbs, int32_t count, uint64_t extension,
                       uint64_t flip) {
  Cover(at, at + count);
  uint64_t* own = limbs_.data();
  const int32_t size = limbs_.size();
  const int32_t from = at - low_;
  const uint64_t beyond = extension ^ flip;
  uint64_t carry = flip & 1;  // two's complement: -x is ~x + 1
  const bool own_negative = (own[size - 1] >> 63) != 0;
  const uint64_t top_added = size - from == count ? limbs[count - 1] ^ flip : beyond;
  for (int32_t i = from; i < size; ++i) {
    const int32_t k = i - from;
    const uint64_t added = k < count ? limbs[k] ^ flip : beyond;
    if (k >= count && added + carry == 0) break;  // 0 + 0, or all ones + 1: nothing changes above
    const Wide sum = Wide{own[i]} + added + carry;
    own[i] = static_cast<uint64_t>(sum);
    carry = static_cast<uint64_t>(sum >> 64);
  }
  const bool added_negative = (top_added >> 63) != 0;
  if (own_negative == added_negative && (own[size - 1] >> 63 != 0) != own_negative) {
    limbs_.PushBack(own_negative ? ~uint64_t{0} : 0);
  }
}

bool FixedPoint::AddWithin(int32_t at, const uint64_t* words, int32_t count, bool negative) {
  const int32_t from = at - low_;
  const int32_t size = limbs_.size();
  if (from < 0 || from + count > size) return false;
  uint64_t* own = limbs_.data();
  const bool was_negative = (own[size - 1] >> 63) != 0;
  const uint64_t flip = negative ? ~uint64_t{0} : 0;
  uint64_t carry = flip & 1;
  for (int32_t k = 0; k < count; ++k) {
    const Wide sum = Wide{own[from + k]} + (words[k] ^ flip) + carry;
    own[from + k] = static_cast<uint64_t>(sum);
    carry = static_cast<uint64_t>(sum >> 64);
  }
  // Above, 0 or all ones is added: with the carry mostly nothing changes.
  for (int32_t k = from + count; k < size && flip + carry != 0; ++k) {
    const Wide sum = Wide{own[k]} + flip + carry;
    own[k] = static_cast<uint64_t>(sum);
    carry = static_cast<uint64_t>(sum >> 64);
  }
  if (was_negative == negative && (own[size - 1] >> 63 != 0) != was_negative) {
    limbs_.PushBack(was_negative ? ~uint64_t{0} : 0);
  }
  return true;
}

void FixedPoint::AddScaled(std::span<const uint64_t> magnitude, int exponent, bool negative) {
  // Most values land on limbs that are there already.
  if (magnitude.size() <= 2) {
    const int bits = exponent & 63;
    uint64_t words[3] = {};
    for (size_t i = 0; i < magnitude.size(); ++i) {
      words[i] |= magnitude[i] << bits;
      if (bits != 0) words[i + 1] = magnitude[i] >> (64 - bits);
    }
    int32_t used = 3;
    while (used > 1 && words[used - 1] == 0 && (words[used - 2] >> 63) == 0) --used;
    if ((words[used - 1] >> 63) == 0 && AddWithin(exponent >> 6, words, used, negative)) return;
  }
  // Floor division, also below zero.
  const int32_t at = exponent >> 6;
  const int shift = exponent & 63;
  uint64_t shifted[6] = {};
  int32_t count = 0;
  for (size_t i = 0; i < magnitude.size(); ++i) {
    shifted[i] |= magnitude[i] << shift;
    if (shift != 0) shifted[i + 1] = magnitude[i] >> (64 - shift);
  }
  for (int32_t i = 0; i < 6; ++i) {
    if (shifted[i] != 0) count = i + 1;
  }
  if (count == 0) return;
  // A magnitude must not look negative.
  if ((shifted[count - 1] >> 63) != 0) ++count;
  AddAt(at, shifted, count, 0, negative ? ~uint64_t{0} : 0);
}

void FixedPoint::Combine(const FixedPoint& other, bool subtract) {
  if (other.limbs_.size() == 0) return;
  if (&other == this) {
    // NOLINTNEXTLINE(performance-unnecessary-copy-initialization): `other` changes with *this
    const FixedPoint copy = other;
    Combine(copy, subtract);
    return;
  }
  const uint64_t extension = other.IsNegative() ? ~uint64_t{0} : 0;
  // Negating the least number of a limb count overflows it: one limb of sign more.
  const int32_t count = other.limbs_.size();
  const uint64_t flip = subtract ? ~uint64_t{0} : 0;
  if (subtract && other.limbs_[count - 1] == uint64_t{1} << 63) {
    Limbs longer = other.limbs_;
    longer.PushBack(extension);
    AddAt(other.low_, longer.data(), count + 1, extension, flip);
    return;
  }
  AddAt(other.low_, other.limbs_.data(), count, extension, flip);
}

void FixedPoint::Trim() {
  while (limbs_.size() > 0) {
    const uint64_t top = limbs_[limbs_.size() - 1];
    if (limbs_.size() == 1) {
      if (top == 0) limbs_.PopBack();
      break;
    }
    const uint64_t extension = (limbs_[limbs_.size() - 2] >> 63) != 0 ? ~uint64_t{0} : 0;
    if (top != extension) break;
    limbs_.PopBack();
  }
  int32_t zeros = 0;
  while (zeros < limbs_.size() && limbs_[zeros] == 0) ++zeros;
  if (zeros > 0) limbs_.PopFront(zeros);
  low_ = limbs_.size() == 0 ? 0 : low_ + zeros;
}

std::vector<uint64_t> FixedPoint::Magnitude(int32_t* low) const {
  std::vector<uint64_t> magnitude(limbs_.data(), limbs_.data() + limbs_.size());
  *low = low_;
  if (IsNegative()) {
    uint64_t carry = 1;
    for (uint64_t& limb : magnitude) {
      limb = ~limb + carry;
      carry = carry != 0 && limb == 0 ? 1 : 0;
    }
  }
  big::Trim(&magnitude);
  return magnitude;
}

void FixedPoint::Serialize(std::string* out) const {
  FixedPoint trimmed = *this;
  trimmed.Trim();
  wire::PutVarint(static_cast<uint64_t>(trimmed.limbs_.size()), out);
  if (trimmed.limbs_.size() == 0) return;
  wire::PutSigned(trimmed.low_, out);
  for (int32_t i = 0; i < trimmed.limbs_.size(); ++i) wire::PutFixed64(trimmed.limbs_[i], out);
}

bool FixedPoint::Parse(std::string_view* in) {
  Clear();
  uint64_t count = 0;
  if (!wire::GetVarint(in, &count) || count > static_cast<uint64_t>(kMaxHigh - kMinLow)) {
    return false;
  }
  if (count == 0) return true;
  int64_t low = 0;
  if (!wire::GetSigned(in, &low) || low < kMinLow || low + static_cast<int64_t>(count) > kMaxHigh) {
    return false;
  }
  low_ = static_cast<int32_t>(low);
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t limb = 0;
    if (!wire::GetFixed64(in, &limb)) return false;
    limbs_.PushBack(limb);
  }
  const int32_t before = limbs_.size();
  Trim();
  return limbs_.size() == before;
}

namespace big {

void Trim(Number* number) {
  while (!number->empty() && number->back() == 0) number->pop_back();
}

Number Multiply(const Number& a, const Number& b) {
  Number product(a.size() + b.size(), 0);
  for (size_t i = 0; i < a.size(); ++i) {
    uint64_t carry = 0;
    for (size_t j = 0; j < b.size(); ++j) {
      const Wide sum = Wide{a[i]} * b[j] + product[i + j] + carry;
      product[i + j] = static_cast<uint64_t>(sum);
      carry = static_cast<uint64_t>(sum >> 64);
    }
    product[i + b.size()] = carry;
  }
  Trim(&product);
  return product;
}

Number MultiplySmall(Number a, uint64_t factor) {
  uint64_t carry = 0;
  for (uint64_t& limb : a) {
    const Wide product = Wide{limb} * factor + carry;
    limb = static_cast<uint64_t>(product);
    carry = static_cast<uint64_t>(product >> 64);
  }
  if (carry != 0) a.push_back(carry);
  Trim(&a);
  return a;
}

Number ShiftLeft(const Number& a, int64_t bits) {
  Number shifted(static_cast<size_t>(bits / 64), 0);
  const int rest = static_cast<int>(bits % 64);
  uint64_t carry = 0;
  for (const uint64_t limb : a) {
    shifted.push_back((limb << rest) | carry);
    carry = rest == 0 ? 0 : limb >> (64 - rest);
  }
  if (carry != 0) shifted.push_back(carry);
  Trim(&shifted);
  return shifted;
}

Number Difference(const Number& a, const Number& b, bool* negative) {
  auto less = [](const Number& x, const Number& y) {
    if (x.size() != y.size()) return x.size() < y.size();
    return std::lexicographical_compare(x.rbegin(), x.rend(), y.rbegin(), y.rend());
  };
  *negative = less(a, b);
  Number result = *negative ? b : a;
  const Number& other = *negative ? a : b;
  uint64_t borrow = 0;
  for (size_t i = 0; i < result.size(); ++i) {
    const uint64_t taken = i < other.size() ? other[i] : 0;
    const Wide difference = Wide{result[i]} - taken - borrow;
    result[i] = static_cast<uint64_t>(difference);
    borrow = (difference >> 64) != 0 ? 1 : 0;
  }
  Trim(&result);
  return result;
}

uint64_t DivideSmall(Number* a, uint64_t divisor) {
  uint64_t remainder = 0;
  for (size_t i = a->size(); i-- > 0;) {
    const Wide dividend = (Wide{remainder} << 64) | (*a)[i];
    (*a)[i] = static_cast<uint64_t>(dividend / divisor);
    remainder = static_cast<uint64_t>(dividend % divisor);
  }
  Trim(a);
  return remainder;
}

int64_t BitLength(const Number& a) {
  if (a.empty()) return 0;
  return static_cast<int64_t>(a.size()) * 64 - std::countl_zero(a.back());
}

namespace {

bool TestBit(const Number& a, int64_t bit) {
  return bit >= 0 && bit < static_cast<int64_t>(a.size()) * 64 &&
         ((a[static_cast<size_t>(bit / 64)] >> (bit % 64)) & 1) != 0;
}

bool AnyBelow(const Number& a, int64_t bit) {
  for (int64_t i = 0; i < static_cast<int64_t>(a.size()) && i * 64 < bit; ++i) {
    uint64_t limb = a[static_cast<size_t>(i)];
    if (bit - i * 64 < 64) limb &= (uint64_t{1} << (bit - i * 64)) - 1;
    if (limb != 0) return true;
  }
  return false;
}

// The 64 bits from `bit` upwards; `bit` may lie below zero.
uint64_t BitsFrom(const Number& a, int64_t bit) {
  if (bit < 0) return a.empty() || bit <= -64 ? 0 : a[0] << -bit;
  const auto index = static_cast<size_t>(bit / 64);
  const int shift = static_cast<int>(bit % 64);
  uint64_t value = index < a.size() ? a[index] >> shift : 0;
  if (shift != 0 && index + 1 < a.size()) value |= a[index + 1] << (64 - shift);
  return value;
}

// bits * 2^unit and what lies below its last bit, rounded to nearest even; bits < 2^53, unit >=
// -1074.
double FromBits(uint64_t bits, bool half, bool below, int64_t unit, bool negative) {
  if (half && (below || (bits & 1) != 0)) ++bits;
  if (bits == 0) return negative ? -0.0 : 0.0;
  const int64_t top = unit + 64 - std::countl_zero(bits);
  double value = std::numeric_limits<double>::infinity();
  if (top <= 1024) {
    // 2^unit has an exact double from -1074 to 1023; bits < 2^54 is exact.
    const uint64_t power =
        unit < -1022 ? uint64_t{1} << (unit + 1074) : static_cast<uint64_t>(unit + 1023) << 52;
    value = static_cast<double>(bits) * std::bit_cast<double>(power);
  }
  return negative ? -value : value;
}

}  // namespace

double Round(const Number& magnitude, int64_t exponent, bool sticky, bool negative) {
  const int64_t length = BitLength(magnitude);
  if (length == 0) return 0.0;
  // The last bit kept: 53 bits of precision, but none below 2^-1074.
  const int64_t last = std::max<int64_t>(length - 53, -1074 - exponent);
  uint64_t bits = length > last ? BitsFrom(magnitude, last) : 0;
  const bool half = TestBit(magnitude, last - 1);
  const bool below = sticky || AnyBelow(magnitude, last - 1);
  return FromBits(bits, half, below, last + exponent, negative);
}

double RoundWide(unsigned __int128 magnitude, int64_t exponent, bool sticky, bool negative) {
  const auto upper = static_cast<uint64_t>(magnitude >> 64);
  const int length = upper != 0 ? 128 - std::countl_zero(upper)
                                : 64 - std::countl_zero(static_cast<uint64_t>(magnitude));
  if (length == 0) return 0.0;
  const int64_t last = std::max<int64_t>(length - 53, -1074 - exponent);
  if (last > length) return negative ? -0.0 : 0.0;  // below half of the least double
  if (last <= 0) {
    return FromBits(static_cast<uint64_t>(magnitude) << -last, false, sticky, last + exponent,
                    negative);
  }
  const uint64_t bits = last == 128 ? 0 : static_cast<uint64_t>(magnitude >> last);
  const unsigned __int128 half = static_cast<unsigned __int128>(1) << (last - 1);
  const bool below = sticky || (magnitude & (half - 1)) != 0;
  return FromBits(bits, (magnitude & half) != 0, below, last + exponent, negative);
}

double RoundQuotient(Number magnitude, int64_t exponent, std::span<const uint64_t> divisors,
                     bool negative) {
  Trim(&magnitude);
  if (magnitude.empty()) return 0.0;
  // Room for 128 bits of quotient after every divisor has taken its 64.
  const int64_t room = 64 * static_cast<int64_t>(divisors.size()) + 128;
  Number quotient = ShiftLeft(magnitude, room);
  bool sticky = false;
  // floor(floor(a / b) / c) = floor(a / (b c)), and a remainder anywhere is a remainder of the
  // whole.
  for (const uint64_t divisor : divisors) sticky |= DivideSmall(&quotient, divisor) != 0;
  return Round(quotient, exponent - room, sticky, negative);
}

}  // namespace big

}  // namespace icecore::state
