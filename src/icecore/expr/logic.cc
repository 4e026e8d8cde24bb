#include <algorithm>
#include <unordered_set>
#include <utility>

#include "icecore/expr/operators_internal.h"

namespace icecore::expr {
namespace {

using arrow::Result;

// The frame's rows behind local positions of a selection.
Selection Narrow(const Selection* rows, const Selection& local) {
  if (rows == nullptr) {
    return local;
  }
  Selection out(local.size());
  for (size_t i = 0; i < local.size(); ++i) {
    out[i] = (*rows)[static_cast<size_t>(local[i])];
  }
  return out;
}

Selection AllOf(int64_t n) {
  Selection out(static_cast<size_t>(n));
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<int64_t>(i);
  }
  return out;
}

bool IsTrue(const Values& values, int64_t i) {
  return values.IsValid(i) && values.ints[values.At(i)] != 0;
}
bool IsFalse(const Values& values, int64_t i) {
  return values.IsValid(i) && values.ints[values.At(i)] == 0;
}

// Writes values (one per local position) into out and keeps what they point to.
void Scatter(Kind kind, const Values& values, const Selection& local, Values* out) {
  for (size_t i = 0; i < local.size(); ++i) {
    CopyElement(kind, values, static_cast<int64_t>(i), out, local[i]);
  }
  out->owners.insert(out->owners.end(), values.owners.begin(), values.owners.end());
}

class Column final : public Operator {
 public:
  Column(Type type, Place place, size_t index) : Operator(std::move(type), place), index_(index) {}
  Result<ValuesPtr> Run(const Frame& frame, const Selection* rows) const override {
    const ValuesPtr& all = frame.columns[index_];
    return rows == nullptr ? all : Gather(all, *rows);
  }

 private:
  size_t index_;
};

class Constant final : public Operator {
 public:
  Constant(Type type, Place place, ValuesPtr value)
      : Operator(std::move(type), place), value_(std::move(value)) {}
  Result<ValuesPtr> Run(const Frame&, const Selection*) const override { return value_; }
  bool IsConstant() const override { return true; }

 private:
  ValuesPtr value_;
};

class Compare final : public Operator {
 public:
  Compare(Place place, Comparison comparison, OperatorPtr left, OperatorPtr right)
      : Operator(MakeType(Kind::kBool), place),
        comparison_(comparison),
        left_(std::move(left)),
        right_(std::move(right)) {}
  Result<ValuesPtr> Run(const Frame& frame, const Selection* rows) const override {
    ARROW_ASSIGN_OR_RAISE(ValuesPtr left, left_->Run(frame, rows));
    ARROW_ASSIGN_OR_RAISE(ValuesPtr right, right_->Run(frame, rows));
    return CompareValues(comparison_, left_->type(), *left, right_->type(), *right,
                         RowsOf(frame, rows));
  }

 private:
  Comparison comparison_;
  OperatorPtr left_;
  OperatorPtr right_;
};

// The right side is evaluated only where the left one does not decide.
class AndOr final : public Operator {
 public:
  AndOr(Place place, bool is_and, OperatorPtr left, OperatorPtr right)
      : Operator(MakeType(Kind::kBool), place),
        is_and_(is_and),
        left_(std::move(left)),
        right_(std::move(right)) {}

  Result<ValuesPtr> Run(const Frame& frame, const Selection* rows) const override {
    ARROW_ASSIGN_OR_RAISE(ValuesPtr left, left_->Run(frame, rows));
    int64_t n = RowsOf(frame, rows);
    if (left->constant && (n == 0 || Decides(*left, 0))) {
      return left;
    }
    Selection open;
    open.reserve(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) {
      if (!Decides(*left, i)) {
        open.push_back(i);
      }
    }
    if (open.empty()) {
      return left;
    }
    std::shared_ptr<Values> out = MakeValues(Kind::kBool, n);
    ValuesPtr right;
    if (static_cast<int64_t>(open.size()) == n) {
      ARROW_ASSIGN_OR_RAISE(right, right_->Run(frame, rows));
    } else {
      Selection narrowed = Narrow(rows, open);
      ARROW_ASSIGN_OR_RAISE(right, right_->Run(frame, &narrowed));
      std::fill(out->ints.begin(), out->ints.end(), is_and_ ? 0 : 1);
    }
    for (size_t k = 0; k < open.size(); ++k) {
      Combine(*left, open[k], *right, static_cast<int64_t>(k), out.get());
    }
    return out;
  }

 private:
  bool Decides(const Values& values, int64_t i) const {
    return is_and_ ? IsFalse(values, i) : IsTrue(values, i);
  }
  void Combine(const Values& left, int64_t i, const Values& right, int64_t k, Values* out) const {
    out->ints[static_cast<size_t>(i)] = is_and_ ? 1 : 0;
    if (Decides(right, k)) {
      out->ints[static_cast<size_t>(i)] = is_and_ ? 0 : 1;
    } else if (!left.IsValid(i) || !right.IsValid(k)) {
      out->ints[static_cast<size_t>(i)] = 0;
      SetNull(out, i);
    }
  }

  bool is_and_;
  OperatorPtr left_;
  OperatorPtr right_;
};

class Not final : public Operator {
 public:
  Not(Place place, OperatorPtr child)
      : Operator(MakeType(Kind::kBool), place), child_(std::move(child)) {}
  Result<ValuesPtr> Run(const Frame& frame, const Selection* rows) const override {
    ARROW_ASSIGN_OR_RAISE(ValuesPtr values, child_->Run(frame, rows));
    auto out = std::make_shared<Values>(*values);
    for (int64_t& value : out->ints) {
      value = value == 0 ? 1 : 0;
    }
    return out;
  }

 private:
  OperatorPtr child_;
};

class IsNull final : public Operator {
 public:
  IsNull(Place place, OperatorPtr child, bool negated)
      : Operator(MakeType(Kind::kBool), place), child_(std::move(child)), negated_(negated) {}
  Result<ValuesPtr> Run(const Frame& frame, const Selection* rows) const override {
    ARROW_ASSIGN_OR_RAISE(ValuesPtr values, child_->Run(frame, rows));
    std::shared_ptr<Values> out = MakeValues(Kind::kBool, values->size);
    out->constant = values->constant;
    for (int64_t i = 0; i < values->size; ++i) {
      out->ints[static_cast<size_t>(i)] = values->IsValid(i) == negated_ ? 1 : 0;
    }
    return out;
  }

 private:
  OperatorPtr child_;
  bool negated_;
};

// True where one item is equal; null where none is and the value or an item is null.
class In final : public Operator {
 public:
  In(Place place, OperatorPtr value, std::vector<OperatorPtr> items)
      : Operator(MakeType(Kind::kBool), place), value_(std::move(value)) {
    for (OperatorPtr& item : items) {
      if (!AddToSet(*item)) {
        others_.push_back(std::move(item));
      }
    }
  }

  Result<ValuesPtr> Run(const Frame& frame, const Selection* rows) const override {
    ARROW_ASSIGN_OR_RAISE(ValuesPtr value, value_->Run(frame, rows));
    int64_t n = RowsOf(frame, rows);
    std::shared_ptr<Values> out = MakeValues(Kind::kBool, n);
    bool text = value_->type().kind == Kind::kString;
    for (int64_t i = 0; i < n && !(ints_.empty() && strings_.empty()); ++i) {
      size_t at = value->At(i);
      bool found = text ? strings_.contains(value->strings[at]) : ints_.contains(value->ints[at]);
      out->ints[static_cast<size_t>(i)] = found && value->IsValid(i) ? 1 : 0;
    }
    std::vector<uint8_t> unknown(static_cast<size_t>(n), 0);
    for (const OperatorPtr& other : others_) {
      ARROW_ASSIGN_OR_RAISE(ValuesPtr item, other->Run(frame, rows));
      ValuesPtr equal =
          CompareValues(Comparison::kEqual, value_->type(), *value, other->type(), *item, n);
      for (int64_t i = 0; i < n; ++i) {
        if (IsTrue(*equal, i)) {
          out->ints[static_cast<size_t>(i)] = 1;
        }
        if (!equal->IsValid(i)) {
          unknown[static_cast<size_t>(i)] = 1;
        }
      }
    }
    for (int64_t i = 0; i < n; ++i) {
      auto k = static_cast<size_t>(i);
      if (!value->IsValid(i) || (out->ints[k] == 0 && unknown[k] != 0)) {
        out->ints[k] = 0;
        SetNull(out.get(), i);
      }
    }
    return out;
  }

 private:
  // Literals of the value's own kind are looked up; the rest is compared one by one.
  bool AddToSet(const Operator& item) {
    Kind kind = value_->type().kind;
    if (!item.IsConstant() || item.type().kind != kind ||
        (kind != Kind::kInt && kind != Kind::kString)) {
      return false;
    }
    Result<ValuesPtr> value = item.Run(Frame{}, nullptr);
    if (!value.ok() || !(*value)->IsValid(0)) {
      return false;
    }
    if (kind == Kind::kInt) {
      ints_.insert((*value)->ints[0]);
    } else {
      strings_.insert((*value)->strings[0]);
      kept_.push_back(*value);
    }
    return true;
  }

  OperatorPtr value_;
  std::unordered_set<int64_t> ints_;
  std::unordered_set<std::string_view> strings_;
  std::vector<ValuesPtr> kept_;  // what strings_ points into
  std::vector<OperatorPtr> others_;
};

class Between final : public Operator {
 public:
  Between(Place place, OperatorPtr value, OperatorPtr low, OperatorPtr high)
      : Operator(MakeType(Kind::kBool), place),
        value_(std::move(value)),
        low_(std::move(low)),
        high_(std::move(high)) {}
  Result<ValuesPtr> Run(const Frame& frame, const Selection* rows) const override {
    ARROW_ASSIGN_OR_RAISE(ValuesPtr value, value_->Run(frame, rows));
    ARROW_ASSIGN_OR_RAISE(ValuesPtr low, low_->Run(frame, rows));
    ARROW_ASSIGN_OR_RAISE(ValuesPtr high, high_->Run(frame, rows));
    int64_t n = RowsOf(frame, rows);
    ValuesPtr above =
        CompareValues(Comparison::kGreaterEqual, value_->type(), *value, low_->type(), *low, n);
    ValuesPtr below =
        CompareValues(Comparison::kLessEqual, value_->type(), *value, high_->type(), *high, n);
    std::shared_ptr<Values> out = MakeValues(Kind::kBool, n);
    for (int64_t i = 0; i < n; ++i) {
      if (IsTrue(*above, i) && IsTrue(*below, i)) {
        out->ints[static_cast<size_t>(i)] = 1;
      } else if (!IsFalse(*above, i) && !IsFalse(*below, i)) {
        SetNull(out.get(), i);
      }
    }
    return out;
  }

 private:
  OperatorPtr value_;
  OperatorPtr low_;
  OperatorPtr high_;
};

class Case final : public Operator {
 public:
  Case(Type type, Place place, OperatorPtr operand, std::vector<OperatorPtr> whens,
       std::vector<OperatorPtr> thens, OperatorPtr otherwise)
      : Operator(std::move(type), place),
        operand_(std::move(operand)),
        whens_(std::move(whens)),
        thens_(std::move(thens)),
        otherwise_(std::move(otherwise)) {}

  Result<ValuesPtr> Run(const Frame& frame, const Selection* rows) const override {
    int64_t n = RowsOf(frame, rows);
    Kind kind = type().kind;
    std::shared_ptr<Values> out = MakeValues(kind, n);
    ValuesPtr operand;
    if (operand_ != nullptr) {
      ARROW_ASSIGN_OR_RAISE(operand, operand_->Run(frame, rows));
    }
    Selection open = AllOf(n);  // local positions not decided yet
    for (size_t branch = 0; branch < whens_.size() && !open.empty(); ++branch) {
      Selection narrowed = Narrow(rows, open);
      ARROW_ASSIGN_OR_RAISE(ValuesPtr chosen, whens_[branch]->Run(frame, &narrowed));
      if (operand != nullptr) {
        ValuesPtr value = Gather(operand, open);
        chosen = CompareValues(Comparison::kEqual, operand_->type(), *value, whens_[branch]->type(),
                               *chosen, static_cast<int64_t>(open.size()));
      }
      Selection taken;
      Selection rest;
      for (size_t k = 0; k < open.size(); ++k) {
        (IsTrue(*chosen, static_cast<int64_t>(k)) ? taken : rest).push_back(open[k]);
      }
      ARROW_RETURN_NOT_OK(Fill(frame, rows, *thens_[branch], taken, out.get()));
      open = std::move(rest);
    }
    if (otherwise_ != nullptr) {
      ARROW_RETURN_NOT_OK(Fill(frame, rows, *otherwise_, open, out.get()));
    } else {
      for (int64_t i : open) {
        SetNull(out.get(), i);
      }
    }
    return out;
  }

 private:
  arrow::Status Fill(const Frame& frame, const Selection* rows, const Operator& source,
                     const Selection& local, Values* out) const {
    if (local.empty()) {
      return arrow::Status::OK();
    }
    Selection narrowed = Narrow(rows, local);
    ARROW_ASSIGN_OR_RAISE(ValuesPtr values, source.Run(frame, &narrowed));
    Scatter(type().kind, *values, local, out);
    return arrow::Status::OK();
  }

  OperatorPtr operand_;
  std::vector<OperatorPtr> whens_;
  std::vector<OperatorPtr> thens_;
  OperatorPtr otherwise_;
};

class Coalesce final : public Operator {
 public:
  Coalesce(Type type, Place place, std::vector<OperatorPtr> children)
      : Operator(std::move(type), place), children_(std::move(children)) {}
  Result<ValuesPtr> Run(const Frame& frame, const Selection* rows) const override {
    std::shared_ptr<Values> out = MakeValues(type().kind, RowsOf(frame, rows));
    Selection open = AllOf(out->size);
    for (const OperatorPtr& child : children_) {
      if (open.empty()) {
        break;
      }
      Selection narrowed = Narrow(rows, open);
      ARROW_ASSIGN_OR_RAISE(ValuesPtr values, child->Run(frame, &narrowed));
      Selection rest;
      for (size_t k = 0; k < open.size(); ++k) {
        if (values->IsValid(static_cast<int64_t>(k))) {
          CopyElement(type().kind, *values, static_cast<int64_t>(k), out.get(), open[k]);
        } else {
          rest.push_back(open[k]);
        }
      }
      out->owners.insert(out->owners.end(), values->owners.begin(), values->owners.end());
      open = std::move(rest);
    }
    for (int64_t i : open) {
      SetNull(out.get(), i);
    }
    return out;
  }

 private:
  std::vector<OperatorPtr> children_;
};

class NullIf final : public Operator {
 public:
  NullIf(Type type, Place place, OperatorPtr left, OperatorPtr right)
      : Operator(std::move(type), place), left_(std::move(left)), right_(std::move(right)) {}
  Result<ValuesPtr> Run(const Frame& frame, const Selection* rows) const override {
    ARROW_ASSIGN_OR_RAISE(ValuesPtr left, left_->Run(frame, rows));
    ARROW_ASSIGN_OR_RAISE(ValuesPtr right, right_->Run(frame, rows));
    int64_t n = RowsOf(frame, rows);
    ValuesPtr equal =
        CompareValues(Comparison::kEqual, left_->type(), *left, right_->type(), *right, n);
    std::shared_ptr<Values> out = MakeValues(type().kind, n);
    out->owners = left->owners;
    for (int64_t i = 0; i < n; ++i) {
      CopyElement(type().kind, *left, i, out.get(), i);
      if (IsTrue(*equal, i)) {
        SetNull(out.get(), i);
      }
    }
    return out;
  }

 private:
  OperatorPtr left_;
  OperatorPtr right_;
};

// Nulls are passed over; NaN too, unless nothing else is there.
class Extreme final : public Operator {
 public:
  Extreme(Type type, Place place, bool greatest, std::vector<OperatorPtr> children)
      : Operator(std::move(type), place), greatest_(greatest), children_(std::move(children)) {}
  Result<ValuesPtr> Run(const Frame& frame, const Selection* rows) const override {
    std::shared_ptr<Values> out = MakeValues(type().kind, RowsOf(frame, rows));
    out->valid.assign(static_cast<size_t>(out->size), 0);
    for (const OperatorPtr& child : children_) {
      ARROW_ASSIGN_OR_RAISE(ValuesPtr values, child->Run(frame, rows));
      for (int64_t i = 0; i < out->size; ++i) {
        if (values->IsValid(i) && Replaces(*values, *out, i)) {
          CopyElement(type().kind, *values, i, out.get(), i);
          out->valid[static_cast<size_t>(i)] = 1;
        }
      }
      out->owners.insert(out->owners.end(), values->owners.begin(), values->owners.end());
    }
    return out;
  }

 private:
  bool Replaces(const Values& values, const Values& best, int64_t i) const {
    if (!best.IsValid(i)) {
      return true;
    }
    int order = CompareElements(type(), values, i, type(), best, i);
    if (order == 2) {  // one is NaN: take the new one where the best so far is it
      double held = best.floats[best.At(i)];
      return held != held;
    }
    return greatest_ ? order > 0 : order < 0;
  }

  bool greatest_;
  std::vector<OperatorPtr> children_;
};

}  // namespace

OperatorPtr MakeColumn(Type type, Place place, size_t index) {
  return std::make_unique<Column>(std::move(type), place, index);
}
OperatorPtr MakeConstant(Type type, Place place, ValuesPtr value) {
  return std::make_unique<Constant>(std::move(type), place, std::move(value));
}
OperatorPtr MakeCompare(Place place, Comparison comparison, OperatorPtr left, OperatorPtr right) {
  return std::make_unique<Compare>(place, comparison, std::move(left), std::move(right));
}
OperatorPtr MakeAndOr(Place place, bool is_and, OperatorPtr left, OperatorPtr right) {
  return std::make_unique<AndOr>(place, is_and, std::move(left), std::move(right));
}
OperatorPtr MakeNot(Place place, OperatorPtr child) {
  return std::make_unique<Not>(place, std::move(child));
}
OperatorPtr MakeIsNull(Place place, OperatorPtr child, bool negated) {
  return std::make_unique<IsNull>(place, std::move(child), negated);
}
OperatorPtr MakeIn(Place place, OperatorPtr value, std::vector<OperatorPtr> items) {
  return std::make_unique<In>(place, std::move(value), std::move(items));
}
OperatorPtr MakeBetween(Place place, OperatorPtr value, OperatorPtr low, OperatorPtr high) {
  return std::make_unique<Between>(place, std::move(value), std::move(low), std::move(high));
}
OperatorPtr MakeCase(Type type, Place place, OperatorPtr operand, std::vector<OperatorPtr> whens,
                     std::vector<OperatorPtr> thens, OperatorPtr otherwise) {
  return std::make_unique<Case>(std::move(type), place, std::move(operand), std::move(whens),
                                std::move(thens), std::move(otherwise));
}
OperatorPtr MakeCoalesce(Type type, Place place, std::vector<OperatorPtr> children) {
  return std::make_unique<Coalesce>(std::move(type), place, std::move(children));
}
OperatorPtr MakeNullIf(Type type, Place place, OperatorPtr left, OperatorPtr right) {
  return std::make_unique<NullIf>(std::move(type), place, std::move(left), std::move(right));
}
OperatorPtr MakeExtreme(Type type, Place place, bool greatest, std::vector<OperatorPtr> children) {
  return std::make_unique<Extreme>(std::move(type), place, greatest, std::move(children));
}

}  // namespace icecore::expr
