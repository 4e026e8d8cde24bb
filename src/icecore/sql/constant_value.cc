#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "icecore/sql/constant_value_internal.h"

namespace icecore::sql {
namespace {

using ScalarPtr = std::shared_ptr<arrow::Scalar>;
using TypePtr = std::shared_ptr<arrow::DataType>;

// Whole numbers up to here are doubles.
constexpr int64_t kMostExact = int64_t{1} << 53;
constexpr int kMostExactScale = 22;

ScalarPtr Parsed(const TypePtr& type, std::string_view text) {
  auto parsed = arrow::Scalar::Parse(type, text);
  return parsed.ok() ? *std::move(parsed) : nullptr;
}

std::optional<int64_t> WholeNumber(const Json& value) {
  if (!value.is_number_integer()) return std::nullopt;
  if (value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{INT64_MAX}) {
    return std::nullopt;
  }
  return value.get<int64_t>();
}

// "2024-01-31", and with a time behind it "2024-01-31 12:00:00" or "…T12:00:00.123456": what DuckDB
// and Arrow read alike.
bool IsDate(std::string_view text) {
  constexpr std::string_view kForm = "dddd-dd-dd";
  return text.size() == kForm.size() &&
         std::equal(text.begin(), text.end(), kForm.begin(), [](char c, char form) {
           return form == 'd' ? std::isdigit(static_cast<unsigned char>(c)) != 0 : c == form;
         });
}

bool IsTime(std::string_view text) {
  constexpr std::string_view kForm = "dd:dd:dd";
  if (text.size() < kForm.size() || text.size() > kForm.size() + 7) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool is_digit = std::isdigit(static_cast<unsigned char>(text[i])) != 0;
    const char form = i < kForm.size() ? kForm[i] : (i == kForm.size() ? '.' : 'd');
    if (form == 'd' ? !is_digit : text[i] != form) return false;
  }
  return text.size() != kForm.size() + 1;
}

ScalarPtr InstantOf(std::string_view text, const TypePtr& type) {
  const bool has_time = text.size() > 10;
  if (!IsDate(text.substr(0, 10))) return nullptr;
  if (has_time && ((text[10] != ' ' && text[10] != 'T') || !IsTime(text.substr(11)))) {
    return nullptr;
  }
  const auto instant = Parsed(arrow::timestamp(arrow::TimeUnit::MICRO), text);
  if (instant == nullptr) return nullptr;
  const auto& value = static_cast<const arrow::TimestampScalar&>(*instant);
  return std::make_shared<arrow::TimestampScalar>(value.value, type);
}

// `as`: the type that the text is cast to; "" where it stands alone and takes the column's.
ScalarPtr FromText(const std::string& text, const std::string& as, const TypePtr& type) {
  switch (type->id()) {
    case arrow::Type::STRING:
      return as.empty() || as == "VARCHAR" ? std::make_shared<arrow::StringScalar>(text) : nullptr;
    case arrow::Type::DATE32:
      return (as.empty() || as == "DATE") && IsDate(text) ? Parsed(type, text) : nullptr;
    case arrow::Type::TIMESTAMP: {
      const auto& instant = static_cast<const arrow::TimestampType&>(*type);
      if (instant.unit() != arrow::TimeUnit::MICRO) return nullptr;
      if (as == "DATE") return IsDate(text) ? InstantOf(text, type) : nullptr;
      // The session's zone is UTC: with and without zone the instant is the same.
      const bool is_instant = as.empty() || as == "TIMESTAMP" || as == "TIMESTAMP WITH TIME ZONE";
      return is_instant ? InstantOf(text, type) : nullptr;
    }
    default:
      return nullptr;
  }
}

ScalarPtr FromWhole(int64_t number, const TypePtr& type) {
  if (arrow::is_integer(type->id())) return Parsed(type, std::to_string(number));
  if (type->id() != arrow::Type::DOUBLE || std::abs(number) > kMostExact) return nullptr;
  return std::make_shared<arrow::DoubleScalar>(static_cast<double>(number));
}

// 1.25 is decimal to DuckDB: 125 with a scale of 2. Beside a double it is cast by one division.
ScalarPtr FromDecimal(const Json& value, const Json& type_info, const TypePtr& type) {
  const auto unscaled = WholeNumber(value);
  const int scale = type_info.is_object() ? type_info.value("scale", -1) : -1;
  if (type->id() != arrow::Type::DOUBLE || !unscaled || scale < 0 || scale > kMostExactScale ||
      std::abs(*unscaled) > kMostExact) {
    return nullptr;
  }
  double divisor = 1;
  for (int i = 0; i < scale; ++i) divisor *= 10;
  return std::make_shared<arrow::DoubleScalar>(static_cast<double>(*unscaled) / divisor);
}

}  // namespace

ScalarPtr ConstantFor(const Json& node, const TypePtr& type) {
  const Json* constant = &node;
  std::string as;
  if (TextMember(node, "class") == "CAST" && !node.value("try_cast", true)) {
    as = TextMember(Member(node, "cast_type"), "id");
    constant = &Member(node, "child");
  }
  if (TextMember(*constant, "class") != "CONSTANT") return nullptr;
  const Json& value = Member(*constant, "value");
  if (!value.is_object() || value.value("is_null", true)) return nullptr;
  static const std::set<std::string> kWhole = {"TINYINT",  "SMALLINT",  "INTEGER",  "BIGINT",
                                               "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"};
  const Json& its_type = Member(value, "type");
  const std::string id = TextMember(its_type, "id");
  const Json& content = Member(value, "value");
  if (id == "VARCHAR" && content.is_string()) {
    return FromText(content.get<std::string>(), as, type);
  }
  if (!as.empty()) return nullptr;
  if (kWhole.count(id) > 0) {
    const auto number = WholeNumber(content);
    return number ? FromWhole(*number, type) : nullptr;
  }
  if (id == "DECIMAL") return FromDecimal(content, Member(its_type, "type_info"), type);
  if (id == "DOUBLE" && content.is_number() && type->id() == arrow::Type::DOUBLE) {
    return std::make_shared<arrow::DoubleScalar>(content.get<double>());
  }
  return nullptr;
}

}  // namespace icecore::sql
