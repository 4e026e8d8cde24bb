#include "icecore/lake/legacy_calendar_internal.h"

#include <arrow/array.h>
#include <arrow/type.h>

#include <charconv>
#include <string>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/time.h"

namespace icecore::lake {
namespace {

constexpr int64_t kFirstGregorianDay = -141'427;  // 1582-10-15
constexpr int64_t kFirstUnshiftedDay = -25'567;   // 1900-01-01
// From these major and minor versions on Spark writes days and INT96 by the calendar of today,
// unless a key says otherwise.
constexpr std::pair<int, int> kDatesSince = {3, 0};
constexpr std::pair<int, int> kInt96Since = {3, 1};

std::string FooterValue(const arrow::KeyValueMetadata& footer, const char* key) {
  const auto value = footer.Get(key);
  return value.ok() ? *value : "";
}

// "3.5.1" -> (3, 5)
std::pair<int, int> MajorAndMinor(const std::string& version) {
  std::pair<int, int> numbers{0, 0};
  const char* const end = version.data() + version.size();
  const auto major = std::from_chars(version.data(), end, numbers.first);
  if (major.ec == std::errc() && major.ptr != end) {
    std::from_chars(major.ptr + 1, end, numbers.second);
  }
  return numbers;
}

template <typename ArrayType>
bool HasBelow(const arrow::Array& column, int64_t least) {
  const auto& values = static_cast<const ArrayType&>(column);
  for (int64_t i = 0; i < values.length(); ++i) {
    if (values.IsValid(i) && values.Value(i) < least) {
      return true;
    }
  }
  return false;
}

}  // namespace

LegacyCalendar LegacyCalendarOf(const arrow::KeyValueMetadata* footer) {
  if (footer == nullptr || !footer->Contains("org.apache.spark.version")) {
    return {};
  }
  const auto version = MajorAndMinor(FooterValue(*footer, "org.apache.spark.version"));
  const bool dates = version < kDatesSince || footer->Contains("org.apache.spark.legacyDateTime");
  const bool int96 = version < kInt96Since || footer->Contains("org.apache.spark.legacyINT96");
  return {.dates = dates,
          .times = dates || int96,
          .in_utc = FooterValue(*footer, "org.apache.spark.timeZone") == "UTC"};
}

arrow::Status CheckCalendar(const LegacyCalendar& calendar, const arrow::Array& column) {
  const int64_t first_time = calendar.in_utc ? kFirstGregorianDay : kFirstUnshiftedDay;
  const bool is_changed =
      (calendar.dates && column.type_id() == arrow::Type::DATE32 &&
       HasBelow<arrow::Date32Array>(column, kFirstGregorianDay)) ||
      (calendar.times && column.type_id() == arrow::Type::TIMESTAMP &&
       HasBelow<arrow::TimestampArray>(column, first_time * base::kMicrosPerDay));
  if (is_changed) {
    return base::MakeError(base::ErrorCode::kUnsupported,
                           "days before 1582-10-15 or times before 1900 by the Julian calendar of "
                           "older Spark (org.apache.spark.legacyDateTime in the file's footer)");
  }
  for (const auto& child : column.data()->child_data) {
    ARROW_RETURN_NOT_OK(CheckCalendar(calendar, *arrow::MakeArray(child)));
  }
  return arrow::Status::OK();
}

}  // namespace icecore::lake
