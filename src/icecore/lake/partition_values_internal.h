#pragma once
// Values of partition columns as the log writes them. Delta protocol, "Partition Value
// Serialization".

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace icecore::lake {

using PartitionValues = std::map<std::string, std::optional<std::string>>;

// Partition columns must be columns of the schema, each once, of types without children, and leave
// at least one column to the files. Else kInvalidArgument.
arrow::Status CheckPartitionColumns(const arrow::Schema& schema,
                                    const std::vector<std::string>& partition_columns);

// The value of a storage array as text; nullopt for null. Text that the log cannot hold apart from
// others (an empty string or binary, which means null there; a binary that is no UTF-8) and
// instants outside the years 1 to 9999 are kInvalidArgument.
arrow::Result<std::optional<std::string>> FormatPartitionValue(const arrow::Array& storage,
                                                               int64_t row);

}  // namespace icecore::lake
