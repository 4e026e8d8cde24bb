#pragma once
// Typed operators: what the binder builds and Evaluate runs. One operator runs over the rows
// selected and nothing else, so that a branch not taken (case, coalesce, and, or) cannot fail.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "icecore/expr/syntax_internal.h"
#include "icecore/expr/values_internal.h"

namespace icecore::expr {

// One evaluation: the columns of the batch in the order of Expression::columns().
struct Frame {
  std::vector<ValuesPtr> columns;
  int64_t rows = 0;
};

// The place of an operator in the text, for errors about values.
struct Place {
  const SourceText* source = nullptr;  // outlives the operator
  size_t begin = 0;
  size_t end = 0;

  arrow::Status Error(std::string_view message) const {
    return source->ValueError(begin, end, message);
  }
};

class Operator {
 public:
  Operator(Type type, Place place) : type_(std::move(type)), place_(place) {}
  virtual ~Operator() = default;
  Operator(const Operator&) = delete;
  Operator& operator=(const Operator&) = delete;

  const Type& type() const { return type_; }
  const Place& place() const { return place_; }

  // rows: nullptr for all rows of the frame. The result has as many elements, or is constant.
  virtual arrow::Result<ValuesPtr> Run(const Frame& frame, const Selection* rows) const = 0;
  // A literal, or a cast of one: the same for every row.
  virtual bool IsConstant() const { return false; }

 private:
  Type type_;
  Place place_;
};
using OperatorPtr = std::unique_ptr<Operator>;

inline int64_t RowsOf(const Frame& frame, const Selection* rows) {
  return rows != nullptr ? static_cast<int64_t>(rows->size()) : frame.rows;
}

enum class Comparison { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual };

// -1, 0, 1, or 2 where one is NaN. Exact for integers against floats and decimals; decimals against
// floats as float64. Kinds are comparable.
int CompareElements(const Type& left_type, const Values& left, int64_t i, const Type& right_type,
                    const Values& right, int64_t j);
// n rows of bool; null where one side is null.
ValuesPtr CompareValues(Comparison comparison, const Type& left_type, const Values& left,
                        const Type& right_type, const Values& right, int64_t n);
// Whether values of the two types have an order or at least equality between them.
bool Comparable(const Type& left, const Type& right, bool ordered);

// Leaves and logic (logic.cc).
OperatorPtr MakeColumn(Type type, Place place, size_t index);
OperatorPtr MakeConstant(Type type, Place place, ValuesPtr value);
OperatorPtr MakeCompare(Place place, Comparison comparison, OperatorPtr left, OperatorPtr right);
OperatorPtr MakeAndOr(Place place, bool is_and, OperatorPtr left, OperatorPtr right);
OperatorPtr MakeNot(Place place, OperatorPtr child);
OperatorPtr MakeIsNull(Place place, OperatorPtr child, bool negated);
OperatorPtr MakeIn(Place place, OperatorPtr value, std::vector<OperatorPtr> items);
OperatorPtr MakeBetween(Place place, OperatorPtr value, OperatorPtr low, OperatorPtr high);
// operand may be null; whens are bool without it. otherwise may be null. All thens are of `type`.
OperatorPtr MakeCase(Type type, Place place, OperatorPtr operand, std::vector<OperatorPtr> whens,
                     std::vector<OperatorPtr> thens, OperatorPtr otherwise);
OperatorPtr MakeCoalesce(Type type, Place place, std::vector<OperatorPtr> children);
OperatorPtr MakeNullIf(Type type, Place place, OperatorPtr left, OperatorPtr right);
OperatorPtr MakeExtreme(Type type, Place place, bool greatest, std::vector<OperatorPtr> children);

// Arithmetic (arithmetic.cc). op: + - * / %. The children are both int64, both float64 or both
// decimal (any scales); `/` takes float64 only.
OperatorPtr MakeArithmetic(Type type, Place place, char op, OperatorPtr left, OperatorPtr right);
OperatorPtr MakeNegate(Place place, OperatorPtr child);

// Casts (cast.cc). Status if there is no such cast.
arrow::Result<OperatorPtr> MakeCast(Type type, Place place, OperatorPtr child);
// int64, "decimal(10,2)" …; kInvalidDefinition text without a place.
arrow::Result<Type> ParseCastType(const std::string& name);

// like, matches (text.cc). The patterns are checked.
arrow::Result<OperatorPtr> MakeLike(Place place, OperatorPtr value, OperatorPtr pattern);
arrow::Result<OperatorPtr> MakeMatches(Place place, OperatorPtr value, const std::string& pattern);

// Functions of one name, arguments already coerced (functions.cc, text.cc). `name` is known and the
// number of arguments right.
arrow::Result<OperatorPtr> MakeNumberFunction(const std::string& name, Place place,
                                              std::vector<OperatorPtr> arguments);
arrow::Result<OperatorPtr> MakeTextFunction(const std::string& name, Place place,
                                            std::vector<OperatorPtr> arguments);
arrow::Result<OperatorPtr> MakeTimeFunction(const std::string& name, Place place,
                                            std::vector<OperatorPtr> arguments);

}  // namespace icecore::expr
