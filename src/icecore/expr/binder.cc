#include "icecore/expr/binder_internal.h"

#include <arrow/type.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include "icecore/base/suggest.h"

namespace icecore::expr {
namespace {

using arrow::Result;
using arrow::Status;

struct FunctionRule {
  std::string_view name;
  size_t least;
  size_t most;
};

constexpr size_t kMany = 1000;
constexpr std::array<FunctionRule, 22> kFunctions = {{
    {"abs", 1, 1},          {"floor", 1, 1},        {"ceil", 1, 1},      {"round", 1, 2},
    {"ln", 1, 1},           {"exp", 1, 1},          {"sqrt", 1, 1},      {"power", 2, 2},
    {"least", 1, kMany},    {"greatest", 1, kMany}, {"length", 1, 1},    {"lower", 1, 1},
    {"upper", 1, 1},        {"substr", 2, 3},       {"date_part", 2, 2}, {"epoch", 1, 1},
    {"dot", 2, 2},          {"cosine", 2, 2},       {"haversine", 4, 4}, {"hash", 1, kMany},
    {"coalesce", 1, kMany}, {"nullif", 2, 2},
}};

bool IsAnyOf(const std::string& name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The type in which values of both types can stand, if there is one.
std::optional<Type> CommonType(const Type& a, const Type& b) {
  if (a.kind == Kind::kNull) {
    return b;
  }
  if (b.kind == Kind::kNull || a.arrow->Equals(*b.arrow)) {
    return a;
  }
  if (IsNumeric(a.kind) && IsNumeric(b.kind)) {
    if (a.kind == Kind::kFloat || b.kind == Kind::kFloat) {
      return MakeType(Kind::kFloat);
    }
    if (a.kind == Kind::kDecimal || b.kind == Kind::kDecimal) {
      auto whole = [](const Type& type) {
        return type.kind == Kind::kDecimal ? type.precision - type.scale
                                           : (type.kind == Kind::kUint ? 20 : 19);
      };
      int32_t scale = std::max(a.scale, b.scale);
      return DecimalOf(std::min(38, std::max(whole(a), whole(b)) + scale), scale);
    }
    return MakeType(Kind::kInt);
  }
  auto day_and_instant = [](const Type& day, const Type& instant) {
    return day.kind == Kind::kDate &&
           (instant.kind == Kind::kTimestamp || instant.kind == Kind::kLocalTimestamp);
  };
  if (day_and_instant(a, b)) {
    return b;
  }
  if (day_and_instant(b, a)) {
    return a;
  }
  return std::nullopt;
}

class Binder {
 public:
  Binder(const SourceText& source, const arrow::Schema& schema,
         const std::vector<std::string>& columns)
      : source_(source), schema_(schema), columns_(columns) {}

  Result<OperatorPtr> Bind(const Node& node) {
    switch (node.kind) {
      case NodeKind::kColumn:
        return BindColumn(node);
      case NodeKind::kNull:
        return MakeConstant(MakeType(Kind::kNull), At(node), NullValues(Kind::kInt));
      case NodeKind::kBool:
      case NodeKind::kInteger:
      case NodeKind::kFloat:
      case NodeKind::kString:
        return BindLiteral(node);
      case NodeKind::kNegate:
        return BindNegate(node);
      case NodeKind::kNot: {
        ARROW_ASSIGN_OR_RAISE(OperatorPtr child, BindBool(*node.children[0], "not"));
        return MakeNot(At(node), std::move(child));
      }
      case NodeKind::kAnd:
      case NodeKind::kOr: {
        ARROW_ASSIGN_OR_RAISE(OperatorPtr left, BindBool(*node.children[0], node.name));
        ARROW_ASSIGN_OR_RAISE(OperatorPtr right, BindBool(*node.children[1], node.name));
        return MakeAndOr(At(node), node.kind == NodeKind::kAnd, std::move(left), std::move(right));
      }
      case NodeKind::kArithmetic:
        return BindArithmetic(node);
      case NodeKind::kCompare:
        return BindCompare(node);
      case NodeKind::kIsNull: {
        ARROW_ASSIGN_OR_RAISE(OperatorPtr child, Bind(*node.children[0]));
        return MakeIsNull(At(node), std::move(child), node.negated);
      }
      case NodeKind::kIn:
        return BindIn(node);
      case NodeKind::kBetween:
        return BindBetween(node);
      case NodeKind::kLike:
      case NodeKind::kMatches:
        return BindPattern(node);
      case NodeKind::kCase:
        return BindCase(node);
      case NodeKind::kCast:
        return BindCast(node);
      case NodeKind::kCall:
        return BindCall(node);
    }
    return Fail(node, "cannot be evaluated");
  }

 private:
  Place At(const Node& node) const { return {&source_, node.begin, node.end}; }
  Status Fail(const Node& node, std::string_view message) const {
    return source_.Error(node.begin, message);
  }
  std::string TextOf(const Node& node) const {
    return source_.text.substr(node.begin, node.end - node.begin);
  }

  OperatorPtr Negated(const Node& node, OperatorPtr test) const {
    return node.negated ? MakeNot(At(node), std::move(test)) : std::move(test);
  }

  Result<OperatorPtr> BindColumn(const Node& node) const {
    int field = schema_.GetFieldIndex(node.name);
    if (field < 0) {
      bool twice = schema_.GetAllFieldIndices(node.name).size() > 1;
      return Fail(node, (twice ? "column '" + node.name + "' is there twice"
                               : "unknown column '" + node.name + "'" +
                                     base::DidYouMean(node.name, schema_.field_names())));
    }
    size_t index = static_cast<size_t>(std::find(columns_.begin(), columns_.end(), node.name) -
                                       columns_.begin());
    return MakeColumn(TypeOf(*schema_.field(field)->type()), At(node), index);
  }

  Result<OperatorPtr> BindLiteral(const Node& node) const {
    Kind kind = node.kind == NodeKind::kBool      ? Kind::kBool
                : node.kind == NodeKind::kInteger ? Kind::kInt
                : node.kind == NodeKind::kFloat   ? Kind::kFloat
                                                  : Kind::kString;
    std::shared_ptr<Values> value = MakeValues(kind, 1);
    value->constant = true;
    if (kind == Kind::kFloat) {
      value->floats[0] = node.float_value;
    } else if (kind == Kind::kString) {
      auto text = std::make_shared<std::string>(node.name);
      value->strings[0] = *text;
      value->owners.push_back(text);
    } else {
      value->ints[0] = node.int_value;
    }
    return MakeConstant(MakeType(kind), At(node), std::move(value));
  }

  Result<OperatorPtr> BindBool(const Node& node, const std::string& where) {
    ARROW_ASSIGN_OR_RAISE(OperatorPtr child, Bind(node));
    if (child->type().kind == Kind::kNull) {
      return Convert(std::move(child), MakeType(Kind::kBool));
    }
    if (child->type().kind != Kind::kBool) {
      return Fail(
          node, "'" + where + "' wants bool, '" + TextOf(node) + "' is " + TypeName(child->type()));
    }
    return child;
  }

  // The same operator when it has the type already.
  static Result<OperatorPtr> Convert(OperatorPtr value, const Type& type) {
    if (value->type().arrow->Equals(*type.arrow)) {
      return value;
    }
    Place place = value->place();
    return MakeCast(type, place, std::move(value));
  }

  // A string literal beside a time is a time; checked now.
  Result<OperatorPtr> ReadAs(OperatorPtr literal, const Type& type) const {
    Place place = literal->place();
    ARROW_ASSIGN_OR_RAISE(OperatorPtr cast, MakeCast(type, place, std::move(literal)));
    Result<ValuesPtr> value = cast->Run(Frame{}, nullptr);
    if (!value.ok()) {
      return source_.Error(place.begin, source_.text.substr(place.begin, place.end - place.begin) +
                                            " is not of type " + TypeName(type));
    }
    return MakeConstant(type, place, *value);
  }

  // Brings operands of a comparison to forms that compare; numbers are left as they are, for they
  // compare exactly.
  Status Align(OperatorPtr* left, OperatorPtr* right) const {
    auto literal = [](const OperatorPtr& value) {
      return value->IsConstant() && value->type().kind == Kind::kString;
    };
    for (int turn = 0; turn < 2; ++turn) {
      if (literal(*left) && IsTemporal((*right)->type().kind)) {
        ARROW_ASSIGN_OR_RAISE(*left, ReadAs(std::move(*left), (*right)->type()));
      }
      if ((*left)->type().kind == Kind::kNull) {
        Type other = (*right)->type().kind == Kind::kNull ? MakeType(Kind::kInt) : (*right)->type();
        ARROW_ASSIGN_OR_RAISE(*left, Convert(std::move(*left), other));
      }
      if ((*left)->type().kind == Kind::kDate && (*right)->type().kind != Kind::kDate) {
        std::optional<Type> common = CommonType((*left)->type(), (*right)->type());
        if (common.has_value()) {
          ARROW_ASSIGN_OR_RAISE(*left, Convert(std::move(*left), *common));
        }
      }
      std::swap(*left, *right);
    }
    return Status::OK();
  }

  Status CheckComparable(const Node& node, const Operator& left, const Operator& right,
                         bool ordered) const {
    if (Comparable(left.type(), right.type(), ordered)) {
      return Status::OK();
    }
    return Fail(node, "'" + TextOf(node) + "' compares " + TypeName(left.type()) + " with " +
                          TypeName(right.type()) + ": cast one of them");
  }

  Result<OperatorPtr> BindCompare(const Node& node) {
    ARROW_ASSIGN_OR_RAISE(OperatorPtr left, Bind(*node.children[0]));
    ARROW_ASSIGN_OR_RAISE(OperatorPtr right, Bind(*node.children[1]));
    ARROW_RETURN_NOT_OK(Align(&left, &right));
    bool ordered = node.name != "=" && node.name != "<>";
    ARROW_RETURN_NOT_OK(CheckComparable(node, *left, *right, ordered));
    Comparison comparison = node.name == "="    ? Comparison::kEqual
                            : node.name == "<>" ? Comparison::kNotEqual
                            : node.name == "<"  ? Comparison::kLess
                            : node.name == "<=" ? Comparison::kLessEqual
                            : node.name == ">"  ? Comparison::kGreater
                                                : Comparison::kGreaterEqual;
    return MakeCompare(At(node), comparison, std::move(left), std::move(right));
  }

  // Aligns twice, since a later item may change the form of the value.
  Status AlignAll(const Node& node, OperatorPtr* value, std::vector<OperatorPtr>* items) const {
    for (int turn = 0; turn < 2; ++turn) {
      for (OperatorPtr& item : *items) {
        ARROW_RETURN_NOT_OK(Align(value, &item));
      }
    }
    for (const OperatorPtr& item : *items) {
      ARROW_RETURN_NOT_OK(CheckComparable(node, **value, *item, false));
    }
    return Status::OK();
  }

  Result<OperatorPtr> BindIn(const Node& node) {
    ARROW_ASSIGN_OR_RAISE(OperatorPtr value, Bind(*node.children[0]));
    std::vector<OperatorPtr> items;
    for (size_t i = 1; i < node.children.size(); ++i) {
      ARROW_ASSIGN_OR_RAISE(OperatorPtr item, Bind(*node.children[i]));
      items.push_back(std::move(item));
    }
    ARROW_RETURN_NOT_OK(AlignAll(node, &value, &items));
    return Negated(node, MakeIn(At(node), std::move(value), std::move(items)));
  }

  Result<OperatorPtr> BindBetween(const Node& node) {
    ARROW_ASSIGN_OR_RAISE(OperatorPtr value, Bind(*node.children[0]));
    ARROW_ASSIGN_OR_RAISE(OperatorPtr low, Bind(*node.children[1]));
    ARROW_ASSIGN_OR_RAISE(OperatorPtr high, Bind(*node.children[2]));
    ARROW_RETURN_NOT_OK(Align(&value, &low));
    ARROW_RETURN_NOT_OK(Align(&value, &high));
    ARROW_RETURN_NOT_OK(Align(&value, &low));
    ARROW_RETURN_NOT_OK(CheckComparable(node, *value, *low, true));
    ARROW_RETURN_NOT_OK(CheckComparable(node, *value, *high, true));
    return Negated(node, MakeBetween(At(node), std::move(value), std::move(low), std::move(high)));
  }

  Result<OperatorPtr> BindString(const Node& node, const std::string& where) {
    ARROW_ASSIGN_OR_RAISE(OperatorPtr value, Bind(node));
    if (value->type().kind == Kind::kNull) {
      return Convert(std::move(value), MakeType(Kind::kString));
    }
    if (value->type().kind != Kind::kString) {
      return Fail(node, "'" + where + "' wants string, '" + TextOf(node) + "' is " +
                            TypeName(value->type()));
    }
    return value;
  }

  Result<OperatorPtr> BindPattern(const Node& node) {
    const Node& pattern = *node.children[1];
    ARROW_ASSIGN_OR_RAISE(OperatorPtr value, BindString(*node.children[0], node.name));
    if (node.kind == NodeKind::kLike) {
      ARROW_ASSIGN_OR_RAISE(OperatorPtr like, BindString(pattern, node.name));
      ARROW_ASSIGN_OR_RAISE(OperatorPtr test,
                            MakeLike(At(node), std::move(value), std::move(like)));
      return Negated(node, std::move(test));
    }
    if (pattern.kind != NodeKind::kString) {
      return Fail(pattern, "the pattern of 'matches' must be a string literal");
    }
    ARROW_ASSIGN_OR_RAISE(OperatorPtr test,
                          MakeMatches(At(pattern), std::move(value), pattern.name));
    return Negated(node, std::move(test));
  }

  Result<OperatorPtr> BindNegate(const Node& node) {
    ARROW_ASSIGN_OR_RAISE(OperatorPtr child, Bind(*node.children[0]));
    Kind kind = child->type().kind;
    if (kind == Kind::kNull || kind == Kind::kUint || kind == Kind::kInt) {
      ARROW_ASSIGN_OR_RAISE(child, Convert(std::move(child), MakeType(Kind::kInt)));
    } else if (!IsNumeric(kind)) {
      return Fail(node, "'-' wants a number, '" + TextOf(*node.children[0]) + "' is " +
                            TypeName(child->type()));
    }
    return MakeNegate(At(node), std::move(child));
  }

  Result<OperatorPtr> BindArithmetic(const Node& node) {
    ARROW_ASSIGN_OR_RAISE(OperatorPtr left, Bind(*node.children[0]));
    ARROW_ASSIGN_OR_RAISE(OperatorPtr right, Bind(*node.children[1]));
    for (OperatorPtr* side : {&left, &right}) {
      Kind kind = (*side)->type().kind;
      if (kind == Kind::kNull) {
        ARROW_ASSIGN_OR_RAISE(*side, Convert(std::move(*side), MakeType(Kind::kInt)));
      } else if (!IsNumeric(kind)) {
        std::string hint = IsTemporal(kind) ? "; take epoch(…) of times, in seconds" : "";
        return Fail(node, "'" + node.name + "' wants numbers, '" +
                              TextOf(*node.children[side == &left ? 0 : 1]) + "' is " +
                              TypeName((*side)->type()) + hint);
      }
    }
    char op = node.name[0];
    Type type = ArithmeticType(op, left->type(), right->type());
    if (type.kind == Kind::kDecimal) {
      if (type.scale > 38) {
        return Fail(node, "the product has more than 38 decimals: cast a factor to float64");
      }
      for (OperatorPtr* side : {&left, &right}) {
        if ((*side)->type().kind != Kind::kDecimal) {
          ARROW_ASSIGN_OR_RAISE(*side, Convert(std::move(*side), DecimalOf(20, 0)));
        }
      }
    } else {
      ARROW_ASSIGN_OR_RAISE(left, Convert(std::move(left), type));
      ARROW_ASSIGN_OR_RAISE(right, Convert(std::move(right), type));
    }
    return MakeArithmetic(type, At(node), op, std::move(left), std::move(right));
  }

  static Type ArithmeticType(char op, const Type& a, const Type& b) {
    if (op == '/' || a.kind == Kind::kFloat || b.kind == Kind::kFloat) {
      return MakeType(Kind::kFloat);
    }
    if (a.kind != Kind::kDecimal && b.kind != Kind::kDecimal) {
      return MakeType(Kind::kInt);
    }
    int32_t scale = op == '*' ? a.scale + b.scale : std::max(a.scale, b.scale);
    Type type = DecimalOf(38, std::min(scale, 38));
    type.scale = scale;
    return type;
  }

  // All of one type, literals read as what stands beside them.
  Result<Type> Unify(const Node& node, std::vector<OperatorPtr>* values) const {
    Type common = MakeType(Kind::kNull);
    for (const OperatorPtr& value : *values) {
      if (!(value->IsConstant() && value->type().kind == Kind::kString)) {
        ARROW_ASSIGN_OR_RAISE(common, Join(node, common, value->type()));
      }
    }
    bool times = IsTemporal(common.kind);
    for (OperatorPtr& value : *values) {
      if (value->IsConstant() && value->type().kind == Kind::kString) {
        if (times) {
          ARROW_ASSIGN_OR_RAISE(value, ReadAs(std::move(value), common));
        } else {
          ARROW_ASSIGN_OR_RAISE(common, Join(node, common, value->type()));
        }
      }
    }
    if (common.kind == Kind::kList || common.kind == Kind::kOther) {
      return Fail(node, "'" + node.name + "' does not take values of type " + TypeName(common));
    }
    for (OperatorPtr& value : *values) {
      ARROW_ASSIGN_OR_RAISE(value, Convert(std::move(value), common));
    }
    return common;
  }

  Result<Type> Join(const Node& node, const Type& a, const Type& b) const {
    std::optional<Type> common = CommonType(a, b);
    if (!common.has_value()) {
      return Fail(node, "'" + node.name + "' mixes " + TypeName(a) + " and " + TypeName(b) +
                            ": cast one of them");
    }
    return *common;
  }

  Result<OperatorPtr> BindCase(const Node& node) {
    OperatorPtr operand;
    size_t next = 0;
    if (node.has_operand) {
      ARROW_ASSIGN_OR_RAISE(operand, Bind(*node.children[next++]));
    }
    std::vector<OperatorPtr> whens;
    std::vector<OperatorPtr> results;
    for (; next + 1 < node.children.size(); next += 2) {
      ARROW_ASSIGN_OR_RAISE(OperatorPtr when, operand != nullptr
                                                  ? Bind(*node.children[next])
                                                  : BindBool(*node.children[next], "when"));
      whens.push_back(std::move(when));
      ARROW_ASSIGN_OR_RAISE(OperatorPtr then, Bind(*node.children[next + 1]));
      results.push_back(std::move(then));
    }
    if (operand != nullptr) {
      ARROW_RETURN_NOT_OK(AlignAll(node, &operand, &whens));
    }
    if (node.has_else) {
      ARROW_ASSIGN_OR_RAISE(OperatorPtr otherwise, Bind(*node.children.back()));
      results.push_back(std::move(otherwise));
    }
    ARROW_ASSIGN_OR_RAISE(Type type, Unify(node, &results));
    OperatorPtr otherwise;
    if (node.has_else) {
      otherwise = std::move(results.back());
      results.pop_back();
    }
    return MakeCase(type, At(node), std::move(operand), std::move(whens), std::move(results),
                    std::move(otherwise));
  }

  Result<OperatorPtr> BindCast(const Node& node) {
    ARROW_ASSIGN_OR_RAISE(OperatorPtr child, Bind(*node.children[0]));
    Result<Type> type = ParseCastType(node.name);
    if (!type.ok()) {
      return Fail(node, type.status().message());
    }
    return MakeCast(*type, At(node), std::move(child));
  }

  Result<OperatorPtr> BindCall(const Node& node) {
    auto rule = std::find_if(kFunctions.begin(), kFunctions.end(),
                             [&](const FunctionRule& known) { return known.name == node.name; });
    if (rule == kFunctions.end()) {
      std::vector<std::string> names;
      names.reserve(kFunctions.size());
      for (const FunctionRule& known : kFunctions) {
        names.emplace_back(known.name);
      }
      return Fail(node,
                  "unknown function '" + node.name + "'" + base::DidYouMean(node.name, names));
    }
    size_t count = node.children.size();
    if (count < rule->least || count > rule->most) {
      std::string wanted = std::to_string(rule->least);
      wanted += rule->most == kMany        ? " or more"
                : rule->most > rule->least ? " or " + std::to_string(rule->most)
                                           : "";
      return Fail(node,
                  node.name + " takes " + wanted + " arguments, not " + std::to_string(count));
    }
    std::vector<OperatorPtr> arguments;
    for (const std::unique_ptr<Node>& child : node.children) {
      ARROW_ASSIGN_OR_RAISE(OperatorPtr argument, Bind(*child));
      arguments.push_back(std::move(argument));
    }
    return Call(node, std::move(arguments));
  }

  Result<OperatorPtr> Call(const Node& node, std::vector<OperatorPtr> arguments) {
    const std::string& name = node.name;
    if (name == "coalesce" || name == "least" || name == "greatest") {
      ARROW_ASSIGN_OR_RAISE(Type type, Unify(node, &arguments));
      if (name == "coalesce") {
        return MakeCoalesce(type, At(node), std::move(arguments));
      }
      if (type.kind != Kind::kNull && !Comparable(type, type, true)) {
        return Fail(node, "values of type " + TypeName(type) + " have no order");
      }
      return MakeExtreme(type, At(node), name == "greatest", std::move(arguments));
    }
    if (name == "nullif") {
      ARROW_RETURN_NOT_OK(Align(&arguments[0], &arguments[1]));
      ARROW_RETURN_NOT_OK(CheckComparable(node, *arguments[0], *arguments[1], false));
      Type type = arguments[0]->type();
      return MakeNullIf(type, At(node), std::move(arguments[0]), std::move(arguments[1]));
    }
    if (IsAnyOf(name, {"length", "lower", "upper", "substr"})) {
      return CallText(node, std::move(arguments));
    }
    if (name == "date_part" || name == "epoch") {
      return CallTime(node, std::move(arguments));
    }
    return CallNumber(node, std::move(arguments));
  }

  Status Wants(const Node& node, size_t argument, const OperatorPtr& value,
               std::string_view wanted) const {
    return Fail(*node.children[argument], node.name + " wants " + std::string(wanted) + ", '" +
                                              TextOf(*node.children[argument]) + "' is " +
                                              TypeName(value->type()));
  }

  Result<OperatorPtr> CallText(const Node& node, std::vector<OperatorPtr> arguments) {
    Kind kind = arguments[0]->type().kind;
    if (kind == Kind::kNull) {
      ARROW_ASSIGN_OR_RAISE(arguments[0],
                            Convert(std::move(arguments[0]), MakeType(Kind::kString)));
    } else if (kind != Kind::kString &&
               !(node.name == "length" && (kind == Kind::kBinary || kind == Kind::kList))) {
      return Wants(node, 0, arguments[0], "a string");
    }
    for (size_t i = 1; i < arguments.size(); ++i) {
      Kind number = arguments[i]->type().kind;
      if (number != Kind::kInt && number != Kind::kUint && number != Kind::kNull) {
        return Wants(node, i, arguments[i], "an integer");
      }
      ARROW_ASSIGN_OR_RAISE(arguments[i], Convert(std::move(arguments[i]), MakeType(Kind::kInt)));
    }
    return MakeTextFunction(node.name, At(node), std::move(arguments));
  }

  Result<OperatorPtr> CallTime(const Node& node, std::vector<OperatorPtr> arguments) {
    size_t last = arguments.size() - 1;
    if (last == 1 && node.children[0]->kind != NodeKind::kString) {
      return Fail(*node.children[0], "the part of date_part must be a string literal");
    }
    OperatorPtr& value = arguments[last];
    if (value->type().kind == Kind::kNull) {
      ARROW_ASSIGN_OR_RAISE(value, Convert(std::move(value), MakeType(Kind::kTimestamp)));
    } else if (value->IsConstant() && value->type().kind == Kind::kString) {
      ARROW_ASSIGN_OR_RAISE(value, ReadAs(std::move(value), MakeType(Kind::kTimestamp)));
    }
    Kind kind = value->type().kind;
    if (!IsTemporal(kind) || (node.name == "epoch" && kind == Kind::kTime)) {
      return Wants(node, last, value, "a timestamp or date");
    }
    return MakeTimeFunction(node.name, At(node), std::move(arguments));
  }

  Result<OperatorPtr> CallNumber(const Node& node, std::vector<OperatorPtr> arguments) {
    const std::string& name = node.name;
    if (name == "dot" || name == "cosine") {
      for (size_t i = 0; i < 2; ++i) {
        if (arguments[i]->type().kind != Kind::kList) {
          return Wants(node, i, arguments[i], "a list of numbers");
        }
      }
      return MakeNumberFunction(name, At(node), std::move(arguments));
    }
    if (name == "hash") {
      for (size_t i = 0; i < arguments.size(); ++i) {
        Kind kind = arguments[i]->type().kind;
        if (kind == Kind::kList || kind == Kind::kOther) {
          return Wants(node, i, arguments[i], "a plain value");
        }
      }
      return MakeNumberFunction(name, At(node), std::move(arguments));
    }
    bool exact = IsAnyOf(name, {"abs", "floor", "ceil", "round"});
    for (size_t i = 0; i < arguments.size(); ++i) {
      Kind kind = arguments[i]->type().kind;
      if (!IsNumeric(kind) && kind != Kind::kNull) {
        return Wants(node, i, arguments[i], "a number");
      }
      bool keeps = exact && i == 0 && kind != Kind::kFloat && kind != Kind::kNull;
      Type wanted = !keeps                   ? MakeType(Kind::kFloat)
                    : kind == Kind::kDecimal ? arguments[i]->type()
                                             : MakeType(Kind::kInt);
      ARROW_ASSIGN_OR_RAISE(arguments[i], Convert(std::move(arguments[i]), wanted));
    }
    if (name == "round" && arguments.size() == 2) {
      const Node& digits = *node.children[1];
      if (digits.kind != NodeKind::kInteger || std::abs(digits.int_value) > 300) {
        return Fail(digits, "the digits of round must be an integer literal");
      }
    }
    return MakeNumberFunction(name, At(node), std::move(arguments));
  }

  const SourceText& source_;
  const arrow::Schema& schema_;
  const std::vector<std::string>& columns_;
};

}  // namespace

Result<OperatorPtr> BindTree(const SourceText& source, const Node& root,
                             const arrow::Schema& schema, const std::vector<std::string>& columns) {
  return Binder(source, schema, columns).Bind(root);
}

}  // namespace icecore::expr
