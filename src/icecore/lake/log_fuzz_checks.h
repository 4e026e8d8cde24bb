#pragma once
// What must hold of any bytes that a log may have; shared by the fuzz targets and the replay of
// their corpus.

#include <arrow/scalar.h>
#include <arrow/type.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "icecore/base/error.h"
#include "icecore/lake/checkpoint_internal.h"
#include "icecore/lake/file_statistics_internal.h"
#include "icecore/lake/log_entry_internal.h"
#include "icecore/lake/partition_value.h"
#include "icecore/lake/replay_internal.h"

namespace icecore::lake {

inline void Require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

// Bad bytes are an error of these kinds, never another.
inline void RequireRefusal(const arrow::Status& status) {
  const base::ErrorCode code = base::CodeOf(status);
  Require(status.ok() || code == base::ErrorCode::kCorrupt ||
          code == base::ErrorCode::kUnsupported || code == base::ErrorCode::kLimit);
}

inline void CheckPath(std::string_view bytes) {
  const auto path = DecodePath(bytes);
  RequireRefusal(path.status());
  if (path.ok()) {
    const auto again = DecodePath(EncodePath(*path));
    Require(again.ok() && *again == *path);
    Require(IsAbsolutePath(*path) || CheckObjectPath(*path).ok());
  }
}

inline void CheckPartitionValue(std::string_view bytes) {
  static const std::shared_ptr<arrow::DataType> kTypes[] = {
      arrow::boolean(),
      arrow::int8(),
      arrow::int64(),
      arrow::float32(),
      arrow::float64(),
      arrow::decimal128(38, 10),
      arrow::date32(),
      arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
      arrow::timestamp(arrow::TimeUnit::MICRO),
      arrow::utf8(),
      arrow::binary()};
  for (const auto& type : kTypes) {
    const auto value = ParsePartitionValue(std::string(bytes), type);
    RequireRefusal(value.status());
    Require(!value.ok() || (*value)->type->Equals(*type));
  }
}

inline void CheckActions(arrow::Result<LogActions> actions) {
  RequireRefusal(actions.status());
  if (!actions.ok()) {
    return;
  }
  for (const DataFile& file : actions->adds) {
    StatisticsOf(file.stats_json, "id");
    file.IntRange("id");
  }
  Replay replay("t", {"/root/t"});
  replay.ApplyCommit(0, *actions);
  replay.ApplyCommit(1, *std::move(actions));
  RequireRefusal(replay.Finish().status());
}

inline void CheckLogEntry(std::string_view bytes) { CheckActions(ParseLogEntry(bytes, "entry")); }
inline void CheckCheckpoint(std::string_view bytes) {
  CheckActions(ParseCheckpoint(bytes, "checkpoint"));
}

}  // namespace icecore::lake
