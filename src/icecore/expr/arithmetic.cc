#include <cmath>
#include <utility>

#include "icecore/expr/operators_internal.h"

namespace icecore::expr {
namespace {

using arrow::Result;
using arrow::Status;

// 10^38 - 1, the most that a decimal holds.
Int128 GreatestDecimal() {
  Int128 value = 1;
  for (int i = 0; i < 38; ++i) {
    value *= 10;
  }
  return value - 1;
}

bool InDecimal(Int128 value) {
  static const Int128 kGreatest = GreatestDecimal();
  return value <= kGreatest && value >= -kGreatest;
}

// One result of two int64. False: overflow. *null: no result.
bool Integers(char op, int64_t a, int64_t b, int64_t* out, bool* null) {
  switch (op) {
    case '+':
      return !__builtin_add_overflow(a, b, out);
    case '-':
      return !__builtin_sub_overflow(a, b, out);
    case '*':
      return !__builtin_mul_overflow(a, b, out);
    default:
      *null = b == 0;
      *out = b == 0 || b == -1 ? 0 : a % b;  // the least int64 % -1 traps
      return true;
  }
}

double Floats(char op, double a, double b, bool* null) {
  switch (op) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      *null = b == 0;
      return b == 0 ? 0 : a / b;
    default:
      *null = b == 0;
      return b == 0 ? 0 : std::fmod(a, b);
  }
}

bool Decimals(char op, Int128 a, Int128 b, Int128* out, bool* null) {
  bool overflow = false;
  switch (op) {
    case '+':
      overflow = __builtin_add_overflow(a, b, out);
      break;
    case '-':
      overflow = __builtin_sub_overflow(a, b, out);
      break;
    case '*':
      overflow = __builtin_mul_overflow(a, b, out);
      break;
    default:
      *null = b == 0;
      *out = b == 0 ? 0 : a % b;
      break;
  }
  return !overflow && InDecimal(*out);
}

bool Upscale(Int128* value, int32_t digits) {
  for (; digits > 0; --digits) {
    if (__builtin_mul_overflow(*value, 10, value)) {
      return false;
    }
  }
  return true;
}

class Arithmetic final : public Operator {
 public:
  Arithmetic(Type type, Place place, char op, OperatorPtr left, OperatorPtr right)
      : Operator(std::move(type), place),
        op_(op),
        left_(std::move(left)),
        right_(std::move(right)) {}

  Result<ValuesPtr> Run(const Frame& frame, const Selection* rows) const override {
    ARROW_ASSIGN_OR_RAISE(ValuesPtr left, left_->Run(frame, rows));
    ARROW_ASSIGN_OR_RAISE(ValuesPtr right, right_->Run(frame, rows));
    bool constant = left->constant && right->constant;
    std::shared_ptr<Values> out = MakeValues(type().kind, constant ? 1 : RowsOf(frame, rows));
    out->constant = constant;
    IntersectValidity(*left, *right, out.get());
    switch (type().kind) {
      case Kind::kInt:
        ARROW_RETURN_NOT_OK(RunIntegers(*left, *right, out.get()));
        break;
      case Kind::kFloat:
        RunFloats(*left, *right, out.get());
        break;
      default:
        ARROW_RETURN_NOT_OK(RunDecimals(*left, *right, out.get()));
        break;
    }
    return out;
  }

 private:
  Status RunIntegers(const Values& left, const Values& right, Values* out) const {
    for (int64_t i = 0; i < out->size; ++i) {
      if (!out->IsValid(i)) {
        continue;
      }
      bool null = false;
      int64_t a = left.ints[left.At(i)];
      int64_t b = right.ints[right.At(i)];
      if (!Integers(op_, a, b, &out->ints[static_cast<size_t>(i)], &null)) {
        return place().Error("int64 overflow at " + std::to_string(a) + " " + op_ + " " +
                             std::to_string(b));
      }
      if (null) {
        SetNull(out, i);
      }
    }
    return Status::OK();
  }

  void RunFloats(const Values& left, const Values& right, Values* out) const {
    const size_t a_step = left.constant ? 0 : 1;
    const size_t b_step = right.constant ? 0 : 1;
    for (size_t i = 0; i < out->floats.size(); ++i) {
      bool null = false;
      out->floats[i] = Floats(op_, left.floats[i * a_step], right.floats[i * b_step], &null);
      if (null) {
        SetNull(out, static_cast<int64_t>(i));
      }
    }
  }

  Status RunDecimals(const Values& left, const Values& right, Values* out) const {
    int32_t a_up = op_ == '*' ? 0 : type().scale - left_->type().scale;
    int32_t b_up = op_ == '*' ? 0 : type().scale - right_->type().scale;
    for (int64_t i = 0; i < out->size; ++i) {
      if (!out->IsValid(i)) {
        continue;
      }
      bool null = false;
      Int128 a = left.decimals[left.At(i)];
      Int128 b = right.decimals[right.At(i)];
      if (!Upscale(&a, a_up) || !Upscale(&b, b_up) ||
          !Decimals(op_, a, b, &out->decimals[static_cast<size_t>(i)], &null)) {
        return place().Error("overflow: more than 38 digits");
      }
      if (null) {
        SetNull(out, i);
      }
    }
    return Status::OK();
  }

  char op_;
  OperatorPtr left_;
  OperatorPtr right_;
};

class Negate final : public Operator {
 public:
  Negate(Place place, OperatorPtr child)
      : Operator(child->type(), place), child_(std::move(child)) {}

  Result<ValuesPtr> Run(const Frame& frame, const Selection* rows) const override {
    ARROW_ASSIGN_OR_RAISE(ValuesPtr values, child_->Run(frame, rows));
    auto out = std::make_shared<Values>(*values);
    for (size_t i = 0; i < out->ints.size(); ++i) {
      if (__builtin_sub_overflow(int64_t{0}, out->ints[i], &out->ints[i]) &&
          values->IsValid(static_cast<int64_t>(i))) {
        return place().Error("int64 overflow at - " + std::to_string(values->ints[i]));
      }
    }
    for (double& value : out->floats) {
      value = -value;
    }
    for (Int128& value : out->decimals) {
      value = -value;
    }
    return out;
  }

 private:
  OperatorPtr child_;
};

}  // namespace

OperatorPtr MakeArithmetic(Type type, Place place, char op, OperatorPtr left, OperatorPtr right) {
  return std::make_unique<Arithmetic>(std::move(type), place, op, std::move(left),
                                      std::move(right));
}

OperatorPtr MakeNegate(Place place, OperatorPtr child) {
  return std::make_unique<Negate>(place, std::move(child));
}

}  // namespace icecore::expr
