#include "icecore/lake/table_settings.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <sstream>

#include "icecore/base/error.h"
#include "icecore/base/time.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;
using base::MakeError;

std::optional<int64_t> NumberOf(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number)
                                                                  : std::nullopt;
}

// Microseconds of a unit's name; 0 = no such unit.
int64_t UnitOf(std::string unit) {
  if (unit.size() > 1 && unit.back() == 's') {
    unit.pop_back();
  }
  static const std::map<std::string, int64_t> kUnits = {{"week", 7 * base::kMicrosPerDay},
                                                        {"day", base::kMicrosPerDay},
                                                        {"hour", int64_t{3600} * 1'000'000},
                                                        {"minute", int64_t{60} * 1'000'000},
                                                        {"second", 1'000'000},
                                                        {"millisecond", 1000},
                                                        {"microsecond", 1}};
  const auto found = kUnits.find(unit);
  return found == kUnits.end() ? 0 : found->second;
}

arrow::Result<int64_t> IntervalOr(const TableConfiguration& configuration, const char* name,
                                  int64_t otherwise) {
  const auto found = configuration.find(name);
  if (found == configuration.end()) {
    return otherwise;
  }
  auto interval = ParseInterval(found->second);
  if (!interval.ok()) {
    return base::WithContext(interval.status(), name);
  }
  return interval;
}

}  // namespace

arrow::Result<int64_t> ParseInterval(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  std::istringstream words(lower);
  const auto nonsense = [&] {
    return MakeError(ErrorCode::kInvalidArgument,
                     "'" + std::string(text) + "' is no interval such as 'interval 30 days'");
  };
  std::string word;
  if (!(words >> word)) {
    return nonsense();
  }
  if (word == "interval" && !(words >> word)) {
    return nonsense();
  }
  int64_t micros = 0;
  do {
    const auto number = NumberOf(word);
    std::string unit_name;
    const int64_t unit = words >> unit_name ? UnitOf(unit_name) : 0;
    if (!number.has_value() || *number < 0 || unit == 0 ||
        *number > (std::numeric_limits<int64_t>::max() - micros) / unit) {
      return nonsense();
    }
    micros += *number * unit;
  } while (words >> word);
  return micros;
}

arrow::Result<int64_t> LogRetention(const TableConfiguration& configuration) {
  return IntervalOr(configuration, "delta.logRetentionDuration", 30 * base::kMicrosPerDay);
}

arrow::Result<int64_t> DeletedFileRetention(const TableConfiguration& configuration) {
  return IntervalOr(configuration, "delta.deletedFileRetentionDuration", 7 * base::kMicrosPerDay);
}

int64_t CheckpointInterval(const TableConfiguration& configuration) {
  const auto found = configuration.find("delta.checkpointInterval");
  return found == configuration.end() ? 0
                                      : std::max<int64_t>(NumberOf(found->second).value_or(0), 0);
}

}  // namespace icecore::lake
