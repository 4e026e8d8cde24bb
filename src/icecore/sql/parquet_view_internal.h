#pragma once
// The SELECT behind a view over Parquet files.

#include <arrow/result.h>

#include <map>
#include <string>
#include <vector>

#include "icecore/sql/session.h"

namespace icecore::sql {

// "read_parquet([...], ...)" over exactly these files, in this order.
std::string ReadParquetCall(const std::vector<std::string>& files);

// `stored_types`: lower-case column name -> DuckDB type in the files; empty when there are no
// files.
arrow::Result<std::string> ParquetViewSelect(
    const TableInput& input, const std::map<std::string, std::string>& stored_types);

// A relation without rows that has the declared and the extra columns.
arrow::Result<std::string> EmptyViewSelect(const TableInput& input);

}  // namespace icecore::sql
