#pragma once
// What must hold of any bytes that a log may have; shared by the fuzz targets and the replay of
// their corpus.

#include <arrow/scalar.h>
#include <arrow/type.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

#include "icecore/base/error.h"
#include "icecore/lake/add_line_internal.h"
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

// The quick way and the general parser agree on what the quick way takes.
inline void CheckAddLine(std::string_view line) {
  DataFile quick;
  if (!ParseAddLine(line, &quick)) {
    return;
  }
  // A number that the quick way does not know sends the line the other way.
  const size_t inside = line.find('{', line.find('{') + 1) + 1;
  const std::string other =
      std::string(line.substr(0, inside)) + "\"unknown\":1," + std::string(line.substr(inside));
  Require(!ParseAddLine(other, &quick) && ParseAddLine(line, &quick));
  const auto actions = ParseLogEntry(other, "entry");
  Require(actions.ok() && actions->adds.size() == 1);
  const DataFile& file = actions->adds[0];
  Require(file.path == quick.path && file.size == quick.size);
  Require(file.modified_us == quick.modified_us && file.data_change == quick.data_change);
  Require(file.partition_values == quick.partition_values);
  Require(file.num_records == quick.num_records && file.stats_json == quick.stats_json);
  Require(!file.deletion_vector.has_value());
}

inline void CheckLogEntry(std::string_view bytes) {
  CheckActions(ParseLogEntry(bytes, "entry"));
  for (size_t begin = 0; begin < bytes.size();) {
    const size_t end = std::min(bytes.find('\n', begin), bytes.size());
    CheckAddLine(bytes.substr(begin, end - begin));
    begin = end + 1;
  }
}
inline void CheckCheckpoint(std::string_view bytes) {
  CheckActions(ParseCheckpoint(bytes, "checkpoint"));
}

}  // namespace icecore::lake
