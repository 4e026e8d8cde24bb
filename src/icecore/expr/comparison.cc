#include <algorithm>
#include <cmath>
#include <limits>

#include "icecore/expr/operators_internal.h"

namespace icecore::expr {
namespace {

constexpr int kUnordered = 2;
constexpr double kTwo63 = 9223372036854775808.0;
constexpr double kTwo64 = 18446744073709551616.0;

template <typename T>
int Order(const T& a, const T& b) {
  return a < b ? -1 : (b < a ? 1 : 0);
}

int OrderFloats(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) {
    return kUnordered;
  }
  return Order(a, b);
}

// Exact: no integer is rounded on the way. The integer fits int64 or uint64.
int OrderIntegerFloat(Int128 a, double b) {
  if (std::isnan(b)) {
    return kUnordered;
  }
  if (b >= kTwo64) {
    return -1;
  }
  if (b < -kTwo63) {
    return 1;
  }
  double whole = std::floor(b);
  int order = Order(a, static_cast<Int128>(whole));
  return order == 0 && whole < b ? -1 : order;
}

Int128 IntegerAt(const Type& type, const Values& values, int64_t i) {
  int64_t bits = values.ints[values.At(i)];
  return type.kind == Kind::kUint ? static_cast<Int128>(static_cast<uint64_t>(bits))
                                  : static_cast<Int128>(bits);
}

int OrderDecimals(Int128 a, int32_t a_scale, Int128 b, int32_t b_scale) {
  for (; a_scale < b_scale; ++a_scale) {
    if (__builtin_mul_overflow(a, 10, &a)) {
      return a > 0 ? 1 : -1;  // greater than whatever 38 digits hold
    }
  }
  for (; b_scale < a_scale; ++b_scale) {
    if (__builtin_mul_overflow(b, 10, &b)) {
      return b > 0 ? -1 : 1;
    }
  }
  return Order(a, b);
}

bool Holds(Comparison comparison, int order) {
  if (order == kUnordered) {
    return false;
  }
  switch (comparison) {
    case Comparison::kEqual:
      return order == 0;
    case Comparison::kNotEqual:
      return order != 0;
    case Comparison::kLess:
      return order < 0;
    case Comparison::kLessEqual:
      return order <= 0;
    case Comparison::kGreater:
      return order > 0;
    case Comparison::kGreaterEqual:
      return order >= 0;
  }
  return false;
}

bool IsInteger(Kind kind) { return kind == Kind::kInt || kind == Kind::kUint; }
bool IsText(Kind kind) { return kind == Kind::kString || kind == Kind::kBinary; }

template <typename T, typename Test>
void Loop(const std::vector<T>& a, bool a_constant, const std::vector<T>& b, bool b_constant,
          std::vector<int64_t>* out, Test test) {
  const size_t a_step = a_constant ? 0 : 1;
  const size_t b_step = b_constant ? 0 : 1;
  for (size_t i = 0; i < out->size(); ++i) {
    (*out)[i] = test(a[i * a_step], b[i * b_step]) ? 1 : 0;
  }
}

template <typename T>
void TypedLoop(Comparison comparison, const std::vector<T>& a, bool a_constant,
               const std::vector<T>& b, bool b_constant, std::vector<int64_t>* out) {
  switch (comparison) {
    case Comparison::kEqual:
      return Loop(a, a_constant, b, b_constant, out, [](T x, T y) { return x == y; });
    case Comparison::kNotEqual:  // `<>` of IEEE is true for NaN, ours is not
      return Loop(a, a_constant, b, b_constant, out, [](T x, T y) { return x < y || x > y; });
    case Comparison::kLess:
      return Loop(a, a_constant, b, b_constant, out, [](T x, T y) { return x < y; });
    case Comparison::kLessEqual:
      return Loop(a, a_constant, b, b_constant, out, [](T x, T y) { return x <= y; });
    case Comparison::kGreater:
      return Loop(a, a_constant, b, b_constant, out, [](T x, T y) { return x > y; });
    case Comparison::kGreaterEqual:
      return Loop(a, a_constant, b, b_constant, out, [](T x, T y) { return x >= y; });
  }
}

}  // namespace

int CompareElements(const Type& left_type, const Values& left, int64_t i, const Type& right_type,
                    const Values& right, int64_t j) {
  Kind a = left_type.kind;
  Kind b = right_type.kind;
  if (a == Kind::kFloat && b == Kind::kFloat) {
    return OrderFloats(left.floats[left.At(i)], right.floats[right.At(j)]);
  }
  if (IsText(a)) {
    return Order(left.strings[left.At(i)], right.strings[right.At(j)]);
  }
  if (a == Kind::kUint || b == Kind::kUint || (IsInteger(a) && IsInteger(b))) {
    if (IsInteger(a) && IsInteger(b)) {
      return Order(IntegerAt(left_type, left, i), IntegerAt(right_type, right, j));
    }
  }
  if (IsInteger(a) && b == Kind::kFloat) {
    return OrderIntegerFloat(IntegerAt(left_type, left, i), right.floats[right.At(j)]);
  }
  if (a == Kind::kFloat && IsInteger(b)) {
    int order = OrderIntegerFloat(IntegerAt(right_type, right, j), left.floats[left.At(i)]);
    return order == kUnordered ? kUnordered : -order;
  }
  if (a == Kind::kDecimal || b == Kind::kDecimal) {
    if (a == Kind::kFloat) {
      return OrderFloats(left.floats[left.At(i)],
                         DecimalToDouble(right.decimals[right.At(j)], right_type.scale));
    }
    if (b == Kind::kFloat) {
      return OrderFloats(DecimalToDouble(left.decimals[left.At(i)], left_type.scale),
                         right.floats[right.At(j)]);
    }
    Int128 x = IsInteger(a) ? IntegerAt(left_type, left, i) : left.decimals[left.At(i)];
    Int128 y = IsInteger(b) ? IntegerAt(right_type, right, j) : right.decimals[right.At(j)];
    return OrderDecimals(x, left_type.scale, y, right_type.scale);
  }
  return Order(left.ints[left.At(i)], right.ints[right.At(j)]);
}

ValuesPtr CompareValues(Comparison comparison, const Type& left_type, const Values& left,
                        const Type& right_type, const Values& right, int64_t n) {
  bool constant = left.constant && right.constant;
  std::shared_ptr<Values> out = MakeValues(Kind::kBool, constant ? 1 : n);
  out->constant = constant;
  IntersectValidity(left, right, out.get());
  Kind a = left_type.kind;
  Kind b = right_type.kind;
  if (a == Kind::kFloat && b == Kind::kFloat) {
    TypedLoop(comparison, left.floats, left.constant, right.floats, right.constant, &out->ints);
  } else if (a == b && a != Kind::kUint && a != Kind::kDecimal && !IsText(a)) {
    TypedLoop(comparison, left.ints, left.constant, right.ints, right.constant, &out->ints);
  } else {
    for (int64_t i = 0; i < out->size; ++i) {
      int order = CompareElements(left_type, left, i, right_type, right, i);
      out->ints[static_cast<size_t>(i)] = Holds(comparison, order) ? 1 : 0;
    }
  }
  return out;
}

bool Comparable(const Type& left, const Type& right, bool ordered) {
  if (IsNumeric(left.kind) && IsNumeric(right.kind)) {
    return true;
  }
  if (left.kind != right.kind) {
    return false;
  }
  switch (left.kind) {
    case Kind::kBool:
      return !ordered;
    case Kind::kNull:
    case Kind::kList:
    case Kind::kOther:
      return false;
    default:
      return true;
  }
}

}  // namespace icecore::expr
