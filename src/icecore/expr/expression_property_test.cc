// Random expressions over random rows: the same bits as a reference that knows one row at a time,
// and the same bits in one batch, in single rows and in slices.

#include <arrow/array.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <limits>
#include <optional>

#include "icecore/base/id.h"
#include "icecore/base/json_text.h"
#include "icecore/expr/expression.h"

namespace icecore::expr {
namespace {

// A number (int64 or float64) or a truth, or null; what the reference computes with.
struct Value {
  enum class Kind { kInt, kFloat, kBool } kind = Kind::kInt;
  bool null = false;
  int64_t i = 0;
  double f = 0;

  double AsFloat() const { return kind == Kind::kFloat ? f : static_cast<double>(i); }
};

Value Null(Value::Kind kind) { return {kind, true, 0, 0}; }
Value OfInt(int64_t i) { return {Value::Kind::kInt, false, i, 0}; }
Value OfFloat(double f) { return {Value::Kind::kFloat, false, 0, f}; }
Value OfBool(bool b) { return {Value::Kind::kBool, false, b ? 1 : 0, 0}; }

struct Row {
  std::optional<int64_t> i;
  std::optional<int64_t> j;
  std::optional<double> f;
  std::optional<double> g;
};

// A tree with its text and its meaning for one row.
class Generator {
 public:
  Generator(base::SeededRandom* random, const Row* row) : random_(*random), row_(*row) {}

  // The same choices for the same seed, so that the text is one and the values differ by row.
  std::pair<std::string, Value> Number(int depth) {
    switch (Pick(depth > 0 ? 8 : 4)) {
      case 0:
        return {"i", row_.i ? OfInt(*row_.i) : Null(Value::Kind::kInt)};
      case 1:
        return {"f", row_.f ? OfFloat(*row_.f) : Null(Value::Kind::kFloat)};
      case 2: {
        auto literal = static_cast<int64_t>(Pick(5)) - 2;
        return {"(" + std::to_string(literal) + ")", OfInt(literal)};
      }
      case 3:
        return Pick(2) == 0
                   ? std::pair(std::string("g"),
                               row_.g ? OfFloat(*row_.g) : Null(Value::Kind::kFloat))
                   : std::pair(std::string("j"), row_.j ? OfInt(*row_.j) : Null(Value::Kind::kInt));
      case 4:
      case 5:
        return Arithmetic(depth);
      case 6: {
        auto [when, truth] = Truth(depth - 1);
        auto [then, a] = Number(depth - 1);
        auto [otherwise, b] = Number(depth - 1);
        Value chosen = !truth.null && truth.i != 0 ? a : b;
        return {"case when " + when + " then " + then + " else " + otherwise + " end",
                Widen(chosen, a, b)};
      }
      default: {
        auto [first, a] = Number(depth - 1);
        auto [second, b] = Number(depth - 1);
        return {"coalesce(" + first + ", " + second + ")", Widen(a.null ? b : a, a, b)};
      }
    }
  }

  std::pair<std::string, Value> Truth(int depth) {
    switch (Pick(depth > 0 ? 6 : 2)) {
      case 0:
        return Compare(depth);
      case 1: {
        auto [text, value] = Number(depth - 1);
        return {"(" + text + " is null)", OfBool(value.null)};
      }
      case 2:
      case 3: {
        bool is_and = Pick(2) == 0;
        auto [left, a] = Truth(depth - 1);
        auto [right, b] = Truth(depth - 1);
        return {"(" + left + (is_and ? " and " : " or ") + right + ")", Join(is_and, a, b)};
      }
      case 4: {
        auto [text, value] = Truth(depth - 1);
        return {"(not " + text + ")", value.null ? value : OfBool(value.i == 0)};
      }
      default: {
        auto [text, value] = Number(depth - 1);
        auto [low, a] = Number(0);
        auto [high, b] = Number(0);
        return {"(" + text + " between " + low + " and " + high + ")",
                Join(true, Test(">=", value, a), Test("<=", value, b))};
      }
    }
  }

 private:
  uint64_t Pick(uint64_t n) { return random_.Next() % n; }

  static Value Widen(Value chosen, const Value& a, const Value& b) {
    bool is_float = a.kind == Value::Kind::kFloat || b.kind == Value::Kind::kFloat;
    if (!is_float || chosen.kind == Value::Kind::kFloat) {
      return chosen;
    }
    return chosen.null ? Null(Value::Kind::kFloat) : OfFloat(static_cast<double>(chosen.i));
  }

  std::pair<std::string, Value> Arithmetic(int depth) {
    static constexpr const char* kOperators[] = {"+", "-", "*", "/", "%"};
    std::string op = kOperators[Pick(5)];
    auto [left, a] = Number(depth - 1);
    auto [right, b] = Number(depth - 1);
    std::string text = "(" + left + " " + op + " " + right + ")";
    bool whole = a.kind == Value::Kind::kInt && b.kind == Value::Kind::kInt && op != "/";
    Value::Kind kind = whole ? Value::Kind::kInt : Value::Kind::kFloat;
    if (a.null || b.null) {
      return {text, Null(kind)};
    }
    if (whole) {
      if (op == "%") {
        return {text, b.i == 0 ? Null(kind) : OfInt(a.i % b.i)};
      }
      return {text, OfInt(op == "+" ? a.i + b.i : op == "-" ? a.i - b.i : a.i * b.i)};
    }
    double x = a.AsFloat();
    double y = b.AsFloat();
    if ((op == "/" || op == "%") && y == 0) {
      return {text, Null(kind)};
    }
    return {text, OfFloat(op == "+"   ? x + y
                          : op == "-" ? x - y
                          : op == "*" ? x * y
                          : op == "/" ? x / y
                                      : std::fmod(x, y))};
  }

  static Value Test(const std::string& op, const Value& a, const Value& b) {
    if (a.null || b.null) {
      return Null(Value::Kind::kBool);
    }
    // Numbers here are far below 2^53, so that float64 is exact.
    double x = a.AsFloat();
    double y = b.AsFloat();
    if (std::isnan(x) || std::isnan(y)) {
      return OfBool(false);
    }
    return OfBool(op == "="    ? x == y
                  : op == "<>" ? x != y
                  : op == "<"  ? x < y
                  : op == "<=" ? x <= y
                  : op == ">"  ? x > y
                               : x >= y);
  }

  std::pair<std::string, Value> Compare(int depth) {
    static constexpr const char* kOperators[] = {"=", "<>", "<", "<=", ">", ">="};
    std::string op = kOperators[Pick(6)];
    auto [left, a] = Number(depth - 1);
    auto [right, b] = Number(depth - 1);
    return {"(" + left + " " + op + " " + right + ")", Test(op, a, b)};
  }

  static Value Join(bool is_and, const Value& a, const Value& b) {
    auto decides = [is_and](const Value& value) { return !value.null && (value.i != 0) != is_and; };
    if (decides(a) || decides(b)) {
      return OfBool(!is_and);
    }
    return a.null || b.null ? Null(Value::Kind::kBool) : OfBool(is_and);
  }

  base::SeededRandom& random_;
  const Row& row_;
};

std::string Shown(const Value& value) {
  std::string text;
  if (value.null) {
    return "null";
  }
  if (value.kind == Value::Kind::kFloat) {
    base::AppendJsonDouble(value.f, &text);
    return text.front() == '"' ? text.substr(1, text.size() - 2) : text;
  }
  return value.kind == Value::Kind::kBool ? (value.i != 0 ? "true" : "false")
                                          : std::to_string(value.i);
}

std::vector<Row> MakeRows(base::SeededRandom* random) {
  const double floats[] = {0.0,
                           -0.0,
                           1.5,
                           -2.0,
                           1e10,
                           std::numeric_limits<double>::quiet_NaN(),
                           std::numeric_limits<double>::infinity()};
  std::vector<Row> rows(1 + random->Next() % 20);
  for (Row& row : rows) {
    auto whole = [&]() -> std::optional<int64_t> {
      return random->Next() % 4 == 0 ? std::nullopt
                                     : std::optional(static_cast<int64_t>(random->Next() % 7) - 3);
    };
    auto real = [&]() -> std::optional<double> {
      return random->Next() % 4 == 0 ? std::nullopt : std::optional(floats[random->Next() % 7]);
    };
    row = {whole(), whole(), real(), real()};
  }
  return rows;
}

std::shared_ptr<arrow::RecordBatch> ToBatch(const std::vector<Row>& rows) {
  arrow::Int64Builder i;
  arrow::Int64Builder j;
  arrow::DoubleBuilder f;
  arrow::DoubleBuilder g;
  for (const Row& row : rows) {
    EXPECT_TRUE(i.AppendOrNull(row.i).ok() && j.AppendOrNull(row.j).ok() &&
                f.AppendOrNull(row.f).ok() && g.AppendOrNull(row.g).ok());
  }
  auto schema =
      arrow::schema({arrow::field("i", arrow::int64()), arrow::field("j", arrow::int64()),
                     arrow::field("f", arrow::float64()), arrow::field("g", arrow::float64())});
  return arrow::RecordBatch::Make(schema, static_cast<int64_t>(rows.size()),
                                  {i.Finish().ValueOrDie(), j.Finish().ValueOrDie(),
                                   f.Finish().ValueOrDie(), g.Finish().ValueOrDie()});
}

TEST(ExpressionProperty, GivesWhatTheReferenceGivesHoweverRowsAreCut) {
  constexpr uint64_t kSeed = 20240229;
  std::printf("seed %llu\n", static_cast<unsigned long long>(kSeed));
  base::SeededRandom seeds(kSeed);
  for (int round = 0; round < 3000; ++round) {
    uint64_t seed = seeds.Next();
    base::SeededRandom random(seed);
    std::vector<Row> rows = MakeRows(&random);
    auto batch = ToBatch(rows);
    std::string text;
    std::vector<std::string> expected;
    for (const Row& row : rows) {
      base::SeededRandom choices(seed);
      Generator generator(&choices, &row);
      auto [expression, value] = seed % 2 == 0 ? generator.Number(4) : generator.Truth(4);
      text = expression;
      expected.push_back(Shown(value));
    }
    auto bound = Bind(text, {}, *batch->schema());
    ASSERT_TRUE(bound.ok()) << text << ": " << bound.status();
    auto whole = (*bound)->Evaluate(*batch);
    ASSERT_TRUE(whole.ok()) << text << ": " << whole.status();
    ASSERT_TRUE((*whole)->ValidateFull().ok()) << text;
    for (size_t r = 0; r < rows.size(); ++r) {
      auto row = static_cast<int64_t>(r);
      ASSERT_EQ(*base::ValueText(**whole, row), expected[r]) << text << " at row " << r;
      auto single = (*bound)->Evaluate(*batch->Slice(row, 1));
      ASSERT_TRUE(single.ok());
      ASSERT_EQ(*base::ValueText(**single, 0), expected[r]) << text;
    }
  }
}

}  // namespace
}  // namespace icecore::expr
