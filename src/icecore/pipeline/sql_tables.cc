#include "icecore/pipeline/sql_tables.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>

#include <algorithm>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/envelope.h"
#include "icecore/lake/scan.h"
#include "icecore/pipeline/landing.h"
#include "icecore/pipeline/version_choice.h"
#include "icecore/pipeline/versions.h"
#include "icecore/sql/sql_types.h"

namespace icecore::pipeline {
namespace {

constexpr char kValidFrom[] = "_valid_from";
constexpr char kValidTo[] = "_valid_to";
constexpr char kDeleted[] = "_deleted";
constexpr char kInForceFrom[] = "_in_force_from";  // what as-of joins compare, see sql/analysis.h

bool IsHistory(const std::string& full_name) { return full_name.starts_with("history."); }

bool IsPlain(const std::string& full_name) {
  return full_name.starts_with("quarantine.") ||
         (full_name.starts_with("landing.") && full_name.ends_with(kRawSuffix));
}

std::shared_ptr<arrow::DataType> Instant() {
  return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
}

// `_known_at` of a table's rows, over its other columns.
std::string KnownAtExpression(const spec::Table* table) {
  std::string arrived = sql::QuoteIdentifier(lake::kArrivedAt);
  if (table == nullptr || !table->known_at) {
    return arrived;
  }
  const auto instant = [&](const std::string& column) {
    return sql::QuoteIdentifier(column) + "::timestamptz";
  };
  std::string event = table->event_time && !table->event_time->always
                          ? instant(table->event_time->column)
                          : arrived;
  switch (table->known_at->kind) {
    case spec::KnownAt::Kind::kColumn:
      return instant(table->known_at->column);
    case spec::KnownAt::Kind::kEventTime:
      return event;
    case spec::KnownAt::Kind::kDelay:
      return "(" + event + " + to_microseconds(" + std::to_string(table->known_at->delay_us) + "))";
    case spec::KnownAt::Kind::kArrival:
    case spec::KnownAt::Kind::kSnapshot:
      break;
  }
  return arrived;
}

// A column to sort by. DuckDB gives back floats that it sorted by without the sign of a zero, so
// they are sorted by a copy.
std::string SortExpression(const std::string& column, const arrow::Schema& schema) {
  const std::string name = sql::QuoteIdentifier(column);
  const auto field = schema.GetFieldByName(column);
  return field && arrow::is_floating(field->type()->id()) ? "greatest(" + name + ", " + name + ")"
                                                          : name;
}

// A version is in force from when it is known until a greater one of its key is; not at all where a
// greater one was known first.
std::vector<sql::ExtraColumn> ValidityColumns(const VersionedTable& table,
                                              const arrow::Schema& schema) {
  std::string key;
  for (const std::string& column : table.key) {
    key += (key.empty() ? "" : ", ") + SortExpression(column, schema);
  }
  std::string order;
  for (const std::string& column : table.order_by) {
    order += SortExpression(column, schema) + " nulls first, ";
  }
  const std::string known = sql::QuoteIdentifier(lake::kKnownAt);
  const std::string next = "min(" + known + ") over (partition by " + key + " order by " + order +
                           sql::QuoteIdentifier(lake::kSeq) +
                           " rows between 1 following and unbounded following)";
  return {
      {kValidFrom, known},
      {kValidTo, "case when " + known + " is null then null when " + next + " < " + known +
                     " then " + known + " else " + next + " end"},
      {kInForceFrom, "case when " + next + " <= " + known + " then null else " + known + " end"},
      {kDeleted, sql::QuoteIdentifier(lake::kOp) + " = " + sql::QuoteLiteral(kDeleteOp)}};
}

std::optional<std::string> KnownAtColumn(const spec::Table& table) {
  if (table.known_at && table.known_at->kind == spec::KnownAt::Kind::kColumn) {
    return table.known_at->column;
  }
  return std::nullopt;
}

void AddHistory(const std::string& name, const arrow::Schema& present, bool is_static,
                sql::AnalysisRequest* request) {
  request->tables.push_back({name, SqlColumnsOf(name, HistorySchema(present)), is_static, {}});
}

// How the log tells its versions apart, by its own domain, else (it is not there yet) by the
// project.
arrow::Result<VersionedTable> VersionsOf(const Workspace& workspace, const PinnedInput& input) {
  VersionedTable table;
  if (const auto domain = input.snapshot->Domain(kVersionsDomain)) {
    ARROW_RETURN_NOT_OK(
        base::WithContext(VersionsFromJson(*domain, &table), input.snapshot->table_path));
    return table;
  }
  if (auto found = FindVersionedTable(*workspace.project, input.name)) {
    return *std::move(found);
  }
  return base::MakeError(base::ErrorCode::kCorrupt,
                         input.name + " does not say what its versions are");
}

// Rows that the SQL engine holds, with the columns that `as` adds.
arrow::Status RegisterHeld(const std::shared_ptr<arrow::RecordBatchReader>& rows,
                           const sql::TableInput& as, sql::Session* session) {
  if (as.extra_columns.empty()) {
    return session->RegisterReader(as.schema, as.name, rows);
  }
  const std::string held = as.name + " rows";
  ARROW_RETURN_NOT_OK(session->RegisterReader(as.schema, held, rows));
  std::string select = "SELECT *";
  for (const sql::ExtraColumn& extra : as.extra_columns) {
    select += ", " + extra.sql_expression + " AS " + sql::QuoteIdentifier(extra.name);
  }
  return session->RegisterView(
      as.schema, as.name,
      select + " FROM " + sql::QuoteIdentifier(as.schema) + "." + sql::QuoteIdentifier(held));
}

// Rows that the files by themselves do not give: read by the lake.
arrow::Status RegisterScan(const Workspace& workspace, const PinnedInput& input,
                           const sql::TableInput& as, const std::optional<lake::SeqRange>& range,
                           sql::Session* session) {
  lake::ScanOptions options;
  options.seq = range;
  ARROW_ASSIGN_OR_RAISE(auto rows,
                        lake::Scan(*workspace.store, *input.snapshot, options, workspace.access));
  return RegisterHeld(rows, as, session);
}

sql::TableInput NamedInput(const std::string& sql_name) {
  const size_t dot = sql_name.find('.');
  sql::TableInput input;
  input.schema = sql_name.substr(0, dot);
  input.name = sql_name.substr(dot + 1);
  return input;
}

sql::ExtraColumn KnownAtOf(const Workspace& workspace, const std::string& name) {
  return {std::string(lake::kKnownAt), KnownAtExpression(workspace.project->FindTable(name))};
}

}  // namespace

std::shared_ptr<arrow::Schema> SqlColumnsOf(const std::string& full_name,
                                            const std::shared_ptr<arrow::Schema>& schema) {
  if (IsPlain(full_name)) {
    return schema;
  }
  arrow::FieldVector fields = schema->fields();
  if (schema->GetFieldIndex(std::string(lake::kKnownAt)) < 0) {
    fields.push_back(arrow::field(std::string(lake::kKnownAt), Instant()));
  }
  if (IsHistory(full_name)) {
    fields.push_back(arrow::field(kValidFrom, Instant()));
    fields.push_back(arrow::field(kValidTo, Instant()));
    fields.push_back(arrow::field(kInForceFrom, Instant()));
    fields.push_back(arrow::field(kDeleted, arrow::boolean()));
  }
  return arrow::schema(fields);
}

bool AddSqlInputs(const AnalysedProject& project, const std::vector<std::string>& mentioned,
                  const spec::Table* except, sql::AnalysisRequest* request) {
  const auto is_mentioned = [&](const std::string& name) {
    return std::find(mentioned.begin(), mentioned.end(), name) != mentioned.end();
  };
  for (const auto& [name, source] : project.sources) {
    if (!source.accepted) {
      if (is_mentioned(name) || is_mentioned(name + kRawSuffix) ||
          is_mentioned(HistoryName(source.source->name))) {
        return false;
      }
      continue;
    }
    const bool is_static = source.source->is_static;
    request->tables.push_back({name, SqlColumnsOf(name, source.accepted), is_static, {}});
    if (KeepsVersions(*source.source)) {
      AddHistory(HistoryName(source.source->name), *source.accepted, is_static, request);
    }
    request->tables.push_back({name + kRawSuffix, source.raw, source.source->is_static, {}});
  }
  for (const auto& [name, other] : project.tables) {
    if (other.table == except) {
      continue;
    }
    if (!other.schema) {
      if (is_mentioned(name) || (!other.history.empty() && is_mentioned(other.history))) {
        return false;
      }
      continue;
    }
    request->tables.push_back({name, SqlColumnsOf(name, other.schema), other.table->is_static,
                               KnownAtColumn(*other.table)});
    if (!other.history.empty()) {
      AddHistory(other.history, *other.schema, other.table->is_static, request);
    }
  }
  return true;
}

arrow::Status RegisterTable(const Workspace& workspace, const AnalysedProject& project,
                            const PinnedInput& input, const std::string& sql_name,
                            const std::optional<lake::SeqRange>& range, sql::Session* session) {
  sql::TableInput registered = NamedInput(sql_name);
  std::shared_ptr<arrow::Schema> schema =
      input.snapshot->exists() ? input.snapshot->schema : project.SchemaOf(input.name);
  if (!schema) {
    return base::MakeError(base::ErrorCode::kNotFound,
                           input.name + " has no rows and no known columns yet");
  }
  registered.columns = schema;
  if (IsHistory(sql_name)) {
    ARROW_ASSIGN_OR_RAISE(const VersionedTable table, VersionsOf(workspace, input));
    registered.extra_columns = ValidityColumns(table, *schema);
  } else if (!IsHistory(input.name) && !IsPlain(input.name)) {
    registered.extra_columns = {KnownAtOf(workspace, input.name)};
  }
  if (input.snapshot->exists() && !lake::FilesHoldRows(*input.snapshot)) {
    return RegisterScan(workspace, input, registered, range, session);
  }
  ARROW_ASSIGN_OR_RAISE(auto files, LocalFilesOf(workspace, *input.snapshot, range));
  for (auto& file : files) {
    registered.parquet_files.push_back(file->path);
    registered.holds.push_back(std::move(file));
  }
  if (range) {
    registered.seq_after = range->after;
    registered.seq_up_to = range->up_to;
  }
  return session->RegisterParquet(registered);
}

arrow::Status RegisterRows(const Workspace& workspace, const std::string& name,
                           const std::shared_ptr<arrow::RecordBatch>& rows,
                           const std::vector<std::string>& columns, sql::Session* session) {
  sql::TableInput registered = NamedInput(name);
  auto held = rows;
  if (std::find(columns.begin(), columns.end(), lake::kKnownAt) != columns.end()) {
    registered.extra_columns = {KnownAtOf(workspace, name)};  // made of any of the others
  } else {
    std::vector<int> indices;
    indices.reserve(columns.size());
    for (const std::string& column : columns) {
      indices.push_back(rows->schema()->GetFieldIndex(column));
    }
    ARROW_ASSIGN_OR_RAISE(held, rows->SelectColumns(indices));
  }
  ARROW_ASSIGN_OR_RAISE(auto reader, arrow::RecordBatchReader::Make({held}, held->schema()));
  return RegisterHeld(reader, registered, session);
}

}  // namespace icecore::pipeline
