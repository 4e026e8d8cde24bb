#include "icecore/pipeline/delta_landing.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/ingest/files/file_rows.h"
#include "icecore/lake/appends.h"
#include "icecore/lake/commit_log.h"
#include "icecore/lake/envelope.h"
#include "icecore/lake/located_table.h"
#include "icecore/lake/scan.h"
#include "icecore/pipeline/landing_rows.h"
#include "icecore/pipeline/landing_writer.h"
#include "icecore/spec/references.h"

namespace icecore::pipeline {
namespace {

using base::ErrorCode;
using base::MakeError;
using nlohmann::json;

// Rows of landing.X_raw that are one snapshot.
struct SnapshotRows {
  int64_t first_seq = 0;
  int64_t rows = 0;
};

// How far a source table was taken.
struct DeltaPosition {
  std::string table_id;
  int64_t version = -1;
  std::vector<SnapshotRows> snapshots;  // of load: snapshot, oldest first

  std::string Serialize() const {
    json delta = {{"table", table_id}, {"version", version}};
    for (const SnapshotRows& snapshot : snapshots) {
      delta["snapshots"].push_back({snapshot.first_seq, snapshot.rows});
    }
    return json{{"delta", std::move(delta)}}.dump();
  }

  static arrow::Result<DeltaPosition> Parse(const std::string& text) {
    const json parsed = json::parse(text, nullptr, false);
    const auto delta = parsed.is_object() ? parsed.find("delta") : parsed.end();
    if (!parsed.is_object() || delta == parsed.end()) {
      return MakeError(ErrorCode::kBadInput,
                       "what landed before came from files, not from a Delta table; give the "
                       "source another name");
    }
    if (!delta->is_object() || !delta->contains("table") || !delta->at("table").is_string() ||
        !delta->contains("version") || !delta->at("version").is_number_integer()) {
      return MakeError(ErrorCode::kCorrupt, "position '" + text + "'");
    }
    DeltaPosition position{
        delta->at("table").get<std::string>(), delta->at("version").get<int64_t>(), {}};
    for (const json& snapshot : delta->value("snapshots", json::array())) {
      if (!snapshot.is_array() || snapshot.size() != 2 || !snapshot[0].is_number_integer() ||
          !snapshot[1].is_number_integer()) {
        return MakeError(ErrorCode::kCorrupt, "position '" + text + "'");
      }
      position.snapshots.push_back({snapshot[0].get<int64_t>(), snapshot[1].get<int64_t>()});
    }
    return position;
  }
};

// The source's table now, and what of it is new.
struct Pending {
  lake::LocatedTable located;
  std::shared_ptr<const lake::Snapshot> newest;
  DeltaPosition position;  // taken before
  std::vector<lake::DataFile> files;
  bool is_snapshot = false;  // the files are all of the table
};

arrow::Status CheckSameTable(const Pending& pending) {
  const DeltaPosition& taken = pending.position;
  if (taken.version < 0) {
    return arrow::Status::OK();
  }
  if (taken.table_id != pending.newest->table_id) {
    return MakeError(ErrorCode::kBadInput, "another table lies at " + pending.located.folder +
                                               " now (id " + pending.newest->table_id +
                                               ", taken before: " + taken.table_id +
                                               "); give the source another name");
  }
  if (taken.version > pending.newest->version) {
    return MakeError(ErrorCode::kBadInput,
                     "the table at " + pending.located.folder + " is at version " +
                         std::to_string(pending.newest->version) + ", but version " +
                         std::to_string(taken.version) + " was taken from it");
  }
  return arrow::Status::OK();
}

// The whole table where its rows differ from those that were taken last, else nothing.
arrow::Status TakeSnapshot(const lake::Snapshot& landed, Pending* pending) {
  DeltaPosition& position = pending->position;
  if (position.snapshots.empty() && landed.last_seq() > 0) {
    position.snapshots.push_back({1, landed.last_seq()});  // what landed as rows that add up
  }
  bool changed = true;
  if (position.version >= 0) {
    ARROW_ASSIGN_OR_RAISE(
        changed, lake::RowsChangedBetween(*pending->located.store, pending->newest->table_path,
                                          position.version, pending->newest->version));
  }
  if (changed) {
    pending->is_snapshot = true;
    pending->files = pending->newest->files;
  }
  return arrow::Status::OK();
}

arrow::Result<Pending> LookAt(const Workspace& workspace, const spec::Source& source,
                              const lake::Snapshot& landed) {
  Pending pending;
  if (const auto domain = landed.Domain(lake::kPositionDomain)) {
    ARROW_ASSIGN_OR_RAISE(pending.position, DeltaPosition::Parse(*domain));
  }
  ARROW_ASSIGN_OR_RAISE(
      const std::string place,
      spec::ResolveReferences(source.files.path, source.files.location,
                              spec::MakeSystemReferences(workspace.project->root)));
  ARROW_ASSIGN_OR_RAISE(pending.located, lake::LocateTable(place, workspace.project->root));
  ARROW_ASSIGN_OR_RAISE(pending.newest, pending.located.table->Load());
  ARROW_RETURN_NOT_OK(CheckSameTable(pending));
  if (source.files.load == spec::FilesConnector::Load::kSnapshot) {
    ARROW_RETURN_NOT_OK(TakeSnapshot(landed, &pending));
    return pending;
  }
  auto files =
      lake::AppendsSince(*pending.located.store, *pending.newest, pending.position.version);
  if (!files.ok() && base::CodeOf(files.status()) == ErrorCode::kBadInput) {
    return MakeError(ErrorCode::kBadInput,
                     files.status().message() +
                         "; a source of format delta takes added rows only: for a table whose "
                         "rows change say load: snapshot");
  }
  ARROW_RETURN_NOT_OK(files.status());
  pending.files = *std::move(files);
  return pending;
}

// The columns that land. Those of another Icecore table that begin with _ are that table's own and
// stay behind; in a table of somebody else they would be lost, which is refused.
arrow::Result<std::shared_ptr<arrow::Schema>> ColumnsOf(const lake::Snapshot& table) {
  const bool is_ours = table.configuration.contains("icecore.last_column_id");
  arrow::FieldVector columns;
  for (const auto& field : table.schema->fields()) {
    if (!lake::IsEnvelope(field->name())) {
      columns.push_back(field);
    } else if (!is_ours) {
      return MakeError(ErrorCode::kUnsupported, "a source with a column '" + field->name() +
                                                    "': names that begin with _ are Icecore's own");
    }
  }
  return arrow::schema(std::move(columns));
}

// Rows with _file and _row behind their columns.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> WithOrigin(
    const std::shared_ptr<arrow::RecordBatch>& rows, const std::string& file, int64_t first_row) {
  arrow::Int64Builder numbers;
  ARROW_RETURN_NOT_OK(numbers.Reserve(rows->num_rows()));
  for (int64_t i = 0; i < rows->num_rows(); ++i) {
    numbers.UnsafeAppend(first_row + i);
  }
  ARROW_ASSIGN_OR_RAISE(const auto row, numbers.Finish());
  ARROW_ASSIGN_OR_RAISE(const auto path,
                        arrow::MakeArrayFromScalar(arrow::StringScalar(file), rows->num_rows()));
  ARROW_ASSIGN_OR_RAISE(
      const auto with_file,
      rows->AddColumn(rows->num_columns(), std::string(ingest::kFileColumn), path));
  return with_file->AddColumn(with_file->num_columns(), std::string(ingest::kRowColumn), row);
}

// All pending rows, a part.
arrow::Status WritePending(const Workspace& workspace, const Pending& pending,
                           const std::stop_token& stop, LandingWriter* writer) {
  ARROW_ASSIGN_OR_RAISE(const auto columns, ColumnsOf(*pending.newest));
  ARROW_RETURN_NOT_OK(writer->UseColumns(*columns));
  lake::ScanOptions options;
  options.columns = columns->field_names();
  lake::Snapshot part = *pending.newest;
  for (const lake::DataFile& file : pending.files) {
    part.files = {file};
    ARROW_ASSIGN_OR_RAISE(const auto reader,
                          lake::Scan(*pending.located.store, part, options, workspace.access));
    for (int64_t row = 1;;) {
      if (stop.stop_requested()) {
        return MakeError(ErrorCode::kUnavailable, "stopped");
      }
      ARROW_ASSIGN_OR_RAISE(const auto batch, reader->Next());
      if (batch == nullptr) {
        break;
      }
      ARROW_ASSIGN_OR_RAISE(const auto with_origin, WithOrigin(batch, file.path, row));
      ARROW_RETURN_NOT_OK(writer->Write(*with_origin));
      row += batch->num_rows();
    }
  }
  return writer->EndPart(static_cast<int64_t>(pending.files.size()));
}

}  // namespace

arrow::Status LandDeltaOnce(const Workspace& workspace, const spec::Source& source,
                            const std::string& run_id, const std::stop_token& stop,
                            StepReport* report, bool* more) {
  *more = false;
  ARROW_ASSIGN_OR_RAISE(auto table, OpenTable(workspace, RawTableName(source)));
  ARROW_ASSIGN_OR_RAISE(const auto before, table->LoadOrEmpty());
  const auto pending = LookAt(workspace, source, *before);
  if (!pending.ok()) {
    return base::WithContext(pending.status(), "source " + source.name);
  }
  if (pending->newest->version == pending->position.version) {
    return arrow::Status::OK();
  }
  LandingWriter writer(workspace, source, run_id, before);
  ARROW_RETURN_NOT_OK(
      base::WithContext(WritePending(workspace, *pending, stop, &writer), "source " + source.name));
  const int64_t landed = writer.next_seq() - 1 - before->last_seq();
  DeltaPosition position = pending->position;
  position.table_id = pending->newest->table_id;
  position.version = pending->newest->version;
  // Once there are snapshots every row is of one, also where load was append for a while.
  if (landed > 0 && (pending->is_snapshot || !position.snapshots.empty())) {
    position.snapshots.push_back({before->last_seq() + 1, landed});
  }
  if (pending->is_snapshot && landed == 0) {
    report->warnings.push_back("version " + std::to_string(position.version) + " of " +
                               pending->located.folder +
                               " has no rows: a snapshot of nothing is passed over");
  }
  return writer.Commit(table.get(), position.Serialize(), report);
}

bool IsDeltaPosition(const std::string& position) {
  const json parsed = json::parse(position, nullptr, false);
  return parsed.is_object() && parsed.contains("delta");
}

arrow::Result<int64_t> EndOfNextDeltaSnapshot(const lake::Snapshot& raw, int64_t after) {
  ARROW_ASSIGN_OR_RAISE(const DeltaPosition position,
                        DeltaPosition::Parse(raw.Domain(lake::kPositionDomain).value_or("")));
  if (position.snapshots.empty()) {
    return raw.last_seq();  // all of it landed as rows that add up
  }
  for (const SnapshotRows& snapshot : position.snapshots) {
    if (snapshot.first_seq > after) {
      return snapshot.first_seq + snapshot.rows - 1;
    }
  }
  return MakeError(ErrorCode::kCorrupt,
                   raw.table_path + ": no snapshot of its position has the rows behind _seq " +
                       std::to_string(after));
}

arrow::Result<RawColumns> PeekDeltaSource(const Workspace& workspace, const spec::Source& source) {
  RawColumns out;
  ARROW_ASSIGN_OR_RAISE(const auto raw, LoadTable(workspace, RawTableName(source)));
  if (raw->exists()) {
    out.schema = raw->schema;
    return out;
  }
  const auto merged = [&]() -> arrow::Result<std::shared_ptr<arrow::Schema>> {
    ARROW_ASSIGN_OR_RAISE(const Pending pending, LookAt(workspace, source, *raw));
    ARROW_ASSIGN_OR_RAISE(const auto columns, ColumnsOf(*pending.newest));
    return MergeColumns(nullptr, *columns);
  }();
  if (merged.ok()) {
    out.schema = *merged;
  } else {
    out.problem = merged.status();
  }
  return out;
}

arrow::Result<std::string> PendingVersions(const Workspace& workspace, const spec::Source& source) {
  ARROW_ASSIGN_OR_RAISE(const auto raw, LoadTable(workspace, RawTableName(source)));
  const auto pending = LookAt(workspace, source, *raw);
  if (!pending.ok()) {
    return "will fail: " + pending.status().message();
  }
  const int64_t n = pending->newest->version - pending->position.version;
  if (n == 0) {
    return std::string();
  }
  return std::to_string(n) + (n == 1 ? " new version: " : " new versions, up to ") +
         std::to_string(pending->newest->version);
}

}  // namespace icecore::pipeline
