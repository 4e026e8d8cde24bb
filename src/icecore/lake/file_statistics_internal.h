#pragma once
// What a file's statistics, the JSON of the log, say of one top-level column.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace icecore::lake {

struct ColumnStatistics {
  // As they stand in the JSON: numbers with all their digits, texts unescaped.
  std::optional<std::string> min;
  std::optional<std::string> max;
  std::optional<int64_t> null_count;
  std::optional<int64_t> num_records;
};

// Reads no more of the JSON than it must keep. Text that is no such JSON says nothing.
ColumnStatistics StatisticsOf(std::string_view stats_json, std::string_view physical_name);

}  // namespace icecore::lake
