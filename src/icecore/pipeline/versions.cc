#include "icecore/pipeline/versions.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <nlohmann/json.hpp>

#include "icecore/base/error.h"
#include "icecore/base/time.h"
#include "icecore/feature/time_column.h"
#include "icecore/lake/envelope.h"

namespace icecore::pipeline {
namespace {

constexpr std::string_view kHistoryZone = "history.";

std::shared_ptr<arrow::DataType> Instant() {
  return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
}

}  // namespace

bool KeepsVersions(const spec::Table& table) {
  return table.mode == spec::Table::Mode::kMerge ||
         (table.mode == spec::Table::Mode::kReplace && !table.key.empty());
}

bool KeepsVersions(const spec::Source& source) {
  return source.files.load == spec::FilesConnector::Load::kSnapshot && !source.key.empty();
}

std::string HistoryName(const std::string& short_name) {
  return std::string(kHistoryZone) + short_name;
}

std::optional<VersionedTable> FindVersionedTable(const spec::Project& project,
                                                 const std::string& name) {
  for (const spec::Table& table : project.tables) {
    VersionedTable found{table.FullName(), HistoryName(table.name), table.key, table.order_by};
    if (KeepsVersions(table) && (name == found.present || name == found.history)) {
      return found;
    }
  }
  for (const spec::Source& source : project.sources) {
    VersionedTable found{"landing." + source.name, HistoryName(source.name), source.key, {}};
    if (KeepsVersions(source) && (name == found.present || name == found.history)) {
      return found;
    }
  }
  return std::nullopt;
}

std::shared_ptr<arrow::Schema> HistorySchema(const arrow::Schema& present) {
  arrow::FieldVector fields = present.fields();
  fields.push_back(arrow::field(std::string(lake::kKnownAt), Instant()));
  return arrow::schema(fields);
}

std::string VersionsToJson(const VersionedTable& table) {
  return nlohmann::json{{"format", 1}, {"key", table.key}, {"order_by", table.order_by}}.dump();
}

arrow::Status VersionsFromJson(const std::string& text, VersionedTable* table) {
  try {
    const auto parsed = nlohmann::json::parse(text);
    if (parsed.at("format").get<int>() != 1) {
      return base::MakeError(base::ErrorCode::kUnsupported,
                             "versions of format " + parsed.at("format").dump());
    }
    table->key = parsed.at("key").get<std::vector<std::string>>();
    table->order_by = parsed.at("order_by").get<std::vector<std::string>>();
  } catch (const nlohmann::json::exception& e) {
    return base::MakeError(base::ErrorCode::kCorrupt, std::string("versions: ") + e.what());
  }
  return arrow::Status::OK();
}

arrow::Result<std::shared_ptr<arrow::Array>> KnownTimes(
    const std::optional<spec::KnownAt>& known_at, const std::optional<spec::EventTime>& event_time,
    const arrow::RecordBatch& rows) {
  std::string column(lake::kArrivedAt);
  int64_t delay_us = 0;
  if (known_at && known_at->kind == spec::KnownAt::Kind::kColumn) {
    column = known_at->column;
  } else if (known_at && event_time && !event_time->always &&
             (known_at->kind == spec::KnownAt::Kind::kEventTime ||
              known_at->kind == spec::KnownAt::Kind::kDelay)) {
    column = event_time->column;
    delay_us = known_at->kind == spec::KnownAt::Kind::kDelay ? known_at->delay_us : 0;
  }
  const auto values = rows.GetColumnByName(column);
  if (!values) {
    return base::MakeError(base::ErrorCode::kInternal, "rows without column " + column);
  }
  ARROW_ASSIGN_OR_RAISE(auto micros, feature::ToMicros(*values, feature::Rounding::kUp));
  if (delay_us == 0) {
    return micros->View(Instant());
  }
  arrow::TimestampBuilder late(Instant(), arrow::default_memory_pool());
  for (int64_t i = 0; i < micros->length(); ++i) {
    ARROW_RETURN_NOT_OK(micros->IsNull(i)
                            ? late.AppendNull()
                            : late.Append(base::SaturatingAdd(micros->Value(i), delay_us)));
  }
  return late.Finish();
}

}  // namespace icecore::pipeline
