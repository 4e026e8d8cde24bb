#include "icecore/sql/sql_types.h"

#include <arrow/type.h>

#include <map>

#include "icecore/base/error.h"
#include "icecore/base/text.h"
#include "icecore/sql/parse_tree_internal.h"

namespace icecore::sql {
namespace {

std::string Quote(std::string_view text, char mark) {
  std::string quoted(1, mark);
  for (const char c : text) {
    if (c == mark) quoted += mark;
    quoted += c;
  }
  quoted += mark;
  return quoted;
}

arrow::Result<std::string> StructTypeOf(const arrow::DataType& type) {
  if (type.num_fields() == 0) {
    return base::MakeError(base::ErrorCode::kUnsupported, "no SQL type for a struct of no members");
  }
  ARROW_ASSIGN_OR_RAISE(const std::string members, DuckDbColumns(type.fields()));
  return "STRUCT(" + members + ")";
}

arrow::Result<std::string> NestedTypeOf(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
    case arrow::Type::FIXED_SIZE_LIST: {
      ARROW_ASSIGN_OR_RAISE(std::string child, DuckDbTypeOf(*type.field(0)->type()));
      if (type.id() != arrow::Type::FIXED_SIZE_LIST) return child + "[]";
      const auto& fixed = static_cast<const arrow::FixedSizeListType&>(type);
      return child + "[" + std::to_string(fixed.list_size()) + "]";
    }
    case arrow::Type::STRUCT:
      return StructTypeOf(type);
    case arrow::Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(type);
      ARROW_ASSIGN_OR_RAISE(std::string key, DuckDbTypeOf(*map.key_type()));
      ARROW_ASSIGN_OR_RAISE(std::string item, DuckDbTypeOf(*map.item_type()));
      return "MAP(" + key + ", " + item + ")";
    }
    case arrow::Type::DICTIONARY:
      return DuckDbTypeOf(*static_cast<const arrow::DictionaryType&>(type).value_type());
    default:
      return base::MakeError(base::ErrorCode::kUnsupported,
                             "no SQL type for the column type " + type.ToString());
  }
}

std::string TimestampTypeOf(const arrow::TimestampType& type) {
  if (!type.timezone().empty()) return "TIMESTAMP WITH TIME ZONE";
  switch (type.unit()) {
    case arrow::TimeUnit::SECOND:
      return "TIMESTAMP_S";
    case arrow::TimeUnit::MILLI:
      return "TIMESTAMP_MS";
    case arrow::TimeUnit::NANO:
      return "TIMESTAMP_NS";
    default:
      return "TIMESTAMP";
  }
}

}  // namespace

std::string QuoteIdentifier(std::string_view name) { return Quote(name, '"'); }
std::string QuoteLiteral(std::string_view text) { return Quote(text, '\''); }

arrow::Result<std::string> DuckDbColumns(const arrow::FieldVector& fields) {
  std::string text;
  std::map<std::string, std::string> names;  // in lower case -> as it is
  for (const auto& field : fields) {
    const auto [other, is_new] = names.emplace(base::LowerText(field->name()), field->name());
    if (!is_new) {
      return base::MakeError(base::ErrorCode::kUnsupported,
                             "columns '" + other->second + "' and '" + field->name() +
                                 "' have one name in SQL, which knows no upper and lower case");
    }
    auto type = DuckDbTypeOf(*field->type());
    if (!type.ok()) {
      return base::WithContext(type.status(), "column '" + field->name() + "'");
    }
    text += (text.empty() ? "" : ", ") + QuoteIdentifier(field->name()) + " " + *type;
  }
  return text;
}

arrow::Result<std::string> DuckDbTypeOf(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::BOOL:
      return "BOOLEAN";
    case arrow::Type::INT8:
      return "TINYINT";
    case arrow::Type::INT16:
      return "SMALLINT";
    case arrow::Type::INT32:
      return "INTEGER";
    case arrow::Type::INT64:
      return "BIGINT";
    case arrow::Type::UINT8:
      return "UTINYINT";
    case arrow::Type::UINT16:
      return "USMALLINT";
    case arrow::Type::UINT32:
      return "UINTEGER";
    case arrow::Type::UINT64:
      return "UBIGINT";
    case arrow::Type::FLOAT:
      return "FLOAT";
    case arrow::Type::DOUBLE:
      return "DOUBLE";
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
      return "VARCHAR";
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::BINARY_VIEW:
    case arrow::Type::FIXED_SIZE_BINARY:
      return "BLOB";
    case arrow::Type::DATE32:
    case arrow::Type::DATE64:
      return "DATE";
    case arrow::Type::TIME32:
    case arrow::Type::TIME64:
      return "TIME";
    case arrow::Type::TIMESTAMP:
      return TimestampTypeOf(static_cast<const arrow::TimestampType&>(type));
    case arrow::Type::DECIMAL32:
    case arrow::Type::DECIMAL64:
    case arrow::Type::DECIMAL128: {
      const auto& decimal = static_cast<const arrow::DecimalType&>(type);
      return "DECIMAL(" + std::to_string(decimal.precision()) + "," +
             std::to_string(decimal.scale()) + ")";
    }
    default:
      return NestedTypeOf(type);
  }
}

}  // namespace icecore::sql
