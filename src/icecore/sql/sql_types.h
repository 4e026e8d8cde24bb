#pragma once
// Names and types between Arrow and SQL.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <string>
#include <string_view>

namespace icecore::sql {

// a"b -> "a""b"
std::string QuoteIdentifier(std::string_view name);
// it's -> 'it''s'
std::string QuoteLiteral(std::string_view text);

// The DuckDB type that SQL sees for an Arrow type, e.g. "DECIMAL(20,0)"; kUnsupported, by name, for
// the few that have none.
arrow::Result<std::string> DuckDbTypeOf(const arrow::DataType& type);
// Names and types of columns or members, as CREATE TABLE and STRUCT have them: "a" BIGINT, "b" …
// kUnsupported, by name, also for two names that differ in case alone: to SQL they are one.
arrow::Result<std::string> DuckDbColumns(const arrow::FieldVector& fields);

}  // namespace icecore::sql
