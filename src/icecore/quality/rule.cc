#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <utility>

#include "icecore/quality/rule_internal.h"

namespace icecore::quality {
namespace {

using Kind = spec::Literal::Kind;

std::string Quote(const std::string& text, char quote) {
  std::string out(1, quote);
  for (char c : text) {
    out += c;
    if (c == quote) {
      out += c;
    }
  }
  return out + quote;
}

arrow::Status Misplaced(const std::string& column, const arrow::DataType& type,
                        const spec::Literal& literal, const base::Location& location) {
  const base::Location& place = literal.location.line > 0 ? literal.location : location;
  return base::MakeErrorAt(base::ErrorCode::kInvalidDefinition, place,
                           "'" + literal.string_value + "' cannot be a value of column '" + column +
                               "' of type " + type.ToString());
}

arrow::Result<std::string> LiteralText(const std::string& column, const arrow::DataType& type,
                                       const spec::Literal& literal,
                                       const base::Location& location) {
  if (literal.kind == Kind::kNull) {
    return std::string("null");
  }
  bool number = literal.kind == Kind::kInt || literal.kind == Kind::kFloat;
  switch (type.id()) {
    case arrow::Type::STRING:
      return Quote(literal.string_value, '\'');
    case arrow::Type::BOOL:
      if (literal.kind == Kind::kBool) {
        return std::string(literal.bool_value ? "true" : "false");
      }
      return Misplaced(column, type, literal, location);
    case arrow::Type::DECIMAL128: {
      if (!number) {
        return Misplaced(column, type, literal, location);
      }
      size_t point = literal.string_value.find('.');
      bool plain = literal.string_value.find_first_of("eE") == std::string::npos;
      size_t decimals =
          point == std::string::npos || !plain ? 0 : literal.string_value.size() - point - 1;
      if (!plain || decimals > 18) {
        return literal.string_value;
      }
      return "'" + literal.string_value + "'::decimal(38," + std::to_string(decimals) + ")";
    }
    case arrow::Type::DATE32:
    case arrow::Type::TIME64:
    case arrow::Type::TIMESTAMP:
      return Quote(literal.string_value, '\'');
    default:
      break;
  }
  if (!number || !(arrow::is_integer(type.id()) || arrow::is_floating(type.id()))) {
    return Misplaced(column, type, literal, location);
  }
  if (literal.kind == Kind::kInt) {
    return std::to_string(literal.int_value);
  }
  return Quote(literal.string_value, '\'') + "::float64";
}

}  // namespace

std::string QuoteName(const std::string& name) { return Quote(name, '"'); }

arrow::Result<std::string> InText(const std::string& column, const arrow::DataType& type,
                                  const std::vector<spec::Literal>& values,
                                  const base::Location& location) {
  std::string list;
  for (const spec::Literal& value : values) {
    ARROW_ASSIGN_OR_RAISE(std::string text, LiteralText(column, type, value, location));
    list += (list.empty() ? "" : ", ") + text;
  }
  return QuoteName(column) + " in (" + list + ")";
}

arrow::Result<std::string> BetweenText(const std::string& column, const arrow::DataType& type,
                                       const spec::Literal& low, const spec::Literal& high,
                                       const base::Location& location) {
  ARROW_ASSIGN_OR_RAISE(std::string least, LiteralText(column, type, low, location));
  ARROW_ASSIGN_OR_RAISE(std::string greatest, LiteralText(column, type, high, location));
  if (low.kind == Kind::kNull) {
    return high.kind == Kind::kNull ? std::string("true") : QuoteName(column) + " <= " + greatest;
  }
  if (high.kind == Kind::kNull) {
    return QuoteName(column) + " >= " + least;
  }
  return QuoteName(column) + " between " + least + " and " + greatest;
}

arrow::Result<std::string> MatchesText(const std::string& column, const arrow::DataType& type,
                                       const std::string& pattern, const base::Location& location) {
  if (type.id() != arrow::Type::STRING) {
    return base::MakeErrorAt(
        base::ErrorCode::kInvalidDefinition, location,
        "'matches' wants a string, column '" + column + "' is " + type.ToString());
  }
  return QuoteName(column) + " matches " + Quote(pattern, '\'');
}

arrow::Result<std::vector<int64_t>> FalseRows(const expr::Expression& predicate,
                                              const arrow::RecordBatch& rows) {
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Array> array, predicate.Evaluate(rows));
  const auto& passes = static_cast<const arrow::BooleanArray&>(*array);
  std::vector<int64_t> out;
  if (passes.true_count() + passes.null_count() == passes.length()) {
    return out;
  }
  for (int64_t i = 0; i < passes.length(); ++i) {
    if (passes.IsValid(i) && !passes.Value(i)) {
      out.push_back(i);
    }
  }
  return out;
}

arrow::Result<std::vector<uint8_t>> TrueRows(const expr::Expression& predicate,
                                             const arrow::RecordBatch& rows) {
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Array> array, predicate.Evaluate(rows));
  const auto& holds = static_cast<const arrow::BooleanArray&>(*array);
  std::vector<uint8_t> out(static_cast<size_t>(holds.length()));
  for (int64_t i = 0; i < holds.length(); ++i) {
    out[static_cast<size_t>(i)] = holds.IsValid(i) && holds.Value(i) ? 1 : 0;
  }
  return out;
}

}  // namespace icecore::quality
