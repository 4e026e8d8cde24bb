#pragma once
// Days of long ago in files of older Spark.

#include <arrow/array/array_base.h>
#include <arrow/status.h>
#include <arrow/util/key_value_metadata.h>

namespace icecore::lake {

// Which values of a file may be counted by the Julian calendar, which Spark used before version 3
// for days before 15 October 1582, and later where it was told to. Its footer says so. Times before
// 1900 were shifted too, by the local time of the writer's zone.
struct LegacyCalendar {
  bool dates = false;
  bool times = false;
  bool in_utc = false;  // the writer's zone: its times have no shift but the calendar's
};

LegacyCalendar LegacyCalendarOf(const arrow::KeyValueMetadata* footer);

// kUnsupported where the column, in its storage type, or a column below it has a value that the
// calendar may have changed: read as it stands it would be another day.
arrow::Status CheckCalendar(const LegacyCalendar& calendar, const arrow::Array& column);

}  // namespace icecore::lake
